"""Sessions, rules, experiments, shadows and labels on a running mesh; and that Explain tells what Generate does."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pointsman.errors import InvalidRequest
from pointsman.llm.v1 import model_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from services.runtime.clock import SystemClock
from tests.inprocess.answers import ask, prompt
from tests.inprocess.mesh import running_mesh

# All that a decision may depend on and that a request can say.
EVERYTHING: dict[str, Any] = {
    "policies": {
        "curious": {"explore": 0.9},
        "quick": {"first_token_value": 0.01},
        "frugal": {"objective": "cheapest", "min_quality_share": 0.8},
    },
    "rules": [
        {"name": "law", "when": {"tags": ["law"]}, "use": ["third/*"]},
        {"name": "acme", "when": {"tenants": ["acme"]}, "policy": "frugal"},
    ],
    "experiments": [
        {"name": "half", "when": {"metadata": {"beta": "*"}}, "arms": {"second/m": 0.5}},
        {"name": "watch", "kind": "shadow", "arms": {"third/m": 0.3}},
    ],
}
CONSTRAINTS = st.builds(
    pb.RoutingConstraints,
    policy=st.sampled_from(["", "curious", "quick", "frugal"]),
    session_key=st.sampled_from(["", "s1", "s2"]),
    tenant=st.sampled_from(["", "acme"]),
    tags=st.lists(st.sampled_from(["law", "art"]), max_size=1),
    metadata=st.dictionaries(st.just("beta"), st.just("1"), max_size=1),
)


class StoppedClock(SystemClock):
    """A clock that stands, so that nothing fades between two requests."""

    @staticmethod
    def monotonic() -> float:
        return 1_000.0


def examples(strategy: st.SearchStrategy[Any], count: int) -> Sequence[Any]:
    """What hypothesis would try, for a test that is a coroutine."""
    found: list[Any] = []

    @settings(max_examples=count, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return found


async def test_explain_tells_exactly_what_generate_does(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=EVERYTHING, clock=StoppedClock()) as mesh:
        seen: Counter[str] = Counter()
        for number, constraints in enumerate(examples(CONSTRAINTS, 150)):
            asked = {"prompt": prompt(), "constraints": constraints, "request_id": f"r{number}"}
            told = (await mesh.stub.Explain(pb.ExplainRequest(**asked))).decision
            answer = await mesh.generate(pb.GenerateRequest(**asked))
            if live(answer.decided) != live(told):
                # The snapshot was swapped in between, as it is once a second.
                seen["swapped"] += 1
                continue
            assert answer.decided == told
            seen += Counter(
                {
                    "rule": bool(told.rule),
                    "experiment": bool(told.experiment),
                    "explored": told.explored,
                    "shadow": bool(told.shadows),
                    told.chosen.provider: 1,
                }
            )
    assert {"rule", "experiment", "explored", "shadow", "first", "second", "third"} <= seen.keys()
    assert seen["swapped"] < 30


def live(decision: pb.RouteDecision) -> list[tuple[str, float, float, float]]:
    """The figures of a decision that change with time."""
    return sorted(
        (c.model.provider, c.expected_first_token_seconds, c.expected_tokens_per_second, c.reliability)
        for c in decision.candidates
    )


async def test_a_session_is_priced_into_leaving_the_model_that_served_it(tmp_path: Path) -> None:
    dear_but_cached = {"input": 50, "output": 2, "cache_read": 1}
    sections = {"policies": {"balanced": {"second_value": 0, "success_value": 0.005}}}
    async with running_mesh(tmp_path, sections=sections, model={"price": dear_but_cached}) as mesh:
        text = "Why do points freeze? " * 40
        constraints = pb.RoutingConstraints(session_key="conversation-1")
        pinned = pb.RoutingConstraints(session_key="conversation-1", pinned_model=ref("third"))
        assert (await mesh.generate(ask(text, constraints=constraints))).decided.chosen.provider == "first"
        assert (await mesh.generate(ask(text, constraints=pinned))).decided.chosen.provider == "third"
        stays = (await mesh.generate(ask(text, constraints=constraints))).decided
        others = (await mesh.generate(ask(text))).decided
    assert stays.chosen.provider == "third"
    assert stays.candidates[0].cached_input_tokens > 0
    assert stays.candidates[0].expected_cost_micros < stays.candidates[1].expected_cost_micros
    assert others.chosen.provider == "first"


def ref(provider: str) -> model_pb2.ModelRef:
    """The one model of a provider."""
    return model_pb2.ModelRef(provider=provider, model="m")


async def test_a_shadow_gets_a_copy_whose_answer_nobody_receives(tmp_path: Path) -> None:
    experiments = [{"name": "watch", "kind": "shadow", "arms": {"third/m": 1.0}}]
    scenarios = {"first": {"answer": "from first"}, "third": {"answer": "from third"}}
    async with running_mesh(tmp_path, scenarios, sections={"experiments": experiments}) as mesh:
        answer = await mesh.generate(ask(request_id="r1"))
        third = mesh.adapter("third")
        await third.all_closed.wait()
    assert answer.text == "from first"
    assert [shadow.provider for shadow in answer.decided.shadows] == ["third"]
    copy = third.requests[0]
    assert copy.request_id == "r1-shadow"
    assert copy.prompt == prompt()


async def test_a_client_does_not_wait_for_a_shadow_that_hangs(tmp_path: Path) -> None:
    experiments = [{"name": "watch", "kind": "shadow", "arms": {"third/m": 1.0}}]
    hanging = {"script": [{"stall_after_tokens": 0}]}
    async with running_mesh(tmp_path, {"third": hanging}, sections={"experiments": experiments}) as mesh:
        answer = await mesh.generate(ask())
        assert answer.kinds == ["decided", "text_delta", "finished"]
        assert mesh.adapter("third").open == 1


async def test_shadows_stop_when_their_hour_is_spent(tmp_path: Path) -> None:
    # Each is expected to cost some 0.8 thousandths of a dollar, and none comes to its end and gives something back.
    shadow = {"name": "watch", "kind": "shadow", "arms": {"third/m": 1.0}, "max_cost_per_hour": 0.002}
    hanging = {"script": [{"stall_after_tokens": 0, "calls": 100}]}
    async with running_mesh(tmp_path, {"third": hanging}, sections={"experiments": [shadow]}) as mesh:
        for number in range(10):
            assert (await mesh.generate(ask(f"Why {number}?"))).code == "OK"
        assert len(mesh.adapter("third").requests) == 2


@pytest.mark.parametrize(
    ("constraints", "field"),
    [
        (pb.RoutingConstraints(tenant="x" * 129), "constraints.tenant"),
        (pb.RoutingConstraints(data_class="a\nb"), "constraints.data_class"),
        (pb.RoutingConstraints(tags=["ok", "x" * 129]), "constraints.tags[1]"),
        (pb.RoutingConstraints(tags=["t"] * 33), "constraints.tags"),
        (pb.RoutingConstraints(metadata={str(n): "" for n in range(33)}), "constraints.metadata"),
        (pb.RoutingConstraints(metadata={"k": "v" * 513}), "constraints.metadata['k']"),
        (pb.RoutingConstraints(max_first_token_time=Duration()), "constraints.max_first_token_time"),
        (pb.RoutingConstraints(min_tokens_per_second=float("nan")), "constraints.min_tokens_per_second"),
    ],
)
async def test_a_label_that_is_wrong_is_named(tmp_path: Path, constraints: pb.RoutingConstraints, field: str) -> None:
    async with running_mesh(tmp_path) as mesh:
        answer = await mesh.generate(ask(constraints=constraints))
    assert isinstance(answer.error, InvalidRequest)
    assert [violation.field for violation in answer.error.violations] == [field]


async def test_a_request_may_ask_for_speed(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, model={"first_token_s": 2.0, "tokens_per_second": 40.0}) as mesh:
        hurried = pb.RoutingConstraints(max_first_token_time=Duration(seconds=1))
        fast = pb.RoutingConstraints(min_tokens_per_second=50)
        for constraints, words in (
            (hurried, "first token after 2 s, the limit is 1 s"),
            (fast, "40 tokens/s, wanted are 50"),
        ):
            told = (await mesh.stub.Explain(pb.ExplainRequest(prompt=prompt(), constraints=constraints))).decision
            assert not told.HasField("chosen")
            assert {candidate.detail for candidate in told.candidates} == {words}
            assert (await mesh.generate(ask(constraints=constraints))).code == "FAILED_PRECONDITION"
