"""A model fails in the middle of its answer: the client keeps its answer, and no text is lost, repeated or passed off as whole."""

from pathlib import Path
from typing import Any

import pytest

from pointsman import errors
from pointsman.answer import PartialAnswer
from pointsman.llm.v1 import prompt_pb2
from pointsman.llm.v1.generation_pb2 import FINISH_REASON_LENGTH
from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.answers import Answer, ask, prompt
from tests.inprocess.mesh import Mesh, running_mesh

TEXT = "The points are set and the train goes on to Basel. "
CONTINUES = {"capabilities": ["continue_from_prefix"]}
LIMITS = {"limits": {"stall_timeout_s": 0.2, "max_attempts": 4}}
BREAKS: list[dict[str, Any]] = [
    {"cut_after_tokens": 4},
    {"stall_after_tokens": 4},
    {"error": "PROVIDER_UNAVAILABLE", "after_tokens": 4},
    {"error": "PROVIDER_RATE_LIMITED", "after_tokens": 4, "retry_after_s": 30},
    {"error": "PROVIDER_PROTOCOL", "after_tokens": 4},
]


def breaking(behaviour: dict[str, Any], answer: str = TEXT) -> dict[str, Any]:
    """A model that breaks off every time."""
    return {"answer": answer, "script": [behaviour]}


def client_text(answer: Answer) -> str:
    """What the project's own client holds at the end."""
    partial = PartialAnswer()
    for frame in answer.frames:
        partial.take(frame)
    partial.end()
    return partial.text


def kept(answer: Answer) -> list[int]:
    """How much of the text each switch lets stand."""
    return [frame.switched.kept_characters for frame in answer.frames if frame.HasField("switched")]


@pytest.mark.parametrize("behaviour", BREAKS)
async def test_the_next_model_goes_on_from_what_was_delivered(tmp_path: Path, behaviour: dict[str, Any]) -> None:
    scenarios = {"first": breaking(behaviour), "second": {"answer": TEXT}}
    async with running_mesh(tmp_path, scenarios, model=CONTINUES, sections=LIMITS) as mesh:
        answer = await mesh.generate(ask())
        told = mesh.adapter("second").requests[0]
    assert answer.error is None
    assert told.answer_prefix == "The points are set"
    assert client_text(answer) == TEXT
    assert kept(answer) == [len("The points are set ")]
    assert answer.kinds == ["decided", "text_delta", "switched", "text_delta", "finished"]
    assert answer.finished.usage.output_tokens == len(TEXT.split())
    assert [frame.sequence for frame in answer.frames] == list(range(1, len(answer.frames) + 1))


@pytest.mark.parametrize("behaviour", BREAKS)
async def test_without_that_the_answer_is_begun_anew_and_goes_on_where_it_is_the_same(
    tmp_path: Path, behaviour: dict[str, Any]
) -> None:
    scenarios = {"first": breaking(behaviour), "second": {"answer": TEXT}}
    async with running_mesh(tmp_path, scenarios, sections=LIMITS) as mesh:
        answer = await mesh.generate(ask())
        assert mesh.adapter("second").requests[0].answer_prefix == ""
    assert client_text(answer) == TEXT
    assert kept(answer) == [len("The points are set ")]


async def test_where_the_new_answer_differs_the_client_is_told_how_much_stands(tmp_path: Path) -> None:
    scenarios = {"first": breaking({"cut_after_tokens": 4}), "second": {"answer": "The points froze again. "}}
    async with running_mesh(tmp_path, scenarios, sections=LIMITS) as mesh:
        answer = await mesh.generate(ask())
    assert client_text(answer) == "The points froze again. "
    assert kept(answer) == [len("The points ")]
    assert answer.finished.usage.output_tokens == 4


async def test_a_client_that_lets_nothing_be_taken_back_gets_a_continuation_or_an_error(tmp_path: Path) -> None:
    only = pb.RoutingConstraints(switch_mode=pb.SWITCH_MODE_CONTINUE)
    cut = {"first": breaking({"cut_after_tokens": 4})}
    async with running_mesh(tmp_path, cut | {"second": {"answer": TEXT}}, model=CONTINUES) as mesh:
        assert client_text(await mesh.generate(ask(constraints=only))) == TEXT
    others: dict[str, Any] = {"second": {"answer": "No. "}, "third": {"answer": "Neither. "}}
    async with running_mesh(tmp_path, cut | others) as mesh:
        answer = await mesh.generate(ask(constraints=only))
    assert answer.error is not None
    assert (answer.text, kept(answer)) == ("The points are set ", [])
    assert "SWITCH_NOT_ALLOWED" in answer.error.metadata["attempt_2"]


