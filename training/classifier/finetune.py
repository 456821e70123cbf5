"""Trains a tier: the encoder end to end, or the static tier from the encoder's answers."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.classifier.batches import Inputs, Labels, by_length, encode, padded
from training.classifier.encoder import Outputs, tokenizer_file
from training.classifier.noise import roughen
from training.classifier.sources import UNKNOWN

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a tier is trained. `teacher_share` is the weight of the teacher's answers against the labels.

    `rough_share` of the prompts is roughened anew in each epoch. `frozen` are prefixes of parameters that stay.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    seed: int
    bfloat16: bool
    intent_weight: float = 1.0
    right_weight: float = 2.0
    outcomes_weight: float = 1.0
    topic_weight: float = 0.3
    pretrained_weight: float = 1.0
    pairs_weight: float = 0.0
    teacher_share: float = 0.0
    rough_share: float = 0.35
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Teacher:
    """Answers to learn from: logits of a larger tier, the pretrained model's embedding (N, HIDDEN), or what an earlier stage said.

    `pairs` (N, 2) are its logits for a medium and a frontier model.
    """

    intent: NDArray[np.float32] | None = None
    right: NDArray[np.float32] | None = None
    pretrained: NDArray[np.float32] | None = None
    pairs: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Predictions:
    """Answers for many prompts: logits of intent (N, classes) and right (N, 3), embedding (N, D)."""

    intent: NDArray[np.float32]
    right: NDArray[np.float32]
    embedding: NDArray[np.float32]


def fit(
    model: nn.Module,
    texts: Sequence[str],
    inputs: Inputs,
    labels: Labels,
    recipe: Recipe,
    report: Report,
    teacher: Teacher,
) -> None:
    """Train in place, with a warm-up and a cosine decay, drawing batches of like length. `inputs` are the clean `texts`."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    body, heads = [], []
    for name, parameter in model.named_parameters():
        if name.startswith(recipe.frozen):
            parameter.requires_grad_(False)
        else:
            (body if name.startswith("encoder.") else heads).append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": recipe.learning_rate}, {"params": heads, "lr": recipe.head_learning_rate}],
        weight_decay=0.01,
        fused=True,
    )
    steps = recipe.epochs * math.ceil(len(texts) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (0.08 * steps)) * _cosine(step / steps)
    )
    weights = _class_weights(labels.intent, model.intent.out_features)  # type: ignore[union-attr, arg-type]
    step, running = 0, 0.0
    model.train()
    for epoch in range(recipe.epochs):
        seen = _roughened(texts, inputs, recipe.rough_share, recipe.seed * 1000 + epoch)
        for rows in by_length([len(row) for row in seen.ids], recipe.batch_size, rng):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.bfloat16):
                found: Outputs = model(*_tensors(seen, rows))
            loss = _loss(found, labels, rows, weights, recipe, teacher)
            loss.backward()
            nn.utils.clip_grad_norm_(body + heads, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            step += 1
            running = loss.item() if step == 1 else 0.98 * running + 0.02 * loss.item()
            if step % max(1, steps // 10) == 0:
                report(f"  epoch {epoch + 1}/{recipe.epochs} step {step}/{steps} loss {running:.3f}")


def predict(model: nn.Module, inputs: Inputs, batch_size: int = 64, *, bfloat16: bool = True) -> Predictions:
    """Run a model over all inputs, longest together."""
    model.eval()
    order = np.argsort([len(row) for row in inputs.ids])
    found: list[Outputs] = []
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
                found.append(model(*_tensors(inputs, order[start : start + batch_size])))
    back = np.argsort(order)

    def gather(pick: Callable[[Outputs], Tensor]) -> NDArray[np.float32]:
        return torch.cat([pick(part).float() for part in found]).numpy()[back]

    return Predictions(gather(lambda o: o.intent), gather(lambda o: o.right), gather(lambda o: o.embedding))


def _roughened(texts: Sequence[str], inputs: Inputs, share: float, seed: int) -> Inputs:
    """Replace a share of the prompts by roughened copies."""
    rng = random.Random(seed)  # noqa: S311
    chosen = [row for row in range(len(texts)) if rng.random() < share]
    if not chosen:
        return inputs
    rough = encode([roughen(texts[row], rng) for row in chosen], tokenizer_file())
    ids, features = list(inputs.ids), inputs.features.copy()
    for place, row in enumerate(chosen):
        ids[row] = rough.ids[place]
        features[row] = rough.features[place]
    return Inputs(ids, features)


def _tensors(inputs: Inputs, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    ids, mask = padded([inputs.ids[row] for row in rows])
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(inputs.features[rows])


def _loss(
    found: Outputs,
    labels: Labels,
    rows: NDArray[np.int64],
    weights: Tensor,
    recipe: Recipe,
    teacher: Teacher,
) -> Tensor:
    """Every term is a sum over what is known, divided by the batch: rare labels do not get loud in a batch of their own."""
    intent, right = found.intent.float(), found.right.float()
    target = torch.from_numpy(labels.intent[rows])
    known = target != UNKNOWN
    loss = intent.sum() * 0
    if known.any():
        each = functional.cross_entropy(
            intent[known], target[known], weight=weights, label_smoothing=0.05, reduction="none"
        )
        loss = loss + recipe.intent_weight * each.sum() / len(rows)
    truth, weight = torch.from_numpy(labels.right[rows]), torch.from_numpy(labels.right_weight[rows])
    missed = functional.binary_cross_entropy_with_logits(right, truth, reduction="none")
    loss = loss + recipe.right_weight * (missed * weight).sum() / (len(rows) * right.shape[1])
    if found.outcomes is not None:
        scores = torch.from_numpy(labels.outcomes[rows])
        asked = ~scores.isnan()
        if asked.any():
            missed = functional.binary_cross_entropy_with_logits(
                found.outcomes.float()[asked], scores[asked], reduction="sum"
            )
            loss = loss + recipe.outcomes_weight * missed / (len(rows) * scores.shape[1])
    if found.topic is not None:
        topic = torch.from_numpy(labels.topic[rows])
        if (topic != UNKNOWN).any():
            missed = functional.cross_entropy(found.topic.float(), topic, ignore_index=UNKNOWN, reduction="sum")
            loss = loss + recipe.topic_weight * missed / len(rows)
    if found.pretrained is not None and teacher.pretrained is not None:
        # What the pretrained model knew of topics is kept: fine-tuning on few kinds of tasks would forget it.
        kept = functional.cosine_similarity(found.pretrained.float(), torch.from_numpy(teacher.pretrained[rows]))
        loss = loss + recipe.pretrained_weight * (1 - kept).mean()
    if found.pairs is not None and teacher.pairs is not None:
        chance = torch.from_numpy(teacher.pairs[rows]).sigmoid()
        loss = loss + recipe.pairs_weight * functional.binary_cross_entropy_with_logits(found.pairs.float(), chance)
    if teacher.intent is not None and teacher.right is not None:
        taught = functional.cross_entropy(intent, torch.from_numpy(teacher.intent[rows]).softmax(1))
        chance = torch.from_numpy(teacher.right[rows]).sigmoid()
        taught = taught + recipe.right_weight * functional.binary_cross_entropy_with_logits(right, chance)
        loss = (1 - recipe.teacher_share) * loss + recipe.teacher_share * taught
    return loss


def _class_weights(intent: NDArray[np.int64], classes: int) -> Tensor:
    """Weigh rare intents up, by the square root of how rare they are."""
    counts = np.bincount(intent[intent != UNKNOWN], minlength=classes)
    weights = np.sqrt(counts.mean() / np.maximum(counts, 1))
    return torch.tensor(weights, dtype=torch.float32)


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
