"""The stages from data to artefacts; each keeps its result in the work folder, so that a broken run goes on."""

import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from services.classifier.features import FEATURE_NAMES
from services.classifier.onnx_model import Logits, OnnxModel
from training.classifier import language, measure, token_rates
from training.classifier.batches import Inputs, encode, labels_of
from training.classifier.encoder import EncoderClassifier, pretrained_directory
from training.classifier.export import export_encoder, export_static
from training.classifier.finetune import Recipe, Report, fit, predict
from training.classifier.sources import Dataset, Example, hash_of, is_held_out
from training.classifier.static_tier import WIDTH, StaticClassifier

ENCODER_FILE, FAST_FILE, TOKENIZER_FILE, LANGUAGE_FILE = "encoder.onnx", "fast.onnx", "tokenizer.json", "language.npz"
# Agreement with the encoder that the fast tier must have where its answer is taken without asking the encoder.
WANTED_AGREEMENT = 0.96
_FROZEN = ("encoder.words.weight", "encoder.positions.weight", "encoder.types.weight")


@dataclass(frozen=True, slots=True)
class Split:
    """Prompts to train on, and whole groups to calibrate and measure on."""

    train: tuple[Example, ...]
    held: tuple[Example, ...]

    @classmethod
    def of(cls, data: Dataset) -> "Split":
        """Split by group; MMLU's pairs, the only ones with a frontier model, are drawn twice an epoch."""
        train = [e for e in data.examples if not is_held_out(e.group)]
        return cls(
            (*train, *(e for e in train if e.group.startswith("mmlu/"))),
            tuple(e for e in data.examples if is_held_out(e.group)),
        )


def train_encoder(split: Split, classes: int, seed: int, epochs: int, work: Path, report: Report) -> EncoderClassifier:
    """Fine-tune MiniLM with both heads, or load what an earlier run with the same settings left."""
    model = EncoderClassifier(classes, len(FEATURE_NAMES))
    saved = work / f"encoder-{seed}-{epochs}.pt"
    if saved.is_file():
        report(f"taking {saved}")
        model.load_state_dict(torch.load(saved, weights_only=True))
        return model
    torch.manual_seed(seed)
    model = EncoderClassifier(classes, len(FEATURE_NAMES))
    model.load_pretrained(pretrained_directory())
    recipe = Recipe(
        epochs=epochs, batch_size=32, learning_rate=1.2e-4, head_learning_rate=1e-3, seed=seed, bfloat16=True, frozen=_FROZEN
    )  # fmt: skip
    fit(model, _encode(split.train), labels_of(split.train), recipe, report)
    torch.save(model.state_dict(), saved)
    return model


