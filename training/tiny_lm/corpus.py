# ruff: noqa: S311 - the random source is there to be repeatable, not to be secret
"""Turns prompts and synthetic dialogues into a tokenizer and streams of token ids with loss weights."""

import gzip
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from training.tiny_lm.dialogue import Dialogue, about_prompt, synthetic

# Order fixes the ids: 0, 1, 2, ...
SPECIAL_TOKENS = ("<|pad|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
# How much a token of text that the model only reads counts in the loss, against one that it has to say.
READ_WEIGHT = 0.3
MAX_PROMPT_CHARACTERS = 1200


def read_prompts(path: Path, seed: int) -> list[tuple[str, str]]:
    """(source, prompt) pairs in a seeded order from a gzipped JSON-lines file with `source` and `prompt`."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    pairs = [(row["source"], row["prompt"][:MAX_PROMPT_CHARACTERS]) for row in rows]
    random.Random(seed).shuffle(pairs)
    return pairs


def render(dialogue: Dialogue) -> str:
    """The chat template, as `chat_template.jinja` states it for users."""
    return "".join(f"<|{role}|>{text}<|end|>" for role, text in dialogue)


def train_tokenizer(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE: any text can be written, and decoding gives back its bytes."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


def dialogues(prompts: list[tuple[str, str]], seed: int, real_share: float) -> Iterator[Dialogue]:
    """Endless dialogues; `real_share` of them begin with a real prompt."""
    rng = random.Random(seed)
    askable = [prompt for source, prompt in prompts if source != "p3"]
    while True:
        yield about_prompt(rng, rng.choice(askable)) if askable and rng.random() < real_share else synthetic(rng)


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """The id of one of SPECIAL_TOKENS; raises KeyError for a tokenizer without it."""
    number = tokenizer.token_to_id(token)
    if number is None:
        raise KeyError(token)
    return number


def encode_dialogue(tokenizer: Tokenizer, dialogue: Dialogue) -> tuple[list[int], list[float]]:
    """Ids and loss weights; only what the assistant says, its end included, counts in full."""
    ids: list[int] = []
    weights: list[float] = []
    for role, text in dialogue:
        body = [*tokenizer.encode(text).ids, special_id(tokenizer, "<|end|>")]
        ids += [special_id(tokenizer, f"<|{role}|>"), *body]
        weights += [0.0, *([1.0 if role == "assistant" else READ_WEIGHT] * len(body))]
    return ids, weights


def pack(documents: Iterator[tuple[list[int], list[float]]], rows: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """`rows` rows of `length` + 1 ids with weights; each row starts with a document and is cut at its end."""
    ids = np.zeros((rows, length + 1), dtype=np.int64)
    weights = np.zeros((rows, length + 1), dtype=np.float32)
    for row in range(rows):
        filled = 0
        while filled <= length:
            document_ids, document_weights = next(documents)
            room = min(len(document_ids), length + 1 - filled)
            ids[row, filled : filled + room] = document_ids[:room]
            weights[row, filled : filled + room] = document_weights[:room]
            filled += room
    return ids, weights
