"""Turns an adapter's events into the contract's frames; pieces of text that arrived together become one frame."""

from collections.abc import Iterable
from typing import assert_never

from google.protobuf.duration_pb2 import Duration

from pointsman.llm.v1 import generation_pb2 as generation
from pointsman.llm.v1.prompt_pb2 import ToolCall as ToolCallMessage
from pointsman.provider.v1.provider_service_pb2 import GenerateResponse
from services.providers.contract import Event, Finished, FinishReason, Reasoning, Text, ToolCall, Usage

FINISH_REASONS = {
    FinishReason.STOP: generation.FINISH_REASON_STOP,
    FinishReason.LENGTH: generation.FINISH_REASON_LENGTH,
    FinishReason.TOOL_CALLS: generation.FINISH_REASON_TOOL_CALLS,
    FinishReason.CONTENT_FILTER: generation.FINISH_REASON_CONTENT_FILTER,
}


def join(events: Iterable[Event]) -> list[Event]:
    """Joins neighbouring pieces of the same kind of text; drops empty ones."""
    joined: list[Event] = []
    for event in events:
        last = joined[-1] if joined else None
        match event:
            case Text() | Reasoning() if not event.text:
                continue
            case Text() if isinstance(last, Text):
                joined[-1] = Text(last.text + event.text, last.token_count + event.token_count)
            case Reasoning() if isinstance(last, Reasoning):
                joined[-1] = Reasoning(last.text + event.text, last.token_count + event.token_count)
            case _:
                joined.append(event)
    return joined


def to_frame(event: Event, first_token_s: float, total_s: float) -> GenerateResponse:
    """Builds the frame of one event; the times, in seconds since the call began, go into the last one."""
    match event:
        case Text(text, count):
            return GenerateResponse(event={"text_delta": {"text": text, "token_count": count}})
        case Reasoning(text, count):
            return GenerateResponse(event={"reasoning_delta": {"text": text, "token_count": count}})
        case ToolCall(tool_call_id, name, arguments_json):
            call = ToolCallMessage(tool_call_id=tool_call_id, name=name, arguments_json=arguments_json)
            return GenerateResponse(event=generation.GenerationEvent(tool_call=call))
        case Finished(reason, usage):
            finished = generation.GenerationFinished(
                reason=FINISH_REASONS[reason], usage=_usage(usage, first_token_s, total_s)
            )
            return GenerateResponse(event=generation.GenerationEvent(finished=finished))
        case unreachable:
            assert_never(unreachable)


def _usage(usage: Usage, first_token_s: float, total_s: float) -> generation.Usage:
    return generation.Usage(
        input_tokens=usage.input_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        cache_write_input_tokens=usage.cache_write_input_tokens,
        output_tokens=usage.output_tokens,
        reasoning_output_tokens=usage.reasoning_output_tokens,
        time_to_first_token=_duration(first_token_s),
        total_time=_duration(total_s),
        estimated=usage.estimated,
    )


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))
