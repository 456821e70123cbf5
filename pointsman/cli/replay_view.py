"""What a replay found, as a person reads it."""

from collections.abc import Sequence
from typing import TypedDict

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pointsman.cli.figures import money, part, plain, seconds, share

MOVES_SHOWN = 8
BAR_WIDTH = 16
# Below this share of its picks the estimate is about too little of the policy to be told without a word.
WELL_COVERED = 0.9
NONE = "none can answer"


class Change(TypedDict):
    """A figure as it was and as it would be."""

    before: float
    after: float


class Share(Change):
    """A model's."""

    model: str


# A field is named `from`.
MoveFound = TypedDict("MoveFound", {"from": str, "to": str, "count": int, "why": str})


class OffPolicy(TypedDict):
    """As `services.router.off_policy` tells it."""

    recorded: float
    expected: float
    effective: float
    covered: float
    requests: int


class Found(TypedDict):
    """What `services.router.once` writes; money in US dollars for 1,000 requests."""

    replayed: int
    changed: int
    left_out: dict[str, int]
    shares: list[Share]
    cost_per_1k: Change
    expected_quality: Change
    expected_seconds: Change
    moves: list[MoveFound]
    off_policy: OffPolicy | None


def replay_view(found: Found, what: str) -> Group:
    """The verdict in a line, then shares, worth and moves; `what` says what was tried."""
    parts: list[RenderableType] = [_headline(found), Text(what, "dim")]
    if found["replayed"]:
        parts += [Text(), shares_table(found["shares"]), Text(), worth_table(found)]
    if found["moves"]:
        parts += [Text(), moves_table(found["moves"], found["replayed"])]
    if found["off_policy"]:
        parts += [Text(), _estimate(found["off_policy"])]
    if found["left_out"]:
        parts.append(Text())
    parts += [Text(f"{count:,} left out: {plain(reason)}", "yellow") for reason, count in found["left_out"].items()]
    return Group(*parts)


def _headline(found: Found) -> Text:
    replayed, changed = found["replayed"], found["changed"]
    if not replayed:
        return Text("no decision to replay: telemetry keeps those of requests that were answered", "yellow")
    if not changed:
        return Text(f"nothing changes: all {replayed:,} decisions stay as they were", "bold green")
    return Text(f"{changed:,} of {replayed:,} decisions change ({part(changed / replayed)})", "bold")


def shares_table(shares: Sequence[Share]) -> Table:
    """One row a model, with its share of the requests."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("share of requests", overflow="fold")
    for title in ("before", "after", "change"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in sorted(shares, key=lambda s: -max(s["before"], s["after"])):
        gain = row["after"] - row["before"]
        points = f"{gain * 100:+.0f} points" if abs(gain) > 0.005 else "-"
        colour = "green" if gain > 0.005 else "red" if gain < -0.005 else "dim"
        table.add_row(
            Text(plain(row["model"])) if row["model"] else Text(NONE, "red"),
            part(row["before"]),
            part(row["after"]),
            Text(points, colour),
            _bar(row["before"], row["after"]),
        )
    return table


def _bar(before: float, after: float) -> Text:
    """What stays, what comes, what goes."""
    old, new = round(before * BAR_WIDTH), round(after * BAR_WIDTH)
    bar = Text("█" * min(old, new), "dim")
    bar.append("█" * max(0, new - old), "green")
    bar.append("░" * max(0, old - new), "red")
    return bar


def worth_table(found: Found) -> Table:
    """Cost, quality and time of a request, as the models were at that moment."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("expected")
    for title in ("before", "after", "change"):
        table.add_column(title, justify="right", no_wrap=True)
    cost, quality, time = found["cost_per_1k"], found["expected_quality"], found["expected_seconds"]
    table.add_row("cost of 1,000 requests", money(cost["before"] * 1e6), money(cost["after"] * 1e6), _percent(cost))
    points = (quality["after"] - quality["before"]) * 100
    told = Text(f"{points:+.1f} points", _colour(points)) if abs(points) >= 0.05 else Text("-", "dim")
    table.add_row("right answers", f"{quality['before']:.1%}", f"{quality['after']:.1%}", told)
    table.add_row("time to the last token", seconds(time["before"]), seconds(time["after"]), _percent(time))
    return table


def _percent(change: Change) -> Text:
    before, after = change["before"], change["after"]
    if abs(after - before) <= 0.0005 * abs(before):
        return Text("-", "dim")
    if before <= 0:
        return Text("from nothing", "red")
    factor = after / before
    # Less is better; a figure that grows manifold is better said as a factor.
    return Text(f"x {factor:,.1f}" if factor >= 3 else f"{factor - 1:+.1%}", _colour(before - after))


def _colour(gain: float) -> str:
    return "green" if gain > 0 else "red"


def moves_table(moves: Sequence[MoveFound], replayed: int) -> Table:
    """The largest moves, each with the reason of one of its decisions."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("moves", justify="right", no_wrap=True)
    table.add_column("share", justify="right", no_wrap=True)
    table.add_column("from -> to, and why one of them does", overflow="fold")
    for move in moves[:MOVES_SHOWN]:
        way = Text(f"{plain(move['from']) or 'none'} -> {plain(move['to']) or NONE}", "bold")
        table.add_row(
            f"{move['count']:,}",
            part(move["count"] / replayed),
            Group(way, Text(plain(move["why"]), "dim")),
        )
    return table


def _estimate(found: OffPolicy) -> Group:
    """What came of requests whose model was drawn by chance."""
    lines = [
        Text.assemble(
            ("off-policy  ", "dim"),
            f"{found['expected']:.1%} of the requests answered, was {found['recorded']:.1%}",
            (
                f"; by inverse propensity over {found['requests']:,} requests, worth {found['effective']:,.0f} of its own",
                "dim",
            ),
        )
    ]
    if found["covered"] < WELL_COVERED:
        told = f"only {share(found['covered'])} of what it picks was ever tried by chance: the estimate is about these alone"
        lines.append(Text(f"            {told}", "yellow"))
    return Group(*lines)
