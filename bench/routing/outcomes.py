"""Prompts whose outcome with every model is on record, as the router meets them: judged by the classifier, decided by `choose`."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bench.classifier.data import Scores
from bench.classifier.judging import Answers
from bench.classifier.multi_model import cents
from pointsman.config.catalogue import Model, Price
from pointsman.config.schema import MeshConfig
from pointsman.response import Chances
from services.router.candidates import Ability, Judgement, LiveModel, Needs, Snapshot
from services.router.choice import Asked, Routing, choose
from services.router.policy import Policy
from services.router.routing_config import read_routing

Floats = NDArray[np.float64]
Abilities = Mapping[str, Mapping[str, Ability]]
"""By model's reference and intent; under "" for all other intents."""

PROVIDER = "recorded"
# How fast they are is not on record. Taken for it: seconds to the first token and tokens a second, of models of 7 to 9 billion
# parameters and of those of 49 to 70 billion.
SMALL_SPEED, LARGE_SPEED = (0.25, 120.0), (0.45, 50.0)
SMALL_BILLIONS = 20


@dataclass(frozen=True, slots=True)
class Recorded:
    """One split: requests without their text, what each model would have scored, (prompts, models), and what it would have cost.

    `dollars` are by the tokens that the classifier estimates, of the prompt and of the answer: lengths are not on record.
    """

    asked: tuple[Asked, ...]
    tasks: tuple[str, ...]
    characters: NDArray[np.int64]
    scores: Floats
    dollars: Floats
    models: tuple[Model, ...]

    def take(self, rows: NDArray[np.int64]) -> "Recorded":
        """The given rows alone."""
        return replace(
            self,
            asked=tuple(self.asked[row] for row in rows),
            tasks=tuple(self.tasks[row] for row in rows),
            characters=self.characters[rows],
            scores=self.scores[rows],
            dollars=self.dollars[rows],
        )


@dataclass(frozen=True, slots=True)
class Picks:
    """The column that was picked for each prompt, and how likely it was said to be right."""

    columns: NDArray[np.int64]
    expected: Floats


def recorded(scores: Scores, answers: Answers, taxonomy: Sequence[str]) -> Recorded:
    """What a router knows of these prompts by the classifier's encoder, beside the record."""
    return Recorded(
        tuple(Asked(f"r{row}", judged, Needs()) for row, judged in enumerate(judgements(answers, taxonomy))),
        scores.tasks,
        np.array([len(prompt) for prompt in scores.prompts], dtype=np.int64),
        scores.scores,
        cents(scores, answers) / 100,
        tuple(_model(name, price) for name, price in zip(scores.models, scores.price.tolist(), strict=True)),
    )


def judgements(answers: Answers, taxonomy: Sequence[str]) -> list[Judgement]:
    """The encoder's view in the router's terms."""
    tier = answers.encoder
    return [
        Judgement(
            intent=taxonomy[int(tier.intent[row].argmax())],
            complexity=float(tier.complexity[row]),
            input_tokens=int(answers.input_tokens[row]),
            output_tokens=int(answers.output_tokens[row]),
            chances=Chances(*tier.right[row].tolist()),
            confidence=float(tier.confidence[row]),
        )
        for row in range(len(answers.input_tokens))
    ]


def billions(name: str) -> int:
    """The size in a model's name: 9 for gemma-2-9b-it."""
    return int(re.findall(r"(\d+)b", name)[-1])


def _model(name: str, price: Sequence[float]) -> Model:
    first_token_s, tokens_per_second = SMALL_SPEED if billions(name) < SMALL_BILLIONS else LARGE_SPEED
    into, out = (round(dollars * 1e6) for dollars in price)
    return Model(
        provider=PROVIDER,
        name=name,
        capabilities=frozenset(),
        context_tokens=1_000_000,
        max_output_tokens=32_768,
        price=Price(into, out, into, into),
        quality=0.0,
        quality_by_intent={},
        first_token_s=first_token_s,
        tokens_per_second=tokens_per_second,
    )


def shipped_routing(references: Sequence[str]) -> Routing:
    """The policies that every mesh has, as the router reads them."""
    models = [{"provider": r.partition("/")[0], "model": r.partition("/")[2], "quality": 0} for r in references]
    providers = {model["provider"]: {"kind": "scripted", "scenario": "none"} for model in models}
    mesh = MeshConfig.model_validate({"version": 1, "providers": providers, "models": models})
    return read_routing(mesh, references)


def snapshot(models: Sequence[Model], abilities: Abilities) -> Snapshot:
    """All models up, at their usual speed, with these abilities."""
    return Snapshot(
        tuple(LiveModel(m, "", m.first_token_s, m.tokens_per_second, 1.0, abilities[m.reference]) for m in models),
        "bench",
    )


def decide(fleet: Snapshot, policy: Policy, asked: Sequence[Asked]) -> Picks:
    """Decides each request by the policy."""
    routing = Routing({policy.name: policy}, policy.name)
    column = {live.model.reference: index for index, live in enumerate(fleet.models)}
    firsts = [choose(routing, fleet, one).decision.ranked[0] for one in asked]
    return Picks(
        np.array([column[first.model.reference] for first in firsts], dtype=np.int64),
        np.array([first.expected_quality for first in firsts]),
    )
