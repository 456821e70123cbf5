"""The vendors' own SDKs and our adapters read the same simulated answers, and read the same in them."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_core import to_json

from deploy.demo.aimock import Aimock, run_aimock
from pointsman.config.schema import OpenAiHttpSection
from services.providers.anthropic_messages import build_body as anthropic_body
from services.providers.anthropic_thinking import ThinkingSupport
from services.providers.contract import Adapter, Finished, FinishReason, Reasoning, Text, ToolCall
from services.providers.openai_messages import build_body as openai_body
from tests.contract.harness import request_for
from tests.contract.http_harness import GOOD_KEY, TOOL_CALLS, USAGE, AnthropicHarness, HttpHarness, OpenAiHarness, able

LONG = "Zürich ☂ 𝄞 " * 40
ANSWERS: Mapping[str, Mapping[str, object]] = {
    "text": {"content": LONG, "usage": USAGE},
    "reasoning": {"content": LONG, "reasoning": "First, the signal. " * 9, "usage": USAGE},
    "tools": {"toolCalls": TOOL_CALLS, "usage": USAGE},
    "text and tools": {"content": "I set the points.", "toolCalls": TOOL_CALLS, "usage": USAGE},
    "length": {"content": LONG, "finishReason": "length", "usage": USAGE},
}
answers = pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)


@dataclass(slots=True)
class Reading:
    """What there is to read in one answer."""

    text: str = ""
    reasoning: str = ""
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    reason: str = ""
    tokens: tuple[int, int] = (0, 0)


async def read_by_adapter(adapter: Adapter, harness: HttpHarness, reasons: Mapping[FinishReason, str]) -> Reading:
    reading = Reading()
    async with aclosing(adapter.generate(request_for(harness))) as batches:
        async for batch in batches:
            for event in batch:
                match event:
                    case Text():
                        reading.text += event.text
                    case Reasoning():
                        reading.reasoning += event.text
                    case ToolCall():
                        reading.calls.append((event.tool_call_id, event.name, event.arguments_json))
                    case Finished():
                        reading.reason = reasons[event.reason]
                        reading.tokens = event.usage.input_tokens, event.usage.output_tokens
    return reading


def joined(reading: Reading) -> Reading:
    """aimock cuts text by UTF-16 units; the SDKs leave the halves of a character to their user."""
    reading.text = reading.text.encode("utf-16", "surrogatepass").decode("utf-16")
    return reading


async def read_by_openai(aimock: Aimock, model: str) -> Reading:
    """Sends the adapter's own body through the SDK."""
    body = openai_body(request_for(OpenAiHarness()), OpenAiHttpSection(kind="openai_http"), able(model))
    reading = Reading()
    calls: dict[int, tuple[str, str, str]] = {}
    async with AsyncOpenAI(base_url=aimock.openai_base_url, api_key=GOOD_KEY, max_retries=0) as client:
        stream = await client.chat.completions.create(**body)  # type: ignore[call-overload]
        async for chunk in stream:
            if chunk.usage:
                reading.tokens = chunk.usage.prompt_tokens, chunk.usage.completion_tokens
            for choice in chunk.choices:
                reading.text += choice.delta.content or ""
                reading.reasoning += getattr(choice.delta, "reasoning_content", None) or ""
                reading.reason = choice.finish_reason or reading.reason
                for fragment in choice.delta.tool_calls or ():
                    call_id, name, arguments = calls.get(fragment.index, ("", "", ""))
                    calls[fragment.index] = (
                        call_id or fragment.id, name or fragment.function.name, arguments + fragment.function.arguments,
                    )  # fmt: skip
    reading.calls = list(calls.values())
    return joined(reading)


async def read_by_anthropic(aimock: Aimock, model: str) -> Reading:
    """Sends the adapter's own body through the SDK."""
    body = anthropic_body(request_for(AnthropicHarness()), able(model), ThinkingSupport())
    reading = Reading()
    async with AsyncAnthropic(base_url=aimock.anthropic_base_url, api_key=GOOD_KEY, max_retries=0) as client:
        del body["stream"]
        async with client.messages.stream(**body) as stream:  # type: ignore[arg-type]
            message = await stream.get_final_message()
    for block in message.content:
        match block.type:
            case "text":
                reading.text += block.text
            case "thinking":
                reading.reasoning += block.thinking
            case "tool_use":
                reading.calls.append((block.id, block.name, to_json(block.input).decode()))
    reading.reason = message.stop_reason or ""
    reading.tokens = message.usage.input_tokens, message.usage.output_tokens
    return joined(reading)


def fixture_of(answer: Mapping[str, object], harness: HttpHarness) -> Sequence[Mapping[str, object]]:
    return [{"match": {"model": harness.model}, "response": answer}]


@answers
async def test_openais_sdk_reads_what_our_adapter_reads(answer: Mapping[str, object]) -> None:
    harness = OpenAiHarness()
    reasons = {reason: reason.value for reason in FinishReason}
    async with run_aimock(fixture_of(answer, harness), api_keys=[GOOD_KEY], chunk_size=7) as aimock:
        async with aclosing(harness.adapter(aimock.url, GOOD_KEY)) as adapter:
            ours = await read_by_adapter(adapter, harness, reasons)
        assert ours == await read_by_openai(aimock, harness.model)
    assert ours.text == answer.get("content", "") and ours.reasoning == answer.get("reasoning", "")
    assert ours.tokens == (11, 12)


@answers
async def test_anthropics_sdk_reads_what_our_adapter_reads(answer: Mapping[str, object]) -> None:
    harness = AnthropicHarness()
    reasons = {
        FinishReason.STOP: "end_turn", FinishReason.LENGTH: "max_tokens", FinishReason.TOOL_CALLS: "tool_use",
        FinishReason.CONTENT_FILTER: "refusal",
    }  # fmt: skip
    async with run_aimock(fixture_of(answer, harness), api_keys=[GOOD_KEY], chunk_size=7) as aimock:
        async with aclosing(harness.adapter(aimock.url, GOOD_KEY)) as adapter:
            ours = await read_by_adapter(adapter, harness, reasons)
        assert ours == await read_by_anthropic(aimock, harness.model)
    assert ours.text == answer.get("content", "") and ours.reasoning == answer.get("reasoning", "")
    assert ours.tokens == (11, 12)
