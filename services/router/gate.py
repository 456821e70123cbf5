"""So many requests at a model at a time; a few more wait for a place, within their own time.

full? ──others can serve──> the next candidate
  └──nobody else──> a bounded queue, first come first served ──a place──> go
                          └──full, or too late──> OVERLOADED, with a time to wait
"""

import asyncio
from collections import deque


class Gate:
    """One model's places. `refused` counts whom there was no room for."""

    def __init__(self, places: int, queue: int) -> None:
        self.places = places
        self.queue = queue
        self.taken = 0
        self.refused = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    async def enter(self, wait_s: float) -> bool:
        """Takes a place, waiting for one at most so long; False where there is none. Whoever enters leaves."""
        if self.taken < self.places:
            self.taken += 1
            return True
        if wait_s <= 0 or len(self._waiting) >= self.queue:
            self.refused += 1
            return False
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            async with asyncio.timeout(wait_s):
                await turn
        except TimeoutError:
            # It may have got its turn at the very moment that its time was up.
            if turn.done() and not turn.cancelled():
                self.leave()
            self.refused += 1
            return False
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave()
            raise
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
        return True

    def leave(self) -> None:
        """Gives the place to whoever waits longest."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.taken -= 1


class Gates:
    """The gates of those models that have a limit, by `provider/model`."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def of(self, reference: str, places: int, queue: int) -> Gate | None:
        """The gate of a model with so many places; None for one without a limit, 0."""
        if not places:
            return None
        gate = self._gates.get(reference)
        if gate is None:
            gate = self._gates[reference] = Gate(places, queue)
        gate.places, gate.queue = places, queue
        return gate
