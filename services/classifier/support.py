"""How near a prompt lies to what the models were trained on: cosine to the nearest of a few hundred centroids."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.manifest import ModelFilesError


@dataclass(frozen=True, slots=True)
class Centroids:
    """Unit vectors of shape (K, D), one cluster of the training data's embeddings each."""

    rows: NDArray[np.float32]

    def nearest(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosine to the nearest centroid, (B,), for unit vectors of shape (B, D)."""
        found: NDArray[np.float32] = (embedding @ self.rows.T).max(axis=1)
        return found


def load_centroids(path: Path, tier: str, dimensions: int | None) -> Centroids:
    """Read one tier's centroids.

    Raises ModelFilesError.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            rows = stored[tier].astype(np.float32)
    except (OSError, ValueError, KeyError) as error:
        raise ModelFilesError(f"{path}: expected centroids named {tier} ({error})") from error
    if rows.ndim != 2 or rows.shape[1] != dimensions or not np.isfinite(rows).all():
        raise ModelFilesError(f"{path}: expected {tier} of shape (K, {dimensions}), found {rows.shape}")
    return Centroids(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9))
