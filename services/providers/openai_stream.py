"""Reads the answer of a chat completions API: chunks of text, of reasoning and of tool calls, then how it ended and its usage.

    delta* ──finish_reason──> usage? ──[DONE] or the end──> Finished

Sources: OpenAI, "Streaming events" of chat completions; DeepSeek, vLLM and OpenRouter for `reasoning_content` and `reasoning`.
"""

from collections.abc import Callable, Sequence

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from pointsman import errors
from pointsman.llm.v1.prompt_pb2 import Prompt
from services.providers.contract import Event, Finished, FinishReason, Reasoning, Text, Usage
from services.providers.json_payloads import PayloadParser
from services.providers.openai_usage import UsageJson, read_usage
from services.providers.sse import ServerSentEvent
from services.providers.tokens import estimate_piece_tokens, estimate_prompt_tokens
from services.providers.tool_calls import ToolCallDraft


class FunctionJson(TypedDict, total=False):
    name: str | None
    arguments: str | None


class ToolCallJson(TypedDict, total=False):
    index: int | None
    id: str | None
    function: FunctionJson | None


class DeltaJson(TypedDict, total=False):
    content: str | None
    reasoning_content: str | None
    reasoning: str | None
    refusal: str | None
    tool_calls: list[ToolCallJson] | None


class ChoiceJson(TypedDict, total=False):
    index: int
    delta: DeltaJson | None
    message: DeltaJson | None
    finish_reason: str | None


class ChunkJson(TypedDict, total=False):
    choices: list[ChoiceJson] | None
    usage: UsageJson | None
    error: object


validate_chunk: Callable[[str | bytes], ChunkJson] = TypeAdapter(ChunkJson).validator.validate_json

# OpenAI's five, and what compatible servers say for the same.
FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "eos": FinishReason.STOP,
    "eos_token": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "end_turn": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "max_tokens": FinishReason.LENGTH,
    "model_length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}
# The server gave the answer up: DeepSeek, OpenRouter, vLLM.
GIVEN_UP = frozenset({"insufficient_system_resource", "error", "abort"})


class ChatReader:
    """One answer; `error_event` builds the error for an error object inside the stream."""

    def __init__(self, prompt: Prompt, error_event: Callable[[object], errors.PointsmanError]) -> None:
        self.finished = False
        self._prompt = prompt
        self._error_event = error_event
        self._payloads = PayloadParser(validate_chunk)
        self._calls: list[ToolCallDraft] = []
        self._by_index: dict[int, ToolCallDraft] = {}
        self._reason: FinishReason | None = None
        self._usage: UsageJson | None = None
        self._refused = False
        self._counted = 0

    @property
    def stopped(self) -> bool:
        """Whether the model said why it stopped: what may still come is its usage."""
        return self._reason is not None

    @property
    def passed_over(self) -> int:
        """Events that were not readable and were left out."""
        return self._payloads.passed_over

    def read(self, events: Sequence[ServerSentEvent], out: list[Event]) -> None:
        """Adds to `out` what these events say; the last is Finished when the stream says that it is done."""
        for event in events:
            if event.data == "[DONE]":
                out += self.end()
                return
            if (chunk := self._payloads.parse_event(event.data)) is not None:
                self._read_chunk(chunk, out)

    def read_whole(self, body: bytes) -> list[Event]:
        """A completion that a server sent whole although it was asked to stream."""
        out: list[Event] = []
        self._read_chunk(self._payloads.parse(body), out)
        return out + self.end()

    def end(self) -> list[Event]:
        """The tool calls and Finished; raises StreamCut where nothing told why the model stopped."""
        if self._reason is None:
            raise errors.StreamCut("the provider's stream ended without a finish_reason")
        calls: list[Event] = []
        for draft in self._calls:
            try:
                calls.append(draft.complete())
            except ValueError as error:
                if self._reason is FinishReason.LENGTH:
                    break  # the limit cut this one; it is not handed on
                raise errors.ProviderProtocol(f"the provider sent a broken tool call: {error}") from None
        self.finished = True
        return [*calls, Finished(self._final_reason(bool(calls)), self._final_usage())]

    def _final_reason(self, called: bool) -> FinishReason:
        assert self._reason is not None
        if self._refused:
            return FinishReason.CONTENT_FILTER
        # Some servers, and OpenAI itself for a tool that was forced, say "stop" after a call.
        return FinishReason.TOOL_CALLS if called and self._reason is FinishReason.STOP else self._reason

    def _final_usage(self) -> Usage:
        if usage := read_usage(self._usage):
            return usage
        called = sum(estimate_piece_tokens("".join(call.fragments)) for call in self._calls)
        return Usage(estimate_prompt_tokens(self._prompt), self._counted + called, estimated=True)

    def _read_chunk(self, chunk: ChunkJson, out: list[Event]) -> None:
        if usage := chunk.get("usage"):
            self._usage = usage
        if chunk.get("error"):
            raise self._error_event(chunk)
        # The chunk that carries the usage has no choice.
        choices = chunk.get("choices")
        if not choices:
            return
        choice = choices[0]
        if delta := choice.get("delta") or choice.get("message"):
            self._read_delta(delta, out)
        if reason := choice.get("finish_reason"):
            self._read_reason(reason)

    def _read_delta(self, delta: DeltaJson, out: list[Event]) -> None:
        if thought := delta.get("reasoning_content") or delta.get("reasoning"):
            count = estimate_piece_tokens(thought)
            self._counted += count
            out.append(Reasoning(thought, count))
        text = delta.get("content")
        if not text and (text := delta.get("refusal")):
            self._refused = True
        if text:
            count = estimate_piece_tokens(text)
            self._counted += count
            out.append(Text(text, count))
        for fragment in delta.get("tool_calls") or ():
            self._read_tool_call(fragment)

    def _read_tool_call(self, fragment: ToolCallJson) -> None:
        index, call_id = fragment.get("index"), fragment.get("id") or ""
        draft = self._calls[-1] if self._calls else None
        if index is not None:
            draft = self._by_index.get(index)
        # Google's compatible API gives parallel calls one index and tells them apart by their ids alone; calls that come
        # whole, in an answer that was not streamed, have no index at all.
        if draft is None or (call_id and draft.tool_call_id and call_id != draft.tool_call_id):
            draft = ToolCallDraft()
            self._calls.append(draft)
            if index is not None:
                self._by_index[index] = draft
        function = fragment.get("function") or {}
        draft.tool_call_id = draft.tool_call_id or call_id
        draft.name = draft.name or function.get("name") or ""
        try:
            draft.add(function.get("arguments") or "")
        except ValueError as error:
            raise errors.ProviderProtocol(f"the provider sent a broken tool call: {error}") from None

    def _read_reason(self, reason: str) -> None:
        if reason in GIVEN_UP:
            raise errors.ProviderUnavailable(f"the provider gave the answer up: {reason}")
        if reason not in FINISH_REASONS:
            raise errors.ProviderProtocol(f"expected a finish_reason of OpenAI's, found {reason[:80]!r}")
        self._reason = FINISH_REASONS[reason]
