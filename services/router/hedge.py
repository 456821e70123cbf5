"""Hedging: where a model takes longer than it mostly does, a second one starts, and the first to speak wins.

Dean and Barroso, "The Tail at Scale" (2013): a second request after the 95th percentile of the usual wait costs a few percent more and
cuts the tail of the waits.

first  ────────────────────────> speaks? wins
              after_s
second        └────────────────> speaks first? wins, and the other is cancelled
"""

import asyncio
from collections.abc import Callable
from typing import NamedTuple

from pointsman import errors
from pointsman.llm.v1.generation_pb2 import GenerationEvent
from services.router.attempt import Attempt

# So many hedges may follow each other at once after a calm time.
BURST = 10.0


class HedgeBudget:
    """Lets a share of the requests start a second model. Pure."""

    def __init__(self) -> None:
        self._left = 1.0

    def earn(self, share: float) -> None:
        """A request came whose policy lets such a share of them be hedged."""
        self._left = min(BURST, self._left + share)

    def take(self) -> bool:
        """Whether one more may be hedged."""
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


class Won(NamedTuple):
    """Who spoke first and what; the loser where two ran, with its error where it failed rather than being beaten."""

    attempt: Attempt
    event: GenerationEvent
    loser: Attempt | None = None
    error: errors.PointsmanError | None = None


class BothFailedError(Exception):
    """Neither spoke: the errors of the first and of the second."""

    def __init__(self, first: errors.PointsmanError, second: errors.PointsmanError) -> None:
        super().__init__(f"{first}; {second}")
        self.first, self.second = first, second


async def race(first: Attempt, after_s: float, second: Callable[[], Attempt | None]) -> Won:
    """Waits for the first event of `first`, and after `after_s` seconds of the attempt that `second` opens, if it opens one.

    Raises the first's error where it fails alone, and BothFailedError. The caller closes both.
    """
    one = asyncio.ensure_future(first.next_event())
    other: asyncio.Future[GenerationEvent] | None = None
    try:
        await asyncio.wait({one}, timeout=after_s)
        rival = None if one.done() else second()
        if rival is None:
            return Won(first, await one)
        other = asyncio.ensure_future(rival.next_event())
        await asyncio.wait({one, other}, return_when=asyncio.FIRST_COMPLETED)
        # Where both spoke at once the first one wins: it is the better one.
        for mine, attempt, theirs, beaten in ((one, first, other, rival), (other, rival, one, first)):
            if mine.done() and not _error(mine):
                return Won(attempt, mine.result(), beaten)
            if mine.done():
                error = _error(mine)
                try:
                    return Won(beaten, await theirs, attempt, error)
                except errors.PointsmanError as also:
                    assert error is not None
                    raise (BothFailedError(error, also) if mine is one else BothFailedError(also, error)) from also
        raise AssertionError("one of the two was done")
    finally:
        for task in (one, other):
            if task is not None and not task.done():
                task.cancel()
                await asyncio.wait({task})


def _error(task: "asyncio.Future[GenerationEvent]") -> errors.PointsmanError | None:
    error = task.exception()
    if error is None or isinstance(error, errors.PointsmanError):
        return error
    raise error
