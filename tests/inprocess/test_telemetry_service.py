"""The telemetry service as its own process would run it, over a Unix socket: reports in, statistics out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pointsman import errors
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.runtime.clock import ManualClock
from tests.inprocess.telemetry import START_S, TelemetryClient, Tick, failed, record, serving, succeeded

# Keeps a test that hangs from hanging the suite; nothing here takes as long.
PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
async def patience() -> AsyncIterator[None]:
    async with asyncio.timeout(PATIENCE_S):
        yield


async def until_attempts(client: TelemetryClient, attempts: int) -> pb.ModelStats:
    """Watches until the only model has so many attempts."""
    async with aclosing(client.watch(0.1)) as ticks:
        async for tick in ticks:
            if tick.models and tick.models[0].attempts >= attempts:
                return tick.models[0]
    raise AssertionError("the watch ended")


async def health_of(client: TelemetryClient, component: str, status: int) -> None:
    """Waits until health says so."""
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=component))
    async for told in watch:
        if told.status == status:
            watch.cancel()
            return
    raise AssertionError("the watch ended")


async def test_what_is_reported_is_seen_per_model(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        reported = record("r-1", [failed("ERROR_REASON_PROVIDER_SILENT", "a"), succeeded("b"), succeeded("b")])
        assert await client.report(reported) == (1, 0)
        tick = await client.picture()
    a, b = tick.models
    assert [(s.model.provider, s.model.model, s.attempts, s.failures) for s in (a, b)] == [
        ("p", "a", 1, 1), ("p", "b", 2, 0),
    ]  # fmt: skip
    assert dict(a.failures_by_reason) == {"ERROR_REASON_PROVIDER_SILENT": 1}
    assert not a.HasField("first_token_seconds") and not a.HasField("tokens_per_second")
    assert (b.input_tokens, b.output_tokens, b.cost_micros) == (200, 100, 14)
    assert b.first_token_seconds.p50 == pytest.approx(0.25, rel=0.01)
    assert b.tokens_per_second.p99 == pytest.approx(80, rel=0.01)
    assert b.total_seconds.p10 == pytest.approx(1.5, rel=0.01)
    assert tick.HasField("window_end_time")


async def test_the_first_tick_is_the_whole_picture_and_later_ones_follow(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client), aclosing(client.watch(0.1)) as ticks:
        assert list((await anext(ticks)).models) == []
        await client.report(record("r-1", [succeeded()]))
        while not (tick := await anext(ticks)).models:
            pass
        assert tick.models[0].attempts == 1
        assert list((await client.picture()).models) == list(tick.models)


async def test_figures_leave_with_time_and_not_with_the_wall_clock(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock) as (_, client), aclosing(client.watch(0.1)) as ticks:
        await client.report(record("r-1", [succeeded()]))
        clock.advance(30)
        while (tick := await anext(ticks)).window.seconds != 30:
            pass
        assert [stats.attempts for stats in tick.models] == [1]
        clock.advance(31)
        while (tick := await anext(ticks)).models:
            pass
        assert 55 <= tick.window.seconds <= 60


async def test_a_batch_that_is_sent_again_counts_once(tmp_path: Path) -> None:
    batch = [record(f"r-{number}", [succeeded()]) for number in range(5)]
    async with serving(tmp_path) as (_, client):
        assert await client.report(*batch) == (5, 0)
        assert await client.report(*batch) == (5, 0)
        assert (await until_attempts(client, 5)).attempts == 5


async def test_what_waited_at_the_reporter_is_no_news(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        # They ended 598 s and 8 s before they were sent.
        old = record("r-1", [succeeded("old")])
        new = record("r-2", [succeeded("new")])
        new.start_time.seconds += 590
        assert await client.report(old, new, send_time=Timestamp(seconds=START_S + 600)) == (2, 0)
        assert [stats.model.model for stats in (await client.picture()).models] == ["new"]


async def test_bad_records_are_left_out_told_and_disturb_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    nameless, senseless = record("", [succeeded()]), record("r-2", [succeeded(tokens_per_second=-1)])
    async with serving(tmp_path) as (_, client):
        assert await client.report(nameless, record("r-1", [succeeded()]), senseless) == (1, 2)
        assert (await until_attempts(client, 1)).attempts == 1
    assert "rejected 2 of 3 records, 2 so far: records[0].request_id: expected a name, found nothing" in caplog.text
    assert "records[2].attempts[0].tokens_per_second: expected 0 to 1e+06, found -1" in caplog.text


async def test_an_empty_batch_is_fine(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        assert await client.report() == (0, 0)


async def test_a_batch_that_is_too_large_is_refused_whole(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        with pytest.raises(errors.InvalidRequest) as raised:
            await client.report(*(record(f"r-{number}", [succeeded()]) for number in range(1_001)))
        assert [(v.field, v.description) for v in raised.value.violations] == [
            ("records", "expected at most 1000, found 1001")
        ]
        assert list((await client.picture()).models) == []


@pytest.mark.parametrize("interval_s", [0.0, 0.099, 60.001, -1.0, 1e9])
async def test_an_interval_out_of_range_is_refused_by_name(tmp_path: Path, interval_s: float) -> None:
    async with serving(tmp_path) as (_, client):
        with pytest.raises(errors.InvalidRequest) as raised:
            await anext(client.watch(interval_s))
    assert [violation.field for violation in raised.value.violations] == ["interval"]
    assert raised.value.message.startswith("interval: expected 0.1 to 60 seconds, found ")


async def test_a_watcher_too_many_is_told_to_come_back_and_a_place_gets_free(tmp_path: Path) -> None:
    async with serving(tmp_path, max_watchers=1) as (_, client):
        first = client.watch(60)
        await anext(first)
        with pytest.raises(errors.Overloaded) as raised:
            await anext(client.watch(60))
        assert raised.value.retry_after_s == 5.0
        await health_of(client, "watchers", health_pb2.HealthCheckResponse.NOT_SERVING)
        await first.aclose()
        await health_of(client, "watchers", health_pb2.HealthCheckResponse.SERVING)
        assert isinstance(await client.picture(), Tick)


async def test_models_beyond_its_room_show_in_health_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with serving(tmp_path, max_models=2) as (_, client):
        assert await client.report(record("r-1", [succeeded(str(number)) for number in range(3)])) == (1, 0)
        await health_of(client, "models", health_pb2.HealthCheckResponse.NOT_SERVING)
        await health_of(client, "", health_pb2.HealthCheckResponse.SERVING)
        assert [stats.model.model for stats in (await client.picture()).models] == ["0", "1"]


async def test_a_drain_ends_the_watches_at_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, client):
        slow, fast = client.watch(60), client.watch(0.1)
        await anext(slow)
        await anext(fast)
        # A watch that outlived the drain would hold it for the grace, which is longer than this test's patience.
        await server.stop(grace_s=10 * PATIENCE_S)
        for ticks in (slow, fast):
            assert [tick async for tick in ticks if not isinstance(tick, Tick)] == []


async def test_a_watcher_that_does_not_read_holds_nobody_up_and_then_gets_the_newest(tmp_path: Path) -> None:
    # A stream may hold so few bytes in flight that one tick of these models fills it.
    options = [("grpc.http2.bdp_probe", 0), ("grpc.http2.lookahead_bytes", 1_024)]
    async with serving(tmp_path) as (server, client), aio.insecure_channel(server.address, options) as narrow:
        for number in range(4):
            await client.report(
                record(f"r-{number}", [succeeded(f"{number}-{index}-{'m' * 150}") for index in range(50)])
            )
        async with aclosing(TelemetryClient(narrow).watch(0.1)) as idle, aclosing(client.watch(0.1)) as reading:
            await anext(idle)
            for _ in range(10):
                assert len((await anext(reading)).models) == 200
            await client.report(record("r-last", [succeeded("last")]))
            while len((await anext(reading)).models) != 201:
                pass
            stale = 0
            while len((await anext(idle)).models) != 201:
                stale += 1
    # What was under way when it stopped reading, and no more.
    assert stale <= 3


async def test_reflection_lists_the_service(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(client.channel)  # type: ignore[arg-type]
        call = stub.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        served = [service.name for service in (await call.read()).list_services_response.service]
        call.cancel()
    assert "pointsman.telemetry.v1.TelemetryService" in served
