"""What the wall does with a request: a script, steps in the order in which they happen."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class Say:
    """Says a text word by word, with `pause_s` before each word but the first."""

    text: str
    pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rest:
    """Says what is left of a text behind the prefix that the request asks to go on from; all of it where there is none."""

    text: str


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """An error in the place of an event."""

    name: str
    message: str = "it is not to be"


@dataclass(frozen=True, slots=True)
class Refuse:
    """An answer that is an error. `retry_after` is seconds, or seconds from now told as an HTTP date.

    Where `prefixed` is set, only requests that ask to go on from a prefix are refused; the script goes on for all others.
    """

    status: int
    name: str = "some_error"
    message: str = "it is not to be"
    retry_after: str = ""
    retry_date_in_s: int | None = None
    prefixed: bool = False


class Do(Enum):
    """What needs no more words."""

    # The head of a stream that answers 200.
    HEAD = "head"
    # What an API says before the first text.
    OPEN = "open"
    # The first half of an event.
    HALF = "half"
    # An event that is no JSON.
    BROKEN = "broken"
    # Why the model stopped, with the usage and without; then the end marker; then the end of the HTTP body.
    FINISH = "finish"
    FINISH_WITHOUT_USAGE = "finish without usage"
    MARK = "mark"
    END = "end"
    # Nothing more until the test says so, or until the client closes.
    WAIT = "wait"
    # Closes the connection, and resets it.
    CUT = "cut"
    RESET = "reset"


Step = Say | Rest | ErrorEvent | Refuse | Do
Script = Sequence[Step]
# How a stream begins and how a whole one ends.
BEGIN: Script = (Do.HEAD, Do.OPEN)
ENDING: Script = (Do.FINISH, Do.MARK, Do.END)


def well(text: str) -> Script:
    """A whole answer, or the rest of one."""
    return (*BEGIN, Rest(text), *ENDING)
