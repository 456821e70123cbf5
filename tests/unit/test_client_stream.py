"""The grammar of an answer's stream, and what stands of its text after a switch of models."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import errors
from pointsman.answer import PartialAnswer
from pointsman.items import Decided, Finished, FinishReason, Reasoning, Switched, Text, ToolCalled
from pointsman.llm.v1.generation_pb2 import FINISH_REASON_STOP, GenerationEvent, GenerationFinished, TextDelta, Usage
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.llm.v1.prompt_pb2 import ToolCall
from pointsman.router.v1.router_service_pb2 import GenerateResponse, ModelSwitch, RouteDecision

SMALL, LARGE = ModelRef(provider="p", model="small"), ModelRef(provider="q", model="org/large")


def decided() -> GenerateResponse:
    return GenerateResponse(decided=RouteDecision(chosen=SMALL, reason="cheap enough"))


def said(text: str) -> GenerateResponse:
    return GenerateResponse(event=GenerationEvent(text_delta=TextDelta(text=text, token_count=1)))


def switched(kept: int) -> GenerateResponse:
    reason = errors.Reason.STREAM_CUT.value
    return GenerateResponse(switched=ModelSwitch(from_model=SMALL, to_model=LARGE, reason=reason, kept_characters=kept))


def finished() -> GenerateResponse:
    usage = Usage(output_tokens=3, cost_micros=12)
    usage.time_to_first_token.FromMilliseconds(250)
    usage.total_time.FromMilliseconds(1_250)
    return GenerateResponse(event=GenerationEvent(finished=GenerationFinished(reason=FINISH_REASON_STOP, usage=usage)))


def play(*frames: GenerateResponse) -> PartialAnswer:
    answer = PartialAnswer()
    for number, frame in enumerate(frames, start=1):
        frame.sequence = number
        answer.take(frame)
    return answer


def test_a_whole_answer() -> None:
    answer = play(decided(), said("Points "), said("freeze."), finished())
    answer.end()
    assert answer.text == "Points freeze."
    assert answer.model == "p/small"
    assert answer.decision is not None and answer.decision.reason == "cheap enough"
    assert answer.finished is not None and answer.finished.reason is FinishReason.STOP
    usage = answer.finished.usage
    assert (usage.time_to_first_token_s, usage.total_time_s, usage.cost_usd) == (0.25, 1.25, 12e-6)
    assert usage.tokens_per_second == 2.0


def test_items_say_what_their_frames_say() -> None:
    answer = PartialAnswer()
    call = ToolCall(tool_call_id="1", name="look_up", arguments_json="{}")
    frames = [
        decided(),
        GenerateResponse(event=GenerationEvent(reasoning_delta=TextDelta(text="hm", token_count=1))),
        said("a"),
        GenerateResponse(event=GenerationEvent(tool_call=call)),
        switched(1),
        finished(),
    ]
    for number, frame in enumerate(frames, start=1):
        frame.sequence = number
    items = [answer.take(frame) for frame in frames]
    assert [type(item) for item in items] == [Decided, Reasoning, Text, ToolCalled, Switched, Finished]
    assert answer.text == "a"
    assert list(answer.tool_calls) == [call]
    assert answer.model == "q/org/large"


@pytest.mark.parametrize(
    ("frames", "words"),
    [
        ([said("early")], "expected `decided` first, found event"),
        ([GenerateResponse()], "expected `decided` first, found an empty frame"),
        ([decided(), decided()], "found decided"),
        ([decided(), GenerateResponse()], "found an empty frame"),
        ([decided(), GenerateResponse(event=GenerationEvent())], "expected an event, found an empty one"),
        ([decided(), finished(), said("late")], "expected the end after `finished`"),
        ([decided(), finished(), finished()], "expected the end after `finished`"),
        ([decided(), said("ab"), switched(3)], "expected kept_characters up to 2"),
    ],
)
def test_any_other_order_breaks_the_protocol(frames: list[GenerateResponse], words: str) -> None:
    with pytest.raises(errors.ProviderProtocol, match=words):
        play(*frames)


@pytest.mark.parametrize("sequence", [0, 1, 3])
def test_a_gap_in_the_sequence_breaks_the_protocol(sequence: int) -> None:
    answer = play(decided())
    frame = said("x")
    frame.sequence = sequence
    with pytest.raises(errors.ProviderProtocol, match=f"expected frame 2, found frame {sequence}"):
        answer.take(frame)


@pytest.mark.parametrize("frames", [[], [decided()], [decided(), said("half of")]])
def test_an_end_without_finished_is_a_cut_answer(frames: list[GenerateResponse]) -> None:
    answer = play(*frames)
    with pytest.raises(errors.StreamCut):
        answer.end()
    assert answer.text == ("half of" if len(frames) == 2 else "")


def test_kept_characters_count_code_points_not_bytes_nor_what_the_eye_sees() -> None:
    # A family of five code points, and an e with a combining acute accent.
    family, accented = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "e\u0301"
    answer = play(decided(), said(family), said(accented), switched(6), said("!"))
    assert answer.text == family + "e" + "!"
    assert answer.switches[0].lost_text == "\u0301"


@given(st.lists(st.text(max_size=8), max_size=8), st.lists(st.text(max_size=8), max_size=8), st.data())
def test_text_is_the_kept_prefix_and_what_came_after(before: list[str], after: list[str], data: st.DataObject) -> None:
    whole = "".join(before)
    kept = data.draw(st.integers(0, len(whole)))
    answer = play(decided(), *map(said, before), switched(kept), *map(said, after), finished())
    answer.end()
    assert answer.text == whole[:kept] + "".join(after)
    assert answer.switches[0].lost_text == whole[kept:]


FRAMES = st.sampled_from(["decided", "said", "switched", "finished", "empty"])


@given(st.lists(FRAMES, max_size=6))
def test_only_sentences_of_the_grammar_pass(kinds: list[str]) -> None:
    make = {
        "decided": decided,
        "said": lambda: said("x"),
        "switched": lambda: switched(0),
        "finished": finished,
        "empty": GenerateResponse,
    }
    inner = kinds[1:-1]
    whole = len(kinds) >= 2 and kinds[0] == "decided" and kinds[-1] == "finished" and set(inner) <= {"said", "switched"}
    try:
        play(*(make[kind]() for kind in kinds)).end()
        passed = True
    except errors.ProviderError:
        passed = False
    assert passed == whole


def test_a_reason_of_a_newer_router_does_not_break_the_answer() -> None:
    assert FinishReason(99) is FinishReason.UNSPECIFIED
