"""From a model's logits to a judgement that the router can act on: pure arithmetic with the manifest's calibration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from services.classifier.manifest import OutputLength, TierManifest

MOST_OUTPUT_TOKENS = 32_768
# Standard normal quantile of 0.9.
Z90 = 1.2816


class Tier(Enum):
    """Which of the two models spoke."""

    FAST = "fast"
    ENCODER = "encoder"


@dataclass(frozen=True, slots=True)
class OutputTokens:
    """Expected length of the answer: one in ten is shorter than `p10`, one in ten longer than `p90`."""

    p10: int
    p50: int
    p90: int


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """One of the operator's routes: cosine to its nearest example, and whether that reaches the route's threshold."""

    route: str
    similarity: float
    matched: bool


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the classifier thinks of one prompt. `intents` are (name, probability), highest first, and add up to 1."""

    tier: Tier
    intents: tuple[tuple[str, float], ...]
    right: tuple[float, float, float]
    """Probability of a right answer by a small, a medium and a frontier model."""
    confidence: float
    support: float
    """How near the prompt lies to the training data, in [0, 1]."""
    input_tokens: int
    output_tokens: OutputTokens
    language_code: str
    script_code: str
    routes: tuple[RouteMatch, ...]

    @property
    def complexity(self) -> float:
        """What a frontier model adds to a small one's probability of a right answer."""
        return max(0.0, self.right[2] - self.right[0])


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """What is known of a prompt without a model. `known_share`: part of its tokens that the vocabulary has."""

    input_tokens: int
    language_code: str
    script_code: str
    known_share: float


def judge(
    tier: Tier,
    intent_logits: NDArray[np.float32],
    right_logits: NDArray[np.float32],
    similarity: float | None,
    routes: tuple[RouteMatch, ...],
    facts: PromptFacts,
    calibration: TierManifest,
    taxonomy: Sequence[str],
    output_lengths: Sequence[OutputLength],
) -> Judgement:
    """Calibrate one row of logits, shapes (classes,) and (3,); `similarity` to the training data, None where unknown."""
    # Plain floats: with so few numbers a call of numpy costs more than the arithmetic.
    scaled = [logit / calibration.intent_temperature for logit in intent_logits.tolist()]
    highest = max(scaled)
    odds = [math.exp(value - highest) for value in scaled]
    total = math.fsum(odds)
    chance = [value / total for value in odds]
    order = sorted(range(len(chance)), key=chance.__getitem__, reverse=True)
    small, medium, frontier = (
        _sigmoid(part.scale * logit + part.shift)
        for part, logit in zip(calibration.right, right_logits.tolist(), strict=True)
    )
    trust = calibration.confidence
    # A text that the vocabulary cannot spell supports nothing.
    support = facts.known_share
    if similarity is not None:
        support *= _sigmoid((similarity - trust.support_midpoint) / trust.support_scale)
    return Judgement(
        tier=tier,
        intents=tuple((taxonomy[i], chance[i]) for i in order),
        right=(small, medium, frontier),
        confidence=_sigmoid(trust.intercept + trust.margin * abs(2 * small - 1)) * support,
        support=support,
        input_tokens=facts.input_tokens,
        output_tokens=_output_tokens(chance, output_lengths, facts.input_tokens),
        language_code=facts.language_code,
        script_code=facts.script_code,
        routes=routes,
    )


def _output_tokens(chance: Sequence[float], lengths: Sequence[OutputLength], input_tokens: int) -> OutputTokens:
    """Quantiles of the intents' log-normal lengths mixed by their probabilities, taken as log-normal itself."""
    means = [math.log(max(length.base + length.per_input_token * input_tokens, 1.0)) for length in lengths]
    mean = sum(p * m for p, m in zip(chance, means, strict=True))
    spread = [length.spread**2 + (m - mean) ** 2 for length, m in zip(lengths, means, strict=True)]
    deviation = math.sqrt(sum(p * s for p, s in zip(chance, spread, strict=True)))
    low, middle, high = (
        min(max(round(math.exp(mean + z * deviation)), 1), MOST_OUTPUT_TOKENS) for z in (-Z90, 0.0, Z90)
    )
    return OutputTokens(low, middle, high)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-max(-40.0, min(40.0, x))))
