"""How good probabilities and predicted lengths are."""

from dataclasses import dataclass

import numpy as np

from training.adapt.lengths import Z90
from training.adapt.logistic import Matrix

BINS = 15
LEAST_CHANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Figures:
    """`hits`: intents, the share of likeliest ones that are right; `right`, the Brier score. `ece`: over 15 equal bins."""

    hits: float
    log_loss: float
    ece: float


@dataclass(frozen=True, slots=True)
class LengthFigures:
    """`error`: median of |log(found / expected)|; `covered`: share of answers between p10 and p90, 0.8 where the spread fits."""

    error: float
    covered: float
    log_loss: float


def intent_figures(chance: Matrix, target: Matrix) -> Figures:
    """Judge probabilities (N, C) by the recorded intents, one-hot (N, C)."""
    likeliest, found = chance.argmax(axis=1), target.argmax(axis=1)
    loss = -np.log(np.maximum(chance[np.arange(len(found)), found], LEAST_CHANCE)).mean()
    correct = (likeliest == found).astype(np.float64)
    return Figures(float(correct.mean()), float(loss), _ece(chance.max(axis=1), correct))


def right_figures(chance: Matrix, target: Matrix) -> Figures:
    """Judge probabilities (N,) by the recorded outcomes (N,) in [0, 1]."""
    kept = np.clip(chance, LEAST_CHANCE, 1 - LEAST_CHANCE)
    loss = -(target * np.log(kept) + (1 - target) * np.log1p(-kept)).mean()
    return Figures(float(((chance - target) ** 2).mean()), float(loss), _ece(chance, target))


def length_figures(log_tokens: Matrix, mean: Matrix, deviation: Matrix) -> LengthFigures:
    """Judge log-normal lengths by the recorded ones; all of shape (N,)."""
    away = log_tokens - mean
    loss = np.log(deviation) + 0.5 * (away / deviation) ** 2
    covered = np.abs(away) <= Z90 * deviation
    return LengthFigures(float(np.median(np.abs(away))), float(covered.mean()), float(loss.mean()))


def _ece(chance: Matrix, outcome: Matrix) -> float:
    """Expected calibration error: how far mean chance and mean outcome lie apart, bin by bin."""
    bins = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
    gaps = [abs(float((chance[bins == b] - outcome[bins == b]).sum())) for b in range(BINS)]
    return sum(gaps) / max(len(chance), 1)
