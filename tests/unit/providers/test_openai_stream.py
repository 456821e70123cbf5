"""How chat completions streams are read: what servers send, well and badly."""

import json
from collections.abc import Mapping

import pytest

from pointsman import errors
from services.providers.contract import Event, Finished, FinishReason, Reasoning, Text, ToolCall, Usage
from services.providers.http_error_body import read_error
from services.providers.http_errors import from_answer
from services.providers.openai_stream import ChatReader
from services.providers.sse import ServerSentEvent
from tests.unit.providers.prompts import user_says

DONE = "[DONE]"
STOPPED = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
ESTIMATED = Usage(input_tokens=1, output_tokens=0, estimated=True)


def reader() -> ChatReader:
    return ChatReader(user_says("hi").prompt, lambda value: from_answer("api.test", None, read_error(value, [])))


def read(*chunks: object) -> list[Event]:
    payloads = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    out: list[Event] = []
    reader().read([ServerSentEvent("message", payload) for payload in payloads], out)
    return out


def delta(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": fields, "finish_reason": None}]}


def finish(reason: str) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": reason}]}


def call(index: int | None, arguments: str = "", **fields: str) -> dict[str, object]:
    function = {"arguments": arguments} | ({"name": fields["name"]} if "name" in fields else {})
    fragment: dict[str, object] = {"function": function} | ({"id": fields["id"]} if "id" in fields else {})
    return delta(tool_calls=[fragment if index is None else fragment | {"index": index}])


def calls_of(events: list[Event]) -> list[tuple[str, str, str]]:
    return [(e.tool_call_id, e.name, e.arguments_json) for e in events if isinstance(e, ToolCall)]


def test_text_with_usage() -> None:
    usage = {
        "prompt_tokens": 20, "completion_tokens": 7, "total_tokens": 27,
        "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 3},
    }  # fmt: skip
    events = read(
        delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), STOPPED, {"choices": [], "usage": usage}, DONE
    )  # fmt: skip
    assert events == [
        Text("Hel", 1),
        Text("lo", 1),
        Finished(FinishReason.STOP, Usage(20, 7, 8, 4, 3)),
    ]


@pytest.mark.parametrize("field", ["reasoning_content", "reasoning"])
def test_reasoning_by_either_name(field: str) -> None:
    assert read(delta(**{field: "hmm"}), delta(content="So"), STOPPED, DONE)[:2] == [Reasoning("hmm", 1), Text("So", 1)]


def test_a_refusal_is_text_that_ends_as_filtered() -> None:
    events = read(delta(refusal="I cannot"), delta(refusal=" help."), STOPPED, DONE)
    assert events[:2] == [Text("I cannot", 1), Text(" help.", 1)]
    assert isinstance(events[2], Finished) and events[2].reason is FinishReason.CONTENT_FILTER


def test_parallel_calls_are_put_together_by_index_and_come_whole() -> None:
    events = read(
        call(0, id="a", name="one"), call(1, id="b", name="two"), call(0, '{"x"'), call(1, '{"y":'), call(0, ":1}"), call(1, "2}"),
        finish("tool_calls"), DONE,
    )  # fmt: skip
    assert calls_of(events) == [("a", "one", '{"x":1}'), ("b", "two", '{"y":2}')]
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.TOOL_CALLS


def test_calls_that_share_an_index_are_told_apart_by_their_ids() -> None:
    events = read(call(0, '{"x":1}', id="a", name="f"), call(0, '{"x":2}', id="b", name="f"), finish("stop"), DONE)
    assert calls_of(events) == [("a", "f", '{"x":1}'), ("b", "f", '{"x":2}')]
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.TOOL_CALLS


def test_a_call_without_an_id_or_arguments_gets_both() -> None:
    ((call_id, name, arguments),) = calls_of(read(call(0, name="now"), finish("tool_calls"), DONE))
    assert call_id.startswith("call_") and (name, arguments) == ("now", "{}")


@pytest.mark.parametrize("arguments", ["{", "[1]", '"x"'])
def test_broken_arguments_are_a_protocol_error(arguments: str) -> None:
    with pytest.raises(errors.ProviderProtocol, match="tool call"):
        read(call(0, arguments, id="a", name="f"), finish("tool_calls"), DONE)


def test_a_call_that_the_limit_cut_is_not_handed_on() -> None:
    events = read(call(0, '{"x":1}', id="a", name="f"), call(1, '{"x":', id="b", name="f"), finish("length"), DONE)
    assert calls_of(events) == [("a", "f", '{"x":1}')]
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.LENGTH


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("stop", FinishReason.STOP), ("length", FinishReason.LENGTH), ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS), ("content_filter", FinishReason.CONTENT_FILTER), ("eos", FinishReason.STOP),
    ],
)  # fmt: skip
def test_finish_reasons(said: str, reason: FinishReason) -> None:
    assert read(finish(said), DONE) == [Finished(reason, ESTIMATED)]


