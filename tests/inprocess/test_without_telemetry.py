"""What the router reports and what it learns from telemetry, and how it goes on without."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from pointsman.channel import open_channel
from pointsman.llm.v1 import model_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.telemetry.v1 import telemetry_service_pb2 as telemetry_pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from tests.inprocess.answers import ask
from tests.inprocess.mesh import NOT_SERVING, PATIENCE_S, SERVING, Mesh, running_mesh, running_telemetry
from tests.inprocess.telemetry import succeeded

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub


async def test_without_telemetry_it_routes_on_what_it_saw_itself(tmp_path: Path) -> None:
    failing = {"script": [{"error": "PROVIDER_UNAVAILABLE"}]}
    async with running_mesh(tmp_path, {"first": failing}) as mesh:
        assert (await mesh.generate(ask())).switches
        # One failure makes it less reliable than the next.
        await mesh.eventually(mesh.chosen, "second")
        answer = await mesh.generate(ask())
        assert await mesh.health_of("telemetry") == NOT_SERVING
        assert await mesh.health_of("") == SERVING
        assert len(mesh.adapter("first").requests) == 1
    assert (answer.decided.chosen.provider, answer.switches) == ("second", [])


async def test_with_telemetry_the_next_request_knows_of_a_failure_before_telemetry_does(tmp_path: Path) -> None:
    failing = {"script": [{"error": "PROVIDER_UNAVAILABLE"}]}
    went_well = succeeded(first_token_s=0.25, tokens_per_second=50.0)
    went_well.model.CopyFrom(model_pb2.ModelRef(provider="first", model="m"))
    async with running_mesh(tmp_path, {"first": failing}, telemetry=True) as mesh:
        await report(mesh, went_well, times=5)

        async def figures_are_telemetrys() -> bool:
            models = (await mesh.stub.ListModels(pb.ListModelsRequest())).models
            return models[0].first_token_seconds == pytest.approx(0.25, rel=0.01)

        await mesh.eventually(figures_are_telemetrys, True)
        assert (await mesh.generate(ask())).switches
        assert await mesh.chosen() == "second"


async def test_what_suits_no_model_says_nothing_of_the_models(tmp_path: Path) -> None:
    refusing = {"script": [{"error": "CONTENT_REFUSED", "calls": 5}, {}]}
    async with running_mesh(tmp_path, {"first": refusing}, telemetry=True) as mesh:
        for _ in range(5):
            assert (await mesh.generate(ask())).code == "FAILED_PRECONDITION"
        await stats_of(mesh, "first", 5)
        answer = await mesh.generate(ask())
    assert answer.decided.chosen.provider == "first"
    assert answer.decided.candidates[0].reliability == 1.0


@pytest.mark.parametrize(("usual_s", "chosen"), [(1_000, "first"), (0.1, "second")])
async def test_a_caller_in_a_hurry_does_not_make_a_model_look_unreliable(
    tmp_path: Path, usual_s: float, chosen: str
) -> None:
    silent = {"script": [{"stall_after_tokens": 0}]}
    async with running_mesh(tmp_path, {"first": silent}, model={"first_token_s": usual_s}, telemetry=True) as mesh:
        answer = await mesh.generate(ask(), timeout_s=2.0)
        assert answer.switches == [("first", "second", "ERROR_REASON_PROVIDER_SILENT")]
        stats = await stats_of(mesh, "first", 1)
        assert await mesh.chosen() == chosen
    assert (stats.cancelled, stats.failures) == ((1, 0) if chosen == "first" else (0, 1))


async def test_an_answer_that_comes_all_at_once_is_counted_but_tells_no_pace(tmp_path: Path) -> None:
    at_once = {"reasoning": "hm " * 500, "answer": "a " * 500}
    async with running_mesh(tmp_path, {"first": at_once}, telemetry=True) as mesh:
        assert (await mesh.generate(ask())).kinds == ["decided", "reasoning_delta", "text_delta", "finished"]
        stats = await stats_of(mesh, "first", 1)
    assert (stats.attempts, stats.output_tokens) == (1, 1_000)
    assert not stats.HasField("tokens_per_second")


async def report(mesh: Mesh, attempt: telemetry_pb.Attempt, *, times: int) -> None:
    """Reports requests to telemetry as another router would, each with this one attempt."""
    now = Timestamp()
    now.GetCurrentTime()
    records = [
        telemetry_pb.RequestRecord(request_id=f"r-{number}", start_time=now, attempts=[attempt])
        for number in range(times)
    ]
    async with open_channel(f"unix:{mesh.folder}/telemetry.sock") as channel:
        stub: TelemetryServiceAsyncStub = TelemetryServiceStub(channel)
        assert (await stub.Report(telemetry_pb.ReportRequest(records=records))).accepted == times


async def stats_of(mesh: Mesh, provider: str, attempts: int) -> telemetry_pb.ModelStats:
    """Waits until telemetry has counted so many attempts of a provider's model."""
    channel = open_channel(f"unix:{mesh.folder}/telemetry.sock")
    stub: TelemetryServiceAsyncStub = TelemetryServiceStub(channel)
    watch = stub.WatchStats(telemetry_pb.WatchStatsRequest(), timeout=PATIENCE_S, wait_for_ready=True)
    try:
        async for tick in watch:
            for stats in tick.models:
                if stats.model.provider == provider and stats.attempts >= attempts:
                    return stats
    finally:
        watch.cancel()
        await channel.close()
    raise AssertionError("the watch ended")


