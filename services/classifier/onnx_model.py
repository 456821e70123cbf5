"""Runs one tier's ONNX file on one core."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.classifier.features import FEATURE_NAMES
from services.classifier.manifest import ModelFilesError

INPUTS = ("input_ids", "attention_mask", "features")
OUTPUTS = ("intent_logits", "right_logits")
EMBEDDING = "embedding"
# onnxruntime's fused kernel for a residual and its normalisation takes five times as long as the two apart (1.32, AVX-512).
SLOW_FUSIONS = ["SkipLayerNormFusion"]


class InferenceError(Exception):
    """onnxruntime failed at a batch."""


@dataclass(frozen=True, slots=True)
class Logits:
    """Raw outputs for a batch: intent (B, classes), right (B, 3) for a small, a medium and a frontier model.

    `embedding` (B, D) has rows of length 1; None for a model without one.
    """

    intent: NDArray[np.float32]
    right: NDArray[np.float32]
    embedding: NDArray[np.float32] | None


class OnnxModel:
    """An inference session that stays on its own thread: no pool, no spinning, no arena that only grows."""

    def __init__(self, path: Path, classes: int, threads: int, embedding_dimensions: int | None) -> None:
        """Load the file and run it once. Raises ModelFilesError when it is no such model."""
        self._outputs = OUTPUTS if embedding_dimensions is None else (*OUTPUTS, EMBEDDING)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOW_FUSIONS
            )
            found = self._run([[101, 102]], np.zeros((1, len(FEATURE_NAMES)), dtype=np.float32))
        except Exception as error:
            raise ModelFilesError(
                f"{path}: expected an ONNX model with inputs {', '.join(INPUTS)} ({error})"
            ) from error
        if found.intent.shape != (1, classes) or found.right.shape != (1, 3):
            raise ModelFilesError(
                f"{path}: expected outputs of {classes} intents and 3 tiers, "
                f"found {found.intent.shape[1:]} and {found.right.shape[1:]}"
            )
        if found.embedding is not None and found.embedding.shape != (1, embedding_dimensions):
            raise ModelFilesError(
                f"{path}: expected an embedding of {embedding_dimensions} numbers, found {found.embedding.shape[1:]}"
            )

    def run(self, token_ids: Sequence[Sequence[int]], features: NDArray[np.float32]) -> Logits:
        """Predict for a batch of rows of token ids, padded here to the longest. Raises InferenceError."""
        try:
            return self._run(token_ids, features)
        except Exception as error:
            raise InferenceError(f"{type(error).__name__} for {len(token_ids)} prompts") from error

    def _run(self, token_ids: Sequence[Sequence[int]], features: NDArray[np.float32]) -> Logits:
        if len(token_ids) == 1:
            ids = np.array(token_ids, dtype=np.int64)
            return self._call(ids, np.ones_like(ids), features)
        width = max(len(row) for row in token_ids)
        ids = np.zeros((len(token_ids), width), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, tokens in enumerate(token_ids):
            ids[row, : len(tokens)] = tokens
            mask[row, : len(tokens)] = 1
        return self._call(ids, mask, features)

    def _call(self, ids: NDArray[np.int64], mask: NDArray[np.int64], features: NDArray[np.float32]) -> Logits:
        found = self._session.run(self._outputs, dict(zip(INPUTS, (ids, mask, features), strict=True)))
        if len(found) == len(OUTPUTS):
            return Logits(found[0], found[1], None)
        intent, right, embedding = found
        length = np.sqrt(np.einsum("bd,bd->b", embedding, embedding))
        return Logits(intent, right, embedding / np.maximum(length, 1e-9)[:, None])
