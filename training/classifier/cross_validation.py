"""What both tiers say about prompts of groups that they were not trained on, for every prompt: one model a fold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

from training.classifier.calibration import sigmoid
from training.classifier.finetune import predict
from training.classifier.routing_curve import routing_curve
from training.classifier.sources import FOLDS, UNKNOWN, Dataset, Example, fold_of
from training.classifier.stages import Workshop, encode_examples, train_encoder, train_static
from training.classifier.support import fit_centroids, nearest

# One in so many of the training prompts shows where they lie.
SAMPLED = 3


@dataclass(frozen=True, slots=True)
class Unseen:
    """One tier's logits for all examples, in their order, and the similarity (N,) to what its fold was trained on."""

    intent: NDArray[np.float32]
    right: NDArray[np.float32]
    similarity: NDArray[np.float32]


def cross_validate(data: Dataset, seed: int, workshop: Workshop) -> tuple[Unseen, Unseen]:
    """Train both tiers once a fold, on all other folds; returns the fast tier's and the encoder's answers."""
    folds = np.array([fold_of(e.group) for e in data.examples])
    parts: list[tuple[NDArray[np.int64], Unseen, Unseen]] = []
    for fold in range(FOLDS):
        held = np.flatnonzero(folds == fold)
        train = [e for e, part in zip(data.examples, folds, strict=True) if part != fold]
        encoder = train_encoder(train, seed, f"fold{fold}-encoder", workshop)
        examples = [data.examples[row] for row in held]
        unseen = _ask(encoder, train, examples, seed)
        workshop.report(f"fold {fold}: {_glance(unseen, examples)}")
        # Without the prompts that have no labels: their groups are unknown, and might be the fold's.
        static = train_static(encoder, train, seed, f"fold{fold}-fast", workshop)
        parts.append((held, _ask(static, train, examples, seed), unseen))
    order = np.argsort(np.concatenate([held for held, _, _ in parts]))
    return _join([fast for _, fast, _ in parts], order), _join([encoder for _, _, encoder in parts], order)


def _ask(model: nn.Module, train: Sequence[Example], held: Sequence[Example], seed: int) -> Unseen:
    known, found = (predict(model, encode_examples(part)) for part in (train[::SAMPLED], held))
    centroids = fit_centroids(known.embedding, seed)
    return Unseen(found.intent, found.right, nearest(found.embedding, centroids))


def _glance(found: Unseen, examples: Sequence[Example]) -> str:
    """Tell whether a fold went well, before the others are trained."""
    known = np.array([e.intent != UNKNOWN for e in examples])
    hits = found.intent.argmax(axis=1) == np.array([e.intent for e in examples])
    pairs = np.array([e.group.startswith("mmlu/") for e in examples])
    weak, strong = (np.array([e.right[tier] > 0.5 for e in examples])[pairs] for tier in (1, 2))
    chance = sigmoid(found.right[pairs])
    curve = routing_curve(chance[:, 2] - chance[:, 1], weak, strong)
    return f"encoder's intents {hits[known].mean():.3f} right, APGR {curve.apgr:.3f} on {pairs.sum()} pairs"


def _join(parts: Sequence[Unseen], order: NDArray[np.int64]) -> Unseen:
    return Unseen(*(np.concatenate([getattr(p, name) for p in parts])[order] for name in Unseen.__slots__))
