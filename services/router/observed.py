"""What this router saw of a model itself, for the time when telemetry is away. Pure; the clock is a parameter."""

from dataclasses import dataclass

# A quarter of each new figure: the last dozen calls make up almost all of the average.
WEIGHT = 0.25
# Failures of the last while, halved every so many seconds.
HALF_LIFE_S = 30.0
# Averages without so many recent attempts behind them are forgotten, or one bad minute would keep a model out for ever.
ENOUGH_TO_KNOW = 0.05


@dataclass(slots=True)
class Observed:
    """Moving averages of one model; None while there is no figure. Counts fade with `HALF_LIFE_S`."""

    first_token_s: float | None = None
    tokens_per_second: float | None = None
    attempts: float = 0.0
    failures: float = 0.0
    as_of_s: float = 0.0

    def add(self, now_s: float, *, failed: bool, first_token_s: float | None, tokens_per_second: float | None) -> None:
        """Takes the outcome of one attempt that was not cancelled."""
        self.fade(now_s)
        self.attempts += 1
        self.failures += failed
        self.first_token_s = _average(self.first_token_s, first_token_s)
        self.tokens_per_second = _average(self.tokens_per_second, tokens_per_second)

    def fade(self, now_s: float) -> None:
        """Lets the counts fade up to `now_s`."""
        share = 0.5 ** (max(0.0, now_s - self.as_of_s) / HALF_LIFE_S)
        self.attempts *= share
        self.failures *= share
        self.as_of_s = now_s
        if self.attempts < ENOUGH_TO_KNOW:
            self.first_token_s = self.tokens_per_second = None


def _average(before: float | None, value: float | None) -> float | None:
    if value is None or before is None:
        return before if value is None else value
    return before + WEIGHT * (value - before)
