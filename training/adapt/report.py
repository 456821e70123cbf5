"""What a person reads of an adaptation: each head before and after, on prompts that were held out."""

from dataclasses import asdict

from rich.console import Group
from rich.table import Table
from rich.text import Text

from training.adapt.adaptation import INTENT, Adaptation
from training.adapt.crossfit import NO_CORRECTION, OUTER_FOLDS
from training.adapt.heads import Head
from training.adapt.records import CAPABILITY_TIERS

ARROW = "→"


def figures_view(found: Adaptation) -> Group:
    """The tables; a head without enough rows has no line."""
    parts: list[Table | Text] = [
        Text(f"before → after, cross-validated over {OUTER_FOLDS} folds that share no prompt", "dim")
    ]
    if any(name == INTENT for _, name in found.heads):
        parts += [Text(), _heads_table(found, (INTENT,), "intent", "accuracy", percent=True)]
    if any(name != INTENT for _, name in found.heads):
        parts += [Text(), _heads_table(found, CAPABILITY_TIERS, "right answer", "Brier", percent=False)]
    if found.lengths:
        parts += [Text(), _lengths_table(found)]
    return Group(*parts)


def figures_record(found: Adaptation) -> dict[str, object]:
    """The same for the manifest's `metrics`."""
    record: dict[str, object] = {
        f"{tier.value}_{name}": {
            "rows": head.rows,
            "strength": head.correction.strength,
            "recalibrated": head.recalibrated,
            "before": asdict(head.before),
            "after": asdict(head.after),
        }
        for (tier, name), head in found.heads.items()
    }
    if found.lengths:
        record["output_tokens"] = {
            "rows": found.lengths.rows,
            "refitted": found.lengths.better,
            "before": asdict(found.lengths.before),
            "after": asdict(found.lengths.after),
        }
    return record


def _heads_table(found: Adaptation, names: tuple[str, ...], title: str, hits: str, *, percent: bool) -> Table:
    table = _table(title, "rows", hits, "log-loss", "ECE", "ridge")
    for (tier, name), head in found.heads.items():
        if name not in names:
            continue
        before, after = head.before, head.after
        table.add_row(
            tier.value if name == INTENT else f"{tier.value} {name}",
            f"{head.rows:,}",
            f"{before.hits:.1%}{ARROW}{after.hits:.1%}" if percent else _change(before.hits, after.hits),
            _change(before.log_loss, after.log_loss),
            _change(before.ece, after.ece),
            _correction(head),
            style="yellow" if head.worse else "" if head.changed else "dim",
        )
    return table


def _lengths_table(found: Adaptation) -> Table:
    assert found.lengths is not None
    lengths = found.lengths
    table = _table("output length", "rows", "median log error", "within p10-p90", "")
    table.add_row(
        "tokens",
        f"{lengths.rows:,}",
        _change(lengths.before.error, lengths.after.error),
        f"{lengths.before.covered:.0%}{ARROW}{lengths.after.covered:.0%}",
        "refitted" if lengths.better else "stays",
        style="" if lengths.better else "dim",
    )
    return table


def _table(first: str, *titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for title in titles:
        table.add_column(title, justify="left" if title in ("ridge", "") else "right", no_wrap=True)
    return table


def _change(before: float, after: float) -> str:
    return f"{before:.3f}{ARROW}{after:.3f}"


def _correction(head: Head) -> str:
    strength = head.correction.strength
    if head.worse:
        return "left out"
    words = "none" if strength == NO_CORRECTION else f"{strength:g}"
    return f"{words} scaled" if head.recalibrated else words
