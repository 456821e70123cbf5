"""Calibration and figures of a tier, from what it says about prompts that it was not trained on."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from services.classifier.manifest import ConfidenceCalibration, FastSuffices, RightCalibration, TierManifest
from services.classifier.onnx_model import OnnxModel
from training.classifier.batches import Inputs, Labels
from training.classifier.calibration import (
    cross_fitted,
    expected_calibration_error,
    fit_right,
    fit_temperature,
    sigmoid,
    softmax,
)  # fmt: skip
from training.classifier.cross_validation import Unseen
from training.classifier.encoder import HIDDEN, RIGHT_TIERS
from training.classifier.routing_curve import routing_curve
from training.classifier.sources import UNKNOWN
from training.classifier.stages import MEASURED_WEIGHT
from training.classifier.static_tier import WIDTH
from training.classifier.support import support_curve

# The fast tier stands in for the encoder where it would so probably name the same intent, and a complexity so near.
WANTED_AGREEMENT = 0.9
NEAR_COMPLEXITY = 0.15


@dataclass(frozen=True, slots=True)
class TierFigures:
    """Calibration to ship, and what was measured; probabilities (N, classes) and (N, 3), support (N,)."""

    calibration: TierManifest
    metrics: dict[str, object]
    intent: NDArray[np.float64]
    right: NDArray[np.float64]
    support: NDArray[np.float64]

    @property
    def complexity(self) -> NDArray[np.float64]:
        """What a frontier model adds, (N,)."""
        return np.maximum(self.right[:, 2] - self.right[:, 0], 0.0)


def tier_figures(
    file: str, width: int, found: Unseen, labels: Labels, groups: Sequence[str], taxonomy: Sequence[str]
) -> TierFigures:
    """Calibrate one tier and measure it; calibration errors are cross-fitted. `width` is that of its embedding."""
    intent_scale, intent_metrics = _intent(found, labels, groups, taxonomy)
    scales, right_metrics = _right(found, labels)
    right = np.stack([sigmoid(s.scale * found.right[:, i] + s.shift) for i, s in enumerate(scales)], axis=1)
    midpoint, scale = support_curve(found.similarity)
    intercept, margin = _margin(right, labels)
    calibration = TierManifest(
        file=file,
        intent_temperature=intent_scale,
        right=scales,
        confidence=ConfidenceCalibration(
            intercept=intercept, margin=margin, support_midpoint=midpoint, support_scale=scale
        ),
        embedding_dimensions=width,
    )
    support = sigmoid((found.similarity - midpoint) / scale)
    metrics = intent_metrics | right_metrics | {"mmlu_train": _mmlu_train(right, labels, groups)}
    return TierFigures(calibration, metrics, softmax(found.intent / intent_scale), right, support)


def _intent(
    found: Unseen, labels: Labels, groups: Sequence[str], taxonomy: Sequence[str]
) -> tuple[float, dict[str, object]]:
    known = labels.intent != UNKNOWN
    logits, intent = found.intent[known], labels.intent[known]

    def top_chance(fit: NDArray[np.int64], apply: NDArray[np.int64]) -> NDArray[np.float64]:
        return softmax(logits[apply] / fit_temperature(logits[fit], intent[fit])).max(axis=1)

    predicted = logits.argmax(axis=1)
    sources = [group for group, is_known in zip(groups, known, strict=True) if is_known]
    users = np.array([source.startswith(("arena-hard", "self-instruct")) for source in sources])
    collected = np.array([not source.startswith("own/") for source in sources])
    each = f1_score(intent, predicted, average=None, labels=range(len(taxonomy)), zero_division=0)
    confidence = cross_fitted(len(intent), top_chance)
    right = predicted == intent
    return fit_temperature(logits, intent), {
        "intent_macro_f1": _round(each.mean()),
        # Prompts that this project made up are like each other: the figure without them.
        "intent_macro_f1_collected": _round(_macro_f1(intent[collected], predicted[collected])),
        "intent_accuracy": _round(right.mean()),
        "intent_accuracy_real_users": _round(right[users].mean()),
        "intent_f1": {name: _round(value, 3) for name, value in zip(taxonomy, each, strict=True)},
        "intent_ece": _round(expected_calibration_error(confidence, right)),
        "intent_reliability": reliability(confidence, right),
        "unseen_prompts": len(intent),
        "unseen_prompts_real_users": int(users.sum()),
    }


def _macro_f1(intent: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    return float(f1_score(intent, predicted, average="macro", labels=np.unique(intent), zero_division=0))


def _right(found: Unseen, labels: Labels) -> tuple[list[RightCalibration], dict[str, object]]:
    scales: list[RightCalibration] = []
    errors: dict[str, float] = {}
    bins: dict[str, object] = {}
    for tier, name in enumerate(RIGHT_TIERS):
        measured = labels.right_weight[:, tier] > MEASURED_WEIGHT
        score, truth = found.right[measured, tier], labels.right[measured, tier]
        fitted = fit_right(score, truth)
        scales.append(RightCalibration(scale=fitted.scale, shift=fitted.shift))

        def chance(
            fit: NDArray[np.int64],
            apply: NDArray[np.int64],
            s: NDArray[np.float32] = score,
            t: NDArray[np.float32] = truth,
        ) -> NDArray[np.float64]:
            part = fit_right(s[fit], t[fit])
            return sigmoid(part.scale * s[apply] + part.shift)

        applied = cross_fitted(len(score), chance)
        errors[name] = _round(expected_calibration_error(applied, truth))
        bins[name] = reliability(applied, truth)
    return scales, {"right_ece": errors, "right_reliability": bins}


def _mmlu_train(right: NDArray[np.float64], labels: Labels, groups: Sequence[str]) -> dict[str, float]:
    """Recovered gap on MMLU's training pairs, each judged by the fold that did not see it."""
    pairs = np.array([group.startswith("mmlu/") for group in groups])
    curve = routing_curve(right[pairs, 2] - right[pairs, 1], labels.right[pairs, 1] > 0.5, labels.right[pairs, 2] > 0.5)
    return {"apgr": _round(curve.apgr), "cpt50": _round(curve.cpt50, 1), "cpt80": _round(curve.cpt80, 1)}


