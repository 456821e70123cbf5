"""What a streamed answer is made of, as a Python user sees it."""

from dataclasses import dataclass
from enum import IntEnum

from pointsman.llm.v1 import generation_pb2
from pointsman.llm.v1.prompt_pb2 import ToolCall
from pointsman.router.v1.router_service_pb2 import RouteDecision


class FinishReason(IntEnum):
    """Why a model stopped; the values of pointsman.llm.v1.FinishReason."""

    UNSPECIFIED = generation_pb2.FINISH_REASON_UNSPECIFIED
    STOP = generation_pb2.FINISH_REASON_STOP
    LENGTH = generation_pb2.FINISH_REASON_LENGTH
    TOOL_CALLS = generation_pb2.FINISH_REASON_TOOL_CALLS
    CONTENT_FILTER = generation_pb2.FINISH_REASON_CONTENT_FILTER

    @classmethod
    def _missing_(cls, value: object) -> "FinishReason":
        # A newer router may know more reasons than this client; its answer is whole all the same.
        return cls.UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Decided:
    """The first item: which model answers, and why. `decision` is the full account, as the contract describes it."""

    decision: RouteDecision


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer."""

    text: str
    token_count: int


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The next piece of what a reasoning model thinks aloud; no part of the answer."""

    text: str
    token_count: int


@dataclass(frozen=True, slots=True)
class ToolCalled:
    """The model asks for a tool to be run; always whole."""

    call: ToolCall


@dataclass(frozen=True, slots=True)
class Switched:
    """The rest comes from another model; of the text so far `kept_characters` (Unicode code points) stand.

    Models are `provider/model`; `reason` is a name of pointsman.llm.v1.ErrorReason. `lost_text` is what no longer stands.
    """

    from_model: str
    to_model: str
    reason: str
    kept_characters: int
    lost_text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What the answer took, over all attempts; `estimated` where a provider did not count.

    Times are in seconds; 1e6 micros are a US dollar.
    """

    input_tokens: int
    cache_read_input_tokens: int
    cache_write_input_tokens: int
    output_tokens: int
    reasoning_output_tokens: int
    time_to_first_token_s: float
    total_time_s: float
    cost_micros: int
    estimated: bool

    @property
    def cost_usd(self) -> float:
        """The cost in US dollars."""
        return self.cost_micros / 1e6

    @property
    def tokens_per_second(self) -> float | None:
        """Output tokens a second from the first token on; None where there is too little to tell."""
        streamed_s = self.total_time_s - self.time_to_first_token_s
        return (self.output_tokens - 1) / streamed_s if self.output_tokens > 1 and streamed_s > 0 else None


@dataclass(frozen=True, slots=True)
class Finished:
    """The last item: the answer is whole."""

    reason: FinishReason
    usage: Usage


Item = Decided | Text | Reasoning | ToolCalled | Switched | Finished


def finished_from(message: generation_pb2.GenerationFinished) -> Finished:
    """Reads the contract's last event."""
    usage = message.usage
    return Finished(
        FinishReason(message.reason),
        Usage(
            input_tokens=usage.input_tokens,
            cache_read_input_tokens=usage.cache_read_input_tokens,
            cache_write_input_tokens=usage.cache_write_input_tokens,
            output_tokens=usage.output_tokens,
            reasoning_output_tokens=usage.reasoning_output_tokens,
            time_to_first_token_s=usage.time_to_first_token.ToNanoseconds() / 1e9,
            total_time_s=usage.total_time.ToNanoseconds() / 1e9,
            cost_micros=usage.cost_micros,
            estimated=usage.estimated,
        ),
    )
