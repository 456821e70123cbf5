"""Thompson sampling with its odds known: how probable each candidate is to be the best, for what is not known of abilities. Pure.

Thompson sampling (1933) draws every candidate's worth from what is believed of it and takes the highest. Worth is normally distributed
here, so the probability of each to be the highest is an integral, and one draw among those probabilities is the same thing. That the
odds are known is what lets a policy be scored offline on recorded decisions (inverse propensity, Horvitz and Thompson, 1952).
"""

import math
from collections.abc import Sequence

# A candidate whose worth lies so many standard deviations below the best has no chance worth counting.
FAR = 4.0
STEPS = 16
# Only so many can be picked, those whose worth may be highest: with more, the integral would take longer than the decision.
MOST = 6
# A worth that is known for sure is taken to be off by this share of the widest deviation, so that it fits between two steps.
NARROWEST = 0.02
_ROOT2 = math.sqrt(2.0)


def odds(means: Sequence[float], deviations: Sequence[float]) -> list[float]:
    """The probability of each to be the highest, of independent normal distributions; they add up to 1.

    By the trapezoid rule over STEPS steps: who lies in a step beats all that lie below it, and half of those within.
    """
    best = max(range(len(means)), key=lambda i: means[i])
    found = [0.0] * len(means)
    found[best] = 1.0
    floor = means[best] - FAR * deviations[best]
    running = [i for i in range(len(means)) if i == best or means[i] + FAR * deviations[i] > floor]
    if len(running) > MOST:
        running.sort(key=lambda i: (i != best, -means[i] - deviations[i]))
        del running[MOST:]
    narrowest = NARROWEST * max(deviations[i] for i in running)
    if len(running) == 1 or narrowest == 0.0:
        return found
    beliefs = [(means[i], max(deviations[i], narrowest)) for i in running]
    low = max(mean - FAR * deviation for mean, deviation in beliefs)
    step = (max(mean + FAR * deviation for mean, deviation in beliefs) - low) / STEPS
    totals = [0.0] * len(running)
    erf = math.erf
    # Twice the distribution of each at the edges of the steps, less one; written out, since a call for each takes as long again.
    edges = []
    for mean, deviation in beliefs:
        start, width = (low - mean) / (deviation * _ROOT2), step / (deviation * _ROOT2)
        edges.append([erf(start + number * width) for number in range(STEPS + 1)])
    for number in range(STEPS):
        # Four times the distribution in the middle of the step.
        halves = [2.0 + edge[number] + edge[number + 1] for edge in edges]
        together = math.prod(halves)
        if together > 0.0:
            for place, edge in enumerate(edges):
                totals[place] += (edge[number + 1] - edge[number]) * together / halves[place]
    whole = sum(totals)
    for place, i in enumerate(running):
        found[i] = totals[place] / whole
    return found


def pick(chances: Sequence[float], point: float) -> int:
    """The index that `point`, in [0, 1), falls to."""
    last = 0
    for index, chance in enumerate(chances):
        if chance > 0.0:
            last = index
            if point < chance:
                return index
            point -= chance
    return last


def exceeds(mean: float, deviation: float, bar: float) -> float:
    """The probability that a normally distributed value reaches a bar."""
    if deviation <= 0.0:
        return 1.0 if mean >= bar else 0.0
    return 1.0 - _cumulative(bar, mean, deviation)


def _cumulative(value: float, mean: float, deviation: float) -> float:
    return 0.5 * (1.0 + math.erf((value - mean) / (deviation * _ROOT2)))
