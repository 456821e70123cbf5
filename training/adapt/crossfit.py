"""Fits one head's correction, and tells by nested cross-validation what it does to prompts that it was not fitted to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.adapt.logistic import ROUGH_SLOPE, Evidence, Matrix, fit

# Prior precisions of a weight, weakest last, so that each fit starts where the one before ended; 0 stands for no correction.
STRENGTHS = (30.0, 10.0, 3.0, 1.0, 0.3)
NO_CORRECTION = 0.0
OUTER_FOLDS = 5
INNER_FOLDS = 4
# With fewer rows a head stays as it was.
LEAST_ROWS = 20
# The strength is chosen on so many rows: more do not change it, and the time grows with them.
CHOOSING_ROWS = 3_000


@dataclass(frozen=True, slots=True)
class Correction:
    """`weights` (D, C) of all rows; `held_out` (N, C): each row's correction by a fit that did not see its prompt."""

    weights: Matrix
    held_out: Matrix
    strength: float


def cross_fit(evidence: Evidence, ranks: NDArray[np.int64], advance: Callable[[], None] = lambda: None) -> Correction:
    """Fit a correction. `ranks` (N,): equal for equal prompts, which thus never lie on both sides of a split."""
    held_out = np.zeros_like(evidence.offset)
    for fold in range(OUTER_FOLDS):
        held = ranks % OUTER_FOLDS == fold
        if held.any() and not held.all():
            weights, _ = _choose_and_fit(evidence.rows(~held), ranks[~held] // OUTER_FOLDS)
            held_out[held] = evidence.design[held] @ weights
        advance()
    weights, strength = _choose_and_fit(evidence, ranks)
    advance()
    return Correction(weights, held_out, strength)


def no_correction(evidence: Evidence) -> Correction:
    """Return what leaves a head as it was."""
    shape = (evidence.design.shape[1], evidence.offset.shape[1])
    return Correction(np.zeros(shape), np.zeros_like(evidence.offset), NO_CORRECTION)


def _choose_and_fit(evidence: Evidence, ranks: NDArray[np.int64]) -> tuple[Matrix, float]:
    strength = _choose(evidence, ranks)
    weights = no_correction(evidence).weights
    if strength == NO_CORRECTION:
        return weights, strength
    for stronger in STRENGTHS[: STRENGTHS.index(strength)]:
        weights = fit(evidence, stronger, weights, ROUGH_SLOPE)
    return fit(evidence, strength, weights), strength


def _choose(evidence: Evidence, ranks: NDArray[np.int64]) -> float:
    """Return the strongest prior whose held-out loss is not surely worse than the best one's: within one standard error."""
    if len(ranks) < LEAST_ROWS:
        return NO_CORRECTION
    if len(ranks) > CHOOSING_ROWS:
        chosen = np.argsort(ranks, kind="stable")[:CHOOSING_ROWS]
        evidence, ranks = evidence.rows(chosen), ranks[chosen]
    losses = np.zeros((1 + len(STRENGTHS), len(ranks)))
    for fold in range(INNER_FOLDS):
        held = ranks % INNER_FOLDS == fold
        if not held.any() or held.all():
            continue
        seen, unseen = evidence.rows(~held), evidence.rows(held)
        weights = no_correction(evidence).weights
        losses[0, held] = unseen.losses(weights)
        for row, strength in enumerate(STRENGTHS, start=1):
            weights = fit(seen, strength, weights, ROUGH_SLOPE)
            losses[row, held] = unseen.losses(weights)
    return (NO_CORRECTION, *STRENGTHS)[_strongest_within_an_error(losses)]


def _strongest_within_an_error(losses: Matrix) -> int:
    """Index of the first row, strongest prior first, that is not surely worse than the best."""
    best = losses[int(np.argmin(losses.mean(axis=1)))]
    for index, row in enumerate(losses):
        worse = row - best
        if worse.mean() <= worse.std() / np.sqrt(len(worse)):
            return index
    raise AssertionError("the best is no worse than itself")


def rank_texts(digests: Sequence[str]) -> NDArray[np.int64]:
    """Number the different prompts in the order of their digests, which has nothing to do with the order in the file."""
    order = {digest: rank for rank, digest in enumerate(sorted(set(digests)))}
    return np.array([order[digest] for digest in digests], dtype=np.int64)
