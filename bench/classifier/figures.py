"""Puts together what a machine reads, and holds it against the bars."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from bench.classifier.latency import Latency
from bench.classifier.mmlu import Mmlu
from bench.classifier.multi_model import MultiModel
from bench.classifier.reliability import Reliability
from bench.classifier.report import Report
from bench.classifier.robustness import Robustness
from bench.classifier.throughput import Throughput

UNITS = {
    "shares": "accuracy, price_share, macro_f1, ece and robustness lie in [0, 1]",
    "cpt": "percent of calls to the strong model",
    "times": "milliseconds",
    "rss_mb": "10^6 bytes",
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One figure to hold: where it lies, what it must reach (`at_least`) or stay under, what others have."""

    what: str
    path: tuple[str, str] | tuple[str]
    limit: float
    at_least: bool
    reference: str
    percent: bool = False

    def held(self, value: float) -> bool:
        """Whether a value holds the bar."""
        return value >= self.limit if self.at_least else value <= self.limit


BARS = (
    Bar("MMLU test, APGR", ("mmlu", "apgr"), 0.70, True, "RouteLLM 0.603"),
    Bar("… CPT50 (%)", ("mmlu", "cpt50"), 27.0, False, "RouteLLM 35.4"),
    Bar("… CPT80 (%)", ("mmlu", "cpt80"), 54.0, False, "RouteLLM 70.3"),
    Bar("multi_model test, one of nine picked (%)", ("multi_model", "accuracy"), 0.615, True, "61.2 known", True),
    Bar("… price at the best single model's accuracy (%)", ("multi_model", "price_share"), 0.30, False, "-", True),
    Bar("intent, sources held out whole, macro-F1", ("intent", "macro_f1"), 0.80, True, "-"),
    Bar("calibration of intent, ECE", ("calibration", "intent_ece"), 0.03, False, "-"),
    Bar("calibration of P(right), worst of three, ECE", ("calibration", "right_ece"), 0.03, False, "-"),
    Bar("same route after typos (%)", ("robustness", "typos"), 0.93, True, "90", True),
    Bar("… polite wrapper (%)", ("robustness", "polite"), 0.95, True, "94", True),
    Bar("… lower case (%)", ("robustness", "lower"), 1.0, True, "100", True),
    Bar("… extra white space (%)", ("robustness", "space"), 1.0, True, "-", True),
    Bar("fast tier, whole call, p50 (ms)", ("latency_ms", "fast_p50"), 0.8, False, "-"),
    Bar("encoder at 32 tokens, p50 (ms)", ("latency_ms", "encoder32_p50"), 4.0, False, "model alone 2.6"),
    Bar("encoder at 128 tokens, p50 (ms)", ("latency_ms", "encoder128_p50"), 9.0, False, "model alone 11.5"),
    Bar("throughput, encoder, p99 ≤ 25 ms (/s)", ("throughput_per_s", "encoder"), 300.0, True, "-"),
    Bar("… when the fast tier may answer (/s)", ("throughput_per_s", "fast"), 2000.0, True, "-"),
    Bar("resident memory (MB)", ("rss_mb",), 200.0, False, "-"),
)


def quality_figures(mmlu: Mmlu | None, multi: MultiModel | None, report: Report) -> dict[str, Any]:
    """MMLU and `multi_model`: measured on the shipped model; MMLU's mean of seeds comes from the report where it has one."""
    found: dict[str, Any] = {"mmlu": dict.fromkeys(("apgr", "cpt50", "cpt80"))}
    if mmlu:
        by_score = {name: asdict(one.curve) for name, one in mmlu.scores.items()}
        shares = {"prompts": mmlu.prompts, "weak": mmlu.weak, "strong": mmlu.strong}
        found["mmlu"] = by_score["encoder"]
        found["mmlu_shipped"] = {**shares, **by_score}
    if report.number("mmlu", "apgr") is not None:
        found["mmlu"] = {name: report.number("mmlu", name) for name in ("apgr", "cpt50", "cpt80")}
    if multi:
        details = asdict(multi)
        details.pop("curve")
        found["multi_model"] = {"accuracy": multi.picked.accuracy, "price_share": multi.at_best_single.price_share}
        found["multi_model_details"] = details
    else:
        found["multi_model"] = {name: report.number("multi_model", name) for name in ("accuracy", "price_share")}
    return found


def calibration_figures(right: Mapping[str, Mapping[str, Reliability]] | None, report: Report) -> dict[str, Any]:
    """Calibration: of P(right) the worst of the three on the test splits, by the encoder; of the intent from the report."""
    told = report.get("calibration", "right_ece")
    worst = max(told.values(), default=None) if isinstance(told, Mapping) else told
    found: dict[str, Any] = {
        "intent": {"macro_f1": report.number("intent", "macro_f1")},
        "calibration": {"intent_ece": report.number("calibration", "intent_ece"), "right_ece": worst},
    }
    if right:
        by_tier = {tier: {name: one.ece for name, one in models.items()} for tier, models in right.items()}
        found["calibration"]["right_ece"] = max(by_tier["encoder"].values())
        found["right_ece_by_tier"] = by_tier
    return found


def robustness_figures(robustness: Robustness) -> dict[str, Any]:
    """The encoder's routes, at the budget where fewer of them stay."""
    by_budget = robustness.kept["encoder"]
    changes = next(iter(by_budget.values()))
    return {
        "robustness": {name: min(kept[name] for kept in by_budget.values()) for name in changes},
        "robustness_by_budget": {
            tier: {f"{budget:.0%}": dict(kept) for budget, kept in budgets.items()}
            for tier, budgets in robustness.kept.items()
        },
        "robustness_prompts": robustness.prompts,
        "injections": asdict(robustness.injections),
    }


def service_figures(latency: Latency, throughput: Mapping[str, Throughput]) -> dict[str, Any]:
    """What the process takes; `fast` is the better of asking for that tier and of leaving the choice to the service."""
    rates = {name: one.open.per_s if one.open else 0.0 for name, one in throughput.items()}
    return {
        "latency_ms": {
            "fast_p50": latency.fast.p50,
            "fast_p99": latency.fast.p99,
            "encoder32_p50": latency.encoder_by_tokens[32].p50,
            "encoder128_p50": latency.encoder_by_tokens[128].p50,
        },
        "latency_ms_details": asdict(latency),
        "throughput_per_s": {"encoder": rates["encoder"], "fast": max(rates["auto"], rates["fast"])},
        "throughput_details": {name: _finite(asdict(one)) for name, one in throughput.items()},
        "rss_mb": latency.rss_mb,
    }


def _finite(value: Any) -> Any:
    """JSON has no infinity: a time that never came is null."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def value_of(figures: Mapping[str, Any], bar: Bar) -> float | None:
    """The figure that a bar is about; None where it was not measured."""
    found: Any = figures
    for key in bar.path:
        found = found.get(key) if isinstance(found, Mapping) else None
    return found if isinstance(found, int | float) else None


def held(figures: Mapping[str, Any]) -> dict[str, bool | None]:
    """By the bar's path, whether it is held; None where its figure is missing."""
    values = {".".join(bar.path): (bar, value_of(figures, bar)) for bar in BARS}
    return {name: None if value is None else bar.held(value) for name, (bar, value) in values.items()}
