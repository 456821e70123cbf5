"""MMLU's test split: how much of the gap between two models a router's score recovers, beside scores that know nothing or all."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.classifier.data import Pairs
from bench.classifier.judging import Answers
from training.classifier.routing_curve import RoutingCurve, routing_curve

# RouteLLM's four routers after some 1,500 labels of the same domain (arXiv 2406.18665).
ROUTELLM = {
    "RouteLLM: BERT": RoutingCurve(0.572, 41.3, 72.2),
    "RouteLLM: matrix factorisation": RoutingCurve(0.597, 35.5, 71.4),
    "RouteLLM: causal LLM 8B": RoutingCurve(0.600, 35.5, 70.3),
    "RouteLLM: similarity-weighted": RoutingCurve(0.603, 35.4, 71.6),
}
STEPS = 100


@dataclass(frozen=True, slots=True)
class Recovered:
    """One score: its figures, and the recovered gap at 0, 1, ... 100 % of calls to the strong model."""

    curve: RoutingCurve
    recovered: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Mmlu:
    """`scores` by name, ours first; shares of right answers of the two models."""

    prompts: int
    weak: float
    strong: float
    scores: dict[str, Recovered]


def measure(pairs: Pairs, answers: Answers) -> Mmlu:
    """The score is what a frontier model adds to a medium one; nothing is fitted here."""
    scores = {
        "encoder": answers.encoder.gap,
        "fast": answers.fast.gap,
        "prompt length": np.array([len(prompt) for prompt in pairs.prompts], dtype=np.float64),
        "random": np.random.default_rng(0).random(len(pairs.prompts)),
        "oracle": pairs.strong.astype(np.float64) - pairs.weak,
    }
    return Mmlu(
        len(pairs.prompts),
        float(pairs.weak.mean()),
        float(pairs.strong.mean()),
        {
            name: Recovered(routing_curve(score, pairs.weak, pairs.strong), recovered(score, pairs.weak, pairs.strong))
            for name, score in scores.items()
        },
    )


def recovered(
    score: NDArray[np.float64], weak: NDArray[np.bool_], strong: NDArray[np.bool_]
) -> NDArray[np.float64]:  # fmt: skip
    """The part of the gap that is recovered when ever more of the highest scores go to the strong model, (STEPS + 1,)."""
    order = np.argsort(-score, kind="stable")
    gained = np.concatenate([[0], np.cumsum(strong[order].astype(np.int64) - weak[order])])
    at = np.round(np.linspace(0, len(score), STEPS + 1)).astype(np.int64)
    found: NDArray[np.float64] = gained[at] / gained[-1]
    return found
