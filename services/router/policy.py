"""What a choice is worth, in micros of a US dollar. Pure.

    score = P(right) x success_value - expected cost - time cost + stay bonus

    time cost = seconds to the first token x first_token_value + seconds in all x second_value

`stay bonus` goes to the model that answered the session last. `docs/policies.md` explains each term.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

# So many successes are assumed of a model before its failures count fully (Laplace's rule with a prior of health).
ASSUMED_SUCCESSES = 4


@dataclass(frozen=True, slots=True)
class Policy:
    """A named trade-off; values in micros of a US dollar, `min_quality` and `min_quality_share` probabilities, times in seconds.

    `cheapest` looks for the cheapest model that reaches the quality bar, instead of the highest score.
    """

    name: str
    success_value_micros: float = 10_000.0
    first_token_value_micros: float = 0.0
    second_value_micros: float = 0.0
    stay_bonus_micros: float = 0.0
    cheapest: bool = False
    min_quality: float = 0.0
    min_quality_share: float = 0.0
    explore: float = 0.0
    default_complexity: float = 0.5
    # `provider/model` of the models that its allow and deny lists keep out.
    excluded: frozenset[str] = frozenset()
    max_cost_micros: int | None = None
    max_first_token_s: float | None = None
    min_tokens_per_second: float | None = None
    # A model must be of one of these places; empty for all.
    residency: frozenset[str] = frozenset()
    # Data classes that only self-hosted models may see; `*` for all requests.
    self_hosted_for: frozenset[str] = frozenset()

    # Whether another model may answer what one refused for its content.
    switch_on_refusal: bool = False

    # Share of the requests that may start a second model where the first is slower than it mostly is.
    hedge: float = 0.0

    def keeps_at_home(self, data_class: str) -> bool:
        """Whether prompts of this class may only go to self-hosted models."""
        return "*" in self.self_hosted_for or data_class in self.self_hosted_for


def excluded(references: Iterable[str], allow: Sequence[str], deny: Sequence[str]) -> frozenset[str]:
    """The references that the lists of patterns keep out; an empty allow list allows all, deny comes first."""
    return frozenset(r for r in references if fits(r, deny) or (allow and not fits(r, allow)))


def fits(reference: str, patterns: Sequence[str]) -> bool:
    """Whether `provider/model` fits one of the patterns, in which `*` stands for anything."""
    return any(fnmatchcase(reference, pattern) for pattern in patterns)


def reliability(attempts: float, failures: float) -> float:
    """Share of calls expected to succeed, from recent counts."""
    return (attempts - failures + ASSUMED_SUCCESSES) / (attempts + ASSUMED_SUCCESSES)
