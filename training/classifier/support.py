"""Centroids of the training data's embeddings, and how near is near enough."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MiniBatchKMeans

CENTROIDS = 256
# Of unseen prompts of known kinds, one in a hundred is given half of the support, one in twenty nine tenths.
HALF_AT, NINE_TENTHS_AT = 0.01, 0.05


def fit_centroids(embedding: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """Cluster embeddings (N, D) on the unit sphere; returns unit vectors (CENTROIDS, D)."""
    clusters = MiniBatchKMeans(
        min(CENTROIDS, len(embedding)), random_state=seed, batch_size=4096, n_init=1, max_iter=20
    )
    return unit(clusters.fit(unit(embedding)).cluster_centers_.astype(np.float32))


def nearest(embedding: NDArray[np.float32], centroids: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the cosine of each row to its nearest centroid, (N,)."""
    found: NDArray[np.float32] = (unit(embedding) @ centroids.T).max(axis=1)
    return found


def support_curve(similarity: NDArray[np.float32]) -> tuple[float, float]:
    """Return midpoint and scale of the logistic support curve, from the similarities of unseen prompts."""
    half, nine_tenths = np.quantile(similarity, (HALF_AT, NINE_TENTHS_AT))
    return float(half), float(max((nine_tenths - half) / np.log(9), 1e-3))


def save(path: Path, centroids: dict[str, NDArray[np.float32]]) -> None:
    """Write the centroids of the tiers, by name."""
    np.savez_compressed(path, **{tier: rows.astype(np.float16) for tier, rows in centroids.items()})


def unit(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to length 1."""
    result: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return result
