"""The plots: reliability, recovered gap, quality against cost and against time, time against length.

SVG, the same bytes for the same figures.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.classifier.latency import Latency
from bench.classifier.mmlu import STEPS, Mmlu
from bench.classifier.multi_model import MultiModel
from bench.classifier.reliability import Reliability
from bench.classifier.trade_off import Window

Corner = Literal["upper left", "lower right"]
BLUE, ORANGE, GREY, GREEN = "#1f5fa8", "#d1701c", "#8a8a8a", "#2f8f4e"
TIER_COLOURS = {"encoder": BLUE, "fast": ORANGE, "report": BLUE}


def reliability(folder: Path, panels: Mapping[str, Mapping[str, Reliability]]) -> None:
    """One panel for each kind of chance, one line for each tier in it; the dots grow with the prompts in their bin."""
    figure = Figure(figsize=(3.4 * len(panels), 3.7), layout="constrained")
    for index, (name, lines) in enumerate(panels.items()):
        axes = figure.add_subplot(1, len(panels), index + 1)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=":")
        for tier, one in lines.items():
            sizes = 8 + 150 * np.array(one.prompts) / sum(one.prompts)
            colour = TIER_COLOURS[tier]
            axes.plot(one.said, one.found, color=colour, linewidth=1, alpha=0.6, label=f"{tier}, ECE {one.ece:.3f}")
            axes.scatter(one.said, one.found, s=sizes, color=colour, alpha=0.7, linewidths=0)
        _finish(axes, name, "said", "found" if index == 0 else "", "upper left")
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    _save(figure, folder / "reliability.svg")


def recovered_gap(folder: Path, mmlu: Mmlu) -> None:
    """Recovered gap against calls to the strong model; the oracle's exceeds 1: at times the weak model alone is right."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    styles = {
        "oracle": (GREEN, "--"), "encoder": (BLUE, "-"), "fast": (ORANGE, "-"),
        "prompt length": (GREY, "-"), "random": (GREY, ":"),
    }  # fmt: skip
    share = np.linspace(0, 100, STEPS + 1)
    for name, (colour, style) in styles.items():
        one = mmlu.scores[name]
        axes.plot(share, one.recovered, color=colour, linestyle=style, label=f"{name}, APGR {one.curve.apgr:.3f}")
    for level in (0.5, 0.8):
        axes.axhline(level, color=GREY, linewidth=0.5)
    _finish(axes, "MMLU test: recovered gap", "calls to the strong model (%)", "recovered gap", "lower right")
    axes.set(xlim=(0, 100), ylim=(0, 1.6))
    _save(figure, folder / "recovered_gap.svg")


def quality_cost(folder: Path, multi: MultiModel) -> None:
    """Ours by λ, each model alone, the oracle; the star is the λ chosen on train."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(
        [100 * one.price_share for one in multi.curve], [100 * one.accuracy for one in multi.curve],
        color=BLUE, marker=".", markersize=4, label="ours, by λ",
    )  # fmt: skip
    chosen = multi.at_best_single
    axes.scatter(
        [100 * chosen.price_share], [100 * chosen.accuracy], color=BLUE, marker="*", s=140, label="λ from train"
    )
    axes.scatter(
        [100 * multi.oracle.price_share], [100 * multi.oracle.accuracy], color=GREEN, marker="D", label="oracle"
    )
    for index, (name, one) in enumerate(multi.singles.items()):
        label = "" if index else "one model alone"
        axes.scatter([100 * one.price_share], [100 * one.accuracy], color=GREY, label=label)
        axes.annotate(name, (100 * one.price_share, 100 * one.accuracy), (4, 3), textcoords="offset points", fontsize=6)
    axes.axhline(100 * multi.best_single.accuracy, color=GREY, linewidth=0.5)
    _finish(
        axes,
        "multi_model test: quality against cost",
        "price (% of the best single model's)",
        "right (%)",
        "lower right",
    )
    axes.set(xlim=(0, 125))
    _save(figure, folder / "quality_cost.svg")


def latency(folder: Path, found: Latency) -> None:
    """Time of a call against the length of its prompt: beyond the window it no longer grows."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, times in (("encoder", found.encoder_by_tokens), ("fast", found.fast_by_tokens)):
        tokens = list(times)
        axes.plot(
            tokens, [one.p50 for one in times.values()], color=TIER_COLOURS[name], marker="o", label=f"{name}, p50"
        )
        axes.plot(
            tokens, [one.p99 for one in times.values()], color=TIER_COLOURS[name], linestyle=":", label=f"{name}, p99"
        )
    axes.axhline(found.bare.p50, color=GREY, linewidth=1, label="a call that does nothing, p50")
    axes.scatter([32, 128], [4, 9], color="black", marker="_", s=120, label="bars of the encoder")
    axes.axvline(128, color=GREY, linewidth=0.5, linestyle="--")
    axes.set_xscale("log", base=2)
    axes.set_xticks(list(found.encoder_by_tokens), [str(tokens) for tokens in found.encoder_by_tokens])
    axes.set_yscale("log")
    axes.set_yticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
    axes.minorticks_off()
    _finish(axes, "One call over a Unix socket; the window is 128 tokens", "tokens of the prompt", "ms", "upper left")
    _save(figure, folder / "latency.svg")


def trade_off(folder: Path, windows: Sequence[Window]) -> None:
    """What a shorter window saves in time and costs in quality; the dot on the right is what is shipped."""
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.add_subplot()
    axes.plot([w.milliseconds for w in windows], [w.apgr for w in windows], color=BLUE, marker="o", label="encoder")
    for one in windows:
        axes.annotate(
            f"{one.tokens} tokens", (one.milliseconds, one.apgr), (5, -9), textcoords="offset points", fontsize=7
        )
    _finish(axes, "Shorter windows", "the ONNX file alone, one prompt, p50 (ms)", "APGR on MMLU test", "lower right")
    _save(figure, folder / "trade_off.svg")


def _finish(axes: Axes, title: str, x: str, y: str, legend: Corner) -> None:
    axes.set_title(title, fontsize=10, loc="left")
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=7, frameon=False, loc=legend)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "pointsman"}):
        figure.savefig(path, metadata={"Date": None})
