"""Reads the answer of the Anthropic Messages API.

    message_start ──> [content_block_start ──> delta* ──> content_block_stop]* ──> message_delta ──> message_stop

Source: Anthropic, "Streaming Messages". Events and deltas of unknown types are passed over, as its versioning policy asks.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from pydantic import TypeAdapter
from typing_extensions import TypedDict  # pydantic takes typing's own only from Python 3.12 on

from pointsman import errors
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.anthropic_usage import UsageJson, read_usage
from services.providers.contract import Event, Finished, FinishReason, Reasoning, Text, Usage
from services.providers.json_payloads import PayloadParser
from services.providers.sse import ServerSentEvent
from services.providers.tokens import estimate_piece_tokens, estimate_prompt_tokens
from services.providers.tool_calls import ToolCallDraft


class BlockJson(TypedDict, total=False):
    type: str
    text: str | None
    thinking: str | None
    id: str | None
    name: str | None
    input: dict[str, object] | None


class DeltaJson(TypedDict, total=False):
    type: str
    text: str | None
    thinking: str | None
    partial_json: str | None
    stop_reason: str | None


class MessageJson(TypedDict, total=False):
    content: list[BlockJson] | None
    stop_reason: str | None
    usage: UsageJson | None


class EventJson(MessageJson, total=False):
    type: str
    index: int
    message: MessageJson | None
    content_block: BlockJson
    delta: DeltaJson
    error: object


validate_event: Callable[[str | bytes], EventJson] = TypeAdapter(EventJson).validator.validate_json

STOP_REASONS = {
    "end_turn": FinishReason.STOP,
    "stop_sequence": FinishReason.STOP,
    "max_tokens": FinishReason.LENGTH,
    "model_context_window_exceeded": FinishReason.LENGTH,
    # The turn is not over, and would go on if it were sent back: cut short, like by a limit.
    "pause_turn": FinishReason.LENGTH,
    "tool_use": FinishReason.TOOL_CALLS,
    "refusal": FinishReason.CONTENT_FILTER,
}


class MessageReader:
    """One answer; `error_event` builds the error for an error event inside the stream."""

    def __init__(self, request: GenerateRequest, error_event: Callable[[object], errors.PointsmanError]) -> None:
        self.finished = False
        self._request = request
        self._error_event = error_event
        self._payloads = PayloadParser(validate_event)
        self._drafts: dict[int, ToolCallDraft] = {}
        self._broken: str | None = None
        self._reason: FinishReason | None = None
        self._usage: UsageJson = {}
        # The count at the start is of the first token alone.
        self._output_told = False
        self._counted = 0
        # The API refuses white space at the end of a prefix, so it was cut off; the model may say it again.
        prefix = request.answer_prefix
        self._cut_off = prefix[len(prefix.rstrip()) :]

    @property
    def stopped(self) -> bool:
        """Whether the model said why it stopped: nothing of the answer comes after that."""
        return self._reason is not None

    @property
    def passed_over(self) -> int:
        """Events that were not readable and were left out."""
        return self._payloads.passed_over

    def read(self, events: Sequence[ServerSentEvent], out: list[Event]) -> None:
        """Adds to `out` what these events say; the last is Finished when the message has stopped."""
        for sent in events:
            event = self._payloads.parse_event(sent.data)
            if event is None:
                continue
            match event.get("type"):
                case "content_block_delta":
                    self._read_delta(event.get("index", 0), event.get("delta", {}), out)
                case "content_block_start":
                    self._start_block(event.get("index", 0), event.get("content_block", {}), out)
                case "content_block_stop":
                    self._stop_block(event.get("index", 0), out)
                case "message_start":
                    self._take_usage((event.get("message") or {}).get("usage"))
                case "message_delta":
                    self._take_usage(event.get("usage"), last=True)
                    self._take_reason(event.get("delta", {}).get("stop_reason"))
                case "message_stop":
                    out += self.end()
                    return
                case "error":
                    raise self._error_event(event)

    def read_whole(self, body: bytes) -> list[Event]:
        """A message that a server sent whole although it was asked to stream."""
        message = self._payloads.parse(body)
        if message.get("type") == "error":
            raise self._error_event(message)
        out: list[Event] = []
        for index, block in enumerate(message.get("content") or ()):
            self._start_block(index, block, out)
            self._stop_block(index, out)
        self._take_usage(message.get("usage"), last=True)
        self._take_reason(message.get("stop_reason"))
        return out + self.end()

    def end(self) -> list[Event]:
        """Finished; raises StreamCut where nothing told why the model stopped."""
        if self._reason is None:
            raise errors.StreamCut("the provider's stream ended without a stop_reason")
        # The limit may have cut a tool call; such a one is not handed on.
        if self._reason is not FinishReason.LENGTH:
            if self._drafts:
                raise errors.ProviderProtocol("the provider's message stopped inside a tool call")
            if self._broken:
                raise errors.ProviderProtocol(f"the provider sent a broken tool call: {self._broken}")
        self.finished = True
        return [Finished(self._reason, self._final_usage())]

    def _start_block(self, index: int, block: BlockJson, out: list[Event]) -> None:
        if block.get("type") == "tool_use":
            draft = ToolCallDraft(block.get("id") or "", block.get("name") or "", block.get("input") or {})
            self._drafts[index] = draft
            return
        self._say(block.get("text"), block.get("thinking"), out)

    def _read_delta(self, index: int, delta: DeltaJson, out: list[Event]) -> None:
        if fragment := delta.get("partial_json"):
            # Tools that the provider runs itself stream their arguments too; those are not calls for the caller.
            if draft := self._drafts.get(index):
                self._add(draft, fragment)
            return
        self._say(delta.get("text"), delta.get("thinking"), out)

    def _say(self, text: str | None, thought: str | None, out: list[Event]) -> None:
        if thought:
            count = estimate_piece_tokens(thought)
            self._counted += count
            out.append(Reasoning(thought, count))
        if text:
            count = estimate_piece_tokens(text)
            self._counted += count
            out.append(Text(self._without_cut_off(text) if self._cut_off else text, count))

    def _without_cut_off(self, text: str) -> str:
        kept = 0
        while kept < min(len(text), len(self._cut_off)) and text[kept] == self._cut_off[kept]:
            kept += 1
        # The rest of it may come with the next piece, if this one held nothing else.
        self._cut_off = self._cut_off[kept:] if kept == len(text) else ""
        return text[kept:]

    def _add(self, draft: ToolCallDraft, fragment: str) -> None:
        try:
            draft.add(fragment)
        except ValueError as error:
            raise errors.ProviderProtocol(f"the provider sent a broken tool call: {error}") from None

    def _stop_block(self, index: int, out: list[Event]) -> None:
        draft = self._drafts.pop(index, None)
        if draft is None:
            return
        self._counted += estimate_piece_tokens("".join(draft.fragments))
        try:
            out.append(draft.complete())
        except ValueError as error:
            self._broken = str(error)

    def _take_reason(self, reason: str | None) -> None:
        if reason is None:
            return
        if reason not in STOP_REASONS:
            raise errors.ProviderProtocol(f"expected a stop_reason of Anthropic's, found {reason[:80]!r}")
        self._reason = STOP_REASONS[reason]

    def _take_usage(self, usage: UsageJson | None, *, last: bool = False) -> None:
        # Counts are cumulative: the last one given stands.
        if usage:
            self._output_told |= last and usage.get("output_tokens") is not None
            self._usage |= {key: value for key, value in usage.items() if value is not None}  # type: ignore[typeddict-item]

    def _final_usage(self) -> Usage:
        usage = read_usage(self._usage)
        if usage is not None and not self._output_told:
            return replace(usage, output_tokens=max(usage.output_tokens, self._counted), estimated=True)
        return usage or Usage(estimate_prompt_tokens(self._request.prompt), self._counted, estimated=True)
