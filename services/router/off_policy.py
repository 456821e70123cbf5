"""How another policy would have fared, from what came of requests whose model was drawn by chance. Pure.

Each outcome counts by how much more often the new policy picks the model that was tried than it was tried then:

    weight = P(new policy picks it) / P(it was picked)            estimate = sum(weight x outcome) / sum(weight)

Inverse propensity (Horvitz and Thompson, 1952), normalised by its weights (Hajek, 1971): little is lost to bias, much is won in
variance. `effective` is Kish's effective sample size, (sum w)^2 / sum(w^2): so many outcomes of its own would tell as much.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Tried(NamedTuple):
    """A model that was picked with probability `picked`, what came of it (0 to 1), and how probable the new policy is to pick it."""

    picked: float
    outcome: float
    would_pick: float


class Estimate(NamedTuple):
    """`recorded` is the mean outcome as it was, `expected` that under the new policy, as far as the tried models can tell.

    `covered` is the share of the new policy's picks, from 0 to 1, that were among what could have been tried: the estimate is
    about these alone. `requests` have an outcome; `effective` says how many the estimate is worth.
    """

    recorded: float
    expected: float
    effective: float
    covered: float
    requests: int


def estimate(tried: Iterable[Tried]) -> Estimate | None:
    """None where chance had no word in what was tried, or where the new policy would have picked none of it."""
    number, recorded, total, squares, worth, by_chance = 0, 0.0, 0.0, 0.0, 0.0, False
    for picked, outcome, would_pick in tried:
        if picked <= 0.0:
            continue
        weight = would_pick / picked
        number += 1
        recorded += outcome
        total += weight
        squares += weight * weight
        worth += weight * outcome
        by_chance = by_chance or picked < 1.0 - 1e-9
    if not by_chance or squares == 0.0:
        return None
    # The weights' mean is 1 where all that the new policy picks had a chance to be tried.
    return Estimate(recorded / number, worth / total, total * total / squares, min(1.0, total / number), number)
