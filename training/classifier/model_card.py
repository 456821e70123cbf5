"""Writes the model card from the manifest and the report, so that card and figures cannot part."""

import json
from pathlib import Path
from typing import Any

from services.classifier.manifest import Manifest, read_manifest
from training.classifier.support import CENTROIDS

REPORT_FILE = "report.json"
_TEMPLATE = Path(__file__).with_name("model_card_template.md")
_ROUTELLM = {"apgr": 0.603, "cpt50": 35.4, "cpt80": 71.6}


def write_model_card(directory: Path) -> None:
    """Write MODEL_CARD.md beside the artefacts, from their manifest and report. Raises ModelFilesError."""
    manifest = read_manifest(directory)
    report: dict[str, Any] = json.loads((directory / REPORT_FILE).read_text("utf-8"))
    m: dict[str, Any] = manifest.metrics
    fast, encoder, made = m["fast"], m["encoder"], manifest.training
    text = _TEMPLATE.read_text("utf-8").format(
        revision=manifest.revision,
        seed=made["seed"],
        threads=made["threads"],
        prompts=made["prompts"],
        data=str(made["data_sha256"])[:12],
        centroids=CENTROIDS,
        bars="\n".join(_bars(report)),
        figures="\n".join(_figures(fast, encoder)),
        mmlu="\n".join(_mmlu(fast, encoder, report)),
        mmlu_prompts=encoder["mmlu_test"]["prompts"],
        weak=encoder["mmlu_test"]["weak"],
        strong=encoder["mmlu_test"]["strong"],
        intents="\n".join(_intents(manifest, fast, encoder)),
        share=m["fast_suffices"]["share_of_unseen"],
        agreement=m["fast_suffices"]["agreement_there"] or 0.0,
        answered=m["language"]["answered"],
        language_prompts=m["language"]["prompts"],
        language_right=m["language"]["right_when_answered"],
        token_error=m["input_tokens"]["median_relative_error"],
        megabytes=m["bytes"] / 1e6,
        reviewed=sum(
            not line.startswith("#")
            for line in (Path(__file__).parent / "reviewed_labels.tsv").read_text("utf-8").splitlines()
        ),
    )
    (directory / "MODEL_CARD.md").write_text(text, "utf-8")


def _bars(report: dict[str, Any]) -> list[str]:
    mmlu, intent, calibration = report["mmlu"], report["intent"], report["calibration"]
    seeds = len(report["seeds"])
    mean = f"mean of {seeds} seeds" if seeds > 1 else "one seed of the three wanted"
    rows = [
        (f"MMLU test, APGR, {mean}", ">= 0.70", mmlu["apgr"], mmlu["apgr"] >= 0.70),
        (f"MMLU test, CPT50, {mean}", "<= 27", mmlu["cpt50"], mmlu["cpt50"] <= 27),
        (f"MMLU test, CPT80, {mean}", "<= 54", mmlu["cpt80"], mmlu["cpt80"] <= 54),
        ("intent, macro-F1 on unseen sources", ">= 0.80", intent["macro_f1"], intent["macro_f1"] >= 0.80),
        ("intent, ECE", "<= 0.03", calibration["intent_ece"], calibration["intent_ece"] <= 0.03),
        ("P(right), ECE, worst of three tiers", "<= 0.03", calibration["right_ece"], calibration["right_ece"] <= 0.03),
    ]
    return [f"| {title} | {bar} | {value} | {'' if met else '**missed**'} |" for title, bar, value, met in rows]


def _figures(fast: dict[str, Any], encoder: dict[str, Any]) -> list[str]:
    rows = [
        ("intent, macro-F1 on unseen groups", "intent_macro_f1"),
        ("... without our own generated prompts", "intent_macro_f1_collected"),
        ("intent, accuracy on unseen groups", "intent_accuracy"),
        ("intent, accuracy on real users' prompts", "intent_accuracy_real_users"),
        ("intent, ECE (15 bins)", "intent_ece"),
    ]
    lines = [f"| {title} | {fast[key]} | {encoder[key]} |" for title, key in rows]
    lines += [
        f"| P(right) of a {tier} model, ECE on unseen training outcomes | {fast['right_ece'][tier]} | {encoder['right_ece'][tier]} |"
        for tier in fast["right_ece"]
    ]
    for tier in ("medium", "frontier"):
        left, right = (part["mmlu_test"]["right_ece"][tier] for part in (fast, encoder))
        lines.append(f"| P(right) of a {tier} model, ECE on MMLU test | {left} | {right} |")
    for tokens in (16, 32, 64, 128):
        left, right = (part["onnx_latency_ms"][f"tokens_{tokens}"] for part in (fast, encoder))
        lines.append(f"| ONNX alone, {tokens} tokens, median ms (while the machine trained) | {left} | {right} |")
    return [*lines, f"| size, MB | {fast['bytes'] / 1e6:.1f} | {encoder['bytes'] / 1e6:.1f} |"]


def _mmlu(fast: dict[str, Any], encoder: dict[str, Any], report: dict[str, Any]) -> list[str]:
    base = encoder["mmlu_test"]
    rows = [(f"encoder, seed {row['seed']}", row) for row in report["mmlu"]["seeds"]]
    rows += [
        ("encoder as shipped, int8", base["gap"]), ("fast tier as shipped", fast["mmlu_test"]["gap"]),
        ("prompt length", base["prompt_length"]), ("random", base["random"]), ("oracle", base["oracle"]),
        ("RouteLLM's best (similarity-weighted)", _ROUTELLM),
    ]  # fmt: skip
    return [f"| {title} | {row['apgr']} | {row['cpt50']} | {row['cpt80']} |" for title, row in rows]


def _intents(manifest: Manifest, fast: dict[str, Any], encoder: dict[str, Any]) -> list[str]:
    return [f"| {name} | {fast['intent_f1'][name]} | {encoder['intent_f1'][name]} |" for name in manifest.taxonomy]
