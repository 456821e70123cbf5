"""Trains a tier: the encoder end to end, or the static tier from the encoder's answers."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from training.classifier.batches import Inputs, Labels, by_length, padded
from training.classifier.sources import UNKNOWN

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a tier is trained. `teacher_share` is the weight of the teacher's answers against the labels."""

    epochs: int
    batch_size: int
    learning_rate: float
    head_learning_rate: float
    seed: int
    bfloat16: bool
    right_weight: float = 2.0
    teacher_share: float = 0.0
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Predictions:
    """Logits for many prompts: intent (N, classes), right (N, 3)."""

    intent: NDArray[np.float32]
    right: NDArray[np.float32]


def fit(
    model: nn.Module, inputs: Inputs, labels: Labels, recipe: Recipe, report: Report, teacher: Predictions | None = None
) -> None:
    """Train in place, with a warm-up and a cosine decay, drawing batches of like length."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    lengths = [len(row) for row in inputs.ids]
    body, heads = [], []
    for name, parameter in model.named_parameters():
        if name in recipe.frozen:
            parameter.requires_grad_(False)
        else:
            (body if name.startswith("encoder.") else heads).append(parameter)
    optimizer = torch.optim.AdamW(
        [{"params": body, "lr": recipe.learning_rate}, {"params": heads, "lr": recipe.head_learning_rate}],
        weight_decay=0.01,
    )
    steps = recipe.epochs * math.ceil(len(lengths) / recipe.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / (0.06 * steps)) * _cosine(step / steps)
    )
    weights = _class_weights(labels.intent)
    step, running = 0, 0.0
    model.train()
    for epoch in range(recipe.epochs):
        for rows in by_length(lengths, recipe.batch_size, rng):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.bfloat16):
                intent, right = model(*_tensors(inputs, rows))
            loss = _loss(intent.float(), right.float(), labels, rows, weights, recipe, teacher)
            loss.backward()
            nn.utils.clip_grad_norm_(body + heads, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
            step += 1
            running = loss.item() if step == 1 else 0.98 * running + 0.02 * loss.item()
            if step % max(1, steps // 40) == 0:
                report(f"epoch {epoch + 1}/{recipe.epochs} step {step}/{steps} loss {running:.3f}")


def predict(model: nn.Module, inputs: Inputs, batch_size: int = 64) -> Predictions:
    """Run a model over all inputs, longest together."""
    model.eval()
    order = np.argsort([len(row) for row in inputs.ids])
    intents: list[Tensor] = []
    rights: list[Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                intent, right = model(*_tensors(inputs, order[start : start + batch_size]))
            intents.append(intent.float())
            rights.append(right.float())
    back = np.argsort(order)
    return Predictions(torch.cat(intents).numpy()[back], torch.cat(rights).numpy()[back])


def _tensors(inputs: Inputs, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    ids, mask = padded([inputs.ids[row] for row in rows])
    return torch.from_numpy(ids), torch.from_numpy(mask), torch.from_numpy(inputs.features[rows])


def _loss(
    intent: Tensor,
    right: Tensor,
    labels: Labels,
    rows: NDArray[np.int64],
    weights: Tensor,
    recipe: Recipe,
    teacher: Predictions | None,
) -> Tensor:
    target = torch.from_numpy(labels.intent[rows])
    known = target != UNKNOWN
    loss = intent.sum() * 0
    if known.any():
        loss = loss + functional.cross_entropy(intent[known], target[known], weight=weights, label_smoothing=0.05)
    truth, weight = torch.from_numpy(labels.right[rows]), torch.from_numpy(labels.right_weight[rows])
    each = functional.binary_cross_entropy_with_logits(right, truth, reduction="none")
    loss = loss + recipe.right_weight * (each * weight).sum() / weight.sum().clamp(min=1e-6) * weight.mean().clamp(
        max=1.0
    )
    if teacher is not None:
        soft = torch.from_numpy(teacher.intent[rows]).softmax(1)
        taught = functional.cross_entropy(intent, soft)
        chance = torch.from_numpy(teacher.right[rows]).sigmoid()
        taught = taught + recipe.right_weight * functional.binary_cross_entropy_with_logits(right, chance)
        loss = (1 - recipe.teacher_share) * loss + recipe.teacher_share * taught
    return loss


def _class_weights(intent: NDArray[np.int64]) -> Tensor:
    """Weigh rare intents up, by the square root of how rare they are."""
    counts = np.bincount(intent[intent != UNKNOWN])
    weights = np.sqrt(counts.mean() / np.maximum(counts, 1))
    return torch.tensor(weights, dtype=torch.float32)


def _cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(share, 1.0)))
