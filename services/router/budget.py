"""One request's time and attempts, shared by everything that is done for it. Pure; times are of a monotonic clock, in seconds."""

from dataclasses import dataclass, replace

# A candidate that is not the last may use so much of the time that is left until its first token.
SHARE_OF_TIME = 0.5
# The last one may use this share, so that its silence is told before the deadline ends everything without a word.
LAST_SHARE_OF_TIME = 0.95
# A model that had so many times what it usually takes, and said nothing, is silent whoever asks.
TIMES_THE_USUAL = 2.0


@dataclass(frozen=True, slots=True)
class Budget:
    """`deadline_s` is a point in time, `attempts` how many more calls to providers may start."""

    deadline_s: float
    attempts: int

    def remaining_s(self, now_s: float) -> float:
        """Seconds left, never below 0."""
        return max(0.0, self.deadline_s - now_s)

    def first_token_limit_s(self, now_s: float, limit_s: float, *, others: bool) -> float:
        """How long the next attempt may be silent; leaves time for the `others` that could still be tried."""
        left = self.remaining_s(now_s)
        return min(limit_s, left * (SHARE_OF_TIME if others and self.attempts > 1 else LAST_SHARE_OF_TIME))

    def spend_attempt(self) -> "Budget":
        """The budget after one more attempt began."""
        assert self.attempts > 0
        return replace(self, attempts=self.attempts - 1)


def tells_of_the_model(waited_s: float, configured_s: float, usual_s: float) -> bool:
    """Whether silence for `waited_s` is the model's failure, and not only a caller's hurry: a caller who gives a model less time
    than it usually takes to its first token must not make it look unreliable to all others.
    """
    return waited_s >= min(configured_s, TIMES_THE_USUAL * usual_s)
