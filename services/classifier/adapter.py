"""What an operator's own outcomes add to a tier's logits: one linear correction on the embedding for each head."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.manifest import ModelFilesError
from services.classifier.onnx_model import Logits


@dataclass(frozen=True, slots=True)
class Adapter:
    """Added to the logits: `embedding @ weight + bias`, with weights (D, classes) and (D, 3)."""

    intent_weight: NDArray[np.float32]
    intent_bias: NDArray[np.float32]
    right_weight: NDArray[np.float32]
    right_bias: NDArray[np.float32]

    def apply(self, logits: Logits) -> Logits:
        """Correct a batch; the embedding stays."""
        assert logits.embedding is not None
        return Logits(
            logits.intent + logits.embedding @ self.intent_weight + self.intent_bias,
            logits.right + logits.embedding @ self.right_weight + self.right_bias,
            logits.embedding,
        )


def load_adapter(path: Path, tier: str, dimensions: int | None, classes: int) -> Adapter:
    """Read one tier's corrections: arrays `{tier}_intent_weight`, `{tier}_intent_bias` and the same for `right`.

    Raises ModelFilesError.
    """
    names = ("intent_weight", "intent_bias", "right_weight", "right_bias")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = [stored[f"{tier}_{name}"].astype(np.float32) for name in names]
    except (OSError, ValueError, KeyError) as error:
        raise ModelFilesError(f"{path}: expected an adapter for the {tier} tier ({error})") from error
    shapes = ((dimensions, classes), (classes,), (dimensions, 3), (3,))
    for name, array, shape in zip(names, arrays, shapes, strict=True):
        if array.shape != shape or not np.isfinite(array).all():
            raise ModelFilesError(f"{path}: expected finite {tier}_{name} of shape {shape}, found {array.shape}")
    return Adapter(*arrays)


def save_adapter(path: Path, adapters: dict[str, Adapter]) -> None:
    """Write the corrections of the tiers, by name."""
    arrays = {
        f"{tier}_{name}": getattr(adapter, name)
        for tier, adapter in adapters.items()
        for name in ("intent_weight", "intent_bias", "right_weight", "right_bias")
    }
    np.savez_compressed(path, **arrays)
