"""What the telemetry service learns and remembers, over a Unix socket and with a real file."""

import asyncio
import resource
import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pointsman import errors
from pointsman.llm.v1.generation_pb2 import Usage
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.runtime.clock import ManualClock
from services.telemetry.database import SPARE_SNAPSHOTS
from tests.inprocess.telemetry import TelemetryClient, decided, duration, failed, fleet, record, serving, succeeded

PATIENCE_S = 40.0
DAY_S = 86_400.0


@pytest.fixture(autouse=True)
async def patience() -> AsyncIterator[None]:
    async with asyncio.timeout(PATIENCE_S):
        yield


def cancelled(tokens: int, model: str = "m") -> pb.Attempt:
    """An attempt that the client ended after so many tokens."""
    return pb.Attempt(
        model=ModelRef(provider="p", model=model),
        outcome=pb.Attempt.OUTCOME_CANCELLED,
        usage=Usage(output_tokens=tokens, time_to_first_token=duration(0.2) if tokens else None),
    )


async def health_is(client: TelemetryClient, component: str, status: int) -> None:
    """Waits until health says so."""
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    call = stub.Watch(health_pb2.HealthCheckRequest(service=component))
    async for told in call:
        if told.status == status:
            call.cancel()
            return
    raise AssertionError("the watch ended")


async def test_feedback_teaches_the_model_that_answered_and_watchers_are_told(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client), aclosing(client.abilities()) as updates:
        first = await anext(updates)
        assert first.whole
        assert list(first.learned) == []
        reported = decided("r-1", [failed("ERROR_REASON_PROVIDER_SILENT", "other"), succeeded()])
        await client.report(reported, snapshots=[fleet()])
        learned = await client.judge("r-1", 1.0)
        assert (learned.model.model, learned.intent, learned.weight) == ("m", "question", 1.0)
        assert learned.offset > 0.02
        assert 0.2 < learned.deviation < 0.3
        told = dict[tuple[str, str], pb.LearnedAbility]()
        while ("m", "question") not in told or told["m", "question"].weight < 0.99:
            update = await anext(updates)
            assert not update.whole
            told |= {(t.model.model, t.intent): t for t in update.learned}
        assert told["m", "question"].offset == pytest.approx(learned.offset, rel=1e-3)
        assert told["m", ""].offset == pytest.approx(learned.offset / 2, rel=1e-3)
        assert not any(model == "other" for model, _ in told)


async def test_feedback_again_takes_the_place_of_the_first(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock) as (_, client):
        await client.report(decided("r-1"), snapshots=[fleet()])
        liked = await client.judge("r-1", 1.0)
        disliked = await client.judge("r-1", 0.0)
        assert disliked.offset < 0 < liked.offset
        assert await client.judge("r-1", 1.0) == liked


