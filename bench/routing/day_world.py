"""The world of a simulated day: ten models, their prices, speeds and troubles by the minute, and what comes in when. No router in it.

All is drawn beforehand from one seed, so that every policy meets the same day: requests, luck, slow minutes.
Models and prices are invented after those on offer in 2025.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from bench.routing.outcomes import Floats
from pointsman.config.catalogue import Model, Price
from pointsman.response import chances_of, response
from services.router.candidates import Judgement

DAY_S = 86_400.0
MINUTES = 1_440
REQUESTS = 20_000
# How far the truth lies from what the catalogue says: a model's ability over all, and for each intent beside it; logarithm of lengths.
TRUE_DEVIATION, TRUE_INTENT_DEVIATION, TRUE_LENGTH_DEVIATION = 0.2, 0.15, 0.2
PRIOR_DEVIATION = 0.25
HOUR = 60


class Offer(NamedTuple):
    """A model as its provider describes it: ability on the scale of `pointsman.response`, US dollars per million tokens, speed."""

    name: str
    ability: float
    input: float
    output: float
    first_token_s: float
    tokens_per_second: float


OFFERS = (
    Offer("small-a", 0.0, 0.05, 0.08, 0.20, 190.0),
    Offer("small-b", 0.1, 0.04, 0.14, 0.35, 95.0),
    Offer("small-c", 0.3, 0.10, 0.40, 0.35, 120.0),
    Offer("medium-a", 0.5, 0.15, 0.60, 0.45, 75.0),
    Offer("medium-b", 0.6, 0.27, 1.10, 0.90, 45.0),
    Offer("medium-c", 0.8, 0.40, 1.60, 0.50, 80.0),
    Offer("medium-d", 0.7, 0.80, 4.00, 0.60, 65.0),
    Offer("frontier-a", 1.2, 2.00, 8.00, 0.60, 70.0),
    Offer("frontier-b", 1.4, 3.00, 15.00, 1.00, 60.0),
    Offer("frontier-c", 1.1, 1.25, 10.00, 0.80, 110.0),
)


class Span(NamedTuple):
    """Minutes of the day in which something holds of a model."""

    model: str
    start: int
    end: int
    factor: float
    """Of a price move what the price is multiplied with, of an outage the share of calls that fail."""
    told: str


PRICE_MOVES = (
    Span("medium-c", 10 * HOUR, 13 * HOUR, 6.0, "medium-c costs six times as much"),
    Span("frontier-a", 15 * HOUR, MINUTES, 0.4, "frontier-a costs 40 %"),
)
OUTAGES = (
    Span("medium-a", 8 * HOUR, 9 * HOUR, 1.0, "medium-a is down"),
    Span("frontier-a", 18 * HOUR, 19 * HOUR + 30, 0.6, "frontier-a fails 60 % of the calls"),
)


@dataclass(frozen=True, slots=True)
class World:
    """N requests, M models. `chance` is the truth: how likely each model is right about each request, (N, M).

    `luck` and `noise_*` are the draws of each request, the same whichever model answers; `slow` is (M, MINUTES), 1 at usual speed.
    """

    models: tuple[Model, ...]
    at_s: Floats
    judged: tuple[Judgement, ...]
    chance: Floats
    length: Floats
    """Output tokens of each model for each request, (N, M)."""
    slow: Floats
    luck: Floats
    noise_first: Floats
    noise_rate: Floats
    fails: Floats
    """Drawn for each request and model, (N, M): it fails where an outage's share lies above."""
    judged_by_client: Floats

    def price(self, column: int, at_s: float) -> Price:
        """The price in force."""
        model = self.models[column]
        factor = math.prod(s.factor for s in PRICE_MOVES if _holds(s, model, at_s))
        if factor == 1.0:
            return model.price
        into, out = (round(p * factor) for p in (model.price.input_micros_per_mtok, model.price.output_micros_per_mtok))
        return Price(into, out, into, into)

    def failing(self, column: int, at_s: float) -> float:
        """The share of calls that fail."""
        return max((s.factor for s in OUTAGES if _holds(s, self.models[column], at_s)), default=0.0)


def _holds(span: Span, model: Model, at_s: float) -> bool:
    return span.model == model.name and span.start * 60 <= at_s < span.end * 60


def make(prompts: Sequence[Judgement], requests: int = REQUESTS, seed: int = 7) -> World:
    """A day; `prompts` are what is asked, drawn again and again."""
    rng = np.random.default_rng(seed)
    models = tuple(_model(offer) for offer in OFFERS)
    at_s = _arrivals(requests, rng)
    judged = tuple(prompts[row] for row in rng.integers(0, len(prompts), requests).tolist())
    intents = sorted({one.intent for one in judged})
    able = np.array([m.quality for m in models])[:, None] + TRUE_DEVIATION * rng.standard_normal((len(models), 1))
    able = np.clip(able + TRUE_INTENT_DEVIATION * rng.standard_normal((len(models), len(intents))), -1, 2)
    ratio = np.exp(TRUE_LENGTH_DEVIATION * rng.standard_normal(len(models)))
    place = {intent: index for index, intent in enumerate(intents)}
    chance = np.empty((requests, len(models)))
    for row, one in enumerate(judged):
        curve = response(chances_of(one.complexity) if one.chances is None else one.chances)
        chance[row] = [curve.probability(ability) for ability in able[:, place[one.intent]].tolist()]
    expected = np.array([float(one.output_tokens) for one in judged])
    length = expected[:, None] * ratio * np.exp(0.3 * rng.standard_normal(requests))[:, None]
    return World(
        models=models,
        at_s=at_s,
        judged=judged,
        chance=chance,
        length=np.clip(length, 1, 4_096).round(),
        slow=_slow(len(models), rng),
        luck=rng.random(requests),
        noise_first=np.exp(0.35 * rng.standard_normal(requests)),
        noise_rate=np.exp(0.15 * rng.standard_normal(requests)),
        fails=rng.random((requests, len(models))),
        judged_by_client=rng.random(requests),
    )


def busy(at_s: Floats) -> Floats:
    """How much comes in at a time of day, 1 on average: least at four at night, most at four in the afternoon."""
    found: Floats = 1 + 0.75 * np.sin(2 * np.pi * (at_s / DAY_S - 10 / 24))
    return found


def _arrivals(requests: int, rng: np.random.Generator) -> Floats:
    seconds = np.arange(DAY_S)
    share = np.cumsum(busy(seconds))
    found: Floats = np.interp(np.sort(rng.random(requests)), share / share[-1], seconds)
    return found


def _slow(models: int, rng: np.random.Generator) -> Floats:
    """Slower by as much again when all the world is awake, and a drift that forgets itself in some two hours."""
    load = busy(np.arange(0.0, DAY_S, 60.0, dtype=np.float64))
    sensitive = rng.uniform(0.2, 0.8, (models, 1))
    drift = np.zeros((models, MINUTES))
    for minute in range(1, MINUTES):
        drift[:, minute] = 0.992 * drift[:, minute - 1] + 0.04 * rng.standard_normal(models)
    found: Floats = (1 + sensitive * np.maximum(0, load - 0.5)) * np.exp(drift)
    return found


def _model(offer: Offer) -> Model:
    into, out = round(offer.input * 1e6), round(offer.output * 1e6)
    return replace(
        Model(
            offer.name.partition("-")[0] + "s", offer.name, frozenset(), 128_000, 4_096, Price(into, out, into, into),
            offer.ability, {}, offer.first_token_s, offer.tokens_per_second,
        ),
        quality_deviation=PRIOR_DEVIATION,
    )  # fmt: skip
