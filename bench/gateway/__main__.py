"""`make bench`: what the mesh costs, against a direct call to the same upstream in the same run, and beside LiteLLM's proxy."""

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import uvloop
from grpc import aio
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bench.gateway import deciding, litellm, report
from bench.gateway.load import Http, Mesh, Sample, cancels, first_tokens
from bench.gateway.measure import Cost, measure_cost, measure_request
from bench.gateway.mesh import run_mesh
from bench.gateway.processes import child, with_children

ROUNDS, QUICK_ROUNDS = 1_000, 60
# LiteLLM's server closes connections that were idle for 5 s; one that closes just as it is used again would end the run.
REUSED_WITHIN_S = 2.0
RESULTS = Path(__file__).parents[1] / "results" / "gateway.json"


class Bench:
    """One run; `rounds` requests for each time to first token."""

    def __init__(self, progress: Progress, rounds: int) -> None:
        self._progress = progress
        self._task = progress.add_task("starting", total=None)
        self._rounds = rounds
        self._cancels = min(100, rounds)

    def step(self, what: str) -> None:
        """Shows what is done now."""
        self._progress.update(self._task, description=what)

    async def run(self, with_litellm: bool) -> dict[str, Any]:
        """Measures everything, one thing after the other."""
        if task := asyncio.current_task():
            # As Ctrl-C does, so that no process is left behind.
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        results: dict[str, Any] = {"machine": report.machine()}
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pointsman-bench-")))
            upstream = await stack.enter_async_context(child(sys.executable, "-m", "bench.gateway.upstream"))
            assert upstream.stdout is not None
            self._root = f"http://127.0.0.1:{int(await upstream.stdout.readline())}"
            connector = aiohttp.TCPConnector(keepalive_timeout=REUSED_WITHIN_S, limit=0)
            self._session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
            self._direct = Http("direct", self._session, f"{self._root}/v1")
            p50, p99 = deciding.measure()
            results["mesh"] = {"decide_us": {"p50": p50, "p99": p99}}
            await self._mesh(folder, results)
            if with_litellm:
                await self._litellm(folder, results)
        return results

    async def _mesh(self, folder: Path, results: dict[str, Any]) -> None:
        found = results["mesh"]
        async with run_mesh(folder, f"{self._root}/v1", "fast") as mesh, AsyncExitStack() as stack:
            target = Mesh("mesh, fast tier", mesh.router_address)
            stack.push_async_callback(target.aclose)
            groups = {_short(s.spec.name): [s.pid] for s in mesh.services if s.pid}
            samples = await self._first_tokens(target, "fast")
            results["direct"] = {"first_token_ms": _quantiles(samples["direct"])}
            found["added_first_token_ms"] = _added(samples, target.name)
            cost = await measure_cost(target, groups, self.step)
            _write_cost(found, cost)
            target.classified.clear()
            self.step(f"{target.name}: the cost of a request")
            found["all_services_ms_per_request"] = await measure_request(target, groups)
            # The classifier's time limit holds under load too; a request that it left unclassified costs less.
            found["share_classified_of_requests"] = 1 - target.classified["none"] / target.classified.total()
            self.step(f"{target.name}: cancelling")
            found["cancel_ms"] = _quantiles(await cancels(target, self._closed_s, self._cancels))
            await mesh.service("classifier").stop(0)
            target.name = "mesh, no classifier"
            found["added_first_token_unclassified_ms"] = _added(await self._first_tokens(target, "none"), target.name)
        async with run_mesh(folder, f"{self._root}/v1", "encoder") as mesh:
            target = Mesh("mesh, encoder tier", mesh.router_address)
            found["added_first_token_encoder_ms"] = _added(await self._first_tokens(target, "encoder"), target.name)
            await target.aclose()

    async def _litellm(self, folder: Path, results: dict[str, Any]) -> None:
        self.step("installing LiteLLM into .venv-litellm (once)")
        await asyncio.to_thread(litellm.install)
        self.step("starting LiteLLM's proxy")
        async with litellm.run_litellm(folder, f"{self._root}/v1") as (base_url, pid):
            target = Http("LiteLLM", self._session, base_url)
            groups = {"litellm": with_children(pid)}
            samples = await self._first_tokens(target)
            cost = await measure_cost(target, groups, self.step)
            self.step(f"{target.name}: the cost of a request")
            per_request = await measure_request(target, groups)
            self.step(f"{target.name}: cancelling")
            cancel = _quantiles(await cancels(target, self._closed_s, self._cancels))
        results["litellm"] = {
            "added_first_token_ms": _added(samples, target.name),
            "us_per_token": cost.us_per_token["litellm"],
            "pace": cost.pace,
            "ms_per_request": per_request,
            "cancel_ms": cancel,
            "rss_mb": cost.rss_mb["litellm"],
        }

    async def _first_tokens(self, target: Mesh | Http, tier: str = "") -> Mapping[str, Sample]:
        """RuntimeError where another than `tier` judged more than one request in twenty, as the figure is not of that tier then."""
        done = 0

        def step() -> None:
            nonlocal done
            done += 1
            self.step(f"{target.name}: time to first token, {done}/{self._rounds}")

        if isinstance(target, Mesh):
            target.classified.clear()
        samples = await first_tokens([self._direct, target], self._rounds, step)
        if isinstance(target, Mesh) and target.classified[tier] < 0.95 * target.classified.total():
            raise RuntimeError(f"{target.name}: expected tier {tier} to judge, found {dict(target.classified)}")
        return samples

    async def _closed_s(self) -> float:
        async with self._session.get(f"{self._root}/closed") as response:
            return float((await response.json())["closed_s"])


