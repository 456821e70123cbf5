"""What was measured, for a person: the bars first, then what lies behind each."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.classifier.figures import BARS, Bar, value_of
from bench.classifier.latency import Latency, Times
from bench.classifier.mmlu import ROUTELLM, Mmlu
from bench.classifier.multi_model import Choice, MultiModel
from bench.classifier.reliability import Reliability
from bench.classifier.robustness import Robustness
from bench.classifier.throughput import Throughput

# Where the best figure known to us, 61.2 %, was reached: on another selection of test prompts.
REFERENCE_SINGLE, REFERENCE_ORACLE = 0.563, 0.743


def bars(figures: Mapping[str, Any]) -> Table:
    """Every bar, with what missed it in red."""
    table = _table("The classifier against its bars", "what", "measured", "bar", "reference", "")
    for bar in BARS:
        value = value_of(figures, bar)
        limit = f"{'≥' if bar.at_least else '≤'} {_number(bar.limit, bar)}"
        if value is None:
            table.add_row(bar.what, "-", limit, bar.reference, "[yellow]not measured[/]")
        else:
            told = "[green]held[/]" if bar.held(value) else "[red]missed[/]"
            table.add_row(bar.what, _number(value, bar), limit, bar.reference, told)
    return table


def _number(value: float, bar: Bar) -> str:
    if bar.percent:
        return f"{100 * value:.1f}"
    return f"{value:.3f}" if abs(bar.limit) < 1 else f"{value:.1f}" if bar.limit < 100 else f"{value:.0f}"


def mmlu_table(mmlu: Mmlu) -> Table:
    """The shipped model's scores beside those that know nothing or all, and RouteLLM's."""
    table = _table(
        f"MMLU test, {mmlu.prompts} prompts, the shipped model: strong {mmlu.strong:.1%}, weak {mmlu.weak:.1%}",
        "score", "APGR", "CPT50", "CPT80",
    )  # fmt: skip
    curves = {name: one.curve for name, one in mmlu.scores.items()}
    for name, curve in (curves | ROUTELLM).items():
        table.add_row(name, f"{curve.apgr:.3f}", f"{curve.cpt50:.1f}", f"{curve.cpt80:.1f}")
    return table


def multi_model_table(multi: MultiModel) -> Table:
    """Ways to pick one of nine models on the test split."""
    table = _table(
        f"multi_model test, one of {len(multi.singles)} picked, {multi.prompts} prompts, fitted on {multi.train_prompts}",
        "pick", "right (%)", "± one error", "price (%)",
    )  # fmt: skip

    def row(name: str, choice: Choice, error: str = "") -> None:
        table.add_row(name, f"{100 * choice.accuracy:.1f}", error, f"{100 * choice.price_share:.0f}")

    row(f"best single on train: {multi.best_single_name}", multi.best_single)
    row("nearest neighbours alone", multi.knn)
    row("ours, for accuracy", multi.picked, f"{100 * multi.picked_se:.1f}")
    row("ours, λ for the best single model's accuracy", multi.at_best_single, f"{100 * multi.at_best_single_se:.1f}")
    row("oracle", multi.oracle)
    table.caption = (
        f"Predictor: {multi.settings}; λ {multi.lambda_per_cent:.2g} points a cent. Cross-validated on train: "
        f"best single {multi.train_best_single:.1%}, ours {multi.train_picked:.1%}, oracle {multi.train_oracle:.1%}. "
        f"Its bar was set beside a best single model of {REFERENCE_SINGLE:.1%} and an oracle of {REFERENCE_ORACLE:.1%}, "
        "which these prompts do not have."
    )
    return table


def calibration_table(right: Mapping[str, Mapping[str, Reliability]]) -> Table:
    """Errors of P(right) by tier."""
    table = _table("Calibration of P(right) on the test splits, ECE in 15 bins", "tier", "small", "medium", "frontier")
    for tier, models in right.items():
        table.add_row(tier, *(f"{models[name].ece:.3f}" for name in ("small", "medium", "frontier")))
    return table


def robustness_table(robustness: Robustness) -> Table:
    """Routes that stay."""
    changes = ("typos", "polite", "lower", "space")
    table = _table(f"Same route at a fixed budget (%), {robustness.prompts} prompts", "tier, budget", *changes)
    for tier, budgets in robustness.kept.items():
        for budget, kept in budgets.items():
            table.add_row(f"{tier}, {budget:.0%}", *(f"{100 * kept[name]:.1f}" for name in changes))
    told = robustness.injections
    table.caption = (
        f"Injections into the {told.prompts} hardest of them (complexity {told.complexity:.2f}): it moves by {told.mean:.3f} in the "
        f"mean, {told.p95:.3f} at p95, falls by {told.down_mean:.3f}; {told.kept:.1%} still go to the strong model."
    )
    return table


def latency_table(latency: Latency) -> Table:
    """Whole calls over a Unix socket, one at a time."""
    table = _table("One call at a time over a Unix socket (ms)", "what", "p50", "p99")

    def row(name: str, times: Times) -> None:
        table.add_row(name, f"{times.p50:.2f}", f"{times.p99:.2f}")

    row("a call that does nothing", latency.bare)
    row("a remembered answer", latency.cached)
    row("fast tier, mixed lengths", latency.fast)
    for tokens, times in latency.encoder_by_tokens.items():
        row(f"encoder, {tokens} tokens", times)
    return table


def throughput_table(throughput: Mapping[str, Throughput]) -> Table:
    """Rates on one core."""
    columns = [f"{callers} callers" for callers in next(iter(throughput.values())).closed]
    table = _table(
        "Answers a second on one core, mixed lengths (and p99 in ms)", "asked for", *columns, "open, p99 ≤ 25 ms", "of it encoder"
    )  # fmt: skip
    for name, one in throughput.items():
        closed = [f"{load.per_s:.0f} ({load.p99_ms:.0f})" for load in one.closed.values()]
        reached = (
            (f"{one.open.per_s:.0f} ({one.open.p99_ms:.0f})", f"{one.open.encoder_share:.0%}")
            if one.open
            else ("-", "")
        )
        table.add_row(name, *closed, *reached)
    return table


def show(console: Console, tables: Sequence[Table]) -> None:
    """Print them, one under the other."""
    for table in tables:
        console.print(table)


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for index, name in enumerate(columns):
        table.add_column(name, justify="right" if index and name not in ("reference", "") else "left")
    return table