async def test_a_client_that_wants_no_switch_gets_the_error(tmp_path: Path) -> None:
    stay = pb.RoutingConstraints(switch_mode=pb.SWITCH_MODE_FAIL)
    async with running_mesh(tmp_path, {"first": breaking({"cut_after_tokens": 4})}, model=CONTINUES) as mesh:
        answer = await mesh.generate(ask(constraints=stay))
        assert mesh.adapter("second").requests == []
    assert isinstance(answer.error, errors.StreamCut)


async def test_a_model_that_refuses_the_prefix_begins_anew_and_the_client_never_sees_that(tmp_path: Path) -> None:
    refusing = {"answer": TEXT, "script": [{"error": "INVALID_REQUEST"}, {}]}
    scenarios = {"first": breaking({"cut_after_tokens": 4}), "second": refusing}
    async with running_mesh(tmp_path, scenarios, model=CONTINUES, sections=LIMITS) as mesh:
        answer = await mesh.generate(ask())
        prefixes = [request.answer_prefix for request in mesh.adapter("second").requests]
    assert prefixes == ["The points are set", ""]
    assert answer.error is None
    assert client_text(answer) == TEXT


async def test_an_answer_with_a_format_is_begun_anew_and_never_continued(tmp_path: Path) -> None:
    model = {"capabilities": ["continue_from_prefix", "json_output"]}
    scenarios = {"first": breaking({"cut_after_tokens": 2}, '{"a": 1}'), "second": {"answer": '{"a": 1}'}}
    async with running_mesh(tmp_path, scenarios, model=model) as mesh:
        request = ask()
        request.prompt.output_format.json = True
        answer = await mesh.generate(request)
        assert [r.answer_prefix for r in mesh.adapter("second").requests] == [""]
    assert client_text(answer) == '{"a": 1}'


async def test_after_a_tool_call_nothing_goes_on_elsewhere(tmp_path: Path) -> None:
    calling = {"tool_call": {"name": "look_up"}, "script": [{"cut_after_tokens": 1}]}
    async with running_mesh(tmp_path, {"first": calling}, model={"capabilities": ["tools"]}) as mesh:
        request = ask()
        request.prompt.tools.add(name="look_up", parameters_json_schema='{"type": "object"}')
        answer = await mesh.generate(request)
        assert mesh.adapter("second").requests == []
    assert answer.kinds == ["decided", "tool_call"]
    assert isinstance(answer.error, errors.StreamCut)


async def test_several_switches_in_one_answer_leave_one_text(tmp_path: Path) -> None:
    scenarios = {
        "first": breaking({"cut_after_tokens": 2}),
        "second": breaking({"error": "PROVIDER_UNAVAILABLE", "after_tokens": 3}),
        "third": {"answer": TEXT},
    }
    async with running_mesh(tmp_path, scenarios, model=CONTINUES, sections=LIMITS) as mesh:
        answer = await mesh.generate(ask())
    assert client_text(answer) == TEXT
    assert [(a, b) for a, b, _ in answer.switches] == [("first", "second"), ("second", "third")]
    assert answer.finished.usage.output_tokens == len(TEXT.split())


async def test_the_only_model_is_asked_again_when_its_stream_was_cut(tmp_path: Path) -> None:
    once = {"answer": TEXT, "script": [{"cut_after_tokens": 4}, {}]}
    pinned = pb.RoutingConstraints(pinned_model={"provider": "first", "model": "m"})
    async with running_mesh(tmp_path, {"first": once}, model=CONTINUES) as mesh:
        answer = await mesh.generate(ask(constraints=pinned))
    assert client_text(answer) == TEXT


async def test_what_is_left_of_the_callers_limit_is_what_the_next_model_may_say(tmp_path: Path) -> None:
    scenarios = {"first": breaking({"cut_after_tokens": 4}), "second": {"answer": TEXT}}
    async with running_mesh(tmp_path, scenarios, model=CONTINUES) as mesh:
        answer = await mesh.generate(ask(sampling={"max_output_tokens": 6}))
        assert mesh.adapter("second").requests[0].sampling.max_output_tokens == 2
    assert client_text(answer) == "The points are set and the "
    assert answer.finished.usage.output_tokens == 6


async def test_a_limit_that_was_reached_when_the_stream_was_cut_ends_the_answer(tmp_path: Path) -> None:
    scenarios = {"first": breaking({"cut_after_tokens": 4}), "second": {"answer": TEXT}}
    async with running_mesh(tmp_path, scenarios, model=CONTINUES) as mesh:
        answer = await mesh.generate(ask(sampling={"max_output_tokens": 4}))
        assert mesh.adapter("second").requests == []
    assert (answer.error, client_text(answer)) == (None, "The points are set ")
    assert answer.finished.reason == FINISH_REASON_LENGTH
    assert (answer.finished.usage.output_tokens, answer.finished.usage.estimated) == (4, True)