def _short(name: str) -> str:
    return "provider" if name.startswith("provider-") else name


def _quantiles(sample: Sample) -> dict[str, float]:
    return {"p50": sample.quantile_ms(0.5), "p99": sample.quantile_ms(0.99)}


def _added(samples: Mapping[str, Sample], name: str) -> dict[str, float]:
    """What `name` takes beyond a direct call, quantile by quantile."""
    ours, direct = _quantiles(samples[name]), _quantiles(samples["direct"])
    return {share: ours[share] - direct[share] for share in ours}


def _write_cost(found: dict[str, Any], cost: Cost) -> None:
    router, provider = cost.us_per_token["router"], cost.us_per_token["provider"]
    found["router_us_per_token"] = router
    found["provider_us_per_token"] = provider
    found["router_and_provider_us_per_token"] = {count: router[count] + provider[count] for count in router}
    found["pace"] = cost.pace
    found["rss_mb"] = cost.rss_mb
    found["pss_mb"] = cost.pss_mb
    found["rss_idle_mb"] = cost.rss_idle_mb
    found["idle_share_of_core"] = cost.idle_share


def _first(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, aio.AioRpcError):
        return f"{error.code().name}: {error.details()}"
    return str(error) or type(error).__name__


def main() -> int:
    """Parses the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.gateway", description=(__doc__ or "").split(":", 1)[1])
    parser.add_argument("--quick", action="store_true", help="fewer requests: a look, not a figure")
    parser.add_argument("--without-litellm", action="store_true")
    args = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 120)
    results: dict[str, Any] | None = None
    code = 1
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        try:
            bench = Bench(progress, QUICK_ROUNDS if args.quick else ROUNDS)
            results = uvloop.run(bench.run(not args.without_litellm))
        # Streams that run together fail together.
        except* (RuntimeError, subprocess.CalledProcessError, aiohttp.ClientError, aio.AioRpcError) as group:
            progress.stop()
            console.print(f"[red]bench:[/] {escape(_first(group))}")
        except* (KeyboardInterrupt, asyncio.CancelledError):
            code = 130
    if results is None:
        return code
    report.show(console, results)
    report.write(RESULTS, results)
    console.print(f"written to {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
