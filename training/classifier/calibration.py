"""Turns logits into probabilities that can be believed: temperature for the intents, Platt scaling for right answers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize, minimize_scalar

# With few rows a calibration learns their noise: it moves only as far as this many rows of doubt allow.
PRIOR_ROWS = 20.0
Array = NDArray[np.float32] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RightScale:
    """P(right) = sigmoid(scale * logit + shift) for one tier of models."""

    scale: float
    shift: float


def softmax(logits: Array) -> NDArray[np.float64]:
    """Row-wise softmax."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    result: NDArray[np.float64] = odds / odds.sum(axis=1, keepdims=True)
    return result


def sigmoid(logits: Array) -> NDArray[np.float64]:
    """Elementwise logistic function."""
    return 1 / (1 + np.exp(-np.clip(logits, -40, 40)))


def fit_temperature(logits: Array, intent: NDArray[np.int64]) -> float:
    """Find the temperature with the least negative log-likelihood."""

    def loss(log_temperature: float) -> float:
        chance = softmax(logits / np.exp(log_temperature))
        return float(-np.log(chance[np.arange(len(intent)), intent] + 1e-12).mean())

    return float(np.exp(minimize_scalar(loss, bounds=(-2, 2), method="bounded").x))


def fit_right(logits: Array, right: Array) -> RightScale:
    """Fit scale and shift by log-likelihood, pulled towards leaving the logits alone; labels may be shares in [0, 1]."""
    pull = PRIOR_ROWS / len(logits)

    def loss(parameters: NDArray[np.float64]) -> float:
        chance = np.clip(sigmoid(parameters[0] * logits + parameters[1]), 1e-6, 1 - 1e-6)
        likelihood = float((right * np.log(chance) + (1 - right) * np.log(1 - chance)).mean())
        return pull * float((parameters[0] - 1) ** 2 + parameters[1] ** 2) - likelihood

    found = minimize(loss, np.array([1.0, 0.0]), method="Nelder-Mead").x
    return RightScale(float(found[0]), float(found[1]))


def expected_calibration_error(confidence: Array, truth: Array, bins: int = 15) -> float:
    """Weighted mean over equal-width bins of |mean confidence - mean truth|."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [
        abs(float(confidence[index == b].mean() - truth[index == b].mean())) * float((index == b).mean())
        for b in range(bins)
        if (index == b).any()
    ]
    return float(sum(gaps))


def cross_fitted(
    rows: int,
    fit_and_apply: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.float64]],
    folds: int = 5,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Apply a calibration to rows it was not fitted on: `fit_and_apply(fit_rows, apply_rows)` returns their values."""
    order = np.random.default_rng(seed).permutation(rows)
    out = np.zeros(rows)
    for part in range(folds):
        apply = order[part::folds]
        fit = np.setdiff1d(order, apply)
        out[apply] = fit_and_apply(fit, apply)
    return out
