"""How much of the gap between a weak and a strong model a router recovers for the calls it spends (RouteLLM's protocol).

Thresholds at ten quantiles of the score, quality by linear interpolation, area by trapezoid over the eleven points
(arXiv 2406.18665).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RoutingCurve:
    """`apgr`: area under the recovered gap, random is 0.5. `cpt50`, `cpt80`: percent of strong calls for that much of it."""

    apgr: float
    cpt50: float
    cpt80: float


def routing_curve(score: NDArray[np.float64], weak: NDArray[np.bool_], strong: NDArray[np.bool_]) -> RoutingCurve:
    """Send the highest scores to the strong model, ever more of them."""
    order = np.argsort(-score, kind="stable")
    gap = strong.mean() - weak.mean()
    gained = np.concatenate([[0.0], np.cumsum(strong[order].astype(float) - weak[order])]) / len(score) / gap
    shares = np.linspace(0, 1, 11)
    recovered = gained[np.round(shares * len(score)).astype(int)]
    area = float(np.trapezoid(recovered, shares))
    return RoutingCurve(area, 100 * _first(shares, recovered, 0.5), 100 * _first(shares, recovered, 0.8))


def _first(shares: NDArray[np.float64], recovered: NDArray[np.float64], level: float) -> float:
    above = int(np.argmax(recovered >= level))
    low, high = recovered[above - 1], recovered[above]
    return float(shares[above - 1] + (level - low) / (high - low) * (shares[above] - shares[above - 1]))
