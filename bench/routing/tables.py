"""What was measured, for a person."""

from collections.abc import Mapping

import numpy as np
from rich.table import Table

from bench.routing.accounts import Account
from bench.routing.day import Day
from bench.routing.day_world import DAY_S, World
from bench.routing.deciding import Times
from bench.routing.pairs import Delivered
from bench.routing.price_spike import Shift
from bench.routing.recorded import OnRecord
from services.router.policy import Policy

DECIDE_BAR_US, SPIKE_BAR_S = 100.0, 5.0
NAMES = {
    "random": "random (expected)",
    "best_single": "best single on train",
    "all_small": "all small: the cheapest",
    "all_large": "all large: the dearest",
    "prompt_length": "prompt length",
    "oracle": "oracle",
}


def recorded_table(found: OnRecord) -> Table:
    """Policies and baselines on the test split."""
    table = _table(
        f"One of {len(found.singles)} models, {found.prompts} test prompts, abilities from {found.train_prompts} of train",
        "pick", "right (%)", "±", "$ / 1,000", "ECE", "share of the models (%)",
    )  # fmt: skip

    def row(name: str, one: Account, ece: float | None = None) -> None:
        shares = sorted(one.share.items(), key=lambda item: -item[1])
        shown = [f"{model} {share:.0%}" for model, share in shares if share >= 0.005]
        told = ", ".join(shown[:3]) + (", ..." if len(shown) > 3 else "")
        table.add_row(
            name, f"{100 * one.accuracy:.1f}", f"{100 * one.error:.1f}" if one.error else "", f"{one.cost_per_1k:.3f}",
            "" if ece is None else f"{ece:.3f}", told,
        )  # fmt: skip

    for name, one in found.policies.items():
        row(name, one, found.ece[name])
    row(
        f"as right as the best single on train (a right answer: ${found.value_at_best_single:.2g})",
        found.at_best_single,
    )
    for name, one in found.baselines.items():
        row(NAMES[name], one)
    row("best for each true task", found.by_true_task)
    ways = ", ".join(f"{way.name} {100 * way.picked:.1f} % ({way.log_loss:.3f})" for way in found.ways)
    train = ", ".join(
        f"{name} {100 * one.accuracy:.1f} % for ${one.cost_per_1k:.3f}" for name, one in found.on_train.items()
    )
    table.caption = (
        f"Best single: {found.best_single_name}. Abilities by cross-validation on train, picks right (log loss): {ways}; the first "
        f"is used. Policies on folds of train: {train}. Tokens of prompt and answer as the classifier estimates them; "
        f"speeds are taken by size. Mean accuracy from the cheapest model's cost to the dearest's: "
        f"policies {found.area['policy']:.3f}, "
        f"single models mixed at best {found.area['mixed_singles']:.3f}, oracle {found.area['oracle']:.3f}."
    )
    return table


def pairs_table(found: Delivered, prompts: int) -> Table:
    """The gap that decisions recover."""
    table = _table(f"MMLU test, {prompts} prompts, by decisions", "cost", "APGR", "CPT50", "CPT80")
    for name, one in (("a call is a call", found.per_call), ("by tokens", found.per_token)):
        table.add_row(name, f"{one.apgr:.3f}", f"{one.cpt50:.1f}", f"{one.cpt80:.1f}")
    return table


def times_table(times: Mapping[str, Times], shift: Shift | None) -> Table:
    """Against the bars."""
    table = _table("Deciding, and following a price", "what", "p50 / median", "p99 / worst", "bar", "")
    for name, one in times.items():
        told = "[green]held[/]" if one.p99 <= DECIDE_BAR_US else "[red]missed[/]"
        table.add_row(
            f"decide among 50 models, {name} (µs)", f"{one.p50:.0f}", f"{one.p99:.0f}", f"{DECIDE_BAR_US:g}", told
        )
    if shift is None:
        table.add_row(
            "traffic leaves a model whose price jumps (s)", "-", "-", f"{SPIKE_BAR_S:g}", "[yellow]not measured[/]"
        )
    else:
        told = "[green]held[/]" if shift.worst_s <= SPIKE_BAR_S else "[red]missed[/]"
        table.add_row(
            "traffic leaves a model whose price jumps (s)",
            f"{shift.median_s:.2f}",
            f"{shift.worst_s:.2f}",
            f"{SPIKE_BAR_S:g}",
            told,
        )
    return table


def day_table(world: World, days: Mapping[str, Day], balanced: Policy) -> Table:
    """Totals of the day."""
    table = _table(
        f"A day of traffic: {len(world.at_s):,} requests, {len(world.models)} models, two outages, two price moves",
        "policy", "spent ($)", "right (%)", "first token p50, p95 (s)", "answer p50, p95 (s)", "failed calls", "worth ($ / 1,000)",
    )  # fmt: skip
    for name, day in days.items():
        first, total = (np.quantile(each, (0.5, 0.95)) for each in (day.first_token_s, day.total_s))
        table.add_row(
            name, f"{day.dollars.sum():.2f}", f"{100 * day.right.mean():.1f}", f"{first[0]:.2f}, {first[1]:.2f}",
            f"{total[0]:.1f}, {total[1]:.1f}", f"{day.failed_attempts}", f"{day.worth(balanced):.2f}",
        )  # fmt: skip
    table.caption = (
        f"Simulated over {DAY_S / 3600:g} hours. Worth: by balanced's terms, ${balanced.success_value_micros / 1e6:g} for a right "
        f"answer, ${balanced.second_value_micros / 1e6:g} for a second, less the cost."
    )
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", caption_justify="left")
    for index, name in enumerate(columns):
        left = index == 0 or name.startswith("share") or not name
        table.add_column(name, justify="left" if left else "right")
    return table
