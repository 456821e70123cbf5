"""A classifier's judgements as a table with a column a tier, and as JSON."""

from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from pointsman.classifier.v1.classifier_service_pb2 import (
    CLASSIFIER_TIER_ENCODER,
    CLASSIFIER_TIER_FAST,
    Classification,
    ClassifierTier,
)
from pointsman.cli.figures import milliseconds, plain, share
from pointsman.cli.local_model import Timed

SHOWN_INTENTS = 3
# Two columns fit a terminal of 80 characters.
BAR_WIDTH = 7
NAME_WIDTH = 18
EIGHTHS = " ▏▎▍▌▋▊▉"
TIER_NAMES = {CLASSIFIER_TIER_FAST: "fast", CLASSIFIER_TIER_ENCODER: "encoder"}
ROWS: tuple[tuple[str, Callable[[Classification], str]], ...] = (
    ("intent", lambda c: "\n".join(_line(i.intent, i.probability) for i in c.intents[:SHOWN_INTENTS])),
    (
        "right answer",
        lambda c: "\n".join(
            _line(name, chance)
            for name, chance in zip(
                ("small", "medium", "frontier"), (c.right.small, c.right.medium, c.right.frontier), strict=True
            )
        ),
    ),
    ("complexity", lambda c: f"{c.complexity:.2f}"),
    ("confidence", lambda c: f"{c.confidence:.2f}"),
    (
        "output",
        lambda c: (
            f"{_tokens(c.estimated_output_tokens)}"
            f" ({c.estimated_output_tokens_p10:,} to {c.estimated_output_tokens_p90:,})"
        ),
    ),
    ("input", lambda c: _tokens(c.estimated_input_tokens)),
    ("language", lambda c: f"{plain(c.language_code) or 'unsure'}, script {plain(c.script_code) or 'unknown'}"),
)


def judgements_view(found: Sequence[Timed], address: str) -> Group:
    """The table; `address` is the classifier's, empty where this machine judged."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", justify="right", no_wrap=True)
    for _ in found:
        table.add_column(overflow="fold")
    judged = [timed.classification for timed in found]
    table.add_row("tier", *(Text(_tier(c.tier), "bold green") for c in judged))
    for title, words in ROWS:
        table.add_row(title, *(words(c) for c in judged))
    if any(c.routes for c in judged):
        table.add_row("routes", *(_routes(c) for c in judged))
    cached = " from the cache" if any(c.from_cache for c in judged) else ""
    table.add_row("time", *(f"{milliseconds(timed.seconds)}{cached if address else ''}" for timed in found))
    revisions = ", ".join(dict.fromkeys(plain(c.model_revision) for c in judged))
    how = f"one call to the classifier at {address}" if address else "medians of warm runs on one core of this machine"
    return Group(table, Text(), Text(f"model {revisions}; {how}", "dim"))


def judgements_json(found: Sequence[Timed], address: str) -> dict[str, Any]:
    """One object: where it was judged (`address`, null on this machine) and a judgement a tier, all intents in each."""
    return {"address": address or None, "judgements": [_json(timed) for timed in found]}


def _json(timed: Timed) -> dict[str, Any]:
    c = timed.classification
    return {
        "tier": _tier(c.tier),
        "seconds": timed.seconds,
        "from_cache": c.from_cache,
        "model_revision": c.model_revision,
        "intents": [{"intent": i.intent, "probability": i.probability} for i in c.intents],
        "complexity": c.complexity,
        "right": {"small": c.right.small, "medium": c.right.medium, "frontier": c.right.frontier},
        "confidence": c.confidence,
        "input_tokens": c.estimated_input_tokens,
        "output_tokens": {
            "p10": c.estimated_output_tokens_p10,
            "p50": c.estimated_output_tokens,
            "p90": c.estimated_output_tokens_p90,
        },
        "language_code": c.language_code,
        "script_code": c.script_code,
        "routes": [{"route": r.route, "similarity": r.similarity, "matched": r.matched} for r in c.routes],
    }


def _tokens(count: int) -> str:
    return f"{count:,} token{'' if count == 1 else 's'}"


def _tier(tier: ClassifierTier) -> str:
    # A newer classifier may have tiers that this client does not know.
    return TIER_NAMES.get(tier, f"tier {int(tier)}")


def _line(name: str, chance: float) -> str:
    return f"{plain(name):<{NAME_WIDTH}} {_bar(chance)} {share(chance):>4}"


def _bar(chance: float) -> str:
    eighths = round(min(max(chance, 0.0), 1.0) * BAR_WIDTH * 8)
    return ("█" * (eighths // 8) + EIGHTHS[eighths % 8]).ljust(BAR_WIDTH)[:BAR_WIDTH]


def _routes(c: Classification) -> str:
    return "\n".join(f"{plain(r.route)} {r.similarity:.2f}{' matched' if r.matched else ''}" for r in c.routes)
