"""Reads the training data and gives every prompt its labels: intent, chances of a right answer, fold.

The data is an input, not part of the project. Files and fields are those of the data folder's own README.
"""

import fnmatch
import gzip
import hashlib
import json
import math
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from training.classifier.priors import ASSUMED_RIGHT, ASSUMED_WEIGHT
from training.classifier.prompts import PromptGenerator

HERE = Path(__file__).parent
FILES = ("mmlu_pairs.jsonl.gz", "multi_model.jsonl.gz", "task_prompts.jsonl.gz")
SMALL_MODELS = ("qwen2.5-7b-instruct", "mistral-7b-instruct-v0.3", "gemma-2-9b-it", "llama-3.1-8b-instruct")
MEDIUM_MODELS = ("llama-3.1-nemotron-51b-instruct", "llama-3.3-nemotron-super-49b-v1")
# Every model whose answers were recorded; the encoder learns each one's outcomes beside those of the three tiers.
RECORDED_MODELS = (
    "llama3-chatqa-1.5-8b", "qwen2.5-7b-instruct", "llama3-chatqa-1.5-70b", "llama-3.1-nemotron-51b-instruct",
    "mistral-7b-instruct-v0.3", "gemma-2-9b-it", "llama-3.1-8b-instruct", "codegemma-7b",
    "llama-3.3-nemotron-super-49b-v1", "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview",
)  # fmt: skip
UNASKED = (math.nan,) * len(RECORDED_MODELS)
UNKNOWN = -1
P3_PER_TEMPLATE = 8
FOLDS = 3
# Recorded outcomes: their labels are of a domain, so they are split by prompt; the rest of the group is the fold.
SPLIT_BY_PROMPT = ("mmlu", "multi_model")


class DataMissingError(Exception):
    """The data folder or one of its files is not there."""


@dataclass(frozen=True, slots=True)
class Example:
    """One prompt with what is known of it. A missing label is UNKNOWN or weight 0."""

    text: str
    intent: int
    right: tuple[float, float, float]
    """Share of right answers of a small, a medium and a frontier model."""
    right_weight: tuple[float, float, float]
    group: str
    """Template or source; a group is trained on or held out as a whole."""
    language: str = ""
    """BCP 47 tag, where it is sure."""
    outcomes: tuple[float, ...] = UNASKED
    """Score of each of RECORDED_MODELS, in [0, 1]; not a number where it was not asked."""
    topic: int = UNKNOWN
    """Index into `Dataset.topics`: MMLU's subject or the task of recorded outcomes. Learned beside the rest, since what a
    question is about says much of who can answer it."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Everything training and evaluation need."""

    taxonomy: tuple[str, ...]
    topics: tuple[str, ...]
    examples: tuple[Example, ...]
    distillation: tuple[Example, ...]
    """More prompts without a label: the fast tier learns from the encoder's answers to them."""
    mmlu_test: tuple[tuple[str, bool, bool], ...]
    """Prompt, right by mixtral-8x7b, right by gpt-4: for the final figure only."""
    sha256: str


def load(directory: Path, seed: int) -> Dataset:
    """Read the data folder, add generated prompts.

    Raises DataMissingError when a file is absent.
    """
    for name in FILES:
        if not (directory / name).is_file():
            raise DataMissingError(f"{directory / name} is missing: pass --data DIR or set POINTSMAN_DATA")
    digest = hashlib.sha256()
    for path in [
        *(directory / name for name in FILES),
        HERE / "intents.yaml",
        HERE / "prompts.yaml",
        HERE / "reviewed_labels.tsv",
    ]:
        digest.update(path.read_bytes())
    rng = random.Random(seed)  # noqa: S311
    labels = _IntentTable()
    tasks = list(_rows(directory / "task_prompts.jsonl.gz"))
    mmlu = list(_rows(directory / "mmlu_pairs.jsonl.gz"))
    recorded = list(_rows(directory / "multi_model.jsonl.gz"))
    # Some of its training prompts stand in its test split, too: they are nobody's to learn from.
    unseen = {r["prompt"] for r in recorded if r["split"] == "test"}
    recorded = [r for r in recorded if r["split"] == "train" and r["prompt"] not in unseen]
    topics = tuple(sorted({r["subject"] for r in mmlu} | {r["task"] for r in recorded}))
    examples = [
        *_task_examples(tasks, labels, rng),
        *_mmlu_examples(mmlu, labels, topics),
        *_multi_model_examples(recorded, labels, topics),
        *_own_examples(tasks, labels, rng, per_group=400),
    ]
    test = tuple(
        (r["prompt"], r["correct"]["mixtral-8x7b-instruct-v0.1"], r["correct"]["gpt-4-1106-preview"])
        for r in mmlu
        if r["split"] == "test"
    )
    taken = {e.text for e in examples}
    rest = [Example(r["prompt"], UNKNOWN, (0, 0, 0), (0, 0, 0), "") for r in tasks if r["prompt"] not in taken]
    more = [*_own_examples(tasks, labels, rng, per_group=1200), *rest]
    return Dataset(labels.taxonomy, topics, tuple(examples), tuple(more), test, digest.hexdigest())