async def test_every_attempt_is_reported_with_its_outcome_and_cost(tmp_path: Path) -> None:
    scenarios: dict[str, Any] = {
        "first": {"script": [{"error": "PROVIDER_RATE_LIMITED"}, {"stall_after_tokens": 1}]},
        "second": {"answer": "a b c"},
    }
    first = pb.RoutingConstraints(pinned_model=model_pb2.ModelRef(provider="first", model="m"))
    async with running_mesh(tmp_path, scenarios, telemetry=True) as mesh:
        answer = await mesh.generate(ask())
        call = mesh.stub.Generate(ask(constraints=first), timeout=PATIENCE_S)
        frames = aiter(call)
        for _ in range(2):
            await anext(frames)
        call.cancel()
        failed, answered = await stats_of(mesh, "first", 2), await stats_of(mesh, "second", 1)
    assert (failed.attempts, failed.failures, failed.cancelled) == (2, 1, 1)
    assert dict(failed.failures_by_reason) == {"ERROR_REASON_PROVIDER_RATE_LIMITED": 1}
    # What was delivered before the cancel is paid for: the prompt and one token.
    assert failed.output_tokens == 1
    assert failed.cost_micros == failed.input_tokens + 2
    assert (answered.attempts, answered.failures, answered.output_tokens) == (1, 0, 3)
    assert answered.cost_micros == answer.finished.usage.cost_micros


async def test_what_others_saw_of_a_model_changes_the_choice(tmp_path: Path) -> None:
    broken = telemetry_pb.Attempt(
        model=model_pb2.ModelRef(provider="first", model="m"),
        outcome=telemetry_pb.Attempt.OUTCOME_FAILED,
        error_reason="ERROR_REASON_PROVIDER_UNAVAILABLE",
    )
    async with running_mesh(tmp_path, telemetry=True) as mesh:
        assert (await mesh.generate(ask())).decided.chosen.provider == "first"
        await report(mesh, broken, times=10)
        await mesh.eventually(mesh.chosen, "second")


async def test_reports_wait_for_telemetry_to_come_back(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        await mesh.generate(ask())
        await mesh.until("reports", NOT_SERVING)
        async with running_telemetry(mesh):
            assert (await stats_of(mesh, "first", 1)).attempts == 1
            await mesh.until("reports", SERVING)
