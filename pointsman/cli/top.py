"""`pointsman top`: every model live, from the router's list and telemetry's figures."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration
from grpc import aio
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pointsman import errors
from pointsman.answer import reference
from pointsman.channel import open_channel
from pointsman.cli.consoles import answers
from pointsman.cli.failures import run_command
from pointsman.cli.figures import money, rate, seconds, share
from pointsman.cli.models import state
from pointsman.cli.target import Whereabouts, find_target
from pointsman.client import Client
from pointsman.router.v1.router_service_pb2 import ModelStatus
from pointsman.telemetry.v1.telemetry_service_pb2 import ModelStats, WatchStatsRequest, WatchStatsResponse
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub

RECONNECT_S = 1.0
TIMEOUT_S = 10.0
NO_TELEMETRY = "telemetry does not answer: figures are missing; name it with --telemetry or --config"


@dataclass(slots=True)
class Picture:
    """What is known now; `troubles` says what is missing from it."""

    models: Sequence[ModelStatus] = ()
    stats: WatchStatsResponse = field(default_factory=WatchStatsResponse)
    troubles: dict[str, str] = field(default_factory=dict)


def run_top(where: Whereabouts, interval_s: float, *, once: bool) -> int:
    """Returns the exit code; without a terminal it prints one picture."""
    address = ""

    async def top() -> int:
        nonlocal address
        target = find_target(where)
        address = target.router
        picture = Picture()
        async with Client(target.router) as client, open_channel(target.telemetry) as telemetry:
            # The first failure is the command's; later ones are part of the picture.
            picture.models = await client.list_models(timeout_s=TIMEOUT_S)
            if once or not sys.stdout.isatty():
                await _first_tick(telemetry, picture, interval_s)
                answers().print(view(picture))
            else:
                await _live(client, telemetry, picture, interval_s)
        return 0

    return run_command(top, lambda: address)


async def _first_tick(telemetry: aio.Channel, picture: Picture, interval_s: float) -> None:
    try:
        async with asyncio.timeout(TIMEOUT_S), aclosing(_ticks(telemetry, interval_s)) as ticks:
            picture.stats = await anext(ticks)
    except (aio.AioRpcError, StopAsyncIteration, TimeoutError):
        picture.troubles["telemetry"] = NO_TELEMETRY


async def _live(client: Client, telemetry: aio.Channel, picture: Picture, interval_s: float) -> None:
    with Live(view(picture), console=answers(), auto_refresh=False, screen=True) as live:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_watch_stats(telemetry, picture, interval_s))
            tasks.create_task(_watch_models(client, picture, interval_s))
            while True:
                live.update(view(picture), refresh=True)
                await asyncio.sleep(interval_s)


async def _watch_stats(telemetry: aio.Channel, picture: Picture, interval_s: float) -> None:
    while True:
        try:
            async with aclosing(_ticks(telemetry, interval_s)) as ticks:
                async for picture.stats in ticks:
                    picture.troubles.pop("telemetry", None)
        except aio.AioRpcError:
            picture.stats = WatchStatsResponse()
            picture.troubles["telemetry"] = NO_TELEMETRY
        await asyncio.sleep(RECONNECT_S)


async def _watch_models(client: Client, picture: Picture, interval_s: float) -> None:
    while True:
        await asyncio.sleep(interval_s)
        try:
            picture.models = await client.list_models(timeout_s=TIMEOUT_S)
            picture.troubles.pop("router", None)
        except errors.PointsmanError:
            picture.troubles["router"] = f"no router at {client.address}: states are those that it told last"


async def _ticks(telemetry: aio.Channel, interval_s: float) -> AsyncGenerator[WatchStatsResponse, None]:
    interval = Duration()
    interval.FromMilliseconds(round(interval_s * 1e3))
    call = TelemetryServiceStub(telemetry).WatchStats(WatchStatsRequest(interval=interval))
    try:
        async for tick in call:
            yield tick
    finally:
        call.cancel()


def view(picture: Picture) -> Group:
    """The table, the mesh's sum, and what is missing."""
    window_s = picture.stats.window.ToNanoseconds() / 1e9
    stats = {reference(s.model): s for s in picture.stats.models}
    troubles = [Text(words, "yellow") for words in picture.troubles.values()]
    total = Text(_total(list(stats.values()), window_s), "dim")
    return Group(models_view(picture.models, stats, window_s), Text(), total, *troubles)


def models_view(models: Sequence[ModelStatus], stats: Mapping[str, ModelStats], window_s: float) -> Table:
    """One row a model, the busiest first; figures over the last `window_s` seconds."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("model", no_wrap=True)
    table.add_column("state", overflow="fold")
    for title in ("requests/s", "first token p50", "p99", "tokens/s p50", "errors", "cost/h"):
        table.add_column(title, justify="right", no_wrap=True)
    idle = ModelStats()

    def load(status: ModelStatus) -> tuple[int, str]:
        name = reference(status.card.ref)
        return -stats.get(name, idle).attempts, name

    for status in sorted(models, key=load):
        seen = stats.get(reference(status.card.ref), idle)
        table.add_row(
            reference(status.card.ref),
            state(status),
            *_figures(seen, window_s),
            style="" if seen.attempts or not status.available else "dim",
        )
    return table


def _figures(seen: ModelStats, window_s: float) -> tuple[str | Text, ...]:
    if not seen.attempts or window_s <= 0:
        return ("-",) * 6
    failed = Text(share(seen.failures / seen.attempts), "bold red") if seen.failures else Text("0%")
    return (
        f"{seen.attempts / window_s:.2f}",
        seconds(seen.first_token_seconds.p50),
        seconds(seen.first_token_seconds.p99),
        rate(seen.tokens_per_second.p50),
        failed,
        money(seen.cost_micros / window_s * 3_600),
    )


def _total(stats: Sequence[ModelStats], window_s: float) -> str:
    if window_s <= 0:
        return "no figures yet"
    attempts, failures = sum(s.attempts for s in stats), sum(s.failures for s in stats)
    cost = sum(s.cost_micros for s in stats)
    return (
        f"last {window_s:.0f} s: {attempts} attempts, {failures} failed,"
        f" {sum(s.output_tokens for s in stats):,} tokens out, {money(cost)}"
    )