class _IntentTable:
    def __init__(self) -> None:
        content = yaml.safe_load((HERE / "intents.yaml").read_text("utf-8"))
        self.taxonomy: tuple[str, ...] = tuple(content["taxonomy"])
        self._index = {name: i for i, name in enumerate(self.taxonomy)} | {"skip": UNKNOWN}
        self._rules: list[dict[str, str]] = content["sources"]
        lines = (HERE / "reviewed_labels.tsv").read_text("utf-8").splitlines()
        self._reviewed = {line.split("\t")[0]: line.split("\t")[1] for line in lines if not line.startswith("#")}

    def of_source(self, name: str) -> int:
        return next(self._index[rule["intent"]] for rule in self._rules if fnmatch.fnmatchcase(name, rule["match"]))

    def of_prompt(self, text: str, source: str) -> int:
        reviewed = self._reviewed.get(hashlib.sha256(text.encode()).hexdigest()[:16])
        return self._index[reviewed] if reviewed else self.of_source(source)

    def of_name(self, intent: str) -> int:
        return self._index[intent]


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def _assumed(key: str) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    return ASSUMED_RIGHT[key], (ASSUMED_WEIGHT, ASSUMED_WEIGHT, ASSUMED_WEIGHT)


def _task_examples(rows: list[dict[str, Any]], labels: _IntentTable, rng: random.Random) -> Iterator[Example]:
    taken: dict[str, int] = {}
    for row in rng.sample(rows, len(rows)):
        source = f"{row['source']}/{row['name']}"
        taken[source] = taken.get(source, 0) + 1
        family = next(
            key for key in ("bbh", "arena-hard", "p3", "gpteacher", "self-instruct") if row["source"].startswith(key)
        )
        limit = {"p3": P3_PER_TEMPLATE, "bbh": 30, "gpteacher": 450}.get(family, 1_000_000)
        if taken[source] > limit or not row["prompt"].strip():
            continue
        key = "self-instruct" if row["name"] == "creative_writing" else family
        yield Example(row["prompt"], labels.of_prompt(row["prompt"], source), *_assumed(key), source)


def _mmlu_examples(rows: list[dict[str, Any]], labels: _IntentTable, topics: tuple[str, ...]) -> Iterator[Example]:
    for row in rows:
        if row["split"] == "train":
            weak, strong = row["correct"]["mixtral-8x7b-instruct-v0.1"], row["correct"]["gpt-4-1106-preview"]
            intent = labels.of_source(f"mmlu/{row['subject']}")
            yield Example(
                row["prompt"],
                intent,
                (0.0, float(weak), float(strong)),
                (0.0, 1.0, 1.0),
                f"mmlu/{hash_of(row['prompt'], FOLDS)}",
                outcomes=_outcomes(row["correct"]),
                topic=topics.index(row["subject"]),
            )


def _multi_model_examples(
    rows: list[dict[str, Any]], labels: _IntentTable, topics: tuple[str, ...]
) -> Iterator[Example]:
    for row in rows:
        score: dict[str, float] = row["score"]
        small = sum(score[m] for m in SMALL_MODELS) / len(SMALL_MODELS)
        medium = sum(score[m] for m in MEDIUM_MODELS) / len(MEDIUM_MODELS)
        intent = UNKNOWN if row["task"] in ("mmlu", "commongen") else labels.of_source(f"multi_model/{row['task']}")
        yield Example(
            row["prompt"],
            intent,
            (small, medium, 0.0),
            (1.0, 0.7, 0.0),
            f"multi_model/{hash_of(row['prompt'], FOLDS)}",
            outcomes=_outcomes(score),
            topic=topics.index(row["task"]),
        )


def _outcomes(score: Mapping[str, float]) -> tuple[float, ...]:
    return tuple(float(score.get(name, math.nan)) for name in RECORDED_MODELS)


def _own_examples(
    rows: list[dict[str, Any]], labels: _IntentTable, rng: random.Random, per_group: int
) -> Iterator[Example]:
    bodies = [
        r["prompt"]
        for r in rows
        if r["source"] == "p3"
        and r["name"].startswith(("cnn_", "xsum_", "samsum_", "yelp_", "imdb_", "multi_news", "wiki_hop"))
    ]
    passages = [" ".join(text.split()[15:-15]) for text in rng.sample(bodies, 900) if len(text.split()) > 60]
    for made in PromptGenerator(HERE / "prompts.yaml", passages, rng).generate(per_group):
        yield Example(
            made.text,
            labels.of_name(made.intent),
            *_assumed(f"{made.intent}/{made.level}"),
            made.group,
            made.sure_language,
        )


def hash_of(text: str, buckets: int) -> int:
    """Assign a text to one of `buckets`, the same on every machine and run."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "replace")).digest()[:4], "big") % buckets


def fold_of(group: str) -> int:
    """Assign a whole group to one of FOLDS: what is measured on it comes from a model that saw none of it."""
    family, _, rest = group.partition("/")
    return int(rest) if family in SPLIT_BY_PROMPT else hash_of(group, FOLDS)
