"""Time as a value that is handed in, so that what depends on it can be tested without waiting."""

import time
from typing import Protocol


class Clock(Protocol):
    """What code that needs time asks for."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""
        ...

    def wall_time(self) -> float:
        """Seconds since the Unix epoch; may jump. For records that people read, never for durations."""
        ...


class SystemClock:
    """The machine's clock."""

    monotonic = staticmethod(time.monotonic)
    wall_time = staticmethod(time.time)


class ManualClock:
    """A clock that moves when told to."""

    def __init__(self, monotonic_s: float = 0.0, wall_time_s: float = 1_700_000_000.0) -> None:
        self._monotonic_s = monotonic_s
        self._wall_time_s = wall_time_s

    def monotonic(self) -> float:
        """Seconds that `advance` was told."""
        return self._monotonic_s

    def wall_time(self) -> float:
        """The start plus what `advance` was told."""
        return self._wall_time_s

    def advance(self, seconds: float) -> None:
        """Moves both clocks forward."""
        self._monotonic_s += seconds
        self._wall_time_s += seconds
