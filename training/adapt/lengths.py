"""Fits how long answers get, intent by intent: the base's median scaled, its spread refitted."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.classifier.judgement import Z90
from services.classifier.manifest import OutputLength
from training.adapt.logistic import Matrix

__all__ = ["PRIOR_ROWS", "Z90", "fit_lengths", "mixed_lengths"]

# The base's own figures count as so many rows of each intent.
PRIOR_ROWS = 10.0
LEAST_DEVIATION = 0.05
MOST_SPREAD = 5.0


def fit_lengths(
    lengths: Sequence[OutputLength], share: Matrix, input_tokens: NDArray[np.int64], log_tokens: Matrix
) -> list[OutputLength]:
    """Return a length for each intent. `share` (N, C): how far each row is of each intent; `log_tokens` (N,): logarithms."""
    away = log_tokens[:, None] - _means(lengths, input_tokens)
    rows = share.sum(axis=0)
    shift = (share * away).sum(axis=0) / (rows + PRIOR_ROWS)
    scatter = (share * (away - shift) ** 2).sum(axis=0)
    fitted = []
    for index, length in enumerate(lengths):
        variance = (scatter[index] + PRIOR_ROWS * length.spread**2) / (rows[index] + PRIOR_ROWS)
        factor = float(np.exp(shift[index]))
        fitted.append(
            OutputLength(
                base=length.base * factor,
                per_input_token=length.per_input_token * factor,
                spread=min(float(np.sqrt(variance)), MOST_SPREAD),
            )
        )
    return fitted


def mixed_lengths(
    lengths: Sequence[OutputLength], chance: Matrix, input_tokens: NDArray[np.int64]
) -> tuple[Matrix, Matrix]:
    """Return mean and deviation (N,) of a length's logarithm, mixed as `judge` mixes them."""
    means = _means(lengths, input_tokens)
    mean = (chance * means).sum(axis=1)
    spread = np.array([length.spread**2 for length in lengths])
    variance = (chance * (spread + (means - mean[:, None]) ** 2)).sum(axis=1)
    return mean, np.maximum(np.sqrt(variance), LEAST_DEVIATION)


def _means(lengths: Sequence[OutputLength], input_tokens: NDArray[np.int64]) -> Matrix:
    columns = [np.log(np.maximum(n.base + n.per_input_token * input_tokens, 1.0)) for n in lengths]
    return np.stack(columns, axis=1)
