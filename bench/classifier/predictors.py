"""Expected scores of several models for a prompt, from what the shipped encoder says of it: no training beyond linear algebra.

- nearest neighbours on the encoder's embedding: mean scores of the k nearest, the nearer the heavier;
- ridge regression on embedding, intents, chances of a right answer and length;
- both averaged, which is what is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from bench.classifier.judging import Answers

Floats = NDArray[np.float64]
Predict = Callable[[Answers], Floats]
FOLDS = 5
NEIGHBOURS = (40, 80, 160, 320)
WIDTHS = (0.02, 0.05, 0.1, 0.3)
RIDGES = (10.0, 30.0, 100.0, 300.0, 1000.0)
SHARES = (0.25, 0.5, 0.75)
# Brings the parts of a row of features to like size.
EMBEDDING_WEIGHT, INTENT_WEIGHT, LENGTH_WEIGHT = 3.0, 0.3, 0.5
LEAST_CHANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Fitted:
    """`predict` gives expected scores (prompts, models); `held_out` are those of the train rows, each from the folds without it."""

    predict: Predict
    held_out: Floats
    settings: str


def fit_knn(scores: Floats, asked: Answers) -> Fitted:
    """Fit nearest neighbours, k and width by cross-validation."""
    rows = _embedding(asked)

    def tried(setting: tuple[int, float]) -> Floats:
        return _held_out(rows, scores, lambda x, y, q: nearest(x, y, q, *setting))

    found = {setting: tried(setting) for setting in product(NEIGHBOURS, WIDTHS)}
    k, width = max(found, key=lambda setting: _picked(found[setting], scores))
    return Fitted(
        lambda new: nearest(rows, scores, _embedding(new), k, width),
        found[k, width],
        f"{k} neighbours, width {width:g}",
    )


def fit_ridge(scores: Floats, asked: Answers) -> Fitted:
    """Fit ridge regression, its penalty by cross-validation."""
    rows = features(asked)
    found = {
        penalty: _held_out(rows, scores, lambda x, y, q, p=penalty: ridge(x, y, q, p))  # type: ignore[misc]
        for penalty in RIDGES
    }
    best = max(found, key=lambda penalty: _picked(found[penalty], scores))
    return Fitted(lambda new: ridge(rows, scores, features(new), best), found[best], f"ridge {best:g}")


def fit_predictor(scores: Floats, asked: Answers) -> Fitted:
    """Fit both and average them, the share of each by cross-validation."""
    knn, linear = fit_knn(scores, asked), fit_ridge(scores, asked)
    mixed = {share: share * knn.held_out + (1 - share) * linear.held_out for share in SHARES}
    share = max(mixed, key=lambda s: _picked(mixed[s], scores))
    return Fitted(
        lambda new: share * knn.predict(new) + (1 - share) * linear.predict(new),
        mixed[share],
        f"{share:g} of {knn.settings}; {1 - share:g} of {linear.settings}",
    )


def nearest(known: Floats, scores: Floats, asked: Floats, k: int, width: float) -> Floats:
    """Average the scores of the k nearest rows by cosine, weighted exp((cosine - 1) / width); rows are unit vectors."""
    cosine = asked @ known.T
    index = np.argpartition(-cosine, min(k, len(known)) - 1, axis=1)[:, :k]
    near = np.take_along_axis(cosine, index, axis=1)
    weight = np.exp((near - near.max(axis=1, keepdims=True)) / width)
    found: Floats = np.einsum("qk,qkm->qm", weight, scores[index]) / weight.sum(axis=1)[:, None]
    return found


def ridge(known: Floats, scores: Floats, asked: Floats, penalty: float) -> Floats:
    """Regress the scores on the rows, both centred."""
    middle, usual = known.mean(axis=0), scores.mean(axis=0)
    centred = known - middle
    weights = np.linalg.solve(centred.T @ centred + penalty * np.eye(known.shape[1]), centred.T @ (scores - usual))
    found: Floats = (asked - middle) @ weights + usual
    return found


def features(asked: Answers) -> Floats:
    """What the ridge reads of a prompt, (prompts, D)."""
    chance = np.clip(asked.encoder.right, LEAST_CHANCE, 1 - LEAST_CHANCE)
    return np.hstack(
        [
            EMBEDDING_WEIGHT * _embedding(asked),
            INTENT_WEIGHT * np.log(np.maximum(asked.encoder.intent, LEAST_CHANCE)),
            np.log(chance / (1 - chance)),
            LENGTH_WEIGHT * np.log1p(asked.input_tokens)[:, None],
        ]
    )


def _embedding(asked: Answers) -> Floats:
    assert asked.encoder.embedding is not None
    return asked.encoder.embedding.astype(np.float64)


def _held_out(rows: Floats, scores: Floats, fit_and_apply: Callable[[Floats, Floats, Floats], Floats]) -> Floats:
    fold = np.random.default_rng(0).integers(0, FOLDS, len(rows))
    out = np.zeros_like(scores)
    for part in range(FOLDS):
        kept, left = fold != part, fold == part
        out[left] = fit_and_apply(rows[kept], scores[kept], rows[left])
    return out


def _picked(expected: Floats, scores: Floats) -> float:
    return float(scores[np.arange(len(scores)), expected.argmax(axis=1)].mean())