def test_a_server_that_gave_up_is_unavailable_and_an_unknown_reason_a_protocol_error() -> None:
    with pytest.raises(errors.ProviderUnavailable):
        read(delta(content="a"), finish("insufficient_system_resource"))
    with pytest.raises(errors.ProviderProtocol, match="tired"):
        read(finish("tired"))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_cache_hit_tokens": 4}, Usage(5, 2, cache_read_input_tokens=4)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 3}},
         Usage(5, 5, reasoning_output_tokens=3)),
        ({"prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 3}},
         Usage(5, 4, reasoning_output_tokens=3)),
        ({"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": None}, Usage(5, 2)),
        ({"prompt_tokens": 0, "completion_tokens": 0}, ESTIMATED),
    ],
)  # fmt: skip
def test_counts_include_what_the_contract_says(usage: Mapping[str, object], expected: Usage) -> None:
    assert read(STOPPED, {"choices": [], "usage": usage}, DONE) == [Finished(FinishReason.STOP, expected)]


def test_without_usage_the_counts_are_estimated_and_say_so() -> None:
    *_, finished = read(delta(content="four"), delta(content="x" * 40), delta(reasoning="hm"), STOPPED, DONE)
    assert finished == Finished(FinishReason.STOP, Usage(1, 12, estimated=True))


def test_running_counts_on_every_chunk_leave_the_last() -> None:
    chunks = [delta(content="a") | {"usage": {"prompt_tokens": 3, "completion_tokens": n}} for n in (1, 2)]
    assert read(*chunks, STOPPED, DONE)[-1] == Finished(FinishReason.STOP, Usage(3, 2))


def test_done_without_a_finish_reason_is_a_cut() -> None:
    with pytest.raises(errors.StreamCut):
        read(delta(content="a"), DONE)


def test_the_end_without_done_is_whole_after_a_finish_reason_and_a_cut_before_one() -> None:
    ending = reader()
    ending.read([ServerSentEvent("message", json.dumps(STOPPED))], [])
    assert ending.end() == [Finished(FinishReason.STOP, ESTIMATED)] and ending.finished
    cut = reader()
    cut.read([ServerSentEvent("message", json.dumps(delta(content="a")))], [])
    with pytest.raises(errors.StreamCut):
        cut.end()
    assert not cut.finished


@pytest.mark.parametrize(
    ("chunk", "error"),
    [
        ({"error": {"message": "busy", "type": "server_error", "code": None}}, errors.ProviderUnavailable),
        ({"error": {"message": "busy", "code": 429}, "choices": [{"delta": {"content": ""}, "finish_reason": "error"}]},
         errors.ProviderRateLimited),
        ({"error": {"message": "long", "code": "context_length_exceeded"}}, errors.ContextTooLong),
    ],
)  # fmt: skip
def test_an_error_inside_the_stream(chunk: object, error: type[errors.PointsmanError]) -> None:
    with pytest.raises(error):
        read(chunk)
    with pytest.raises(error):
        read(delta(content="a"), chunk)


@pytest.mark.parametrize(
    ("chunk", "named"),
    [("{", "JSON"), ("[]", "bad payload"), (delta(content=5), "choices.0.delta.content"), ({"choices": 1}, "choices"),
     ({"usage": {"prompt_tokens": -1}}, "usage.prompt_tokens")],
)  # fmt: skip
def test_a_bad_chunk_is_a_protocol_error_that_names_the_place(chunk: object, named: str) -> None:
    with pytest.raises(errors.ProviderProtocol, match=named):
        read(chunk)


def test_what_arrived_with_an_error_but_before_it_is_not_lost() -> None:
    out: list[Event] = []
    with pytest.raises(errors.ProviderProtocol):
        reader().read(
            [ServerSentEvent("message", json.dumps(delta(content="a"))), *[ServerSentEvent("message", "{")] * 2], out
        )
    assert out == [Text("a", 1)]


def test_one_bad_chunk_without_a_part_of_the_answer_is_left_out() -> None:
    good, more = delta(content="a"), delta(content="b")
    reading, out = reader(), list[Event]()
    events = [json.dumps(good), "{ping]", json.dumps(more)]
    reading.read([ServerSentEvent("message", data) for data in events], out)
    assert out == [Text("a", 1), Text("b", 1)]
    assert reading.passed_over == 1
    # Text is never left out, nor is a stream believed that begins or goes on like that.
    for broken in ([good, delta(content=5)], ["{"], [good, "{", "{"]):
        with pytest.raises(errors.ProviderProtocol):
            read(*broken)


def test_an_answer_that_was_not_streamed() -> None:
    message = {
        "role": "assistant", "content": "Hi", "reasoning_content": "hm",
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }  # fmt: skip
    body = {
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"prompt_tokens": 2, "completion_tokens": 3},
    }
    assert reader().read_whole(json.dumps(body).encode()) == [
        Reasoning("hm", 1), Text("Hi", 1), ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"),
        Finished(FinishReason.TOOL_CALLS, Usage(2, 3)),
    ]  # fmt: skip
