"""Reads what is measured on from the data folder: questions with two models' outcomes, prompts with nine models' scores."""

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MMLU_FILE, MULTI_MODEL_FILE, PRICES_FILE = "mmlu_pairs.jsonl.gz", "multi_model.jsonl.gz", "multi_model_prices.json"
WEAK, STRONG = "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"
# The models of 7 to 9 billion parameters whose mean is called a small model; the specialised ones are left out.
SMALL_MODELS = ("qwen2.5-7b-instruct", "mistral-7b-instruct-v0.3", "gemma-2-9b-it", "llama-3.1-8b-instruct")


class DataMissing(Exception):
    """The data folder or one of its files is not there; the message says how to name it."""


@dataclass(frozen=True, slots=True)
class Pairs:
    """MMLU's test split: whether the weak and the strong model answered each prompt right."""

    prompts: tuple[str, ...]
    subjects: tuple[str, ...]
    weak: NDArray[np.bool_]
    strong: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scores:
    """One split of the prompts with scores in [0, 1] of several models, shape (prompts, models)."""

    prompts: tuple[str, ...]
    tasks: tuple[str, ...]
    scores: NDArray[np.float64]
    models: tuple[str, ...]
    price: NDArray[np.float64]
    """Dollars for a million tokens, (models, 2): of the input, of the output."""

    def take(self, rows: NDArray[np.int64]) -> "Scores":
        """The given rows alone."""
        return Scores(
            tuple(self.prompts[row] for row in rows),
            tuple(self.tasks[row] for row in rows),
            self.scores[rows],
            self.models,
            self.price,
        )

    def small(self) -> NDArray[np.float64]:
        """What a small model scores, the mean of SMALL_MODELS."""
        found: NDArray[np.float64] = self.scores[:, [self.models.index(name) for name in SMALL_MODELS]].mean(axis=1)
        return found


@dataclass(frozen=True, slots=True)
class Data:
    """All that is measured on. `repeated` train rows of `multi_model` were left out, as their prompts stand in its test split."""

    mmlu: Pairs
    train: Scores
    test: Scores
    repeated: int


def load(directory: Path) -> Data:
    """Read the folder. Raises DataMissing."""
    for name in (MMLU_FILE, MULTI_MODEL_FILE, PRICES_FILE):
        if not (directory / name).is_file():
            raise DataMissing(f"{directory / name} is missing: pass --data DIR or set POINTSMAN_DATA")
    questions = [row for row in _rows(directory / MMLU_FILE) if row["split"] == "test"]
    mmlu = Pairs(
        tuple(row["prompt"] for row in questions),
        tuple(row["subject"] for row in questions),
        np.array([row["correct"][WEAK] for row in questions], dtype=np.bool_),
        np.array([row["correct"][STRONG] for row in questions], dtype=np.bool_),
    )
    prices = json.loads((directory / PRICES_FILE).read_text("utf-8"))
    rows = list(_rows(directory / MULTI_MODEL_FILE))
    asked = {row["prompt"] for row in rows if row["split"] == "test"}
    train = [row for row in rows if row["split"] == "train"]
    fresh = [row for row in train if row["prompt"] not in asked]
    test = [row for row in rows if row["split"] == "test"]
    return Data(mmlu, _scores(fresh, prices), _scores(test, prices), len(train) - len(fresh))


def _scores(rows: list[dict[str, Any]], prices: dict[str, dict[str, float]]) -> Scores:
    models = tuple(sorted(rows[0]["score"]))
    return Scores(
        tuple(row["prompt"] for row in rows),
        tuple(row["task"] for row in rows),
        np.array([[row["score"][model] for model in models] for row in rows]),
        models,
        np.array([[prices[model]["input_price"], prices[model]["output_price"]] for model in models]),
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)
