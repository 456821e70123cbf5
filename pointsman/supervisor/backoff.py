"""How long a service that died waits before it is started again. Pure: time is handed in, in seconds of any clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackoffLimits:
    """The first wait, by what it grows with each death, and where it stops growing.

    A service that lived `forgiven_after_s` is treated as if it had never died.
    """

    first_s: float = 0.2
    factor: float = 2.0
    most_s: float = 10.0
    forgiven_after_s: float = 30.0


class Backoff:
    """Counts the deaths of one service."""

    def __init__(self, limits: BackoffLimits) -> None:
        self._limits = limits
        self._next_s = limits.first_s
        self._started_at_s = 0.0

    def started(self, now_s: float) -> None:
        """Takes note of a start."""
        self._started_at_s = now_s

    def died(self, now_s: float) -> float:
        """Takes note of a death; returns the seconds to wait."""
        limits = self._limits
        if now_s - self._started_at_s >= limits.forgiven_after_s:
            self._next_s = limits.first_s
        wait_s = self._next_s
        self._next_s = min(limits.most_s, wait_s * limits.factor)
        return wait_s
