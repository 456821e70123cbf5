"""The one contract that every adapter implements: a prompt goes in, events come out, foreign errors never do.

    request ──> generate ──> [Text | Reasoning | ToolCall]* Finished      or one error of pointsman.errors

An adapter does not choose, retry, or time out a silent model: that is the router's work and the caller's budget.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pointsman.provider.v1.provider_service_pb2 import GenerateRequest


class FinishReason(Enum):
    """Why a model stopped."""

    STOP = "stop"
    LENGTH = "length"
    TOOL_CALLS = "tool_calls"
    CONTENT_FILTER = "content_filter"


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call, cached ones within the input and reasoning ones within the output.

    `estimated` where the provider gave no counts.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_write_input_tokens: int = 0
    reasoning_output_tokens: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    """The next piece of the answer; `token_count` as the provider counts, or its best estimate."""

    text: str
    token_count: int


@dataclass(frozen=True, slots=True)
class Reasoning:
    """The next piece of what the model thinks aloud."""

    text: str
    token_count: int


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call, whole: `arguments_json` is a JSON object as text."""

    tool_call_id: str
    name: str
    arguments_json: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The last event of a stream that is whole."""

    reason: FinishReason
    usage: Usage


Event = Text | Reasoning | ToolCall | Finished


class ModelState(Enum):
    """What an adapter knows of one upstream model."""

    READY = "ready"
    LOADING = "loading"
    DEGRADED = "degraded"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """One model's state; `detail` says why it is not READY."""

    state: ModelState
    detail: str = ""


class Adapter(Protocol):
    """One upstream API, for the models that the configuration gives to this provider."""

    def generate(self, request: GenerateRequest) -> AsyncGenerator[Sequence[Event], None]:
        """Streams the answer of exactly `request.model`; each item holds the events that arrived together.

        Closing or cancelling the generator ends the upstream call at once. The last event of a whole answer is Finished;
        a generator that ends without one was cut. Raises CallerError, OperatorError and ProviderError subclasses only.
        """
        ...

    async def check_health(self) -> Mapping[str, ModelHealth]:
        """Asks the upstream which of the configured models it can serve now; never raises for a failing upstream."""
        ...

    async def aclose(self) -> None:
        """Closes the connections."""
        ...
