"""`make demo`: the whole mesh on this machine, on real input.

Starts Triton with the small model of deploy/triton and two commercial APIs (simulated, or the real ones where OPENAI_API_KEY or
ANTHROPIC_API_KEY is set), asks varied prompts, kills the provider that answers the most in the middle of an answer, asks again, and
ends everything.
"""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from deploy.demo.aimock import AimockMissing, run_aimock
from deploy.demo.asking import Broken, ask_all, ask_and_break
from deploy.demo.mesh import Endpoints, write_config
from deploy.demo.simulated import ANTHROPIC, OPENAI, SIMULATED_KEY, Asked, SimulatedModel, fixtures, read_prompts
from deploy.demo.tables import Row, summary_table
from deploy.demo.triton import TritonMissing, run_triton
from pointsman.client import Client
from pointsman.config.load import load_config
from pointsman.supervisor.readiness import Condition
from pointsman.supervisor.supervisor import Supervisor

# Plain output is wide enough for the table; a terminal has its own width.
WIDTH = None if sys.stdout.isatty() else 180
# Characters of an answer after which its model is killed.
SAID = 60
KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


async def demonstrate(console: Console) -> int:
    """Runs it all; returns the exit code: 0 where every prompt was answered both times."""
    began_s = time.monotonic()
    asked = read_prompts()
    environment = dict(os.environ)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pointsman-demo-")))
        with console.status("starting Triton and the simulated APIs"):
            async with asyncio.TaskGroup() as starting:
                triton = starting.create_task(stack.enter_async_context(run_triton()))
                openai = starting.create_task(stack.enter_async_context(_api("openai", OPENAI, asked, environment)))
                anthropic = starting.create_task(
                    stack.enter_async_context(_api("anthropic", ANTHROPIC, asked, environment))
                )
        endpoints = Endpoints(triton.result(), openai.result(), anthropic.result())
        _tell(console, endpoints)
        write_config(folder / "mesh.yaml", endpoints)
        with console.status("starting the mesh: router, classifier, telemetry, three providers"):
            mesh = await stack.enter_async_context(
                Supervisor(load_config(folder / "mesh.yaml"), folder / "run", environment=environment, drain_grace_s=2)
            )
            reports = await mesh.wait_ready()
        for report in reports:
            if report.condition is not Condition.SERVING:
                console.print(f"[red]{report.name}: {report.detail}[/]")
        console.print(
            f"ready after {time.monotonic() - began_s:.1f} s: {', '.join(s.spec.name for s in mesh.services)}\n"
        )
        client = await stack.enter_async_context(Client(mesh.router_address))
        before = await ask_all(client, asked, console, "Each prompt goes to the model that is worth its price")
        busiest = next(iter(before.answers_by_provider()), "openai")
        service = mesh.service(f"provider-{busiest}")
        console.print(
            f"\n[bold red]killing provider {busiest}[/] (process {service.pid}), which answered the most, while it speaks"
        )
        speaking = _longest(asked, before.rows, busiest)
        broken = await ask_and_break(client, speaking, SAID, lambda: service.stop(0))
        _tell_broken(console, broken)
        after = await ask_all(client, asked, console, f"The same prompts without {busiest}")
        console.print()
        console.print(summary_table(before.rows, after.rows, busiest))
        with console.status("ending everything"):
            await stack.aclose()
    failed = [row for row in (*before.rows, broken.row, *after.rows) if row.failure]
    _conclude(console, before.rows, failed, time.monotonic() - began_s)
    return 1 if failed else 0


@asynccontextmanager
async def _api(
    name: str, models: Sequence[SimulatedModel], asked: Sequence[Asked], environment: dict[str, str]
) -> AsyncIterator[str | None]:
    """Gives the base URL of a simulated API, or None where a key for the real one is set."""
    if environment.get(KEYS[name]):
        yield None
        return
    environment[KEYS[name]] = SIMULATED_KEY
    async with run_aimock(fixtures(models, asked), api_keys=[SIMULATED_KEY], chunk_size=5) as aimock:
        yield aimock.openai_base_url if name == "openai" else aimock.anthropic_base_url


def _tell(console: Console, endpoints: Endpoints) -> None:
    apis: Mapping[str, str | None] = {"openai": endpoints.openai, "anthropic": endpoints.anthropic}
    console.print(f"Triton Inference Server with tiny-chat (3 million parameters, no GPU) at {endpoints.triton}")
    for name, url in apis.items():
        console.print(f"{name}: simulated at {url}" if url else f"{name}: the real API, with your {KEYS[name]}")
    console.print()


def _longest(asked: Sequence[Asked], rows: Sequence[Row], provider: str) -> Asked:
    """The prompt that got the longest answer from a provider."""
    answers = [(len(row.answer), place) for place, row in enumerate(rows) if row.provider == provider]
    return asked[max(answers, default=(0, 0))[1]]


def _tell_broken(console: Console, broken: Broken) -> None:
    row = broken.row
    console.print(f"  prompt   {escape(row.prompt[:140])}")
    console.print(f"  answer   {escape(' '.join(row.answer.split())[:140])}")
    if row.switched_from:
        console.print(
            f"  [bold]{row.switched_from}[/] was killed after {broken.said} characters; [bold]{row.model}[/] went on: the client kept "
            f"{broken.kept} of them and holds {len(row.answer)}"
        )
    console.print()


def _conclude(console: Console, rows: Sequence[Row], failed: Sequence[Row], took_s: float) -> None:
    usages = [row.usage for row in rows if row.usage]
    first = sorted(usage.time_to_first_token_s for usage in usages)
    cost = sum(usage.cost_usd for usage in usages)
    if usages:
        middle = first[len(first) // 2] * 1e3
        console.print(
            f"first round: {len(usages)} answers, half of them began within {middle:.0f} ms, ${cost:.5f} in all"
        )
    for row in failed:
        console.print(f"[red]not answered: {row.prompt[:60]}: {row.failure}[/]")
    console.print(f"done in {took_s:.0f} s; every process is gone")


def main() -> int:
    """Runs the demonstration; returns the exit code."""
    console = Console(width=WIDTH)
    try:
        return asyncio.run(demonstrate(console))
    except* (AimockMissing, TritonMissing) as group:
        for error in group.exceptions:
            console.print(f"[red]{error}[/]")
        return_code = 1
    except* KeyboardInterrupt:
        return_code = 130
    return return_code


if __name__ == "__main__":
    raise SystemExit(main())
