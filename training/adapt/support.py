"""Adds an operator's own prompts to what a model knows: the confidence of a judgement falls with the distance from it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.classifier.manifest import Manifest
from services.classifier.support import load_centroids
from training.adapt.crossfit import LEAST_ROWS
from training.adapt.embed import Embedded
from training.adapt.logistic import Matrix
from training.adapt.records import Record

ROWS_PER_CENTROID = 10
MOST_CENTROIDS = 64
STEPS = 10


def extended_support(
    directory: Path, base: Manifest, embedded: Embedded, rows: Sequence[Record]
) -> dict[str, NDArray[np.float32]] | None:
    """Return the base's centroids with the operator's own, by tier; None where the base or the rows have none to give.

    Of a prompt without an outcome nobody knows whether what the model says of it is right: it adds nothing.
    """
    chosen = np.array([i for i, row in enumerate(rows) if row.right is not None], dtype=np.int64)
    if base.support_file is None or len(chosen) < LEAST_ROWS:
        return None
    found = {}
    for tier, seen in embedded.tiers.items():
        own = seen.design[chosen, :-1]
        known = load_centroids(directory / base.support_file, tier.value, own.shape[1]).rows
        found[tier.value] = np.vstack([known, own_centroids(known.astype(np.float64), own).astype(np.float32)])
    return found


def save_centroids(path: Path, by_tier: dict[str, NDArray[np.float32]]) -> None:
    """Write the centroids of the tiers, by name."""
    arrays: dict[str, Any] = dict(by_tier)
    np.savez_compressed(path, **arrays)


def own_centroids(known: Matrix, rows: Matrix) -> Matrix:
    """Return up to MOST_CENTROIDS unit vectors for unit vectors (N, D): k-means, begun at the rows least like all before."""
    nearest = (rows @ known.T).max(axis=1) if len(known) else np.full(len(rows), -1.0)
    picked = []
    for _ in range(min(MOST_CENTROIDS, len(rows) // ROWS_PER_CENTROID)):
        picked.append(int(nearest.argmin()))
        nearest = np.maximum(nearest, rows @ rows[picked[-1]])
    centroids = rows[picked]
    for _ in range(STEPS):
        owner = (rows @ centroids.T).argmax(axis=1)
        sums = np.stack([rows[owner == index].sum(axis=0) for index in range(len(centroids))])
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centroids = np.where(length > 0, sums / np.maximum(length, 1e-12), centroids)
    return centroids