def _margin(right: NDArray[np.float64], labels: Labels) -> tuple[float, float]:
    """Fit how often the likelier side is the true one, by how far P(right) lies from one half."""
    margins, hits = [], []
    for tier in range(2):
        measured = labels.right_weight[:, tier] > MEASURED_WEIGHT
        chance, truth = right[measured, tier], labels.right[measured, tier]
        margins.append(np.abs(2 * chance - 1))
        hits.append((chance > 0.5) == (truth > 0.5))
    fitted = LogisticRegression().fit(np.concatenate(margins)[:, None], np.concatenate(hits))
    return float(fitted.intercept_[0]), float(fitted.coef_[0, 0])


def fast_suffices(fast: TierFigures, encoder: TierFigures) -> tuple[FastSuffices, dict[str, object]]:
    """Fit when the encoder agrees with the fast tier, and find the least chance of it that is often enough true."""
    agrees = fast.intent.argmax(axis=1) == encoder.intent.argmax(axis=1)
    agrees &= np.abs(fast.complexity - encoder.complexity) <= NEAR_COMPLEXITY
    signs = np.stack([fast.intent.max(axis=1), fast.complexity, fast.support], axis=1)
    fitted = LogisticRegression(C=10.0, max_iter=1000).fit(signs, agrees)
    chance = fitted.predict_proba(signs)[:, 1]
    above = 1.0
    for threshold in np.linspace(0.5, 0.99, 50):
        taken = chance >= threshold
        if taken.any() and agrees[taken].mean() >= WANTED_AGREEMENT:
            above = float(threshold)
            break
    intent, complexity, support = (float(value) for value in fitted.coef_[0])
    rule = FastSuffices(
        intercept=float(fitted.intercept_[0]), intent=intent, complexity=complexity, support=support, above=above
    )
    return rule, {
        "share_of_unseen": _round((chance >= above).mean(), 3),
        "agreement_there": _round(agrees[chance >= above].mean(), 3) if (chance >= above).any() else None,
        "agreement_overall": _round(agrees.mean(), 3),
        "wanted_agreement": WANTED_AGREEMENT,
    }


def reliability(confidence: NDArray[np.float64], truth: NDArray[np.float64], bins: int = 15) -> list[list[float]]:
    """Return [mean confidence, mean truth, rows] for each of the equal-width bins that has rows."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        [_round(confidence[index == b].mean()), _round(truth[index == b].mean()), int((index == b).sum())]
        for b in range(bins)
        if (index == b).any()
    ]


def mmlu_figures(
    right: NDArray[np.float64], lengths: Sequence[int], weak: NDArray[np.bool_], strong: NDArray[np.bool_]
) -> dict[str, object]:
    """Recovered gap on MMLU's test split by the calibrated chances (N, 3), beside random, prompt length and the oracle."""
    scores = {
        "gap": right[:, 2] - right[:, 1],
        "prompt_length": np.array(lengths, dtype=np.float64),
        "random": np.random.default_rng(0).random(len(weak)),
        "oracle": strong.astype(np.float64) - weak,
    }
    out: dict[str, object] = {
        "prompts": len(weak),
        "weak": _round(weak.mean()),
        "strong": _round(strong.mean()),
        "right_ece": {
            "medium": _round(expected_calibration_error(right[:, 1], weak)),
            "frontier": _round(expected_calibration_error(right[:, 2], strong)),
        },
    }
    for name, score in scores.items():
        curve = routing_curve(score, weak, strong)
        out[name] = {"apgr": _round(curve.apgr), "cpt50": _round(curve.cpt50, 1), "cpt80": _round(curve.cpt80, 1)}
    return out


def run_all(model: OnnxModel, inputs: Inputs, batch_size: int = 8) -> NDArray[np.float32]:
    """Return the logits of right answers, (N, 3), of a file as it ships."""
    order = np.argsort([len(row) for row in inputs.ids])
    found = [
        model.run([inputs.ids[row].tolist() for row in rows], inputs.features[rows]).right
        for rows in np.split(order, range(batch_size, len(order), batch_size))
    ]
    result: NDArray[np.float32] = np.concatenate(found)[np.argsort(order)]
    return result


def latency_ms(model: OnnxModel, tokens: int, features: int, rounds: int = 200) -> float:
    """Median time of one call with this many tokens, in milliseconds."""
    ids = list(np.random.default_rng(0).integers(1000, 20000, tokens))
    zeros = np.zeros((1, features), dtype=np.float32)
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        model.run([ids], zeros)
        times.append(time.perf_counter() - began)
    return _round(1000 * float(np.median(times)), 3)


def embedding_widths() -> tuple[int, int]:
    """Width of the fast tier's and of the encoder's embedding."""
    return 4 * WIDTH, HIDDEN


def _round(value: float, digits: int = 4) -> float:
    return round(float(value), digits)
