"""Stretches corrected logits until their probabilities are as good as they can be on prompts that were held out."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.adapt.crossfit import OUTER_FOLDS
from training.adapt.logistic import Evidence, Matrix, fit, sigmoid_loss, softmax_loss

# With fewer rows, or fewer of either outcome, the base's calibration stays.
CALIBRATION_ROWS = 200
CALIBRATION_OUTCOMES = 20
STRETCHES = np.exp(np.linspace(np.log(0.5), np.log(1.5), 111))
# Precision with which stretch and shift of a right answer's logit are held at 1 and 0.
HELD = 1.0
LEAST_SCALE = 0.1


def fit_stretch(logits: Matrix, target: Matrix) -> tuple[float, float]:
    """Return (stretch, 0) of intents' logits (N, C)."""
    losses = [softmax_loss(logits * stretch, target)[0].sum() for stretch in STRETCHES]
    return float(STRETCHES[int(np.argmin(losses))]), 0.0


def fit_scale_and_shift(logits: Matrix, target: Matrix) -> tuple[float, float]:
    """Return (scale, shift) of one tier's logits (N, 1)."""
    design = np.hstack([logits, np.ones_like(logits)])
    change = fit(Evidence(design, logits, target, np.zeros((0, 2)), sigmoid_loss), HELD)
    return max(1.0 + float(change[0, 0]), LEAST_SCALE), float(change[1, 0])


def held_out_calibration(
    fit_one: Callable[[Matrix, Matrix], tuple[float, float]], logits: Matrix, target: Matrix, ranks: NDArray[np.int64]
) -> Matrix:
    """Calibrate each fold's logits by what the others' ask for."""
    calibrated = logits.copy()
    for fold in range(OUTER_FOLDS):
        held = ranks % OUTER_FOLDS == fold
        if held.any() and not held.all():
            scale, shift = fit_one(logits[~held], target[~held])
            calibrated[held] = scale * logits[held] + shift
    return calibrated


def enough_for_intents(target: Matrix) -> bool:
    """Whether the temperature can be fitted."""
    return len(target) >= CALIBRATION_ROWS


def enough_outcomes(target: Matrix) -> bool:
    """Whether scale and shift can be fitted."""
    fewest = min(float(target.sum()), float((1 - target).sum()))
    return len(target) >= CALIBRATION_ROWS and fewest >= CALIBRATION_OUTCOMES
