"""From a model's logits to a judgement that the router can act on: pure arithmetic with the manifest's calibration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from services.classifier.manifest import OutputLength, TierManifest

MOST_OUTPUT_TOKENS = 32_768


class Tier(Enum):
    """Which of the two models spoke."""

    FAST = "fast"
    ENCODER = "encoder"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the classifier thinks of one prompt. `intents` are (name, probability), highest first, and add up to 1."""

    tier: Tier
    intents: tuple[tuple[str, float], ...]
    right: tuple[float, float, float]
    """Probability of a right answer by a small, a medium and a frontier model."""
    confidence: float
    input_tokens: int
    output_tokens: int
    language_code: str

    @property
    def complexity(self) -> float:
        """Probability that a small open model fails."""
        return 1.0 - self.right[0]


@dataclass(frozen=True, slots=True)
class PromptFacts:
    """What is known of a prompt without a model. `known_share`: part of its tokens that the vocabulary has."""

    input_tokens: int
    language_code: str
    known_share: float


def judge(
    tier: Tier,
    intent_logits: NDArray[np.float32],
    right_logits: NDArray[np.float32],
    facts: PromptFacts,
    calibration: TierManifest,
    taxonomy: Sequence[str],
    output_lengths: Sequence[OutputLength],
) -> Judgement:
    """Calibrate one row of logits; shapes (classes,) and (3,)."""
    scaled = intent_logits.astype(np.float64) / calibration.intent_temperature
    odds = np.exp(scaled - scaled.max())
    # Plain floats: indexing numpy's one by one costs more than the arithmetic.
    chance: list[float] = (odds / odds.sum()).tolist()
    order = sorted(range(len(chance)), key=chance.__getitem__, reverse=True)
    small, medium, frontier = (
        1 / (1 + math.exp(-max(-40.0, min(40.0, part.scale * logit + part.shift))))
        for part, logit in zip(calibration.right, right_logits.tolist(), strict=True)
    )
    medians = [length.base + length.per_input_token * facts.input_tokens for length in output_lengths]
    expected = math.exp(sum(p * math.log(max(median, 1.0)) for p, median in zip(chance, medians, strict=True)))
    return Judgement(
        tier=tier,
        intents=tuple((taxonomy[i], chance[i]) for i in order),
        right=(small, medium, frontier),
        # How surely the kind of work was recognised, and how much of the text could be read at all.
        confidence=chance[order[0]] * facts.known_share,
        input_tokens=facts.input_tokens,
        output_tokens=min(round(expected), MOST_OUTPUT_TOKENS),
        language_code=facts.language_code,
    )
