"""What feedback teaches of the models' abilities, by a hierarchy over the item-response model. Pure.

    ability for an intent = prior + shared offset of the model + offset of the model for that intent

Both offsets are Gaussian around 0, each with half of the prior's variance v, so that together they doubt as much as whoever wrote the
prior. One answer of quality y and weight w, to a prompt on which the model was right with probability p, is evidence of the ability
for its intent (the Laplace step for a Bernoulli outcome, as in an extended Kalman filter):

    precision += w s² p (1 - p)          s = discrimination of the prompt at the ability, see `pointsman.response`
    pull      += w s² p (1 - p) x ability + w s (y - p)

The evidence of each intent is kept, and both offsets follow from it in closed form: what one intent tells of the shared offset is what
it tells of its own sum, with v / 2 more doubt (Gelman et al., Bayesian Data Analysis, chapter 5).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pointsman.response import HIGHEST_ABILITY, LOWEST_ABILITY, MEDIUM, Response
from services.telemetry.evidence import Evidence, faded
from services.telemetry.records import ModelKey

# Of a prior whose deviation nobody told.
PRIOR_DEVIATION = 0.2
# A prompt on which all models are said to do alike still tells a little, since what is said may be wrong. Logits per unit of ability.
LEAST_SLOPE = 0.5
# No offset goes further: the scale from the small to the frontier model, and as much again.
MOST_OFFSET = 2.0
# Less evidence than this for an intent is none.
LEAST_WEIGHT = 1e-6
MOST_MODELS = 1_024
MOST_INTENTS = 64


class Lesson(NamedTuple):
    """What one judgement added, so that it can be taken away again."""

    model: ModelKey
    intent: str
    precision: float
    pull: float
    weight: float
    at_s: float


class Offset(NamedTuple):
    """What to add to a prior, the standard deviation of both together, and the pieces of feedback behind it."""

    mean: float
    deviation: float
    weight: float


@dataclass(slots=True)
class Taught:
    """A model. `priors` by intent, under "" for all others; `evidence` by intent, under "" for answers of no known intent."""

    seen_s: float
    priors: Mapping[str, float] = field(default_factory=dict)
    deviation: float = PRIOR_DEVIATION
    evidence: dict[str, Evidence] = field(default_factory=dict)

    def prior(self, intent: str) -> float:
        """Where the model is thought to stand."""
        return self.priors.get(intent, self.priors.get("", MEDIUM))

    def shared(self, without: str | None = None) -> tuple[float, float]:
        """Mean and variance of the shared offset, from all intents but one."""
        start = self.deviation**2 / 2
        precision, pull = 1.0 / start, 0.0
        for intent, told in self.evidence.items():
            if intent != without:
                doubted = 1.0 + start * told.precision
                precision += told.precision / doubted
                pull += (told.pull - told.precision * self.prior(intent)) / doubted
        return pull / precision, 1.0 / precision

    def offset(self, intent: str) -> tuple[float, float]:
        """Mean and variance of an intent's whole offset."""
        mean, variance = self.shared(without=intent)
        variance += self.deviation**2 / 2
        told = self.evidence.get(intent)
        if told is None:
            return mean, variance
        precision = 1.0 / variance + told.precision
        return (mean / variance + told.pull - told.precision * self.prior(intent)) / precision, 1.0 / precision


class Abilities:
    """At most MOST_MODELS models with MOST_INTENTS intents each; the longest untouched make room."""

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self.models: dict[ModelKey, Taught] = {}

    def set_prior(self, model: ModelKey, priors: Mapping[str, float], deviation: float, now_s: float) -> None:
        """Says where a model is thought to stand, and how far that may be off; evidence stays what it is."""
        taught = self._taught(model, now_s)
        taught.priors, taught.deviation = priors, deviation

    def learn(
        self, model: ModelKey, intent: str, response: Response, quality: float, weight: float, now_s: float
    ) -> Lesson:
        """Learns from one answer of `quality` 0 to 1; `weight` is 1 for a judgement that somebody gave."""
        taught = self._taught(model, now_s)
        mean, variance = taught.offset(intent)
        ability = taught.prior(intent) + mean
        within = min(HIGHEST_ABILITY, max(LOWEST_ABILITY, ability))
        right = response.probability(within)
        slope = max(LEAST_SLOPE, response.slope(within))
        precision = weight * slope * slope * right * (1.0 - right)
        # One answer moves an ability by no more than its standard deviation: what it was judged by is a guess itself.
        most = (1.0 + variance * precision) / math.sqrt(variance)
        pull = max(-most, min(most, weight * slope * (quality - right)))
        lesson = Lesson(model, intent, precision, precision * ability + pull, weight, now_s)
        self._evidence(taught, intent, now_s).add(lesson.precision, lesson.pull, weight)
        return lesson

    def unlearn(self, lesson: Lesson, now_s: float) -> None:
        """Takes a lesson away again, as far as it has not faded."""
        taught = self._taught(lesson.model, now_s)
        left = faded(lesson.at_s, now_s, self._half_life_s)
        evidence = self._evidence(taught, lesson.intent, now_s)
        evidence.add(-lesson.precision * left, -lesson.pull * left, -lesson.weight * left)
        if evidence.weight < LEAST_WEIGHT:
            del taught.evidence[lesson.intent]

    def offset(self, model: ModelKey, intent: str, now_s: float) -> Offset:
        """What is known now; "" asks for what holds for every intent that was not named."""
        if model not in self.models:
            return Offset(0.0, PRIOR_DEVIATION, 0.0)
        taught = self._taught(model, now_s)
        weight = sum(told.weight for told in taught.evidence.values())
        if intent and intent in taught.evidence:
            mean, variance = taught.offset(intent)
            weight = taught.evidence[intent].weight
        else:
            mean, variance = taught.shared()
            variance += taught.deviation**2 / 2
        return Offset(max(-MOST_OFFSET, min(MOST_OFFSET, mean)), math.sqrt(variance), weight)

    def join(self, model: ModelKey, intent: str, told: Evidence, now_s: float) -> None:
        """Takes in what another memory holds of a model."""
        told.fade(now_s, self._half_life_s)
        self._evidence(self._taught(model, now_s), intent, now_s).add(told.precision, told.pull, told.weight)

    def _taught(self, model: ModelKey, now_s: float) -> Taught:
        """A model, all of whose evidence is faded to now."""
        taught = self.models.get(model)
        if taught is None:
            if len(self.models) >= MOST_MODELS:
                del self.models[min(self.models, key=lambda key: self.models[key].seen_s)]
            taught = self.models[model] = Taught(now_s)
        taught.seen_s = now_s
        for evidence in taught.evidence.values():
            evidence.fade(now_s, self._half_life_s)
        return taught

    def _evidence(self, taught: Taught, intent: str, now_s: float) -> Evidence:
        evidence = taught.evidence.get(intent)
        if evidence is None:
            if len(taught.evidence) >= MOST_INTENTS:
                del taught.evidence[min(taught.evidence, key=lambda known: taught.evidence[known].weight)]
            evidence = taught.evidence[intent] = Evidence(now_s)
        return evidence
