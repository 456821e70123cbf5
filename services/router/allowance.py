"""A budget that fills again with time: so much an hour, and at most an hour's worth at once. Pure; the clock is a parameter."""


class Allowance:
    """A token bucket of `per_hour` units. What was taken may turn out to have cost more or less."""

    def __init__(self, per_hour: float, now_s: float) -> None:
        self.per_hour = per_hour
        self._left = per_hour
        self._as_of_s = now_s

    def take(self, amount: float, now_s: float) -> bool:
        """Takes `amount` where there is so much left; else takes nothing."""
        passed_s = max(0.0, now_s - self._as_of_s)
        self._as_of_s = max(self._as_of_s, now_s)
        self._left = min(self.per_hour, self._left + self.per_hour * passed_s / 3_600)
        if amount > self._left:
            return False
        self._left -= amount
        return True

    def settle(self, taken: float, spent: float) -> None:
        """Corrects by what it cost in the end; the rest may fall below nothing and has to fill up again."""
        self._left = min(self.per_hour, self._left + taken - spent)
