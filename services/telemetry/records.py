"""What a router reports of one request, as the windows take it."""

from dataclasses import dataclass
from enum import Enum

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


@dataclass(frozen=True, slots=True)
class Record:
    """One request. `identity` is equal only for the same request reported again: a client may reuse its request id to retry.

    `age_s` is how long ago it ended, by the reporter's own clock.
    """

    identity: int
    age_s: float
    attempts: tuple[Attempt, ...]
