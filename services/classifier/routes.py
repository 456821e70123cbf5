"""An operator's own routes: the nearest of their example utterances on a tier's embedding, without training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.judgement import RouteMatch

# Routes that are told although they do not match, so that an operator sees how far they were from it.
MOST_UNMATCHED = 8


@dataclass(frozen=True, slots=True)
class RouteSpace:
    """Where utterances are compared: an embedding (D,) less `origin` (K,), which lies in the target, turned by `turn` (D, K)."""

    turn: NDArray[np.float32]
    origin: NDArray[np.float32]

    def place(self, embeddings: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return unit vectors (B, K) for unit vectors (B, D)."""
        placed = embeddings @ self.turn - self.origin
        length = np.sqrt(np.einsum("bk,bk->b", placed, placed))
        unit: NDArray[np.float32] = placed / np.maximum(length, 1e-9)[:, None]
        return unit


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes for one tier.

    `prototypes` (P, K) are the examples as unit vectors of the space, route by route; those of a route begin at its `starts`.
    """

    names: tuple[str, ...]
    thresholds: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    starts: NDArray[np.int64]
    space: RouteSpace

    def match(self, embedding: NDArray[np.float32]) -> tuple[RouteMatch, ...]:
        """Compare a unit vector (D,) with every route; most similar first: the nearest eight, and all that match."""
        best = self.similarities(self.space.place(embedding[None, :]))[0]
        order = (-best).argsort(kind="stable")
        similarity, threshold = best[order].tolist(), self.thresholds[order].tolist()
        return tuple(
            # The cosine of a vector with itself may come out a little above 1.
            RouteMatch(self.names[route], min(similarity[rank], 1.0), similarity[rank] >= threshold[rank])
            for rank, route in enumerate(order.tolist())
            if rank < MOST_UNMATCHED or similarity[rank] >= threshold[rank]
        )

    def similarities(self, placed: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosine to each route's nearest example, (B, routes), for unit vectors (B, K) of the space."""
        nearest: NDArray[np.float32] = np.maximum.reduceat(placed @ self.prototypes.T, self.starts, axis=1)
        return nearest
