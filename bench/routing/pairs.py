"""MMLU's test split as the router delivers it: two models, and the order in which prompts reach the strong one.

RouteLLM's protocol counts calls, so that every call costs the same: each prompt is taken to have as many tokens as any other. Beside
it stands the same with the tokens that the classifier estimates, where long prompts have to gain more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.classifier.data import Pairs
from bench.classifier.judging import Answers
from bench.routing.outcomes import Floats, judgements
from pointsman.config.catalogue import Model, Price
from pointsman.response import MEDIUM
from services.router.candidates import Ability, Judgement, LiveModel, Needs, Snapshot
from services.router.choice import Asked, Routing, choose
from services.router.policy import Policy
from training.classifier.routing_curve import RoutingCurve, routing_curve

# US dollars per million tokens, in and out, that the two models cost in early 2024.
WEAK_PRICE, STRONG_PRICE = (0.6, 0.6), (10.0, 30.0)
TOKENS_IN, TOKENS_OUT = 100, 100
# The worth of a right answer is looked for between 10 to the power of these, in micros, in so many halvings.
LOWEST, HIGHEST, HALVINGS = 0.0, 9.0, 24


@dataclass(frozen=True, slots=True)
class Delivered:
    """`per_call` by the protocol; `per_token` with what each prompt would cost."""

    per_call: RoutingCurve
    per_token: RoutingCurve


def measure(pairs: Pairs, answers: Answers, taxonomy: Sequence[str]) -> Delivered:
    """Both ways, by decisions alone."""
    judged = judgements(answers, taxonomy)
    alike = [replace(one, input_tokens=TOKENS_IN, output_tokens=TOKENS_OUT) for one in judged]
    return Delivered(
        *(routing_curve(-turning_points(ways), pairs.weak, pairs.strong) for ways in (alike, judged)),
    )


def turning_points(judged: Sequence[Judgement]) -> Floats:
    """The logarithm of the least worth at which each prompt goes to the strong model; above HIGHEST where it never does."""
    fleet = Snapshot((_live("weak", WEAK_PRICE, MEDIUM), _live("strong", STRONG_PRICE, 1.0)), "bench")
    return np.array([_turning_point(fleet, Asked("m", one, Needs())) for one in judged])


def _turning_point(fleet: Snapshot, asked: Asked) -> float:
    if not _strong(fleet, asked, HIGHEST):
        return HIGHEST + 1
    low, high = LOWEST, HIGHEST
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if _strong(fleet, asked, middle) else (middle, high)
    return high


def _strong(fleet: Snapshot, asked: Asked, power: float) -> bool:
    policy = Policy("pairs", success_value_micros=10.0**power)
    return choose(Routing({"pairs": policy}, "pairs"), fleet, asked).decision.ranked[0].model.name == "strong"


def _live(name: str, price: tuple[float, float], ability: float) -> LiveModel:
    into, out = (round(dollars * 1e6) for dollars in price)
    model = Model("pair", name, frozenset(), 1_000_000, 32_768, Price(into, out, into, into), ability, {}, 0.5, 50.0)
    return LiveModel(model, "", 0.5, 50.0, 1.0, {"": Ability(ability, 0.1)})
