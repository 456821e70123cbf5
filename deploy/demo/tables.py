"""The demonstration's tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from pointsman.items import Usage

COLOURS = {"triton": "green", "openai": "cyan", "anthropic": "magenta"}


@dataclass(slots=True)
class Row:
    """One prompt's way through the mesh; `model` is `provider/model`, `switched_from` the model that failed before it."""

    prompt: str
    intent: str = ""
    complexity: float = 0.0
    # The classifier was not sure enough, or not there; the policy's default complexity was used.
    unsure: bool = False
    model: str = ""
    why: str = ""
    answer: str = ""
    switched_from: str = ""
    # Characters that stood when the last switch was told.
    kept: int = 0
    usage: Usage | None = None
    failure: str = ""

    @property
    def provider(self) -> str:
        """The provider that answered."""
        return self.model.partition("/")[0]


def answers_table(title: str, rows: Sequence[Row]) -> Table:
    """A row a prompt: what was asked and answered, and what the router made of it."""
    table = Table(title=title, title_justify="left", expand=True, pad_edge=False, row_styles=["", "on grey7"])
    table.add_column("prompt and answer", ratio=6, no_wrap=True, overflow="ellipsis")
    table.add_column("intent, complexity", no_wrap=True)
    table.add_column("model", no_wrap=True)
    table.add_column("why", ratio=5)
    table.add_column("TTFT", justify="right", no_wrap=True)
    table.add_column("tokens/s", justify="right", no_wrap=True)
    table.add_column("cost", justify="right", no_wrap=True)
    for row in rows:
        usage, rate = row.usage, row.usage.tokens_per_second if row.usage else None
        said = f"[red]{escape(row.failure)}[/]" if row.failure else f"[dim]{escape(' '.join(row.answer.split()))}[/]"
        table.add_row(
            f"{escape(row.prompt)}\n{said}",
            f"{row.intent}\n{row.complexity:.2f}" + (" [yellow]unsure[/]" if row.unsure else ""),
            _model(row),
            # Intent and complexity, which begin the reason, stand in columns of their own.
            escape(row.why.partition(": ")[2]),
            f"{usage.time_to_first_token_s * 1e3:.0f} ms" if usage else "",
            f"{rate:.0f}" if rate else "",
            f"${usage.cost_usd:.5f}" if usage else "",
        )
    return table


def _model(row: Row) -> str:
    provider, _, model = row.model.partition("/")
    name = f"[{COLOURS.get(provider, 'white')}]{escape(model)}[/]\n[dim]{escape(provider)}[/]"
    return f"{name}\n[yellow]{escape(row.switched_from.partition('/')[2])} failed[/]" if row.switched_from else name


def summary_table(before: Sequence[Row], after: Sequence[Row], killed: str) -> Table:
    """What each provider answered and cost, before one was killed and after."""
    table = Table(title=f"Before and after {killed} was killed", title_justify="left", pad_edge=False)
    for name, justify in (
        ("provider", "left"),
        ("answers before", "right"),
        ("answers after", "right"),
        ("cost before", "right"),
        ("cost after", "right"),
    ):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    first, second = _totals(before), _totals(after)
    for provider in sorted(first.keys() | second.keys()):
        (answers_before, cost_before), (answers_after, cost_after) = (
            first.get(provider, (0, 0.0)),
            second.get(provider, (0, 0.0)),
        )
        table.add_row(provider, str(answers_before), str(answers_after), f"${cost_before:.5f}", f"${cost_after:.5f}")
    return table


def _totals(rows: Sequence[Row]) -> Mapping[str, tuple[int, float]]:
    totals: dict[str, tuple[int, float]] = {}
    for row in rows:
        if row.usage:
            answers, cost = totals.get(row.provider, (0, 0.0))
            totals[row.provider] = answers + 1, cost + row.usage.cost_usd
    return totals
