"""`python -m training.classifier --data DIR`: from data to the committed artefacts of the classifier."""

import argparse
import hashlib
import os
import sys
import time
from pathlib import Path

import torch

from services.classifier.features import FEATURE_NAMES
from services.classifier.manifest import FORMAT, Manifest, OutputLength, TokenizerManifest, write_manifest
from services.classifier.model import SHIPPED_MODELS
from services.classifier.window_tokens import TAIL_TOKENS, WINDOW_TOKENS
from training.classifier import stages
from training.classifier.encoder import PretrainedMissingError
from training.classifier.language import ProfilesMissingError
from training.classifier.model_card import write_model_card
from training.classifier.priors import OUTPUT_TOKENS
from training.classifier.sources import DataMissingError, load
from training.classifier.token_rates import VocabularyMissingError


def main() -> int:
    """Run all stages; exit code 2 with a message when data or a package is missing."""
    parser = argparse.ArgumentParser(prog="python -m training.classifier", description=__doc__)
    parser.add_argument(
        "--data", type=Path, default=os.environ.get("POINTSMAN_DATA"), help="data folder (or POINTSMAN_DATA)"
    )
    parser.add_argument("--out", type=Path, default=SHIPPED_MODELS, help="where the artefacts go")
    parser.add_argument("--work", type=Path, default=Path("build/classifier"), help="checkpoints of a run that goes on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=2, help="epochs of the encoder")
    parser.add_argument(
        "--threads", type=int, default=1, help="threads of PyTorch; more than free cores make it slower"
    )
    args = parser.parse_args()
    if args.data is None:
        parser.error("--data: expected the folder with the training data (or POINTSMAN_DATA in the environment)")
    try:
        train(args.data, args.out, args.work, args.seed, args.epochs, args.threads)
    except (DataMissingError, PretrainedMissingError, ProfilesMissingError, VocabularyMissingError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def train(data_dir: Path, out: Path, work: Path, seed: int, epochs: int, threads: int) -> None:
    """Run every stage in order and write the artefacts to `out`."""
    torch.set_num_threads(threads)
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - began:6.0f} s] {line}", flush=True)

    data = load(data_dir, seed)
    split = stages.Split.of(data)
    report(f"{len(split.train)} prompts to train on, {len(split.held)} of held-out groups, data {data.sha256[:12]}")
    encoder = stages.train_encoder(split, len(data.taxonomy), seed, epochs, work, report)
    stages.refine_outcomes(encoder, split, seed, work, report)
    static = stages.train_static(encoder, split.train + data.distillation, len(data.taxonomy), seed, report)
    stages.export_models(encoder, static, out)
    report("exported; language and token rates")
    language = stages.fit_language(split, out)
    rates = stages.fit_token_rates(split)
    measured = stages.measure_models(data, split, out, report)
    names = (stages.TOKENIZER_FILE, stages.FAST_FILE, stages.ENCODER_FILE, stages.LANGUAGE_FILE)
    files = {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in names}
    metrics = measured.metrics | {
        "language": language,
        "input_tokens": {"median_relative_error": round(rates.median_error, 4)},
        "bytes": sum((out / name).stat().st_size for name in names),
    }
    manifest = Manifest(
        format=FORMAT,
        revision="minilm6-" + hashlib.sha256("".join(files.values()).encode()).hexdigest()[:12],
        taxonomy=list(data.taxonomy),
        features=list(FEATURE_NAMES),
        tokenizer=TokenizerManifest(file=stages.TOKENIZER_FILE, window_tokens=WINDOW_TOKENS, tail_tokens=TAIL_TOKENS),
        fast=measured.fast.calibration,
        encoder=measured.encoder.calibration,
        fast_confident_above=measured.fast_confident_above,
        tokens_per_character=[round(float(rate), 4) for rate in rates.rates],
        output_tokens={
            name: OutputLength(base=OUTPUT_TOKENS[name][0], per_input_token=OUTPUT_TOKENS[name][1])
            for name in data.taxonomy
        },
        language_file=stages.LANGUAGE_FILE,
        files=files,
        training={
            "data_sha256": data.sha256,
            "seed": seed,
            "encoder_epochs": epochs,
            "prompts": len(split.train),
            "pretrained": "all-MiniLM-L6-v2",
        },
        metrics=metrics,
    )
    write_manifest(manifest, out)
    write_model_card(manifest, out)
    report(f"wrote {out}: revision {manifest.revision}, {metrics['bytes']} bytes")


raise SystemExit(main())
