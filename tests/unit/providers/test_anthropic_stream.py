"""How streams of the Messages API are read: what the API sends, and what breaks."""

import json
from collections.abc import Mapping

import pytest

from pointsman import errors
from services.providers.anthropic_stream import MessageReader
from services.providers.contract import Event, Finished, FinishReason, Reasoning, Text, ToolCall, Usage
from services.providers.http_error_body import read_error
from services.providers.http_errors import from_answer
from services.providers.sse import ServerSentEvent
from tests.unit.providers.prompts import user_says

Json = Mapping[str, object]
START: Json = {"type": "message_start", "message": {"content": [], "usage": {"input_tokens": 5, "output_tokens": 1}}}
STOP: Json = {"type": "message_stop"}


def reader(prefix: str = "") -> MessageReader:
    request = user_says("hi", answer_prefix=prefix)
    return MessageReader(request, lambda value: from_answer("api.test", None, read_error(value, [])))


def read(*events: Json | str, prefix: str = "") -> list[Event]:
    payloads = [event if isinstance(event, str) else json.dumps(event) for event in events]
    out: list[Event] = []
    reader(prefix).read([ServerSentEvent("message", payload) for payload in payloads], out)
    return out


def opens(index: int, **block: object) -> Json:
    return {"type": "content_block_start", "index": index, "content_block": block}


def says(index: int, kind: str, **fields: object) -> Json:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind} | fields}


def closes(index: int) -> Json:
    return {"type": "content_block_stop", "index": index}


def ends(reason: str, **usage: object) -> Json:
    return {
        "type": "message_delta",
        "delta": {"stop_reason": reason, "stop_sequence": None},
        "usage": {"output_tokens": 9} | usage,
    }


def text(*pieces: str) -> list[Json]:
    return [opens(0, type="text", text=""), *(says(0, "text_delta", text=piece) for piece in pieces), closes(0)]


def call(index: int, call_id: str, *fragments: str, **block: object) -> list[Json]:
    opened = {"type": "tool_use", "id": call_id, "name": "f", "input": {}} | block
    return [
        opens(index, **opened),
        *(says(index, "input_json_delta", partial_json=f) for f in fragments),
        closes(index),
    ]


def test_text_with_usage_that_counts_the_cache_into_the_input() -> None:
    usage = {"input_tokens": 5, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1}
    events = read(
        {"type": "message_start", "message": {"usage": usage}}, {"type": "ping"}, *text("Hel", "lo"),
        ends("end_turn", output_tokens_details={"thinking_tokens": 4}), STOP,
    )  # fmt: skip
    assert events == [
        Text("Hel", 1),
        Text("lo", 1),
        Finished(FinishReason.STOP, Usage(125, 9, 100, 20, 4)),
    ]


def test_the_last_count_of_the_input_stands() -> None:
    assert read(START, ends("end_turn", input_tokens=7, cache_read_input_tokens=None), STOP) == [
        Finished(FinishReason.STOP, Usage(7, 9)),
    ]


def test_thoughts_come_as_reasoning_and_what_seals_them_does_not() -> None:
    events = read(
        START, opens(0, type="thinking", thinking="", signature=""), says(0, "thinking_delta", thinking="hm"),
        says(0, "signature_delta", signature="xyz"), closes(0), opens(1, type="redacted_thinking", data="abc"), closes(1),
        opens(2, type="text", text=""), says(2, "text_delta", text="So"), says(2, "citations_delta", citation={}), closes(2),
        ends("end_turn"), STOP,
    )  # fmt: skip
    assert events[:-1] == [Reasoning("hm", 1), Text("So", 1)]


def test_tool_calls_come_whole_each_when_its_block_closes() -> None:
    events = read(
        START, *text("I look."), *call(1, "a", '{"x', '":', "1}"), *call(2, "b"), *call(3, "c", input={"y": 2}), ends("tool_use"), STOP
    )  # fmt: skip
    assert events[1:] == [
        ToolCall("a", "f", '{"x":1}'),
        ToolCall("b", "f", "{}"),
        ToolCall("c", "f", '{"y":2}'),
        Finished(FinishReason.TOOL_CALLS, Usage(5, 9)),
    ]


def test_what_a_tool_of_the_provider_itself_does_is_no_call() -> None:
    block = opens(0, type="server_tool_use", id="s", name="web_search", input={})
    events = read(START, block, says(0, "input_json_delta", partial_json="{}"), closes(0), ends("end_turn"), STOP)
    assert [type(event) for event in events] == [Finished]


