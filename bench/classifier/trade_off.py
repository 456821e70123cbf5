"""What a shorter window would save and cost: time of the encoder alone against the gap that it recovers on MMLU's test split."""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.classifier.data import Pairs
from bench.classifier.judging import Progress
from services.classifier.features import FEATURE_NAMES
from services.classifier.model import ClassifierModel
from services.classifier.window_tokens import SEP, TAIL_TOKENS, WINDOW_TOKENS
from training.classifier.routing_curve import routing_curve

WINDOWS = (16, 32, 48, 64, 96, WINDOW_TOKENS)
# Every sixth prompt: enough to rank the windows, in half a minute for all.
EVERY = 6
ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Window:
    """One window: median milliseconds of the ONNX file for a prompt that fills it, and the recovered gap."""

    tokens: int
    milliseconds: float
    apgr: float


def measure(models_dir: Path, pairs: Pairs, progress: Progress) -> list[Window]:
    """Cut the shipped model's window shorter and shorter, head and tail in proportion."""
    model = ClassifierModel(models_dir, threads=1, with_encoder=True)
    assert model.encoder is not None and model.manifest.encoder is not None
    scales = model.manifest.encoder.right[1:]
    prepared = [model.prepare(text) for text in pairs.prompts[::EVERY]]
    weak, strong = pairs.weak[::EVERY], pairs.strong[::EVERY]
    found = []
    for tokens in WINDOWS:
        progress(f"trade-off: a window of {tokens} tokens")
        logits = np.array(
            [model.encoder.run([shortened(p.token_ids, tokens)], p.features[None, :]).right[0, 1:] for p in prepared]
        )
        medium, frontier = (
            1 / (1 + np.exp(-(scale.scale * logits[:, i] + scale.shift))) for i, scale in enumerate(scales)
        )
        found.append(Window(tokens, _milliseconds(model, tokens), routing_curve(frontier - medium, weak, strong).apgr))
    return found


def shortened(token_ids: list[int], tokens: int) -> list[int]:
    """Keep so many tokens: the head, and of the tail its part of the full window."""
    if len(token_ids) <= tokens:
        return token_ids
    tail = max(1, tokens * TAIL_TOKENS // WINDOW_TOKENS)
    return [*token_ids[: tokens - tail - 1], SEP, *token_ids[-tail:]]


def _milliseconds(model: ClassifierModel, tokens: int) -> float:
    assert model.encoder is not None
    rng, zeros = np.random.default_rng(0), np.zeros((1, len(FEATURE_NAMES)), dtype=np.float32)
    times = []
    for _ in range(ROUNDS):
        ids = [101, *rng.integers(1000, 20000, tokens - 2).tolist(), SEP]
        began_s = time.perf_counter()
        model.encoder.run([ids], zeros)
        times.append(1000 * (time.perf_counter() - began_s))
    return float(np.median(times))
