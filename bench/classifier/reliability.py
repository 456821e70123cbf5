"""Whether what is called 70 % likely happens seven times in ten: reliability diagrams and the expected calibration error."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.classifier.data import Data
from bench.classifier.judging import Answers

BINS = 15


@dataclass(frozen=True, slots=True)
class Reliability:
    """Of the bins that are not empty: mean chance said, mean truth found, prompts. `ece` weighs their distance by prompts."""

    said: tuple[float, ...]
    found: tuple[float, ...]
    prompts: tuple[int, ...]

    @property
    def ece(self) -> float:
        """Expected calibration error."""
        gaps = zip(self.said, self.found, self.prompts, strict=True)
        return sum(abs(said - found) * count for said, found, count in gaps) / max(1, sum(self.prompts))


def reliability(chance: NDArray[np.float64], truth: NDArray[np.float64] | NDArray[np.bool_]) -> Reliability:
    """Compare chances (N,) with what came true (N,), in [0, 1], in BINS bins of equal width."""
    index = np.minimum((chance * BINS).astype(np.int64), BINS - 1)
    rows = [index == number for number in range(BINS) if (index == number).any()]
    return Reliability(
        tuple(float(chance[row].mean()) for row in rows),
        tuple(float(truth[row].mean()) for row in rows),
        tuple(int(row.sum()) for row in rows),
    )


def right_by_tier(data: Data, mmlu: Answers, test: Answers) -> dict[str, dict[str, Reliability]]:
    """P(right) on the test splits, by the classifier's tier and the models': medium and frontier on MMLU, small on `multi_model`."""
    return {
        name: {
            "small": reliability(on_test.right[:, 0], data.test.small()),
            "medium": reliability(on_mmlu.right[:, 1], data.mmlu.weak),
            "frontier": reliability(on_mmlu.right[:, 2], data.mmlu.strong),
        }
        for name, on_mmlu, on_test in (
            ("encoder", mmlu.encoder, test.encoder),
            ("fast", mmlu.fast, test.fast),
        )
    }
