"""Keeps requests from a model that only fails: the circuit of one model. Pure; the clock is a parameter.

            failures in a row, or a share of recent calls
    closed ───────────────────────────────────────────────> open, for a while
      ^                                                       │ time is up
      │                            half-open, one probe <─────┘
      │                              │   │ it fails: open, for twice as long
      │ time passes                  │   └──────────────────────^
      └────── recovering <─── it answers       a failure ───────^
              10, 25, 50 % of the requests

Only what says something of the model counts: a caller's own errors and cancels do not.
"""

from collections import deque
from enum import Enum

IN_A_ROW = 5
# Of at least so many calls within the window, this share.
ENOUGH_CALLS = 10
FAILING_SHARE = 0.5
WINDOW_S = 30.0
MOST_CALLS = 200
OPEN_FIRST_S, OPEN_MOST_S = 5.0, 60.0
# After a probe went well the model gets these shares of the requests, each for so long, before it gets all.
RAMP = (0.10, 0.25, 0.50)
RAMP_STEP_S = 5.0
# A probe that nobody ends, since its caller left, is given up after so long.
PROBE_S = 30.0


class State(Enum):
    """What a circuit lets through: everything, nothing, one probe, or a growing share."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    RECOVERING = "recovering"


class Breaker:
    """One model's circuit. Times are of a monotonic clock, in seconds."""

    def __init__(self) -> None:
        self._calls: deque[tuple[float, bool]] = deque()
        self._in_a_row = 0
        self._open_s = OPEN_FIRST_S
        self._until_s: float | None = None
        self._recovered_s = float("-inf")
        self._probe_until_s = float("-inf")

    def state(self, now_s: float) -> State:
        """What it lets through now."""
        if self._until_s is None:
            return State.RECOVERING if now_s < self._recovered_s + RAMP_STEP_S * len(RAMP) else State.CLOSED
        return State.HALF_OPEN if now_s >= self._until_s else State.OPEN

    def refusal(self, now_s: float) -> str:
        """Why nothing may be sent now; empty where something may."""
        match self.state(now_s):
            case State.OPEN:
                assert self._until_s is not None
                return f"it failed too often; it is tried again in {self._until_s - now_s:.0f} s"
            case State.HALF_OPEN if now_s < self._probe_until_s:
                return "it failed too often; one request tries it now"
            case _:
                return ""

    def share(self, now_s: float) -> float:
        """The share of the requests that it lets through; of nothing and of one probe `refusal` tells."""
        if self.state(now_s) is not State.RECOVERING:
            return 1.0
        return RAMP[max(0, min(len(RAMP) - 1, int((now_s - self._recovered_s) / RAMP_STEP_S)))]

    def begin(self, now_s: float) -> bool:
        """A call begins; True where it is the probe, so that all others keep away until it has ended."""
        if self.state(now_s) is not State.HALF_OPEN:
            return False
        self._probe_until_s = now_s + PROBE_S
        return True

    def let_go(self) -> None:
        """The probe ended without a verdict; the next call may be one."""
        self._probe_until_s = float("-inf")

    def ended(self, now_s: float, *, failed: bool, retry_after_s: float = 0.0) -> None:
        """A call ended, and says something of the model; `retry_after_s` is how long the provider asks to be left alone."""
        before = self.state(now_s)
        half_open = before is State.HALF_OPEN
        self._probe_until_s = float("-inf")
        if not failed:
            self._in_a_row = 0
            if half_open:
                self._until_s, self._recovered_s = None, now_s
                self._calls.clear()
            elif before is State.CLOSED:
                self._open_s = OPEN_FIRST_S
            self._note(now_s, failed=False)
            return
        self._in_a_row += 1
        self._note(now_s, failed=True)
        if before in (State.HALF_OPEN, State.RECOVERING):
            self._open_s = min(OPEN_MOST_S, self._open_s * 2)
        elif self._until_s is None and not self._too_many():
            return
        # A call that began before it opened changes nothing but what the provider asks for.
        opened = self._until_s if self._until_s is not None and not half_open else now_s + self._open_s
        self._until_s = max(opened, now_s + min(retry_after_s, OPEN_MOST_S))

    def _note(self, now_s: float, *, failed: bool) -> None:
        self._calls.append((now_s, failed))
        while self._calls[0][0] < now_s - WINDOW_S or len(self._calls) > MOST_CALLS:
            self._calls.popleft()

    def _too_many(self) -> bool:
        failures = sum(failed for _, failed in self._calls)
        share = failures / len(self._calls)
        return self._in_a_row >= IN_A_ROW or (len(self._calls) >= ENOUGH_CALLS and share >= FAILING_SHARE)
