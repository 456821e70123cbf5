"""How long a model's answers are beside what the classifier expected: a geometric mean, pulled to 1 and faded. Pure."""

import math
from dataclasses import dataclass

from services.telemetry.evidence import faded
from services.telemetry.records import ModelKey

# So many answers of exactly the expected length are assumed.
ASSUMED = 8.0
# Below so many answers, faded, nothing is said.
FEWEST = 5.0
# One answer counts as at most this many times as long, or as short, as expected.
MOST = 50.0
MOST_KEYS = 20_000


@dataclass(slots=True)
class Length:
    """The sum of the logarithms of the ratios, and how many they were, both faded to `at_s`."""

    at_s: float
    log_sum: float = 0.0
    count: float = 0.0

    def fade(self, now_s: float, half_life_s: float) -> None:
        """Forgets for the time since `at_s`; a clock that went back forgets nothing."""
        left = faded(self.at_s, now_s, half_life_s)
        self.at_s = now_s
        self.log_sum *= left
        self.count *= left


class Lengths:
    """By model and intent; under the empty intent all of the model's answers. At most MOST_KEYS, the longest untouched make room."""

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self.known: dict[tuple[ModelKey, str], Length] = {}

    def add(self, model: ModelKey, intent: str, ratio: float, now_s: float) -> None:
        """Counts one answer, `ratio` times as long as expected."""
        log = math.log(max(1 / MOST, min(MOST, ratio)))
        for key in ((model, intent), (model, "")) if intent else ((model, ""),):
            length = self._length(key, now_s)
            length.log_sum += log
            length.count += 1.0

    def ratio(self, model: ModelKey, intent: str, now_s: float) -> float:
        """Output tokens for each one expected; 0 where too few answers were seen."""
        length = self.known.get((model, intent))
        if length is None:
            return 0.0
        length.fade(now_s, self._half_life_s)
        return math.exp(length.log_sum / (length.count + ASSUMED)) if length.count >= FEWEST else 0.0

    def join(self, model: ModelKey, intent: str, other: Length, now_s: float) -> None:
        """Takes in what another memory counted."""
        other.fade(now_s, self._half_life_s)
        length = self._length((model, intent), now_s)
        length.log_sum += other.log_sum
        length.count += other.count

    def _length(self, key: tuple[ModelKey, str], now_s: float) -> Length:
        length = self.known.get(key)
        if length is None:
            if len(self.known) >= MOST_KEYS:
                del self.known[min(self.known, key=lambda key: self.known[key].at_s)]
            length = self.known[key] = Length(now_s)
        length.fade(now_s, self._half_life_s)
        return length