def test_broken_arguments_are_a_protocol_error_unless_the_limit_cut_them() -> None:
    with pytest.raises(errors.ProviderProtocol, match="tool call"):
        read(START, *call(0, "a", '{"x'), ends("tool_use"), STOP)
    with pytest.raises(errors.ProviderProtocol, match="inside a tool call"):
        read(START, *call(0, "a", '{"x')[:-1], ends("tool_use"), STOP)
    assert read(START, *call(0, "a", '{"x'), ends("max_tokens"), STOP) == [Finished(FinishReason.LENGTH, Usage(5, 9))]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("end_turn", FinishReason.STOP), ("stop_sequence", FinishReason.STOP), ("max_tokens", FinishReason.LENGTH),
        ("model_context_window_exceeded", FinishReason.LENGTH), ("pause_turn", FinishReason.LENGTH),
        ("tool_use", FinishReason.TOOL_CALLS), ("refusal", FinishReason.CONTENT_FILTER),
    ],
)  # fmt: skip
def test_stop_reasons(said: str, reason: FinishReason) -> None:
    assert read(START, ends(said), STOP) == [Finished(reason, Usage(5, 9))]


def test_an_unknown_stop_reason_is_a_protocol_error_and_an_unknown_event_nothing() -> None:
    with pytest.raises(errors.ProviderProtocol, match="tired"):
        read(START, ends("tired"), STOP)
    assert read(START, {"type": "novelty", "index": 3}, says(0, "novel_delta"), ends("end_turn"), STOP)


def test_counts_of_nothing_are_estimated_and_say_so() -> None:
    zero = {"type": "message_start", "message": {"usage": {"input_tokens": 0, "output_tokens": 0}}}
    *_, finished = read(zero, *text("four", "x" * 40), ends("end_turn", output_tokens=0), STOP)
    assert finished == Finished(FinishReason.STOP, Usage(1, 11, estimated=True))


def test_the_end_without_message_stop_is_whole_after_a_stop_reason_and_a_cut_before_one() -> None:
    ending, cut = reader(), reader()
    ending.read([ServerSentEvent("message_delta", json.dumps(ends("end_turn")))], [])
    assert ending.end() and ending.finished
    cut.read([ServerSentEvent("message", json.dumps(event)) for event in (START, *text("a"))], [])
    with pytest.raises(errors.StreamCut):
        cut.end()
    with pytest.raises(errors.StreamCut):
        read(START, STOP)


def test_an_error_inside_the_stream() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(errors.ProviderUnavailable, match="Overloaded"):
        read(error)
    with pytest.raises(errors.ProviderUnavailable):
        read(START, *text("a"), error)


@pytest.mark.parametrize(
    ("event", "named"),
    [("{", "JSON"), ("[]", "bad payload"), (says(0, "text_delta", text=5), "delta.text"), ({"type": 3}, "type"),
     (ends("end_turn", output_tokens=-1), "usage.output_tokens")],
)  # fmt: skip
def test_a_bad_event_is_a_protocol_error_that_names_the_place(event: Json | str, named: str) -> None:
    with pytest.raises(errors.ProviderProtocol, match=named):
        read(event)


def test_one_bad_event_without_a_part_of_the_answer_is_left_out() -> None:
    events = read(START, *text("a")[:-1], "{ping]", says(0, "text_delta", text="b"), ends("end_turn"), STOP)
    assert "".join(event.text for event in events if isinstance(event, Text)) == "ab"
    for broken in ([START, says(0, "text_delta", text=5)], ["{"], [START, "{", "{"]):
        with pytest.raises(errors.ProviderProtocol):
            read(*broken)


def test_the_count_of_the_first_token_is_not_taken_for_that_of_all() -> None:
    stopped: Json = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}}
    assert read(START, *text("one two ", "three"), stopped, STOP)[-1] == Finished(
        FinishReason.STOP, Usage(5, 2, estimated=True)
    )


@pytest.mark.parametrize(
    ("prefix", "pieces", "delivered"),
    [
        ("one two ", [" three"], "three"),
        ("one two ", ["three"], "three"),
        ("one\n\n", ["\n", "\nthree"], "three"),
        ("one\n\n", ["\n three"], " three"),
        ("one", [" two"], " two"),
    ],
)
def test_white_space_that_the_prefix_lost_is_not_said_twice(prefix: str, pieces: list[str], delivered: str) -> None:
    events = read(START, *text(*pieces), ends("end_turn"), STOP, prefix=prefix)
    assert "".join(event.text for event in events if isinstance(event, Text)) == delivered


def test_an_answer_that_was_not_streamed() -> None:
    body = {
        "type": "message", "stop_reason": "tool_use", "usage": {"input_tokens": 2, "output_tokens": 3},
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "Hi"},
            {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
        ],
    }  # fmt: skip
    assert reader().read_whole(json.dumps(body).encode()) == [
        Reasoning("hm", 1), Text("Hi", 1), ToolCall("a", "f", '{"x":1}'), Finished(FinishReason.TOOL_CALLS, Usage(2, 3)),
    ]  # fmt: skip