async def test_feedback_goes_to_the_newest_request_of_its_id(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        again = decided("r-1", [succeeded("n")])
        again.start_time.seconds += 5
        await client.report(decided("r-1"), again, snapshots=[fleet("s-1", "m", "n")])
        assert (await client.judge("r-1", 0.5)).model.model == "n"


@pytest.mark.parametrize(
    ("quality", "comment", "field"),
    [(1.01, "", "quality"), (-0.1, "", "quality"), (float("nan"), "", "quality"), (0.5, "x" * 2_001, "comment")],
)
async def test_bad_feedback_is_told_by_its_field(tmp_path: Path, quality: float, comment: str, field: str) -> None:
    async with serving(tmp_path) as (_, client):
        await client.report(decided("r-1"))
        with pytest.raises(errors.InvalidRequest) as raised:
            await client.judge("r-1", quality, comment)
    assert [violation.field for violation in raised.value.violations] == [field]


async def test_feedback_for_what_is_not_known_or_has_no_answer_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        unanswered = decided("r-2", [failed("ERROR_REASON_STREAM_CUT")])
        await client.report(record("r-1", [succeeded()]), unanswered, decided("r-3", [cancelled(20)]))
        for unknown in ("r-1", "never"):
            with pytest.raises(errors.RequestUnknown):
                await client.judge(unknown, 1.0)
        with pytest.raises(errors.InvalidRequest, match="request_id: expected a request that a model answered"):
            await client.judge("r-2", 1.0)
        # Who stopped reading has seen enough to judge.
        assert (await client.judge("r-3", 1.0)).weight == 1.0


async def test_signals_teach_a_little_and_feedback_takes_their_place(tmp_path: Path) -> None:
    clock = ManualClock()
    async with serving(tmp_path, clock) as (_, client):
        await client.report(decided("r-1", [cancelled(5)], expected_tokens=100), snapshots=[fleet()])
        told = (await client.learned())["m", "question"]
        assert -0.02 < told.offset < 0
        assert 0 < told.weight < 0.15
        judged = await client.judge("r-1", 1.0)
        assert judged.weight == pytest.approx(1.0)
        await client.report(decided("r-2", [succeeded("n")]), snapshots=[fleet("s-2", "m", "n")])
        plain = await client.judge("r-2", 1.0)
        assert judged.offset == pytest.approx(plain.offset)


async def test_an_answer_that_is_asked_for_again_was_not_good_unless_somebody_said_so(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        first, praised = decided("r-1", [succeeded("m")]), decided("r-2", [succeeded("n")])
        await client.report(first, praised, snapshots=[fleet("s-1", "m", "n")])
        await client.judge("r-2", 1.0)
        await client.report(*(decided(f"r-{n}", [succeeded("x")], retry_of=f"r-{n - 2}") for n in (3, 4)))
        # Settles what waits.
        await client.decisions()
        told = await client.learned()
    assert told["m", "question"].offset < 0
    assert told["n", "question"].offset > 0
    assert told["n", "question"].weight == pytest.approx(1.0)


async def test_a_batch_that_is_sent_again_teaches_once_and_after_a_restart_too(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "t.sqlite3"
    batch = [decided(f"r-{n}", [cancelled(1)], expected_tokens=100) for n in range(20)]
    async with serving(tmp_path, clock, file) as (_, client):
        await client.report(*batch, snapshots=[fleet()])
        once = await client.learned()
        await client.report(*batch)
        assert await client.learned() == once
    async with serving(tmp_path, clock, file) as (_, client):
        await client.report(*batch)
        assert await client.learned() == once
        assert len((await client.decisions(1_000)).records) == 20


async def test_lengths_are_learned_from_whole_answers(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        await client.report(*(decided(f"r-{n}", expected_tokens=25) for n in range(100)), snapshots=[fleet()])
        limited = [decided(f"l-{n}", [succeeded("limited")], expected_tokens=25) for n in range(100)]
        for limit in limited:
            limit.decision.wanted_output_tokens = 50
        await client.report(*limited)
        told = await client.learned()
    assert 1.7 < told["m", "question"].output_ratio < 2.0
    assert told["m", ""].output_ratio == told["m", "question"].output_ratio
    assert ("limited", "question") not in told


async def test_what_was_learned_fades_and_is_back_after_a_restart(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "deep" / "t.sqlite3"
    async with serving(tmp_path, clock, file) as (_, client):
        await client.report(decided("r-1"), snapshots=[fleet()])
        learned = await client.judge("r-1", 0.0, "wrong answer")
        whole = await client.learned()
    async with serving(tmp_path, clock, file) as (_, client):
        assert await client.learned() == whole
        # The request is still known, and so is what was said of it.
        assert (await client.judge("r-1", 0.0)).offset == pytest.approx(learned.offset)
    clock.advance(14 * DAY_S)
    async with serving(tmp_path, clock, file) as (_, client):
        faded = (await client.learned())["m", "question"]
    assert faded.weight == pytest.approx(0.5)
    assert learned.offset < faded.offset < 0
    with closing(sqlite3.connect(file)) as database:
        assert [row[0] for row in database.execute("SELECT comment FROM judgements")] == [""]


async def test_decisions_are_paged_newest_first_with_each_snapshot_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        snapshots = [fleet(f"s-{n}") for n in range(4)]
        for n in range(25):
            await client.report(decided(f"r-{n}", snapshot=f"s-{n // 8}"), snapshots=snapshots if n == 0 else ())
        seen, told, token = list[str](), list[str](), ""
        for page_number in range(4):
            page = await client.decisions(8, token)
            seen += [r.request_id for r in page.records]
            told += [s.id for s in page.snapshots]
            token = page.next_page_token
            if page_number == 0:
                # What comes while somebody pages is not in that listing.
                await client.report(decided("late", snapshot="s-0"))
            assert bool(token) == (page_number < 3)
        assert seen == [f"r-{n}" for n in reversed(range(25))]
        assert told == ["s-3", "s-2", "s-1", "s-0"]
        newest = (await client.decisions(1)).records[0]
        assert newest.request_id == "late"
        assert newest == decided("late", snapshot="s-0")


@pytest.mark.parametrize(
    ("size", "token", "field"), [(-1, "", "page_size"), (1_001, "", "page_size"), (1, "x", "page_token")]
)
async def test_a_bad_page_is_told_by_its_field(tmp_path: Path, size: int, token: str, field: str) -> None:
    async with serving(tmp_path) as (_, client):
        with pytest.raises(errors.InvalidRequest) as raised:
            await client.decisions(size, token)
    assert [violation.field for violation in raised.value.violations] == [field]


async def test_a_token_of_another_store_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, client):
        await client.report(decided("r-1"), decided("r-2"))
        token = (await client.decisions(1)).next_page_token
    async with serving(tmp_path) as (_, client):
        await client.report(decided("r-1"), decided("r-2"))
        with pytest.raises(errors.InvalidRequest, match="page_token: expected one of this store"):
            await client.decisions(1, token)


async def test_only_the_newest_decisions_are_kept_and_the_snapshots_that_they_need(tmp_path: Path) -> None:
    file = tmp_path / "t.sqlite3"
    async with serving(tmp_path, database=file, decisions_kept=100) as (_, client):
        for n in range(400):
            await client.report(decided(f"r-{n}", snapshot=f"s-{n}"), snapshots=[fleet(f"s-{n}")])
            if n % 10 == 0:
                await client.decisions(1)
        kept = await client.decisions(1_000)
        assert [r.request_id for r in kept.records][:100] == [f"r-{n}" for n in range(399, 299, -1)]
        assert len(kept.records) <= 125
        with pytest.raises(errors.RequestUnknown):
            await client.judge("r-0", 1.0)
    with closing(sqlite3.connect(file)) as database:
        (snapshots,) = database.execute("SELECT count(*) FROM snapshots").fetchone()
        (newest,) = database.execute("SELECT id FROM snapshots ORDER BY seq DESC LIMIT 1").fetchone()
    assert newest == "s-399"
    assert 100 <= snapshots <= 125 + SPARE_SNAPSHOTS


async def test_a_second_service_on_the_file_says_so_and_takes_over_when_the_first_ends(tmp_path: Path) -> None:
    clock, file = ManualClock(), tmp_path / "t.sqlite3"
    (tmp_path / "b").mkdir()
    async with serving(tmp_path / "b", clock, tmp_path / "none.sqlite3"):
        pass
    async with serving(tmp_path, clock, file) as (_, first):
        await first.report(decided("r-1"), snapshots=[fleet()])
        await first.judge("r-1", 1.0)
        second_serving = serving(tmp_path / "b", clock, file)
        _, second = await second_serving.__aenter__()
        await health_is(second, "store", health_pb2.HealthCheckResponse.NOT_SERVING)
        await health_is(second, "", health_pb2.HealthCheckResponse.SERVING)
        await second.report(decided("r-2"), snapshots=[fleet()])
        alone = await second.judge("r-2", 1.0)
        with pytest.raises(errors.RequestUnknown, match="the store is down"):
            await second.judge("r-1", 1.0)
    await health_is(second, "store", health_pb2.HealthCheckResponse.SERVING)
    both = (await second.learned())["m", "question"]
    assert both.weight == pytest.approx(2.0)
    assert both.offset > alone.offset
    assert {r.request_id for r in (await second.decisions()).records} == {"r-1", "r-2"}
    await second_serving.__aexit__(None, None, None)
    async with serving(tmp_path, clock, file) as (_, third):
        assert (await third.learned())["m", "question"] == both


@pytest.mark.parametrize(
    "content", [b"this is no database at all, whatever its name says" * 100, b"SQLite format 3\0" + b"\xff" * 5_000]
)
async def test_a_damaged_file_is_told_left_alone_and_done_without(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "t.sqlite3"
    file.write_bytes(content)
    async with serving(tmp_path, database=file) as (_, client):
        await health_is(client, "store", health_pb2.HealthCheckResponse.NOT_SERVING)
        await client.report(decided("r-1"), snapshots=[fleet()])
        assert (await client.judge("r-1", 1.0)).offset > 0
    assert file.read_bytes() == content


async def test_a_full_disk_is_told_and_what_came_meanwhile_is_kept_once_there_is_room(tmp_path: Path) -> None:
    file = tmp_path / "t.sqlite3"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with serving(tmp_path, database=file) as (_, client):
        await client.report(decided("r-1"), snapshots=[fleet()])
        await client.judge("r-1", 1.0)
        # From here on no file may grow.
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_024, hard))
        try:
            await client.report(decided("r-2"))
            assert (await client.judge("r-2", 1.0)).weight == pytest.approx(2.0, abs=1e-3)
            await health_is(client, "store", health_pb2.HealthCheckResponse.NOT_SERVING)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        await health_is(client, "store", health_pb2.HealthCheckResponse.SERVING)
        assert [r.request_id for r in (await client.decisions()).records] == ["r-2", "r-1"]
    async with serving(tmp_path, database=file) as (_, client):
        assert (await client.learned())["m", "question"].weight == pytest.approx(2.0, abs=1e-3)


async def test_a_drain_ends_the_watches_of_abilities(tmp_path: Path) -> None:
    async with serving(tmp_path) as (server, client):
        updates = client.abilities()
        await anext(updates)
        await server.stop(grace_s=10 * PATIENCE_S)
        assert [update async for update in updates] == []


async def test_a_bad_snapshot_or_decision_is_left_out_and_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bad = decided("r-1")
    bad.decision.propensity = 2.0
    async with serving(tmp_path) as (_, client):
        assert await client.report(bad, decided("r-2"), snapshots=[fleet("")], send_time=Timestamp(seconds=1)) == (1, 1)
        assert [r.request_id for r in (await client.decisions()).records] == ["r-2"]
    assert "records[0].decision.propensity: expected 0 to 1, found 2" in caplog.text
    assert "left a snapshot out: snapshots[0].id: expected 1 to 64 characters, found 0" in caplog.text
