"""`make soak SECONDS=120`: mixed faults at load over real processes, with providers killed now and then.

Prints requests, answers, typed errors, switches, what was resumed, the slope of the router's memory and the streams still open at the
end; exit code 1 where an answer was cut and shown as whole, or one was lost, or something is left open.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from bench.gateway import mesh as gateway_mesh
from bench.gateway.load import Mesh, cancels
from bench.gateway.processes import child, rss_mb
from bench.soak.load import Tally, client
from bench.soak.mesh import PROVIDERS, run_mesh
from pointsman.channel import open_channel
from pointsman.config.addresses import socket_address
from pointsman.provider.v1.provider_service_pb2 import WatchModelHealthRequest
from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceStub
from pointsman.supervisor.supervisor import Supervisor

RESULTS = Path(__file__).parents[1] / "results" / "soak.json"
KILL_EVERY_S = 20.0
SAMPLE_S = 1.0
SETTLE_S = 15.0
CANCELS = 50


async def soak(seconds: float, clients: int, console: Console) -> dict[str, Any]:
    """Runs everything and returns the figures."""
    with tempfile.TemporaryDirectory(prefix="pm-soak-") as name:
        folder = Path(name)
        async with run_mesh(folder) as mesh:
            tally, memory = await _load(mesh, folder, seconds, clients, console)
            still_open = await _settle(mesh, folder)
        cancel_ms = await _cancels(folder)
    return {
        "seconds": seconds,
        "requests": tally.requests,
        "answers": tally.answers,
        "left": tally.left,
        "typed_errors": dict(tally.typed.most_common()),
        "cut_shown_whole": tally.cut_shown_whole,
        "lost": tally.lost,
        "switches": tally.switches,
        "resumed": tally.resumed,
        "open_upstream_streams": still_open,
        "rss_slope_mb_per_1000": round(_slope(memory) * 1_000, 4),
        "cancel_ms": cancel_ms,
    }


async def _load(
    mesh: Supervisor, folder: Path, seconds: float, clients: int, console: Console
) -> tuple[Tally, list[tuple[int, float]]]:
    """Lets the clients ask; returns what they got, and (requests so far, MB of the router) once a second."""
    tally, memory = Tally(), []
    loop = asyncio.get_running_loop()
    until_s = loop.time() + seconds
    rng = random.Random(0)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task("soaking", total=seconds)
        async with asyncio.TaskGroup() as tasks:
            for number in range(clients):
                tasks.create_task(client(mesh.router_address, folder, number, until_s, tally))
            killed_s = loop.time()
            while loop.time() < until_s:
                await asyncio.sleep(SAMPLE_S)
                done = seconds - max(0.0, until_s - loop.time())
                told = f"{tally.requests} requests, {tally.switches} switches, {tally.resumed} resumed"
                progress.update(task, completed=done, description=told)
                if pid := mesh.service("router").pid:
                    memory.append((tally.requests, rss_mb([pid])))
                if loop.time() - killed_s > KILL_EVERY_S:
                    killed_s = loop.time()
                    victim, _, _ = rng.choice(PROVIDERS)
                    if pid := mesh.service(f"provider-{victim}").pid:
                        os.kill(pid, signal.SIGKILL)
    return tally, memory


async def _settle(mesh: Supervisor, folder: Path) -> int:
    """Streams that providers still have open once all clients have gone."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + SETTLE_S
    while True:
        found = sum([await _in_flight(folder, name) for name, _, _ in PROVIDERS])
        if not found or loop.time() > until_s:
            return found
        await asyncio.sleep(0.2)


async def _in_flight(folder: Path, provider: str) -> int:
    async with open_channel(socket_address(folder / "run", f"provider-{provider}")) as channel:
        watch = ProviderServiceStub(channel).WatchModelHealth(
            WatchModelHealthRequest(), wait_for_ready=True, timeout=10
        )
        try:
            async for update in watch:
                return sum(model.in_flight for model in update.models)
        finally:
            watch.cancel()
    return 0


def _slope(memory: list[tuple[int, float]]) -> float:
    """MB a request, by least squares over the second half, when caches are warm."""
    points = memory[len(memory) // 2 :]
    if len(points) < 2:
        return 0.0
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


async def _cancels(folder: Path) -> dict[str, float]:
    """How long the upstream's socket stays open after a client's cancel."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(child(sys.executable, "-m", "bench.gateway.upstream"))
        assert upstream.stdout is not None
        root = f"http://127.0.0.1:{int(await upstream.stdout.readline())}"
        session = await stack.enter_async_context(aiohttp.ClientSession())
        mesh = await stack.enter_async_context(gateway_mesh.run_mesh(folder, f"{root}/v1", "fast"))
        target = Mesh("mesh", mesh.router_address)
        stack.push_async_callback(target.aclose)

        async def closed_s() -> float:
            async with session.get(f"{root}/closed") as response:
                return float((await response.json())["closed_s"])

        sample = await cancels(target, closed_s, CANCELS)
    return {"p50": round(sample.quantile_ms(0.5), 2), "p99": round(sample.quantile_ms(0.99), 2)}


def _show(figures: dict[str, Any], console: Console) -> None:
    table = Table(box=None, show_header=False)
    for name, value in figures.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {count}" for key, count in value.items()) or "none"
        table.add_row(name.replace("_", " "), str(value))
    console.print(table)


def main() -> int:
    """Exit code 1 where a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--clients", type=int, default=24)
    args = parser.parse_args()
    console = Console()
    figures = uvloop.run(soak(args.seconds, args.clients, console))
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    _show(figures, console)
    return int(bool(figures["cut_shown_whole"] or figures["lost"] or figures["open_upstream_streams"]))


if __name__ == "__main__":
    raise SystemExit(main())
