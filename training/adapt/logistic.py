"""Ridge-penalised logistic regression on top of given logits: the likeliest correction where none is the first guess.

    minimise  sum over rows of log-loss(offset + design @ weights)  +  ½ · strength · |weights|²  +  ½ · |anchors @ weights|²

The anchors hold the correction near zero where the model was trained and the rows say nothing. The problem is strictly convex:
the minimum is one, and L-BFGS from zero finds it the same way each time. (Nocedal and Wright, Numerical Optimization, 7.2.)
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
# Rows of logits and targets, both (N, C), to each row's loss (N,) and its slope (N, C).
Loss = Callable[[Matrix, Matrix], tuple[Matrix, Matrix]]

MOST_STEPS = 200
MEMORY = 10
# Slope of the sum at which a fit ends: one that is kept, and one that is only compared with others.
FINE_SLOPE = 1e-4
ROUGH_SLOPE = 3e-3
ENOUGH_DESCENT = 1e-4


def softmax_loss(logits: Matrix, target: Matrix) -> tuple[Matrix, Matrix]:
    """Cross-entropy of one choice among C; `target` rows add up to 1."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    odds = np.exp(shifted)
    total = odds.sum(axis=1, keepdims=True)
    return np.log(total[:, 0]) - (shifted * target).sum(axis=1), odds / total - target


def sigmoid_loss(logits: Matrix, target: Matrix) -> tuple[Matrix, Matrix]:
    """Cross-entropy of a yes or no, C = 1; `target` in [0, 1]."""
    loss = np.logaddexp(0, logits) - logits * target
    return loss[:, 0], 0.5 * (1 + np.tanh(logits / 2)) - target


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a correction is fitted to. `design` (N, D), `offset` and `target` (N, C), `anchors` (K, D)."""

    design: Matrix
    offset: Matrix
    target: Matrix
    anchors: Matrix
    loss: Loss

    def rows(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> "Evidence":
        """Return a part of the rows, under the same anchors."""
        return Evidence(self.design[chosen], self.offset[chosen], self.target[chosen], self.anchors, self.loss)

    def losses(self, weights: Matrix) -> Matrix:
        """Return each row's log-loss, (N,), with a correction of shape (D, C)."""
        return self.loss(self.offset + self.design @ weights, self.target)[0]


def fit(evidence: Evidence, strength: float, start: Matrix | None = None, slope: float = FINE_SLOPE) -> Matrix:
    """Return the correction (D, C) that minimises the sum above."""
    shape = (evidence.design.shape[1], evidence.offset.shape[1])

    def measure(flat: Matrix) -> tuple[float, Matrix]:
        weights = flat.reshape(shape)
        losses, turn = evidence.loss(evidence.offset + evidence.design @ weights, evidence.target)
        held = evidence.anchors @ weights
        value = losses.sum() + 0.5 * strength * (flat @ flat) + 0.5 * (held * held).sum()
        gradient = evidence.design.T @ turn + strength * weights + evidence.anchors.T @ held
        return float(value), gradient.ravel()

    flat = np.zeros(shape).ravel() if start is None else start.ravel().copy()
    return _minimise(measure, flat, slope).reshape(shape)


def _minimise(measure: Callable[[Matrix], tuple[float, Matrix]], point: Matrix, enough: float) -> Matrix:
    value, slope = measure(point)
    moves: list[tuple[Matrix, Matrix]] = []
    for _ in range(MOST_STEPS):
        if float(np.abs(slope).max()) < enough:
            break
        direction = _direction(slope, moves)
        descent = float(slope @ direction)
        step = 1.0 if moves else min(1.0, 1.0 / float(np.linalg.norm(slope)))
        new_value, new_slope = measure(point + step * direction)
        while new_value > value + ENOUGH_DESCENT * step * descent:
            step /= 2
            if step < 1e-10:
                return point
            new_value, new_slope = measure(point + step * direction)
        move, turn = step * direction, new_slope - slope
        # Of a strictly convex function always positive, but for rounding at the end.
        if float(move @ turn) > 1e-12:
            moves = [*moves[-(MEMORY - 1) :], (move, turn)]
        point, value, slope = point + move, new_value, new_slope
    return point


def _direction(slope: Matrix, moves: list[tuple[Matrix, Matrix]]) -> Matrix:
    """Two-loop recursion: the slope times an estimate of the inverse Hessian, downhill."""
    rest, shares = slope.copy(), []
    for move, turn in reversed(moves):
        share = float(move @ rest) / float(move @ turn)
        rest -= share * turn
        shares.append(share)
    if moves:
        move, turn = moves[-1]
        rest *= float(move @ turn) / float(turn @ turn)
    for (move, turn), share in zip(moves, reversed(shares), strict=True):
        rest += (share - float(turn @ rest) / float(move @ turn)) * move
    return -rest
