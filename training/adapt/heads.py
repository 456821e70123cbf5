"""One head at a time: its correction, its calibration, and how good it was and is on prompts held out."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.adapt.calibrate import (
    enough_for_intents,
    enough_outcomes,
    fit_scale_and_shift,
    fit_stretch,
    held_out_calibration,
)
from training.adapt.crossfit import NO_CORRECTION, Correction, cross_fit
from training.adapt.figures import Figures, intent_figures, right_figures
from training.adapt.logistic import Evidence, Matrix, sigmoid_loss, softmax_loss

# Less than this is rounding.
SAME = 1e-9


@dataclass(frozen=True, slots=True)
class Head:
    """A fitted head: calibrated logits become `scale * (logits + design @ correction.weights) + shift`.

    `held_out` (N, C): those logits of each row by fits that did not see its prompt; before and after are measured on all N.
    """

    correction: Correction
    scale: float
    shift: float
    recalibrated: bool
    held_out: Matrix
    rows: int
    before: Figures
    after: Figures

    @property
    def changed(self) -> bool:
        """Whether the new model's head differs from the base's."""
        return self.recalibrated or self.correction.strength != NO_CORRECTION

    @property
    def worse(self) -> bool:
        """Whether it differs and does worse."""
        return self.changed and self.after.log_loss > self.before.log_loss + SAME


def fit_intents(
    design: Matrix,
    logits: Matrix,
    target: Matrix,
    anchors: Matrix,
    ranks: NDArray[np.int64],
    advance: Callable[[], None],
) -> Head:
    """Fit the intents' head to one-hot targets (N, C), on top of calibrated logits (N, C)."""
    evidence = Evidence(design, logits, target, anchors, softmax_loss)
    return _fit(evidence, ranks, fit_stretch, enough_for_intents(target), _intent_measure, advance)


def fit_right(
    design: Matrix,
    logits: Matrix,
    target: Matrix,
    anchors: Matrix,
    ranks: NDArray[np.int64],
    advance: Callable[[], None],
) -> Head:
    """Fit one capability tier's head to outcomes (N, 1) in [0, 1], on top of calibrated logits (N, 1)."""
    evidence = Evidence(design, logits, target, anchors, sigmoid_loss)
    return _fit(evidence, ranks, fit_scale_and_shift, enough_outcomes(target), _right_measure, advance)


def intent_chances(logits: Matrix) -> Matrix:
    """Probabilities (N, C) that add up to 1."""
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances: Matrix = odds / odds.sum(axis=1, keepdims=True)
    return chances


def _intent_measure(logits: Matrix, target: Matrix) -> Figures:
    return intent_figures(intent_chances(logits), target)


def _right_measure(logits: Matrix, target: Matrix) -> Figures:
    return right_figures(0.5 * (1 + np.tanh(logits[:, 0] / 2)), target[:, 0])


def _fit(
    evidence: Evidence,
    ranks: NDArray[np.int64],
    calibrate: Callable[[Matrix, Matrix], tuple[float, float]],
    recalibrate: bool,
    measure: Callable[[Matrix, Matrix], Figures],
    advance: Callable[[], None],
) -> Head:
    correction = cross_fit(evidence, ranks, advance)
    held_out = evidence.offset + correction.held_out
    before, after = measure(evidence.offset, evidence.target), measure(held_out, evidence.target)
    plain = Head(correction, 1.0, 0.0, False, held_out, len(ranks), before, after)
    if not recalibrate:
        return plain
    held_out = held_out_calibration(calibrate, held_out, evidence.target, ranks)
    scale, shift = calibrate(plain.held_out, evidence.target)
    stretched = Head(correction, scale, shift, True, held_out, len(ranks), before, measure(held_out, evidence.target))
    return stretched if stretched.after.log_loss < after.log_loss - SAME else plain
