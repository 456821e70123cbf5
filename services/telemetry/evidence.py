"""What answers tell of a number, apart from any prior of it: it adds up, can be taken away again, and fades with time. Pure.

The natural parameters of a Gaussian likelihood: after a half-life without news, half of the evidence is left.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class Evidence:
    """`pull` is the precision times the number it speaks for, `weight` the answers behind it; all of them faded to the time `at_s`."""

    at_s: float
    precision: float = 0.0
    pull: float = 0.0
    weight: float = 0.0

    def fade(self, now_s: float, half_life_s: float) -> None:
        """Forgets for the time since `at_s`; where the clock went back, nothing is forgotten and time goes on from there."""
        left = faded(self.at_s, now_s, half_life_s)
        self.at_s = now_s
        if left < 1.0:
            self.precision *= left
            self.pull *= left
            self.weight *= left

    def add(self, precision: float, pull: float, weight: float) -> None:
        """Takes evidence in; what is negative takes it away, as far as there is any."""
        self.precision = max(0.0, self.precision + precision)
        self.pull += pull
        self.weight = max(0.0, self.weight + weight)


def faded(then_s: float, now_s: float, half_life_s: float) -> float:
    """The share of what was known then that is left now, from 0 to 1."""
    elapsed_s = now_s - then_s
    return 1.0 if elapsed_s <= 0.0 else float(0.5 ** (elapsed_s / half_life_s))
