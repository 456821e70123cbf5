"""Shows a changing picture to many watchers, each at its own pace.

A watcher asks for the picture when it is ready to send one, so there is no queue: what it was too slow for is never made.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

from pointsman import errors

T = TypeVar("T")

# Watchers that ask within this time of each other share one picture; half of the shortest interval between ticks.
SHARED_S = 0.05
RETRY_AFTER_S = 5.0


class Watchers(Generic[T]):
    """At most `limit` watchers of what `read` returns; `close` ends them all."""

    def __init__(self, read: Callable[[], T], limit: int) -> None:
        self._read = read
        self._limit = limit
        self._watching = 0
        self._closed = asyncio.Event()
        self._latest: tuple[float, T] | None = None

    @property
    def full(self) -> bool:
        """Whether the next watcher is turned away."""
        return self._watching >= self._limit

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Holds a place for one watcher; raises Overloaded when there is none."""
        if self.full:
            raise errors.Overloaded(
                f"{self._limit} watchers are served already, the most there may be", retry_after_s=RETRY_AFTER_S
            )
        self._watching += 1
        try:
            yield
        finally:
            self._watching -= 1

    async def ticks(self, interval_s: float) -> AsyncGenerator[T, None]:
        """Yields the newest picture at once and then every `interval_s` seconds, until `close`.

        Who comes back late gets the newest at once, and the next one `interval_s` later.
        """
        loop = asyncio.get_running_loop()
        while not self._closed.is_set():
            due_s = loop.time() + interval_s
            yield self._newest(loop.time())
            try:
                async with asyncio.timeout_at(due_s):
                    await self._closed.wait()
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Ends every watch, those to come included."""
        self._closed.set()

    def _newest(self, now_s: float) -> T:
        if self._latest is None or now_s - self._latest[0] > SHARED_S:
            self._latest = (now_s, self._read())
        return self._latest[1]
