"""What a choice is worth, in micros of a US dollar. Pure.

    score = P(right) x success_value - expected cost - expected seconds x second_value

    P(right) = (1 - complexity x (1 - quality)) x reliability

`complexity` is what a frontier model adds to a small open model's probability of a right answer, `quality` how much of that gap the
model closes. P(right) is relative to a frontier model's: what no model can do would not change the choice.
`reliability` is the share of recent calls that did not fail.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

# So many successes are assumed of a model before its failures count fully (Laplace's rule with a prior of health).
ASSUMED_SUCCESSES = 4


@dataclass(frozen=True, slots=True)
class Policy:
    """A named trade-off; values in micros of a US dollar, `min_quality` a probability."""

    name: str
    success_value_micros: float
    second_value_micros: float
    min_quality: float
    default_complexity: float
    # `provider/model` of the models that its allow and deny lists keep out.
    excluded: frozenset[str]
    max_cost_micros: int | None


def excluded(references: Iterable[str], allow: Sequence[str], deny: Sequence[str]) -> frozenset[str]:
    """The references that the lists of patterns keep out; an empty allow list allows all, deny comes first."""

    def fits(reference: str, patterns: Sequence[str]) -> bool:
        return any(fnmatchcase(reference, pattern) for pattern in patterns)

    return frozenset(r for r in references if fits(r, deny) or (allow and not fits(r, allow)))


def probability_right(quality: float, complexity: float, reliability: float) -> float:
    """P(right), from 0 to 1."""
    return (1.0 - complexity * (1.0 - quality)) * reliability


def reliability(attempts: int, failures: int) -> float:
    """Share of calls expected to succeed, from recent counts."""
    return (attempts - failures + ASSUMED_SUCCESSES) / (attempts + ASSUMED_SUCCESSES)


def score(policy: Policy, right: float, cost_micros: float, seconds: float) -> float:
    """The worth of a candidate in micros; higher is better."""
    return right * policy.success_value_micros - cost_micros - seconds * policy.second_value_micros
