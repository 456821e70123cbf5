"""Turns prompts into the arrays both tiers read: token ids of the window, mask, surface features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from services.classifier.features import FEATURE_NAMES, count_characters, surface_features, window
from services.classifier.window_tokens import WindowTokenizer
from training.classifier.sources import Example


@dataclass(frozen=True, slots=True)
class Inputs:
    """Encoded prompts: ragged token ids, and features of shape (N, len(FEATURE_NAMES))."""

    ids: list[NDArray[np.int64]]
    features: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Labels:
    """Labels as arrays: intent (N,), right (N, 3) and its weights (N, 3), topic (N,).

    `outcomes` of single models are (N, M), NaN where unknown.
    """

    intent: NDArray[np.int64]
    right: NDArray[np.float32]
    right_weight: NDArray[np.float32]
    outcomes: NDArray[np.float32]
    topic: NDArray[np.int64]


def encode(texts: Sequence[str], tokenizer_file: Path) -> Inputs:
    """Cut, tokenise and measure prompts exactly as the service does."""
    tokenizer = WindowTokenizer(Tokenizer.from_file(str(tokenizer_file)))
    ids, features = [], np.zeros((len(texts), len(FEATURE_NAMES)), dtype=np.float32)
    for row, text in enumerate(texts):
        cut = window(text)
        ids.append(np.array(tokenizer.token_ids(cut), dtype=np.int64))
        features[row] = surface_features(count_characters(text), cut)
    return Inputs(ids, features)


def labels_of(examples: Sequence[Example]) -> Labels:
    """Gather the labels of examples, in order."""
    return Labels(
        np.array([e.intent for e in examples], dtype=np.int64),
        np.array([e.right for e in examples], dtype=np.float32),
        np.array([e.right_weight for e in examples], dtype=np.float32),
        np.array([e.outcomes for e in examples], dtype=np.float32),
        np.array([e.topic for e in examples], dtype=np.int64),
    )


def padded(ids: Sequence[NDArray[np.int64]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pad rows to the longest; returns ids and mask, both (B, T)."""
    width = max(len(row) for row in ids)
    out, mask = np.zeros((len(ids), width), dtype=np.int64), np.zeros((len(ids), width), dtype=np.int64)
    for i, row in enumerate(ids):
        out[i, : len(row)] = row
        mask[i, : len(row)] = 1
    return out, mask


def by_length(lengths: Sequence[int], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield shuffled batches of row numbers whose lengths are close, so that little is padded."""
    order = rng.permutation(len(lengths))
    pool = size * 24
    batches: list[NDArray[np.int64]] = []
    for start in range(0, len(order), pool):
        part = np.array(sorted(order[start : start + pool], key=lambda row: lengths[row]), dtype=np.int64)
        batches += [part[i : i + size] for i in range(0, len(part), size)]
    for index in rng.permutation(len(batches)):
        yield batches[index]
