"""What a router reports of one request, as the windows and the lessons take it."""

from dataclasses import dataclass
from enum import Enum

from pointsman.response import Chances

ModelKey = tuple[str, str]
"""Provider and model."""


class Outcome(Enum):
    """How one attempt ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call to one model. Seconds, output tokens per second from the first token to the last, micros of a US dollar.

    `first_token_s` and `tokens_per_second` are None where no token came, or only one; `total_s` is None unless it SUCCEEDED,
    since the time to a failure says nothing of the time to an answer. `failure` is an ErrorReason's name, empty unless FAILED.
    `hedge` is True where it ran beside another and lost.
    """

    model: ModelKey
    outcome: Outcome
    failure: str
    first_token_s: float | None
    tokens_per_second: float | None
    total_s: float | None
    input_tokens: int
    output_tokens: int
    cost_micros: int
    hedge: bool = False


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision knew of the prompt. `chances` and `expected_tokens` are None where the classifier gave none.

    `token_limit` is how long the caller let the answer get, None where it set no limit.
    """

    intent: str
    complexity: float
    chances: Chances | None
    expected_tokens: int | None
    token_limit: int | None


@dataclass(frozen=True, slots=True)
class Record:
    """One request. `identity` is equal only for the same request reported again: a client may reuse its request id to retry.

    `age_s` is how long ago it ended, by the reporter's own clock. `failure` is the ErrorReason's name that the client received,
    empty on success; `retry_of` the earlier request that this one asks again. `decided` is None where no decision was recorded.
    `shadows` are calls whose answers nobody received.
    """

    identity: int
    age_s: float
    attempts: tuple[Attempt, ...]
    failure: str = ""
    retry_of: str = ""
    decided: Decided | None = None
    shadows: tuple[Attempt, ...] = ()