def refine_outcomes(model: EncoderClassifier, split: Split, seed: int, work: Path, report: Report) -> None:
    """Train on, in place, where outcomes were measured; a part of the rest keeps the intents from being forgotten.

    In the first stage these prompts are a quarter of the data and their loss the smaller part.
    """
    saved = work / f"encoder-{seed}-refined.pt"
    if saved.is_file():
        report(f"taking {saved}")
        model.load_state_dict(torch.load(saved, weights_only=True))
        return
    measured = [e for e in split.train if max(e.right_weight) > measure.MEASURED_WEIGHT]
    others = [e for e in split.train if max(e.right_weight) <= measure.MEASURED_WEIGHT and len(e.text) < 600]
    chosen = measured + random.Random(seed).sample(others, len(measured) // 3)  # noqa: S311
    recipe = Recipe(
        epochs=1, batch_size=32, learning_rate=8e-5, head_learning_rate=4e-4, seed=seed, bfloat16=True,
        right_weight=8.0, frozen=_FROZEN,
    )  # fmt: skip
    report(f"refining on {len(measured)} measured outcomes")
    fit(model, _encode(chosen), labels_of(chosen), recipe, report)
    torch.save(model.state_dict(), saved)


def train_static(
    teacher: EncoderClassifier, examples: tuple[Example, ...], classes: int, seed: int, report: Report
) -> StaticClassifier:
    """Distil the encoder into the fast tier; its word table starts as the encoder's, reduced by principal components."""
    inputs = _encode(examples)
    report("asking the teacher")
    answers = predict(teacher, inputs)
    torch.manual_seed(seed)
    model = StaticClassifier(classes, len(FEATURE_NAMES))
    with torch.no_grad():
        words = teacher.encoder.words.weight
        u, s, _ = torch.pca_lowrank(words, q=WIDTH, niter=4)
        reduced = u * s
        model.words.weight.copy_(reduced / reduced.std() * 0.1)
    recipe = Recipe(
        epochs=8, batch_size=64, learning_rate=0.0, head_learning_rate=2e-3, seed=seed, bfloat16=False, teacher_share=0.6
    )  # fmt: skip
    fit(model, inputs, labels_of(examples), recipe, report, teacher=answers)
    return model


def export_models(encoder: EncoderClassifier, static: StaticClassifier, out: Path) -> None:
    """Write both ONNX files and the tokeniser."""
    export_encoder(encoder, len(FEATURE_NAMES), out / ENCODER_FILE)
    export_static(static, len(FEATURE_NAMES), out / FAST_FILE)
    (out / TOKENIZER_FILE).write_bytes((pretrained_directory() / "tokenizer.json").read_bytes())


def fit_language(split: Split, out: Path) -> dict[str, object]:
    """Write the language table; prompts of ours whose language is sure set its threshold and its figures."""
    known = [(e.text, e.language) for e in split.train + split.held if e.language]
    rng = random.Random(0)  # noqa: S311
    rng.shuffle(known)
    half = len(known) // 2
    table = language.build_table()
    table = language.with_threshold(table, [t for t, _ in known[:half]], [c for _, c in known[:half]])
    language.save(table, out / LANGUAGE_FILE)
    guesses = [(table.guess(text), code) for text, code in known[half:]]
    spoken = [(guess, code) for guess, code in guesses if guess]
    return {
        "prompts": len(guesses),
        "answered": round(len(spoken) / len(guesses), 3),
        "right_when_answered": round(sum(g == c for g, c in spoken) / len(spoken), 3),
        "languages": len(table.codes) + 6,
    }


def fit_token_rates(split: Split) -> token_rates.TokenRates:
    """Fit characters to tokens on a third of the training prompts."""
    return token_rates.fit_rates([e.text for e in split.train if hash_of(e.text, 3) == 0])


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything measured on the exported files."""

    fast: measure.TierFigures
    encoder: measure.TierFigures
    fast_confident_above: float
    metrics: dict[str, object]


def measure_models(data: Dataset, split: Split, out: Path, report: Report) -> Measured:
    """Calibrate and measure both tiers on held-out groups, then on MMLU's test split, where nothing is fitted."""
    held, labels, groups = _encode(split.held), labels_of(split.held), [e.group for e in split.held]
    test = _encode([Example(text, -1, (0, 0, 0), (0, 0, 0), "") for text, _, _ in data.mmlu_test])
    weak, strong = np.array([w for _, w, _ in data.mmlu_test]), np.array([s for _, _, s in data.mmlu_test])
    lengths = [len(text) for text, _, _ in data.mmlu_test]
    figures: dict[str, measure.TierFigures] = {}
    metrics: dict[str, object] = {}
    logits: dict[str, Logits] = {}
    for name, file in (("fast", FAST_FILE), ("encoder", ENCODER_FILE)):
        model = OnnxModel(out / file, len(data.taxonomy), threads=1)
        report(f"{name}: held-out groups")
        logits[name] = measure.run_all(model, held, report)
        figures[name] = measure.tier_figures(file, logits[name], labels, groups, data.taxonomy)
        report(f"{name}: MMLU test")
        mmlu = measure.mmlu_figures(
            measure.run_all(model, test, report), figures[name].calibration, lengths, weak, strong
        )
        speed = {f"tokens_{n}": measure.latency_ms(model, n, len(FEATURE_NAMES)) for n in (16, 32, 64, 128)}
        size = (out / file).stat().st_size
        metrics[name] = figures[name].metrics | {"mmlu_test": mmlu, "onnx_latency_ms": speed, "bytes": size}
    threshold, share = _confident_above(figures["fast"], figures["encoder"])
    metrics["fast_tier_suffices"] = {
        "threshold": threshold,
        "share_of_held_out": share,
        "wanted_agreement": WANTED_AGREEMENT,
    }
    return Measured(figures["fast"], figures["encoder"], threshold, metrics)


def _confident_above(fast: measure.TierFigures, encoder: measure.TierFigures) -> tuple[float, float]:
    """Find the least certainty of the fast tier at which it names the same intent as the encoder often enough."""
    sure = fast.intent_probability.max(axis=1)
    agrees = fast.intent_probability.argmax(axis=1) == encoder.intent_probability.argmax(axis=1)
    for threshold in np.linspace(0.3, 0.99, 70):
        above = sure >= threshold
        if above.any() and agrees[above].mean() >= WANTED_AGREEMENT:
            return round(float(threshold), 3), round(float(above.mean()), 3)
    return 1.0, 0.0


def _encode(examples: tuple[Example, ...] | list[Example]) -> Inputs:
    return encode([e.text for e in examples], pretrained_directory() / "tokenizer.json")
