"""How the two tiers are made: the encoder from data, the static tier from the encoder."""

import copy
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from services.classifier.features import FEATURE_NAMES
from training.classifier.batches import Inputs, encode, labels_of
from training.classifier.encoder import EncoderClassifier, pretrained_directory, tokenizer_file
from training.classifier.finetune import Recipe, Report, Teacher, fit, predict
from training.classifier.sources import UNASKED, Dataset, Example
from training.classifier.static_tier import WIDTH, StaticClassifier

# Outcomes with a smaller weight are assumed, not measured (see priors.py).
MEASURED_WEIGHT = 0.5
# What MMLU's pairs tell of medium and frontier models holds for these kinds of work. Of proofs and puzzles it does not: its own are
# multiple choice.
QUESTIONS = ("question_answering", "grounded_qa")
_FROZEN = ("encoder.words", "encoder.positions", "encoder.types")
# First MMLU's pairs alone. Their labels are few and noisy: after some three passes a model only learns them by heart.
_PAIRS = Recipe(
    epochs=3, batch_size=16, learning_rate=1e-4, head_learning_rate=1e-3, seed=0, bfloat16=True, right_weight=1.5,
    outcomes_weight=0.0, pretrained_weight=0.0, rough_share=0.0, frozen=_FROZEN,
)  # fmt: skip
# So many runs of it, in different orders, are averaged weight by weight.
AVERAGED = 2
# Then everything, where the pairs have the first stage's answers for labels.
_JOINT = Recipe(
    epochs=1, batch_size=32, learning_rate=8e-5, head_learning_rate=1e-3, seed=0, bfloat16=True, pairs_weight=2.0,
    frozen=_FROZEN,
)  # fmt: skip
_STATIC = Recipe(
    epochs=6, batch_size=64, learning_rate=0.0, head_learning_rate=2e-3, seed=0, bfloat16=False, teacher_share=0.7,
    rough_share=0.35,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where checkpoints lie, so that a run that broke goes on; data and recipes are part of their names.

    `original` maps a prompt to the embedding that the pretrained model has for it.
    """

    folder: Path
    data: str
    classes: int
    topics: int
    questions: tuple[int, ...]
    original: dict[str, NDArray[np.float32]]
    report: Report

    @classmethod
    def of(cls, data: Dataset, folder: Path, report: Report) -> "Workshop":
        """Set up for one dataset; asks the pretrained model about every prompt of it."""
        # Generated prompts depend on the seed, which the digest of the data folder does not tell.
        digest = hashlib.sha256("\0".join(e.text for e in data.examples).encode("utf-8", "surrogatepass")).hexdigest()
        saved = folder / f"pretrained-{digest[:12]}.npy"
        if not saved.is_file():
            report("asking the pretrained model")
            model = EncoderClassifier(1, len(FEATURE_NAMES), 1)
            model.load_pretrained(pretrained_directory())
            np.save(saved, predict(model, encode_examples(data.examples)).embedding)
        rows = np.load(saved)
        questions = tuple(data.taxonomy.index(name) for name in QUESTIONS)
        original = {e.text: row for e, row in zip(data.examples, rows, strict=True)}
        return cls(folder, data.sha256 + digest, len(data.taxonomy), len(data.topics), questions, original, report)

    def checkpoint(self, name: str, *recipes: object) -> Path:
        """Name a file that no other data and no other recipe would have."""
        key = hashlib.sha256(f"{self.data} {name} {recipes}".encode()).hexdigest()[:12]
        return self.folder / f"{name}-{key}.pt"


def train_encoder(examples: Sequence[Example], seed: int, name: str, workshop: Workshop) -> EncoderClassifier:
    """Fine-tune MiniLM in two stages: on MMLU's pairs, the only ones with a frontier model, then on everything.

    Learned together, the many prompts of other kinds drown the pairs; learned once more at the end, they are learned by heart (APGR on
    the 510 pairs of one fold: 0.61 and 0.58, against 0.69 of a model of the pairs alone). So they come first, and in the second stage
    the model answers for every prompt as it did after the first (Li and Hoiem, "Learning without forgetting", 2016). The first is run
    several times and the weights are averaged (Wortsman et al., "Model soups", 2022): as good as asking all of them, for the price of
    one.
    """
    torch.manual_seed(seed)
    model = EncoderClassifier(workshop.classes, len(FEATURE_NAMES), workshop.topics, workshop.questions)
    saved = workshop.checkpoint(f"{name}-{seed}", _PAIRS, AVERAGED, _JOINT)
    if saved.is_file():
        workshop.report(f"{name}: taking {saved}")
        model.load_state_dict(torch.load(saved, weights_only=True))
        return model
    model.load_pretrained(pretrained_directory())
    pairs = [e for e in examples if e.group.startswith("mmlu/")]
    workshop.report(f"{name}: seed {seed}, {len(pairs)} pairs, {AVERAGED} times")
    runs = []
    for turn in range(AVERAGED):
        run = copy.deepcopy(model)
        _fit(run, pairs, replace(_PAIRS, seed=seed * 100 + turn), workshop.report, Teacher())
        runs.append(run.state_dict())
    model.load_state_dict({key: torch.stack([run[key] for run in runs]).mean(0) for key in runs[0]})
    with torch.no_grad():
        # The head that keeps the first stage's answers starts by giving them.
        model.pairs.weight.copy_(model.right.weight[1:])
        model.pairs.bias.copy_(model.right.bias[1:])
    workshop.report(f"{name}: {len(examples)} prompts")
    known = predict(model, encode_examples(examples)).right
    teacher = Teacher(pretrained=np.stack([workshop.original[e.text] for e in examples]), pairs=known[:, 1:])
    _fit(model, [_softened(e, row) for e, row in zip(examples, known, strict=True)], replace(_JOINT, seed=seed),
         workshop.report, teacher)  # fmt: skip
    torch.save(model.state_dict(), saved)
    return model


def _softened(example: Example, known: NDArray[np.float32]) -> Example:
    """Give a pair the first stage's chances for labels, instead of what happened once."""
    if not example.group.startswith("mmlu/"):
        return example
    _, medium, frontier = (1 / (1 + np.exp(-known))).tolist()
    return replace(example, right=(0.0, medium, frontier), outcomes=UNASKED)


def train_static(
    teacher: EncoderClassifier, examples: Sequence[Example], seed: int, name: str, workshop: Workshop
) -> StaticClassifier:
    """Distil the encoder into the fast tier; its word table starts as the encoder's, reduced by principal components."""
    torch.manual_seed(seed)
    model = StaticClassifier(workshop.classes, len(FEATURE_NAMES))
    saved = workshop.checkpoint(f"{name}-{seed}", _PAIRS, AVERAGED, _JOINT, QUESTIONS, _STATIC)
    if saved.is_file():
        workshop.report(f"{name}: taking {saved}")
        model.load_state_dict(torch.load(saved, weights_only=True))
        return model
    workshop.report(f"{name}: asking the teacher about {len(examples)} prompts")
    answers = predict(teacher, encode_examples(examples))
    with torch.no_grad():
        words = teacher.encoder.words.weight
        u, s, _ = torch.pca_lowrank(words, q=WIDTH, niter=4)
        reduced = u * s
        model.words.weight.copy_(reduced / reduced.std() * 0.1)
    _fit(model, examples, replace(_STATIC, seed=seed), workshop.report, Teacher(answers.intent, answers.right))
    torch.save(model.state_dict(), saved)
    return model


def _fit(model: torch.nn.Module, examples: Sequence[Example], recipe: Recipe, report: Report, teacher: Teacher) -> None:
    texts = [e.text for e in examples]
    fit(model, texts, encode_examples(examples), labels_of(examples), recipe, report, teacher)


def encode_examples(examples: Sequence[Example]) -> Inputs:
    """Cut, tokenise and measure prompts exactly as the service does."""
    return encode([e.text for e in examples], tokenizer_file())
