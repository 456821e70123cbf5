"""Chooses the next token from logits."""

import numpy as np
from numpy.typing import NDArray

from tiny_chat.parameters import SamplingParameters


class Sampler:
    """One request's choice of tokens; with a seed, the same logits give the same tokens."""

    def __init__(self, parameters: SamplingParameters) -> None:
        self._parameters = parameters
        seed = parameters.seed
        self._random = np.random.default_rng(None if seed is None else seed % 2**64)

    def pick(self, logits: NDArray[np.float32]) -> int:
        """Takes logits [V]; temperature first, then top-k, then top-p, as vLLM does."""
        p = self._parameters
        if p.temperature == 0.0:
            return int(logits.argmax())
        # Shifted before the division, a tiny temperature can only overflow to minus infinity: a weight of zero.
        with np.errstate(over="ignore"):
            scaled = (logits.astype(np.float64) - logits.max()) / p.temperature
        order = np.argsort(-scaled, kind="stable")
        if p.top_k:
            order = order[: p.top_k]
        weights = np.exp(scaled[order])
        cumulative = weights.cumsum()
        # The smallest set whose share reaches top_p; the most likely token always stays.
        kept = (
            int(np.searchsorted(cumulative, p.top_p * cumulative[-1], side="left")) + 1 if p.top_p < 1.0 else len(order)
        )
        kept = min(kept, len(order))
        chosen = np.searchsorted(cumulative[:kept], self._random.random() * cumulative[kept - 1], side="right")
        return int(order[min(int(chosen), kept - 1)])
