"""Asks both tiers about many prompts, each by itself as the service mostly does, in as many processes as there are cores.

Prompts are not batched: the encoder's int8 activations are scaled over a batch, so that company would move an answer a little,
and with it the routes that are compared here.
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.classifier.judgement import Judgement
from services.classifier.model import ClassifierModel

Progress = Callable[[str], None]
CHUNK = 250


@dataclass(frozen=True, slots=True)
class TierAnswers:
    """What one tier says of N prompts. `right` is (N, 3) for a small, a medium and a frontier model."""

    right: NDArray[np.float64]
    intent: NDArray[np.float64]
    """Probabilities in the order of the manifest's taxonomy, (N, classes)."""
    confidence: NDArray[np.float64]
    complexity: NDArray[np.float64]
    embedding: NDArray[np.float32] | None
    """(N, D), where it was asked for and the model has one."""

    @property
    def gap(self) -> NDArray[np.float64]:
        """What a frontier model adds to a medium one."""
        found: NDArray[np.float64] = self.right[:, 2] - self.right[:, 1]
        return found

    @property
    def gain(self) -> NDArray[np.float64]:
        """What a frontier model adds to a small one; the complexity, where it is above 0."""
        found: NDArray[np.float64] = self.right[:, 2] - self.right[:, 0]
        return found


@dataclass(frozen=True, slots=True)
class Answers:
    """What both tiers say of N prompts, and what they read of them."""

    fast: TierAnswers
    encoder: TierAnswers
    output_tokens: NDArray[np.float64]
    """The encoder's median of the answer's length, (N,)."""
    input_tokens: NDArray[np.float64]


class Judges:
    """Processes with the model loaded. Close it with the block; Ctrl-C ends them too."""

    def __init__(self, models_dir: Path, progress: Progress) -> None:
        self._progress = progress
        self._pool = ProcessPoolExecutor(
            os.cpu_count() or 1, multiprocessing.get_context("spawn"), initializer=_load, initargs=(models_dir,)
        )

    def __enter__(self) -> "Judges":
        return self

    def __exit__(self, *raised: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def ask(self, what: str, prompts: Sequence[str], *, embeddings: bool = False) -> Answers:
        """Judge every prompt; equal prompts once. `what` is shown as progress."""
        distinct = list(dict.fromkeys(prompts))
        parts: list[Answers] = []
        chunks = [distinct[start : start + CHUNK] for start in range(0, len(distinct), CHUNK)]
        done = 0
        for chunk, part in zip(chunks, self._pool.map(_ask, chunks, [embeddings] * len(chunks)), strict=True):
            parts.append(part)
            done += len(chunk)
            self._progress(f"{what}: {done}/{len(distinct)} prompts")
        place = {prompt: row for row, prompt in enumerate(distinct)}
        return _take(_joined(parts), np.array([place[prompt] for prompt in prompts], dtype=np.int64))


_MODEL: list[ClassifierModel] = []


def _load(models_dir: Path) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _MODEL.append(ClassifierModel(models_dir, threads=1, with_encoder=True))


def _end_with_parent() -> None:
    """A parent that is killed cannot end its pool, whose processes would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _ask(prompts: Sequence[str], embeddings: bool) -> Answers:
    model = _MODEL[0]
    assert model.encoder is not None
    fast, encoder, found = [], [], []
    for text in prompts:
        prompt = model.prepare(text)
        fast.append(model.judge_fast(prompt))
        encoder.append(model.judge_encoder([prompt])[0])
        if embeddings:
            found.append(model.encoder.run([prompt.token_ids], prompt.features[None, :]).embedding)
    vectors = [vector for vector in found if vector is not None]
    taxonomy = model.manifest.taxonomy
    return Answers(
        _answers(fast, taxonomy, None),
        _answers(encoder, taxonomy, np.concatenate(vectors) if vectors else None),
        np.array([judged.output_tokens.p50 for judged in encoder], dtype=np.float64),
        np.array([judged.input_tokens for judged in encoder], dtype=np.float64),
    )


def _answers(
    judged: Sequence[Judgement], taxonomy: Sequence[str], embedding: NDArray[np.float32] | None
) -> TierAnswers:
    return TierAnswers(
        np.array([j.right for j in judged]),
        np.array([[dict(j.intents)[name] for name in taxonomy] for j in judged]),
        np.array([j.confidence for j in judged]),
        np.array([j.complexity for j in judged]),
        embedding,
    )


def _joined(parts: Sequence[Answers]) -> Answers:
    return Answers(
        _joined_tier([part.fast for part in parts]),
        _joined_tier([part.encoder for part in parts]),
        np.concatenate([part.output_tokens for part in parts]),
        np.concatenate([part.input_tokens for part in parts]),
    )


def _joined_tier(parts: Sequence[TierAnswers]) -> TierAnswers:
    vectors = [part.embedding for part in parts if part.embedding is not None]
    return TierAnswers(
        np.concatenate([part.right for part in parts]),
        np.concatenate([part.intent for part in parts]),
        np.concatenate([part.confidence for part in parts]),
        np.concatenate([part.complexity for part in parts]),
        np.concatenate(vectors) if vectors else None,
    )


def _take(answers: Answers, rows: NDArray[np.int64]) -> Answers:
    fast, encoder = (
        TierAnswers(
            tier.right[rows],
            tier.intent[rows],
            tier.confidence[rows],
            tier.complexity[rows],
            None if tier.embedding is None else tier.embedding[rows],
        )
        for tier in (answers.fast, answers.encoder)
    )
    return Answers(fast, encoder, answers.output_tokens[rows], answers.input_tokens[rows])