async def test_a_model_that_added_nothing_is_not_told_of(tmp_path: Path) -> None:
    scenarios = {
        "first": breaking({"cut_after_tokens": 4}),
        "second": breaking({"cut_after_tokens": 2}),
        "third": {"answer": TEXT},
    }
    async with running_mesh(tmp_path, scenarios, sections=LIMITS) as mesh:
        answer = await mesh.generate(ask())
    assert client_text(answer) == TEXT
    assert answer.switches == [("first", "third", "ERROR_REASON_STREAM_CUT")]


async def test_the_cost_counts_every_attempt(tmp_path: Path) -> None:
    scenarios = {"first": breaking({"cut_after_tokens": 4}), "second": {"answer": TEXT}}
    async with running_mesh(tmp_path, scenarios, sections=LIMITS) as mesh:
        switched = await mesh.generate(ask())
        alone = await mesh.generate(
            ask(constraints=pb.RoutingConstraints(pinned_model={"provider": "second", "model": "m"}))
        )
    assert switched.finished.usage.cost_micros > alone.finished.usage.cost_micros


async def test_a_model_that_becomes_too_slow_is_left(tmp_path: Path) -> None:
    slowing = breaking({"slow_after_tokens": 4, "slow_tokens_per_second": 20.0})
    limits = {"limits": {"slow_tokens_per_second": 100.0, "slow_window_s": 0.1}}
    async with running_mesh(
        tmp_path, {"first": slowing, "second": {"answer": TEXT}}, model=CONTINUES, sections=limits
    ) as mesh:
        answer = await mesh.generate(ask())
    assert client_text(answer) == TEXT
    assert answer.switches == [("first", "second", "ERROR_REASON_STREAM_STALLED")]


async def test_complete_switches_without_showing_it(tmp_path: Path) -> None:
    scenarios = {"first": breaking({"cut_after_tokens": 4}), "second": {"answer": TEXT}}
    for model in (CONTINUES, {}):
        async with running_mesh(tmp_path, scenarios, model=model) as mesh:
            response = await mesh.stub.Complete(pb.CompleteRequest(prompt=prompt()))
        assert response.turn == prompt_pb2.Turn(role=prompt_pb2.ROLE_ASSISTANT, parts=[prompt_pb2.Part(text=TEXT)])
        assert len(response.switches) == 1


class Asked:
    """How a mesh was asked, in the order of the attempts."""

    def __init__(self, mesh: Mesh) -> None:
        self.counts = {name: len(mesh.adapter(name).requests) for name in ("first", "second", "third")}


@pytest.mark.parametrize(
    ("script", "first", "second"),
    [
        # A short wait is waited for, a long one is not.
        ([{"error": "PROVIDER_RATE_LIMITED", "retry_after_s": 0.01}, {}], 2, 0),
        ([{"error": "PROVIDER_RATE_LIMITED", "retry_after_s": 60}, {}], 1, 1),
        ([{"error": "PROVIDER_RATE_LIMITED"}, {}], 1, 1),
        # A stream that ends before it said anything may have been unlucky, once.
        ([{"cut_after_tokens": 0}, {}], 2, 0),
        ([{"cut_after_tokens": 0, "calls": 9}], 2, 1),
        ([{"error": "PROVIDER_CREDENTIALS"}, {}], 1, 1),
        ([{"error": "PROVIDER_UNREACHABLE"}, {}], 1, 1),
        ([{"error": "CONTEXT_TOO_LONG"}, {}], 1, 1),
    ],
)
async def test_before_the_first_token_the_reason_decides_between_again_and_elsewhere(
    tmp_path: Path, script: list[dict[str, Any]], first: int, second: int
) -> None:
    async with running_mesh(tmp_path, {"first": {"script": script}}, sections=LIMITS) as mesh:
        answer = await mesh.generate(ask())
        asked = Asked(mesh).counts
    assert answer.error is None
    assert (asked["first"], asked["second"]) == (first, second)


async def test_a_policy_may_let_another_model_answer_what_one_refused(tmp_path: Path) -> None:
    refusing = {"first": {"script": [{"error": "CONTENT_REFUSED"}]}}
    async with running_mesh(tmp_path, refusing) as mesh:
        assert isinstance((await mesh.generate(ask())).error, errors.ContentRefused)
    policies = {"policies": {"balanced": {"switch_on_refusal": True}}}
    async with running_mesh(tmp_path, refusing, sections=policies) as mesh:
        answer = await mesh.generate(ask())
    assert answer.switches == [("first", "second", "ERROR_REASON_CONTENT_REFUSED")]
