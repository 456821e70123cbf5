"""The abilities that ship for well-known models: benchmark figures with their sources, and how figures become an ability.

    ability = (logit x - logit small) / (logit frontier - logit small)      of one benchmark, with guessing taken out of all three

`abilities.yaml` holds the figures; nothing else is shipped. The scale is that of the configuration's `quality`: a small open model
is 0, a frontier model of the classifier's data is 1, linear in logits of the probability of a right answer (docs/abilities.md).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

SHIPPED = Path(__file__).with_name("abilities.yaml")
# No benchmark is believed further out than this: wrong labels and luck decide there.
LOWEST, HIGHEST = -2.0, 4.0
# The least and the most share of right answers that is told apart, guessing taken out.
LEAST, MOST = 0.01, 0.99
# How far one broad benchmark lies from the mean of a model's broad benchmarks: the pooled deviation over the shipped models.
BENCHMARK_SPREAD = 0.36
# How far an operator's prompts may lie from any benchmark. A judgement.
TRANSFER = 0.15
# How much of the distance below 0 or above 1 is unsure: where the two anchors stand decides it. A judgement.
STRETCH = 0.15


@dataclass(frozen=True, slots=True)
class Anchor:
    """One benchmark: what the two models that fix the scale reach, as shares; `guess` is what blind guessing reaches.

    A `broad` benchmark counts for the overall ability; `intents` are those that it tells something of.
    """

    small: float
    frontier: float
    guess: float
    broad: bool
    intents: tuple[str, ...]

    def ability(self, share: float) -> float:
        """The ability that a share of right answers shows, between LOWEST and HIGHEST."""
        small, frontier, found = (self._logit(value) for value in (self.small, self.frontier, share))
        return min(HIGHEST, max(LOWEST, (found - small) / (frontier - small)))

    def _logit(self, share: float) -> float:
        knows = min(MOST, max(LEAST, (share - self.guess) / (1 - self.guess)))
        return math.log(knows / (1 - knows))


@dataclass(frozen=True, slots=True)
class ShippedAbility:
    """One model's: `by_intent` only where a benchmark tells; `deviation` is a standard deviation; `source` an id."""

    overall: float
    by_intent: Mapping[str, float]
    deviation: float
    source: str


@dataclass(frozen=True, slots=True)
class Abilities:
    """All that ships. `entries` are pairs of patterns and ability, of which the first that fits counts."""

    sources: Mapping[str, str]
    anchors: Mapping[str, Anchor]
    entries: Sequence[tuple[tuple[str, ...], ShippedAbility]]

    def find(self, reference: str) -> ShippedAbility | None:
        """The ability of `provider/model`, whatever its case; None for a model that nobody measured."""
        name = reference.lower()
        for patterns, ability in self.entries:
            if any(fnmatchcase(name, pattern) for pattern in patterns):
                return ability
        return None


def read_abilities(path: Path = SHIPPED) -> Abilities:
    """Reads the figures and works out the abilities; raises KeyError or TypeError for a file that is not as described in it."""
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    anchors = {
        name: Anchor(
            small=anchor["small"] / 100,
            frontier=anchor["frontier"] / 100,
            guess=anchor.get("guess", 0) / 100,
            broad=anchor.get("broad", False),
            intents=tuple(anchor["intents"]),
        )
        for name, anchor in content["anchors"].items()
    }
    sources = {name: source["title"] for name, source in content["sources"].items()}
    entries = [(tuple(m["match"]), _ability(m, anchors, sources)) for m in content["models"]]
    return Abilities(sources, anchors, entries)


def _ability(model: Mapping[str, Any], anchors: Mapping[str, Anchor], sources: Mapping[str, str]) -> ShippedAbility:
    if model["source"] not in sources:
        raise KeyError(model["source"])
    shown = {name: anchors[name].ability(figure / 100) for name, figure in model["figures"].items()}
    broad = [ability for name, ability in shown.items() if anchors[name].broad]
    overall = fmean(broad)
    by_intent: dict[str, float] = {}
    for intent in sorted({intent for name in shown for intent in anchors[name].intents}):
        told = [ability for name, ability in shown.items() if intent in anchors[name].intents]
        # Drawn towards the overall ability, which counts as one more benchmark: single ones are small and saturate.
        by_intent[intent] = round(fmean([*told, overall]), 3)
    beyond = max(0.0, overall - 1, -overall)
    deviation = math.hypot(TRANSFER, BENCHMARK_SPREAD / math.sqrt(len(broad)), STRETCH * beyond)
    return ShippedAbility(round(overall, 3), by_intent, round(deviation, 3), model["source"])
