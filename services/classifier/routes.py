"""An operator's own routes: the nearest of their example utterances on a tier's embedding, without training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.classifier.judgement import RouteMatch


@dataclass(frozen=True, slots=True)
class RouteTable:
    """All routes for one tier. `prototypes` (P, D) are unit vectors, `owner` (P,) the index of each one's route."""

    names: tuple[str, ...]
    thresholds: NDArray[np.float32]
    prototypes: NDArray[np.float32]
    owner: NDArray[np.int64]

    def match(self, embedding: NDArray[np.float32]) -> tuple[RouteMatch, ...]:
        """Compare a unit vector (D,) with every route; most similar first."""
        raise NotImplementedError
