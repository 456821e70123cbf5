"""Runs all recorded prompts through the base model's tiers."""

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.judgement import Tier
from services.classifier.manifest import Manifest, ModelFilesError
from services.classifier.model import ClassifierModel, PreparedPrompt
from services.classifier.onnx_model import OnnxModel
from services.classifier.support import load_centroids
from training.adapt.crossfit import rank_texts
from training.adapt.logistic import Matrix
from training.adapt.records import Record

# Together the anchors count as so many rows that nobody was sure of: a row bends the loss by p(1 - p).
ANCHOR_ROWS = 50.0
UNSURE = 0.25


@dataclass(frozen=True, slots=True)
class Seen:
    """What one tier sees of N rows, before any correction.

    `intent` (N, C) and `right` (N, 3) are raw logits; `design` (N, D + 1) is the embedding and a one; `anchors` (K, D + 1) are the
    centroids of the training data likewise, weighted.
    """

    intent: Matrix
    right: Matrix
    design: Matrix
    anchors: Matrix


@dataclass(frozen=True, slots=True)
class Embedded:
    """All rows: by tier, with each row's input tokens (N,) and its prompt's rank (N,), equal for equal prompts."""

    tiers: dict[Tier, Seen]
    input_tokens: NDArray[np.int64]
    ranks: NDArray[np.int64]


def embed(
    base: Path, manifest: Manifest, rows: Sequence[Record], advance: Callable[[int], None] = lambda _: None
) -> Embedded:
    """Embed every different prompt once with each tier; `advance` hears how many more are done.

    Raises ModelFilesError and InferenceError.
    """
    model = ClassifierModel(base, threads=1, with_encoder=False)
    prepared = [model.prepare(r.text.judged, r.text.counted, r.text.counted_tokens, r.text.spoken) for r in rows]
    digests = [hashlib.sha256(r.text.judged.encode("utf-8", "surrogatepass")).hexdigest() for r in rows]
    ranks = rank_texts(digests)
    _, first = np.unique(ranks, return_index=True)
    different = [prepared[index] for index in first]
    files = {Tier.FAST: manifest.fast} | ({Tier.ENCODER: manifest.encoder} if manifest.encoder else {})
    tiers = {}
    for tier, part in files.items():
        if part.embedding_dimensions is None:
            raise ModelFilesError(f"{base / part.file}: expected an output `embedding`; without one nothing is adapted")
        threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
        onnx = OnnxModel(base / part.file, len(manifest.taxonomy), threads, part.embedding_dimensions)
        intent, right, embedding = (array[ranks] for array in _run(onnx, different, advance))
        anchors = np.zeros((0, part.embedding_dimensions))
        if manifest.support_file is not None:
            found = load_centroids(base / manifest.support_file, tier.value, part.embedding_dimensions).rows
            anchors = found.astype(np.float64)
        weight = np.sqrt(UNSURE * ANCHOR_ROWS / max(len(anchors), 1))
        tiers[tier] = Seen(intent, right, _with_ones(embedding), weight * _with_ones(anchors))
    return Embedded(tiers, np.array([p.facts.input_tokens for p in prepared], dtype=np.int64), ranks)


def count_embeddings(manifest: Manifest, rows: Sequence[Record]) -> int:
    """How often `embed` will advance."""
    return len({row.text.judged for row in rows}) * (2 if manifest.encoder else 1)


def _run(
    onnx: OnnxModel, prompts: Sequence[PreparedPrompt], advance: Callable[[int], None]
) -> tuple[Matrix, Matrix, Matrix]:
    intent, right, embedding = [], [], []
    for prompt in prompts:
        # One by one: in a quantised model those beside a prompt in its batch move its embedding a little.
        found = onnx.run([prompt.token_ids], prompt.features[None, :])
        assert found.embedding is not None
        intent.append(found.intent[0])
        right.append(found.right[0])
        embedding.append(found.embedding[0])
        advance(1)
    return np.array(intent, np.float64), np.array(right, np.float64), np.array(embedding, np.float64)


def _with_ones(rows: Matrix) -> Matrix:
    return np.hstack([rows, np.ones((len(rows), 1))])
