"""Writes the model card from the manifest, so that card and figures cannot part."""

from pathlib import Path
from typing import Any

from services.classifier.manifest import Manifest

_TEMPLATE = Path(__file__).with_name("model_card_template.md")


def write_model_card(manifest: Manifest, directory: Path) -> None:
    """Write MODEL_CARD.md beside the artefacts."""
    m: dict[str, Any] = manifest.metrics
    fast, encoder = m["fast"], m["encoder"]
    rows = [
        ("intent, macro-F1 on held-out groups", "intent_macro_f1"),
        ("intent, accuracy on held-out groups", "intent_accuracy"),
        ("intent, accuracy on real users' prompts", "intent_accuracy_real_users"),
        ("intent, ECE (15 bins)", "intent_ece"),
    ]
    lines = [f"| {title} | {fast[key]} | {encoder[key]} |" for title, key in rows]
    lines += [
        f"| P(right) of a {tier} model, ECE | {fast['right_ece'][tier]} | {encoder['right_ece'][tier]} |"
        for tier in fast["right_ece"]
    ]
    speed = (fast["onnx_latency_ms"], encoder["onnx_latency_ms"])
    for tokens in (16, 32, 64, 128):
        fast_ms, encoder_ms = (s[f"tokens_{tokens}"] for s in speed)
        lines.append(f"| ONNX alone, {tokens} tokens, median ms | {fast_ms} | {encoder_ms} |")
    lines.append(f"| size, MB | {fast['bytes'] / 1e6:.1f} | {encoder['bytes'] / 1e6:.1f} |")
    mmlu, base = [], encoder["mmlu_test"]
    for title, row in (
        ("encoder, P(frontier) - P(medium)", encoder["mmlu_test"]["gap"]), ("fast tier, the same", fast["mmlu_test"]["gap"]),
        ("prompt length", base["prompt_length"]), ("random", base["random"]), ("oracle", base["oracle"]),
        ("RouteLLM's best (similarity-weighted)", {"apgr": 0.603, "cpt50": 35.4, "cpt80": 71.6}),
    ):  # fmt: skip
        mmlu.append(f"| {title} | {row['apgr']} | {row['cpt50']} | {row['cpt80']} |")
    text = _TEMPLATE.read_text("utf-8").format(
        revision=manifest.revision,
        seed=manifest.training["seed"],
        prompts=manifest.training["prompts"],
        data=str(manifest.training["data_sha256"])[:12],
        epochs=manifest.training["encoder_epochs"],
        figures="\n".join(lines),
        mmlu="\n".join(mmlu),
        mmlu_prompts=base["prompts"],
        weak=base["weak"],
        strong=base["strong"],
        intents="\n".join(
            f"| {name} | {fast['intent_f1'][name]} | {encoder['intent_f1'][name]} |" for name in manifest.taxonomy
        ),
        threshold=m["fast_tier_suffices"]["threshold"],
        share=f"{m['fast_tier_suffices']['share_of_held_out']:.0%}",
        answered=f"{m['language']['answered']:.0%}",
        language_prompts=m["language"]["prompts"],
        language_right=f"{m['language']['right_when_answered']:.0%}",
        token_error=f"{m['input_tokens']['median_relative_error']:.1%}",
        megabytes=m["bytes"] / 1e6,
        reviewed=sum(
            not line.startswith("#")
            for line in (Path(__file__).parent / "reviewed_labels.tsv").read_text("utf-8").splitlines()
        ),
    )
    (directory / "MODEL_CARD.md").write_text(text, "utf-8")
