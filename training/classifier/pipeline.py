"""All stages in order, and the files they leave: models, manifest, report, model card."""

import hashlib
import json
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from services.classifier.features import FEATURE_NAMES
from services.classifier.manifest import FORMAT, Manifest, OutputLength, TokenizerManifest, write_manifest
from services.classifier.onnx_model import OnnxModel
from services.classifier.window_tokens import TAIL_TOKENS, WINDOW_TOKENS
from training.classifier import language, measure, support, token_rates
from training.classifier.batches import encode, labels_of
from training.classifier.calibration import sigmoid
from training.classifier.cross_validation import cross_validate
from training.classifier.encoder import EncoderClassifier, tokenizer_file
from training.classifier.export import export_encoder, export_static
from training.classifier.finetune import predict
from training.classifier.measure import TierFigures
from training.classifier.model_card import REPORT_FILE, write_model_card
from training.classifier.priors import OUTPUT_TOKENS
from training.classifier.sources import FOLDS, Dataset, hash_of, load
from training.classifier.stages import Workshop, encode_examples, train_encoder, train_static
from training.classifier.static_tier import StaticClassifier

ENCODER_FILE, FAST_FILE, TOKENIZER_FILE = "encoder.onnx", "fast.onnx", "tokenizer.json"
LANGUAGE_FILE, SUPPORT_FILE = "language.npz", "support.npz"


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run reads, writes and depends on; `seeds` encoders are trained, and that of `seed` is shipped."""

    data: Path
    out: Path
    work: Path
    seed: int
    seeds: int
    threads: int


def train(settings: Settings) -> None:
    """Run every stage and write the artefacts to `settings.out`."""
    torch.set_num_threads(settings.threads)
    settings.out.mkdir(parents=True, exist_ok=True)
    settings.work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {line}", flush=True)

    data = load(settings.data, settings.seed)
    report(f"{len(data.examples)} prompts, {len(data.distillation)} more without labels, data {data.sha256[:12]}")
    workshop = Workshop.of(data, settings.work, report)
    figures = _cross_validated(data, settings.seed, workshop)
    seeds = [settings.seed + i for i in range(settings.seeds)]
    encoders = {s: train_encoder(data.examples, s, "encoder", workshop) for s in seeds}
    report("MMLU test, every seed")
    by_seed = [{"seed": s} | _mmlu_of_seed(model, data, figures[1]) for s, model in encoders.items()]
    encoder = encoders[settings.seed]
    examples = (*data.examples, *data.distillation)
    static = train_static(encoder, examples, settings.seed, "fast", workshop)
    report("exporting")
    _write_support(encoder, static, data, settings)
    export_encoder(encoder, len(FEATURE_NAMES), settings.out / ENCODER_FILE)
    export_static(static, len(FEATURE_NAMES), settings.out / FAST_FILE)
    (settings.out / TOKENIZER_FILE).write_bytes(tokenizer_file().read_bytes())
    report("language and token rates")
    spoken = _fit_language(data, settings.out)
    rates = token_rates.fit_rates([e.text for e in data.examples if hash_of(e.text, 3) == 0])
    report("the files as they ship: MMLU test, speed")
    metrics: dict[str, Any] = {
        "fast": _shipped_figures(data, figures[0], settings.out),
        "encoder": _shipped_figures(data, figures[1], settings.out),
        "language": spoken,
        "input_tokens": {"median_relative_error": round(rates.median_error, 4)},
    }
    rule, metrics["fast_suffices"] = measure.fast_suffices(*figures)
    names = (TOKENIZER_FILE, FAST_FILE, ENCODER_FILE, LANGUAGE_FILE, SUPPORT_FILE)
    files = {name: hashlib.sha256((settings.out / name).read_bytes()).hexdigest() for name in names}
    metrics["bytes"] = sum((settings.out / name).stat().st_size for name in names)
    manifest = Manifest(
        format=FORMAT,
        revision="minilm6-" + hashlib.sha256("".join(files.values()).encode()).hexdigest()[:12],
        taxonomy=list(data.taxonomy),
        features=list(FEATURE_NAMES),
        tokenizer=TokenizerManifest(file=TOKENIZER_FILE, window_tokens=WINDOW_TOKENS, tail_tokens=TAIL_TOKENS),
        fast=figures[0].calibration,
        encoder=figures[1].calibration,
        fast_suffices=rule,
        tokens_per_character=[round(float(rate), 4) for rate in rates.rates],
        output_tokens={
            name: OutputLength(base=base, per_input_token=slope, spread=spread)
            for name, (base, slope, spread) in OUTPUT_TOKENS.items()
        },
        language_file=LANGUAGE_FILE,
        support_file=SUPPORT_FILE,
        files=files,
        training={
            "data_sha256": data.sha256,
            "seed": settings.seed,
            "threads": settings.threads,
            "prompts": len(data.examples),
            "folds": FOLDS,
            "pretrained": "all-MiniLM-L6-v2",
        },
        metrics=metrics,
    )
    write_manifest(manifest, settings.out)
    _write_report(manifest, by_seed, settings.out)
    write_model_card(settings.out)
    report(f"wrote {settings.out}: revision {manifest.revision}, {metrics['bytes']} bytes")


def _cross_validated(data: Dataset, seed: int, workshop: Workshop) -> tuple[TierFigures, TierFigures]:
    fast, encoder = cross_validate(data, seed, workshop)
    labels, groups = labels_of(data.examples), [e.group for e in data.examples]
    widths = measure.embedding_widths()
    found = (
        measure.tier_figures(FAST_FILE, widths[0], fast, labels, groups, data.taxonomy),
        measure.tier_figures(ENCODER_FILE, widths[1], encoder, labels, groups, data.taxonomy),
    )
    for name, tier in zip(("fast", "encoder"), found, strict=True):
        shown = {key: value for key, value in tier.metrics.items() if "reliability" not in key}
        workshop.report(f"{name}, unseen groups: {json.dumps(shown)}")
    return found


def _mmlu_test(data: Dataset) -> tuple[list[str], np.ndarray, np.ndarray]:
    texts = [text for text, _, _ in data.mmlu_test]
    return texts, np.array([w for _, w, _ in data.mmlu_test]), np.array([s for _, _, s in data.mmlu_test])


def _chances(logits: np.ndarray, figures: TierFigures) -> np.ndarray:
    scales = figures.calibration.right
    return np.stack([sigmoid(part.scale * logits[:, i] + part.shift) for i, part in enumerate(scales)], axis=1)


def _mmlu_of_seed(model: EncoderClassifier, data: Dataset, figures: TierFigures) -> dict[str, Any]:
    texts, weak, strong = _mmlu_test(data)
    right = predict(model, encode(texts, tokenizer_file())).right
    found = measure.mmlu_figures(_chances(right, figures), [len(t) for t in texts], weak, strong)
    gap: dict[str, Any] = found["gap"]  # type: ignore[assignment]
    return gap


def _shipped_figures(data: Dataset, figures: TierFigures, out: Path) -> dict[str, Any]:
    calibration = figures.calibration
    model = OnnxModel(out / calibration.file, len(data.taxonomy), 1, calibration.embedding_dimensions)
    texts, weak, strong = _mmlu_test(data)
    right = _chances(measure.run_all(model, encode(texts, tokenizer_file())), figures)
    speed = {f"tokens_{n}": measure.latency_ms(model, n, len(FEATURE_NAMES)) for n in (16, 32, 64, 128)}
    return figures.metrics | {
        "mmlu_test": measure.mmlu_figures(right, [len(t) for t in texts], weak, strong),
        "onnx_latency_ms": speed,
        "bytes": (out / calibration.file).stat().st_size,
    }


def _write_support(encoder: EncoderClassifier, static: StaticClassifier, data: Dataset, settings: Settings) -> None:
    inputs = encode_examples(data.examples)
    centroids = {
        name: support.fit_centroids(predict(model, inputs).embedding, settings.seed)
        for name, model in (("fast", static), ("encoder", encoder))
    }
    support.save(settings.out / SUPPORT_FILE, centroids)


def _fit_language(data: Dataset, out: Path) -> dict[str, object]:
    """Write the language table; prompts of ours whose language is sure set its threshold and its figures."""
    known = [(e.text, e.language) for e in data.examples if e.language]
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


def _bins(rows: list[list[float]]) -> dict[str, list[float]]:
    """Turn [mean confidence, share right, prompts] of each bin into the three columns."""
    return dict(zip(("said", "found", "prompts"), map(list, zip(*rows, strict=True)), strict=True))


def _write_report(manifest: Manifest, by_seed: list[dict[str, Any]], out: Path) -> None:
    """Write what needs training to know, for `training/evaluate.py`: means over the seeds, figures on unseen groups."""
    encoder: dict[str, Any] = manifest.metrics["encoder"]  # type: ignore[assignment]
    ece = {"small": encoder["right_ece"]["small"]} | encoder["mmlu_test"]["right_ece"]
    content = {
        "revision": manifest.revision,
        "data_sha256": manifest.training["data_sha256"],
        "seeds": [row["seed"] for row in by_seed],
        "mmlu": {key: round(float(np.mean([row[key] for row in by_seed])), 4) for key in ("apgr", "cpt50", "cpt80")}
        | {"seeds": by_seed},
        "intent": {
            "macro_f1": encoder["intent_macro_f1"],
            "macro_f1_collected": encoder["intent_macro_f1_collected"],
            "folds": FOLDS,
        },
        "calibration": {
            "intent_ece": encoder["intent_ece"],
            "right_ece": max(ece.values()),
            "right_ece_by_tier": ece,
            "intent_bins": _bins(encoder["intent_reliability"]),
        },
    }
    (out / REPORT_FILE).write_text(json.dumps(content, indent=1) + "\n", "utf-8")
