"""Builds a table of routes from embeddings: the space to compare in, and thresholds by cross-validation. Pure arithmetic.

An embedding spends most of its length on what all prompts share and on how they are put; what sets one route's
utterances apart is small beside that. So the space is turned and stretched until the utterances of one route, and
ordinary ones among themselves, spread alike in all directions: what they differ in counts little, and what remains
between routes counts much (the whitening of linear discriminant analysis, with a covariance shrunk towards the sphere).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.routes import RouteSpace, RouteTable

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]

FOLDS = 10
# Part of the covariance that gives way to a sphere of so many times its mean variance.
SHRINKAGE, SPHERE = 0.1, 4.0
# More directions tell routes apart no better, and cost time with every prompt.
MOST_DIMENSIONS = 128
# Where nothing is known a prompt has to be this near; weighs like so many examples.
DEFAULT_THRESHOLD, DEFAULT_WEIGHT = 0.35, 10.0
# Owner of what belongs to no route: the operator's negatives, and ordinary utterances that may belong to one after all.
NEGATIVE, ORDINARY = -1, -2


@dataclass(frozen=True, slots=True)
class RouteFit:
    """What cross-validation says of one route: precision and recall in [0, 1] of its examples that were held out."""

    route: str
    examples: int
    threshold: float
    given: bool
    """Whether the operator set the threshold."""
    precision: float
    recall: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """So many of a route's examples that were held out match another route, and better than their own."""

    route: str
    taken_for: str
    examples: int


def fit_space(rows: Floats, owner: Indices) -> RouteSpace:
    """Find the space for unit vectors (N, D) with owners (N,), NEGATIVE and ORDINARY among them."""
    wide = rows.astype(np.float64)
    group = np.maximum(owner, NEGATIVE)
    spread = wide.copy()
    for one in np.unique(group):
        spread[group == one] -= wide[group == one].mean(axis=0)
    covariance = (1 - SHRINKAGE) * (spread.T @ spread) / len(wide)
    covariance.flat[:: len(covariance) + 1] += SHRINKAGE * SPHERE * max((spread * spread).mean(), 1e-12)
    # Any root of the inverse will do: they differ by a rotation, which the principal directions undo.
    whitening = np.linalg.inv(np.linalg.cholesky(covariance)).T
    middle = (wide[owner < 0].mean(axis=0) + wide[owner >= 0].mean(axis=0)) / 2
    white = (wide - middle) @ whitening
    turn = whitening @ np.linalg.eigh(white.T @ white)[1][:, ::-1][:, :MOST_DIMENSIONS]
    return RouteSpace(turn.astype(np.float32), (middle @ turn).astype(np.float32))


def build_table(names: Sequence[str], rows: Floats, owner: Indices, thresholds: Floats) -> RouteTable:
    """Put the routes' rows into the space that all rows make."""
    space = fit_space(rows, owner)
    order = np.argsort(owner, kind="stable")
    order = order[owner[order] >= 0]
    starts = np.searchsorted(owner[order], np.arange(len(names)))
    return RouteTable(tuple(names), thresholds, space.place(rows[order]), starts, space)


def held_out_similarities(names: Sequence[str], rows: Floats, owner: Indices) -> Floats:
    """Compare each row with tables built without it and without a tenth of its kind; returns (N, routes)."""
    fold = np.zeros(len(rows), dtype=np.int64)
    for group in np.unique(owner):
        members = np.flatnonzero(owner == group)
        # Shifted, for routes whose lists run parallel: an example's like in another route is not held out with it.
        fold[members] = (np.arange(len(members)) + group) % FOLDS
    found = np.zeros((len(rows), len(names)), dtype=np.float32)
    unused = np.zeros(len(names), dtype=np.float32)
    for part in range(FOLDS):
        out = fold == part
        table = build_table(names, rows[~out], owner[~out], unused)
        found[out] = table.similarities(table.space.place(rows[out]))
    return found


def fit_routes(
    names: Sequence[str], rows: Floats, owner: Indices, given: Sequence[float | None]
) -> tuple[RouteTable, tuple[RouteFit, ...], tuple[Confusion, ...]]:
    """Build a table with thresholds from unit vectors (N, D), their owners (N,) and the thresholds an operator set.

    Each route's threshold is the one at which F1 of "the nearest example is at least so near" is best over what was held
    out: F1 and not balanced accuracy, for among many routes and much other traffic one false match in twenty prompts
    is many. A handful of examples says little, so it is drawn towards what suits all routes together, and that towards a default.
    """
    similarity = held_out_similarities(names, rows, owner)
    own = [similarity[owner == route, route] for route in range(len(names))]
    other = [_told_apart(similarity, owner, route, own[route]) for route in range(len(names))]
    shared = _drawn(best_threshold(np.concatenate(own), np.concatenate(other)), sum(map(len, own)), DEFAULT_THRESHOLD)
    thresholds = np.array(
        [
            _drawn(best_threshold(inside, outside), len(inside), shared) if wanted is None else wanted
            for inside, outside, wanted in zip(own, other, given, strict=True)
        ],
        dtype=np.float32,
    )
    fits = tuple(
        RouteFit(
            route=names[i],
            examples=len(own[i]),
            threshold=float(thresholds[i]),
            given=given[i] is not None,
            precision=_share((own[i] >= thresholds[i]).sum(), (other[i] >= thresholds[i]).sum()),
            recall=float((own[i] >= thresholds[i]).mean()),
        )
        for i in range(len(names))
    )
    return build_table(names, rows, owner, thresholds), fits, _confusions(names, similarity, owner, thresholds)


def best_threshold(inside: Floats, outside: Floats) -> float:
    """Return the threshold with the best F1: halfway between the last that should match and the next below it."""
    scores = np.concatenate((inside, outside)).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(order < len(inside))
    f1 = 2 * hits / (np.arange(1, len(scores) + 1) + len(inside))
    scores = scores[order]
    last = int(np.argmax(f1))
    below = scores[last + 1] if last + 1 < len(scores) else scores[last]
    return float((scores[last] + below) / 2)


def _told_apart(similarity: Floats, owner: Indices, route: int, own: Floats) -> Floats:
    """What a route must not match. Ordinary utterances nearer than half of its own examples may well belong to it."""
    column = similarity[:, route]
    certain = (owner != route) & (owner != ORDINARY)
    ordinary = (owner == ORDINARY) & (column < np.median(own))
    found: Floats = column[certain | ordinary]
    return found


def _drawn(found: float, examples: int, towards: float) -> float:
    return (examples * found + DEFAULT_WEIGHT * towards) / (examples + DEFAULT_WEIGHT)


def _share(right: int, wrong: int) -> float:
    return float(right / (right + wrong)) if right + wrong else 0.0


def _confusions(names: Sequence[str], similarity: Floats, owner: Indices, thresholds: Floats) -> tuple[Confusion, ...]:
    """Pairs in which at least two examples, and three in ten, go to the other route; the worst first."""
    found = []
    for route, name in enumerate(names):
        rows = similarity[owner == route]
        reached = np.where(rows >= thresholds, rows, -2.0)
        taken = reached.argmax(axis=1)[reached.max(axis=1) > rows[:, route]]
        counts = np.bincount(taken, minlength=len(names))
        found += [
            Confusion(name, names[i], int(count))
            for i, count in enumerate(counts)
            if i != route and count >= max(2, 0.3 * len(rows))
        ]
    return tuple(sorted(found, key=lambda pair: -pair.examples))
