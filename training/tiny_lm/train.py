# ruff: noqa: S311 - the random source is there to be repeatable, not to be secret
"""Trains the tiny language model that Triton serves, and writes its ONNX file and tokenizer.

    python -m training.tiny_lm.train --prompts task_prompts.jsonl.gz --out deploy/triton/model_repository_cpu/tiny-chat/1

The same seed, data, machine and thread count give the same weights. Exit code 2: an input is missing.
"""

import argparse
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from training.tiny_lm import corpus, export
from training.tiny_lm.dialogue import Dialogue
from training.tiny_lm.model import ModelShape, TinyLm

ROW_TOKENS = 1024
ROWS_PER_STEP = 8
# First the model reads raw text and talks; then it only talks.
READING_PART = 0.55
RAW_SHARE_WHILE_READING = 0.35
REAL_PROMPT_SHARE = 0.3


def documents(
    tokenizer: corpus.Tokenizer, prompts: list[tuple[str, str]], raw_share: float, seed: int
) -> Iterator[tuple[list[int], list[float]]]:
    rng = random.Random(seed)
    raw = itertools.cycle([text for source, text in prompts if source == "p3"] or [""])
    talk = corpus.dialogues(prompts, seed, REAL_PROMPT_SHARE)
    end = corpus.special_id(tokenizer, "<|end|>")
    while True:
        if rng.random() < raw_share:
            ids = [*tokenizer.encode(next(raw)).ids, end]
            yield ids, [1.0] * len(ids)
        else:
            yield corpus.encode_dialogue(tokenizer, next(talk))


def loss_of(model: TinyLm, ids: Tensor, weights: Tensor) -> Tensor:
    """Mean cross-entropy in nats, weighted by token."""
    logits = model(ids[:, :-1]).float()
    losses = functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    target = weights[:, 1:].flatten()
    return (losses * target).sum() / target.sum()


def learning_rate_factor(step: int, steps: int) -> float:
    """Rises over 20 steps, holds, falls in a line to zero over the last 45 %."""
    return min((step + 1) / 20, 1.0, (steps - step) / (0.45 * steps))


def train(
    model: TinyLm, tokenizer: corpus.Tokenizer, prompts: list[tuple[str, str]], steps: int, seed: int, half: bool
) -> float:
    """Returns the mean loss of the last 20 steps; prints progress."""
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and not name.startswith("embedding")]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or name.startswith("embedding")]
    optimizers = [
        torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.95), weight_decay=0.0),
    ]
    base = [group["lr"] for optimizer in optimizers for group in optimizer.param_groups]
    reading = documents(tokenizer, prompts, RAW_SHARE_WHILE_READING, seed + 1)
    talking = documents(tokenizer, prompts, 0.0, seed + 2)
    recent: list[float] = []
    started = time.monotonic()
    for step in range(steps):
        source = reading if step < READING_PART * steps else talking
        ids, weights = (torch.from_numpy(a) for a in corpus.pack(source, ROWS_PER_STEP, ROW_TOKENS))
        factor = learning_rate_factor(step, steps)
        for group, rate in zip((g for o in optimizers for g in o.param_groups), base, strict=True):
            group["lr"] = rate * factor
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=half):
            loss = loss_of(model, ids, weights)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        recent = [*recent[-19:], loss.item()]
        if step % 10 == 9 or step == steps - 1:
            elapsed_s = time.monotonic() - started
            left_s = elapsed_s / (step + 1) * (steps - step - 1)
            print(
                f"step {step + 1}/{steps}  loss {sum(recent) / len(recent):.3f}  {elapsed_s:.0f} s, {left_s:.0f} s left",
                flush=True,
            )
    return sum(recent) / len(recent)


def held_out_loss(model: TinyLm, tokenizer: corpus.Tokenizer, talk: Iterator[Dialogue]) -> float:
    """Loss on dialogues drawn from a seed that training never used."""
    encoded = (corpus.encode_dialogue(tokenizer, dialogue) for dialogue in talk)
    ids, weights = (torch.from_numpy(a) for a in corpus.pack(encoded, 16, 256))
    with torch.no_grad():
        return loss_of(model, ids, weights * (weights == 1.0)).item()


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--prompts", type=Path, default=os.environ.get("TASK_PROMPTS"), help="JSON lines, gzipped; or TASK_PROMPTS"
    )
    parser.add_argument(
        "--out", type=Path, required=True, help="folder for model.onnx, tokenizer.json and training.json"
    )
    parser.add_argument("--steps", type=int, default=660)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if arguments.prompts is None or not Path(arguments.prompts).is_file():
        print(f"train: no such file of prompts: {arguments.prompts} (give --prompts or TASK_PROMPTS)", file=sys.stderr)
        return 2
    torch.manual_seed(arguments.seed)
    torch.set_num_threads(arguments.threads)
    torch.use_deterministic_algorithms(True)
    shape = ModelShape()
    prompts = corpus.read_prompts(Path(arguments.prompts), arguments.seed)
    print(f"{len(prompts)} prompts; training the tokenizer", flush=True)
    talk = [corpus.render(d) for d in itertools.islice(corpus.dialogues(prompts, arguments.seed, 0.0), 8000)]
    tokenizer = corpus.train_tokenizer([*(text for _, text in prompts), *talk], shape.vocabulary)
    model = TinyLm(shape)
    parameters = sum(p.numel() for p in model.parameters())
    half = torch.cpu.get_capabilities().get("amx_bf16", False)
    print(f"{parameters:,} parameters, {'bfloat16' if half else 'float32'} arithmetic", flush=True)
    started = time.monotonic()
    loss = train(model, tokenizer, prompts, arguments.steps, arguments.seed, half)
    model.eval()
    export.round_weights(model)
    arguments.out.mkdir(parents=True, exist_ok=True)
    export.onnx.save(export.build(model), arguments.out / "model.onnx")
    tokenizer.save(str(arguments.out / "tokenizer.json"))
    differences = export.parity(model, arguments.out / "model.onnx", arguments.seed)
    figures = {
        "parameters": parameters,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "tokens": arguments.steps * ROWS_PER_STEP * ROW_TOKENS,
        "training_loss": round(loss, 4),
        "held_out_loss": round(held_out_loss(model, tokenizer, corpus.dialogues(prompts, arguments.seed + 99, 0.0)), 4),
        "largest_logit_difference": {name: float(f"{value:.2g}") for name, value in differences.items()},
    }
    (arguments.out / "training.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(figures), f"{time.monotonic() - started:.0f} s", flush=True)
    if max(differences.values()) > 1e-2:
        print("train: the ONNX graph does not compute what the trained model does", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
