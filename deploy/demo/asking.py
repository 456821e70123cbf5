"""Asks the demonstration's prompts, one after the other, and shows each answer as it streams."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.live import Live

from deploy.demo.simulated import Asked
from deploy.demo.tables import Row, answers_table
from pointsman.client import Client
from pointsman.errors import PointsmanError
from pointsman.llm.v1.generation_pb2 import SamplingOptions

TIMEOUT_S = 60.0
SAMPLING = SamplingOptions(max_output_tokens=200, seed=7)


@dataclass(slots=True)
class Round:
    """What came of asking all prompts once."""

    rows: list[Row]

    def answers_by_provider(self) -> dict[str, int]:
        """How many answers each provider gave, most first."""
        counts: dict[str, int] = {}
        for row in self.rows:
            if not row.failure:
                counts[row.provider] = counts.get(row.provider, 0) + 1
        return dict(sorted(counts.items(), key=lambda item: -item[1]))


async def ask_all(client: Client, asked: Sequence[Asked], console: Console, title: str) -> Round:
    """Asks every prompt and keeps a table on the screen that grows with the answers."""
    rows: list[Row] = []
    with Live(console=console, refresh_per_second=10, vertical_overflow="visible") as live:

        async def show(row: Row) -> None:
            live.update(answers_table(title, [*rows, row]))

        for one in asked:
            rows.append(await _ask(client, one, show))
            live.update(answers_table(title, rows))
    return Round(rows)


@dataclass(frozen=True, slots=True)
class Broken:
    """An answer whose model was killed while it spoke: `said` and `kept` count characters then and of those that stand."""

    row: Row
    said: int
    kept: int


async def ask_and_break(client: Client, one: Asked, said: int, break_off: Callable[[], Awaitable[None]]) -> Broken:
    """Asks one prompt and breaks its model off once it has said so many characters."""
    reached = 0

    async def step(row: Row) -> None:
        nonlocal reached
        if not reached and len(row.answer) >= said:
            reached = len(row.answer)
            await break_off()

    row = await _ask(client, one, step)
    return Broken(row, reached, row.kept)


async def _ask(client: Client, one: Asked, show: Callable[[Row], Awaitable[None]]) -> Row:
    row = Row(one.prompt)
    async with client.generate(one.prompt, policy=one.policy, timeout_s=TIMEOUT_S, sampling=SAMPLING) as stream:
        try:
            decision = await stream.decided()
            judged = decision.classification
            row.intent = judged.intents[0].intent if judged.intents else "?"
            row.complexity, row.why, row.unsure = judged.complexity, decision.reason, decision.default_complexity
            async for _ in stream:
                row.model, row.answer = stream.model, stream.text
                await show(row)
        except PointsmanError as error:
            row.failure = f"{error.reason.value.removeprefix('ERROR_REASON_')}: {error.message}"
        row.model = stream.model
        row.switched_from = stream.switches[0].from_model if stream.switches else ""
        row.kept = stream.switches[-1].kept_characters if stream.switches else 0
        row.usage = stream.finished.usage if stream.finished else None
    return row
