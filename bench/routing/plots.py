"""The pictures: quality against cost on recorded outcomes, and a day of traffic. PNG on white, readable on any page."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from bench.routing.accounts import mixed
from bench.routing.day import EXPLORING, Day
from bench.routing.day_world import DAY_S, OUTAGES, PRICE_MOVES, World
from bench.routing.outcomes import Floats
from bench.routing.recorded import OnRecord

BLUE, ORANGE, GREEN, RED, PURPLE, GREY, DARK = (
    "#1f5fa8", "#d1701c", "#2f8f4e", "#c0392b", "#7d4fa3", "#8a8a8a", "#333333",
)  # fmt: skip
DPI = 100
LINES = {
    "balanced": (BLUE, "-", 2.2),
    EXPLORING: (PURPLE, (0, (4, 1.5)), 1.4),
    "quality_first": (RED, "-", 1.6),
    "economy": (GREEN, "-", 1.6),
    "latency_first": (ORANGE, "-", 1.6),
    "always the best": (DARK, ":", 1.3),
    "always the cheapest": (GREY, ":", 1.3),
    "random": (GREY, "--", 1.0),
    "best single in hindsight": (DARK, "--", 1.0),
}
SHIPPED = ("balanced", "quality_first", "economy", "latency_first")
BIN_S = 3_600.0


def quality_cost(path: Path, found: OnRecord) -> None:
    """The curve, the policies on it, single models and what mixing them gives, random and the oracle."""
    figure = Figure(figsize=(8.2, 5.0), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    alone = [(one.cost_per_1k, 100 * one.accuracy) for one in found.singles.values()]
    axes.plot(
        *zip(*mixed(alone), strict=True),
        color=GREY,
        linestyle="--",
        linewidth=1,
        label="drawing between single models, at best",
    )
    axes.scatter(
        [cost for cost, _ in alone],
        [right for _, right in alone],
        color=GREY,
        s=22,
        zorder=3,
        label="one model for all prompts",
    )
    for name, one in found.singles.items():
        right = one.cost_per_1k > 0.2
        lift = 6 if name == found.best_single_name else -3
        axes.annotate(
            name, (one.cost_per_1k, 100 * one.accuracy), (-6 if right else 6, lift), textcoords="offset points",
            fontsize=7, color="#666666", ha="right" if right else "left",
        )  # fmt: skip
    curve = sorted((point.cost_per_1k, 100 * point.accuracy) for point in found.curve)
    axes.plot(*zip(*curve, strict=True), color=BLUE, linewidth=2, label="router, as a right answer is worth more")
    places = {"balanced": (-22, 9), "quality_first": (-66, -16), "economy": (-58, -3), "latency_first": (-30, 11)}
    for name, one in found.policies.items():
        at = (one.cost_per_1k, 100 * one.accuracy)
        axes.scatter(*at, color=LINES[name][0], s=46, zorder=4)
        axes.annotate(
            name, at, places[name], textcoords="offset points", fontsize=9, color=LINES[name][0], weight="bold",
        )  # fmt: skip
    for name, marker in (("random", "x"), ("oracle", "*")):
        one = found.baselines[name]
        axes.scatter(one.cost_per_1k, 100 * one.accuracy, marker=marker, s=70, color=DARK, zorder=4)
        axes.annotate(
            name, (one.cost_per_1k, 100 * one.accuracy), (8, -3), textcoords="offset points", fontsize=9, color=DARK
        )
    error = 100 * max(one.error for one in found.policies.values())
    axes.set_ylim(15, 72)
    axes.set_xlim(0, None)
    axes.yaxis.grid(color="#eeeeee")
    axes.set_axisbelow(True)
    _finish(
        axes,
        f"Recorded outcomes of {len(found.singles)} models on {found.prompts} test prompts (standard error {error:.1f} points)",
        "cost of 1,000 requests (US dollars)",
        "right answers (%)",
    )
    axes.legend(fontsize=8, frameon=False, loc="lower right", bbox_to_anchor=(1.0, 0.02))
    _save(figure, path)


def day(path: Path, world: World, days: Mapping[str, Day]) -> None:
    """Spend, quality and time over the day, one line a policy; troubles shaded and told above."""
    figure = Figure(figsize=(10.5, 10.0), layout="constrained", facecolor="white")
    spend, quality, first = figure.subplots(3, 1, sharex=True)
    hours = (np.arange(round(DAY_S / BIN_S)) + 0.5) * BIN_S / 3_600
    for name, one in days.items():
        colour, style, width = LINES[name]
        told = {"color": colour, "linestyle": style, "linewidth": width}
        spend.plot(hours, _by_hour(world, one.dollars, np.sum), label=name, **told)
        quality.plot(hours, 100 * _by_hour(world, one.chance, np.mean), **told)
        first.plot(hours, _by_hour(world, one.first_token_s, lambda v: np.quantile(v, 0.95)), **told)
        if name in SHIPPED:
            first.plot(hours, _by_hour(world, one.first_token_s, np.median), color=colour, linewidth=0.8, alpha=0.55)
    spend.set_yscale("log")
    # Room for the words above the lines.
    spend.set_ylim(None, 8 * spend.get_ylim()[1])
    spend.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    first.set_yscale("log")
    first.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    first.minorticks_off()
    _finish(spend, "Spend", "", "US dollars an hour")
    _finish(quality, "Delivered quality: how likely the answers are right", "", "%")
    _finish(
        first,
        "Time to the first token: p95; thin, the median of the four shipped policies",
        "hour of the day",
        "seconds",
    )
    for axes in (spend, quality, first):
        axes.yaxis.grid(color="#eeeeee")
        axes.set_axisbelow(True)
        for spans, colour in ((OUTAGES, RED), (PRICE_MOVES, ORANGE)):
            for span in spans:
                axes.axvspan(span.start / 60, span.end / 60, color=colour, alpha=0.09, linewidth=0)
    for spans, colour in ((OUTAGES, RED), (PRICE_MOVES, ORANGE)):
        for span in spans:
            level = 0.98 if spans is PRICE_MOVES else 0.89
            spend.text(
                span.start / 60 + 0.1, level, span.told, transform=spend.get_xaxis_transform(), fontsize=7.5, color=colour, va="top",
            )  # fmt: skip
    first.set(xlim=(0, 24), xticks=range(0, 25, 2))
    figure.legend(loc="outside lower center", ncols=5, fontsize=8.5, frameon=False)
    _save(figure, path)


def _by_hour(world: World, values: Floats, reduce: object) -> Floats:
    assert callable(reduce)
    place = (world.at_s // BIN_S).astype(np.int64)
    return np.array(
        [reduce(values[place == hour]) if (place == hour).any() else np.nan for hour in range(round(DAY_S / BIN_S))]
    )


def _finish(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title, fontsize=10.5, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)


def _save(figure: Figure, path: Path) -> None:
    """In 96 colours, which is a third of the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = BytesIO()
    figure.savefig(drawn, dpi=DPI, metadata={"Software": None})
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)
