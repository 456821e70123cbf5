"""A model that only fails is left alone: the dead one sees probes, not an attempt of every request."""

from pathlib import Path
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from pointsman import telemetry_names as names
from pointsman.router.v1 import router_service_pb2 as pb
from services.router.breaker import IN_A_ROW, OPEN_FIRST_S
from services.runtime.clock import SystemClock
from tests.inprocess.answers import ask, prompt
from tests.inprocess.mesh import running_mesh


class MovableClock(SystemClock):
    """The machine's clock, which a test moves forward."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def monotonic(self) -> float:
        return SystemClock.monotonic() + self.ahead_s


def failing(calls: int) -> dict[str, Any]:
    """A model that fails so many times, and then is well."""
    return {"script": [{"error": "PROVIDER_UNAVAILABLE", "calls": calls}, {"calls": 1_000}]}


def levels(reader: InMemoryMetricReader) -> dict[str, int]:
    """The gauge of the circuits, by model."""
    found = reader.get_metrics_data()
    assert found is not None
    metrics = [m for r in found.resource_metrics for s in r.scope_metrics for m in s.metrics]
    points: Any = next(metric.data for metric in metrics if metric.name == names.BREAKER_STATE)
    return {point.attributes[names.MODEL]: point.value for point in points.data_points}


async def test_an_outage_costs_a_few_attempts_and_not_one_for_each_request(tmp_path: Path) -> None:
    # Pinned, so that nothing but the circuit keeps requests away.
    pinned = pb.RoutingConstraints(pinned_model={"provider": "first", "model": "m"})
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")
    async with running_mesh(tmp_path, {"first": failing(1_000)}, meter=meter) as mesh:
        answers = [await mesh.generate(ask(constraints=pinned)) for _ in range(30)]
        told = (await mesh.stub.Explain(pb.ExplainRequest(prompt=prompt()))).decision
        assert len(mesh.adapter("first").requests) == IN_A_ROW
        assert (await mesh.detail_of("first")).startswith("it failed too often; it is tried again in")
        assert levels(reader) == {"first/m": 3, "second/m": 0, "third/m": 0}
    assert {answer.code for answer in answers} == {"UNAVAILABLE"}
    assert told.chosen.provider == "second"
    verdicts = {c.model.provider: pb.Candidate.Verdict.Name(c.verdict) for c in told.candidates}
    assert verdicts["first"] == "VERDICT_CIRCUIT_OPEN"


async def test_one_request_tries_it_after_a_while_and_the_others_follow_when_it_answers(tmp_path: Path) -> None:
    pinned = pb.RoutingConstraints(pinned_model={"provider": "first", "model": "m"})
    clock = MovableClock()
    async with running_mesh(tmp_path, {"first": failing(IN_A_ROW)}, clock=clock) as mesh:
        for _ in range(IN_A_ROW + 3):
            await mesh.generate(ask(constraints=pinned))
        clock.ahead_s = OPEN_FIRST_S + 1

        async def answered() -> str:
            return (await mesh.generate(ask(constraints=pinned))).code

        await mesh.eventually(answered, "OK")
        assert await mesh.detail_of("first") == ""
        assert len(mesh.adapter("first").requests) == IN_A_ROW + 1


async def test_requests_that_suit_no_model_leave_circuits_closed(tmp_path: Path) -> None:
    refusing = {"script": [{"error": "CONTENT_REFUSED", "calls": 1_000}]}
    async with running_mesh(tmp_path, {"first": refusing}) as mesh:
        for _ in range(IN_A_ROW * 3):
            assert (await mesh.generate(ask())).code == "FAILED_PRECONDITION"
        assert await mesh.chosen() == "first"
