"""Figures of a tier as it ships: the ONNX file, one prompt at a time, calibrated on groups that were not trained on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from services.classifier.manifest import RightCalibration, TierManifest
from services.classifier.onnx_model import Logits, OnnxModel
from training.classifier.batches import Inputs, Labels
from training.classifier.calibration import (
    cross_fitted,
    expected_calibration_error,
    fit_right,
    fit_temperature,
    sigmoid,
    softmax,
)  # fmt: skip
from training.classifier.encoder import RIGHT_TIERS
from training.classifier.finetune import Report
from training.classifier.routing_curve import routing_curve
from training.classifier.sources import UNKNOWN

MEASURED_WEIGHT = 0.5
"""Outcomes with a smaller weight are assumed, not measured: nothing is calibrated on them."""


@dataclass(frozen=True, slots=True)
class TierFigures:
    """Calibration to ship, and what was measured."""

    calibration: TierManifest
    metrics: dict[str, object]
    intent_probability: NDArray[np.float64]


def run_all(model: OnnxModel, inputs: Inputs, report: Report) -> Logits:
    """Ask a tier about every prompt, one at a time as the service mostly does."""
    intents, rights = [], []
    for row, ids in enumerate(inputs.ids):
        found = model.run([ids.tolist()], inputs.features[row : row + 1])
        intents.append(found.intent)
        rights.append(found.right)
        if row % 2500 == 2499:
            report(f"{row + 1}/{len(inputs.ids)} prompts")
    return Logits(np.concatenate(intents), np.concatenate(rights))


def tier_figures(
    file: str, found: Logits, labels: Labels, groups: Sequence[str], taxonomy: Sequence[str]
) -> TierFigures:
    """Calibrate on held-out prompts, and measure there; calibration errors are cross-fitted."""
    known = labels.intent != UNKNOWN
    logits, intent = found.intent[known], labels.intent[known]
    temperature = fit_temperature(logits, intent)

    def top_chance(fit: NDArray[np.int64], apply: NDArray[np.int64]) -> NDArray[np.float64]:
        return softmax(logits[apply] / fit_temperature(logits[fit], intent[fit])).max(axis=1)

    predicted = logits.argmax(axis=1)
    families = np.array([g.split("/")[0] for g, k in zip(groups, known, strict=True) if k])
    users = np.isin(families, ["arena-hard", "self-instruct"])
    each = f1_score(intent, predicted, average=None, labels=range(len(taxonomy)), zero_division=0)
    metrics: dict[str, object] = {
        "intent_macro_f1": round(float(each.mean()), 4),
        "intent_accuracy": round(float((intent == predicted).mean()), 4),
        "intent_accuracy_real_users": round(float((intent == predicted)[users].mean()), 4),
        "intent_f1": {name: round(float(value), 3) for name, value in zip(taxonomy, each, strict=True)},
        "intent_ece": round(expected_calibration_error(cross_fitted(len(intent), top_chance), predicted == intent), 4),
        "held_out_prompts": len(intent),
        "held_out_prompts_real_users": int(users.sum()),
    }
    scales, errors = [], {}
    for tier, name in enumerate(RIGHT_TIERS):
        measured = labels.right_weight[:, tier] > MEASURED_WEIGHT
        score, truth = found.right[measured, tier], labels.right[measured, tier]
        scale = fit_right(score, truth)
        scales.append(RightCalibration(scale=scale.scale, shift=scale.shift))

        def chance(
            fit: NDArray[np.int64],
            apply: NDArray[np.int64],
            s: NDArray[np.float32] = score,
            t: NDArray[np.float32] = truth,
        ) -> NDArray[np.float64]:
            fitted = fit_right(s[fit], t[fit])
            return sigmoid(fitted.scale * s[apply] + fitted.shift)

        errors[name] = round(expected_calibration_error(cross_fitted(len(score), chance), truth), 4)
    metrics["right_ece"] = errors
    calibration = TierManifest(file=file, intent_temperature=temperature, right=scales)
    return TierFigures(calibration, metrics, softmax(found.intent / temperature))


def mmlu_figures(
    found: Logits, calibration: TierManifest, lengths: Sequence[int], weak: NDArray[np.bool_], strong: NDArray[np.bool_]
) -> dict[str, object]:
    """Recovered gap on MMLU's test split by the shipped scores, beside random, prompt length and the oracle."""
    chance = [sigmoid(part.scale * found.right[:, tier] + part.shift) for tier, part in enumerate(calibration.right)]
    scores = {
        "gap": chance[2] - chance[1],
        "prompt_length": np.array(lengths, dtype=np.float64),
        "random": np.random.default_rng(0).random(len(weak)),
        "oracle": strong.astype(np.float64) - weak,
    }
    out: dict[str, object] = {
        "prompts": len(weak),
        "weak": round(float(weak.mean()), 4),
        "strong": round(float(strong.mean()), 4),
    }
    for name, score in scores.items():
        curve = routing_curve(score, weak, strong)
        out[name] = {"apgr": round(curve.apgr, 4), "cpt50": round(curve.cpt50, 1), "cpt80": round(curve.cpt80, 1)}
    return out


def latency_ms(model: OnnxModel, tokens: int, features: int, rounds: int = 200) -> float:
    """Median time of one call with this many tokens, in milliseconds."""
    ids = list(np.random.default_rng(0).integers(1000, 20000, tokens))
    zeros = np.zeros((1, features), dtype=np.float32)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        model.run([ids], zeros)
        times.append(time.perf_counter() - began)
    return round(1000 * float(np.median(times)), 3)
