"""Models, policies and prompts for tests of what decides."""

from dataclasses import replace
from typing import Any

from pointsman.config.catalogue import Model, Price
from services.router.candidates import Ability, Judgement, LiveModel, Needs, Snapshot
from services.router.policy import Policy, reliability

POLICY = Policy(name="balanced", success_value_micros=20_000.0, second_value_micros=200.0)
JUDGEMENT = Judgement(intent="code", complexity=0.5, input_tokens=100, output_tokens=200)
NEEDS = Needs()
MODEL = Model(
    provider="p",
    name="m",
    capabilities=frozenset(),
    context_tokens=8_000,
    max_output_tokens=4_000,
    price=Price(1_000_000, 2_000_000, 1_000_000, 1_000_000),
    quality=0.7,
    quality_by_intent={},
    first_token_s=1.0,
    tokens_per_second=50.0,
)


def price(input_dollars: float, output_dollars: float) -> Price:
    """A price in US dollars per million tokens."""
    micros = round(input_dollars * 1e6)
    return Price(micros, round(output_dollars * 1e6), micros, micros)


def live(
    name: str = "m", *, unavailable: str = "", attempts: int = 0, failures: int = 0, doubt: float = 0.15, **model: Any
) -> LiveModel:
    """A model `p/<name>` as the router sees it; fields of Model may be given. `doubt` is the deviation of its abilities."""
    described = replace(MODEL, name=name, **model)
    abilities = {intent: Ability(q, doubt, described.output_ratio) for intent, q in described.quality_by_intent.items()}
    abilities[""] = Ability(described.quality, doubt, described.output_ratio)
    return LiveModel(
        described,
        unavailable,
        described.first_token_s,
        described.tokens_per_second,
        reliability(attempts, failures),
        abilities,
    )


def snapshot(*models: LiveModel) -> Snapshot:
    """All of them at one moment."""
    return Snapshot(models, "0123456789ab")
