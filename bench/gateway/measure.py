"""Runs the measurements, in one run on one machine, and gives what bench/results/gateway.json holds."""

import statistics
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from bench.gateway.deciding import decide_us
from bench.gateway.litellm_proxy import run_litellm
from bench.gateway.load import Http, Mesh, Target, cancels, first_tokens, quantile, streams
from bench.gateway.machine import describe_machine
from bench.gateway.mesh import run_mesh
from bench.gateway.processes import child, cpu_s, rss_mb, with_children
from bench.gateway.progress import Phases
from pointsman.supervisor.supervisor import Supervisor

Json = dict[str, object]
COUNTS = (1, 16, 64)
REQUEST_TOKENS = 100


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: rounds of single requests, of cancels, tokens of each stream by the number of streams."""

    rounds: int
    cancels: int
    tokens: Mapping[int, int]
    litellm_tokens: Mapping[int, int]
    decisions: int


FULL = Effort(200, 100, {1: 600, 16: 300, 64: 300}, {1: 300, 16: 200, 64: 100}, 20_000)
QUICK = Effort(40, 20, {1: 100, 16: 100, 64: 100}, {1: 50, 16: 50, 64: 30}, 2_000)


@dataclass(frozen=True, slots=True)
class Upstream:
    """The paced upstream: its base URL, and when it last lost a stream before its end."""

    base_url: str
    session: aiohttp.ClientSession

    async def closed_s(self) -> float:
        """On the monotonic clock, which all processes share."""
        async with self.session.get(self.base_url.removesuffix("v1") + "closed") as response:
            told: float = (await response.json())["closed_s"]
            return told


async def measure(folder: Path, effort: Effort, phases: Phases, *, litellm: bool) -> Json:
    """Measures everything; every process that it starts is gone when it returns."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(_run_upstream())
        results: Json = {"machine": describe_machine(), "effort": {"rounds": effort.rounds}}
        with phases.phase("starting two meshes: fast tier and encoder"):
            fast = await stack.enter_async_context(run_mesh(folder, upstream.base_url, "fast"))
            encoder = await stack.enter_async_context(run_mesh(folder, upstream.base_url, "encoder"))
        idle = _rss(fast)
        direct = Http("direct", upstream.session, upstream.base_url)
        mesh = await stack.enter_async_context(aclosing(Mesh("mesh", fast.router_address)))
        slow = await stack.enter_async_context(aclosing(Mesh("mesh, encoder", encoder.router_address)))
        targets: list[Target] = [direct, mesh, slow]
        peer: tuple[Http, int] | None = None
        if litellm:
            with phases.phase("starting LiteLLM's proxy"):
                pid, url = await stack.enter_async_context(run_litellm(folder, upstream.base_url))
            peer = (Http("LiteLLM", upstream.session, url), pid)
            targets.append(peer[0])
        found: Json = {"rss_mb": idle}
        with phases.phase("first token, with classification", effort.rounds) as step:
            seconds = await first_tokens(targets, effort.rounds, step)
        base_s = statistics.median(seconds["direct"])
        results["direct"] = {"first_token_ms": _ms(seconds["direct"])}
        found["added_first_token_ms"] = _ms(seconds["mesh"], base_s)
        found["added_first_token_encoder_ms"] = _ms(seconds["mesh, encoder"], base_s)
        found["classifier_rss_encoder_mb"] = _rss(encoder)["classifier"]
        found |= await _stream_costs(fast, mesh, effort, phases)
        with phases.phase("cancel, until the upstream is closed", effort.cancels) as step:
            found["cancel_to_upstream_closed_ms"] = _ms(await cancels(mesh, upstream.closed_s, effort.cancels, step))
        found["rss_after_mb"] = _rss(fast)
        found |= await _without_classifier(fast, direct, mesh, effort, phases)
        with phases.phase("decide among 50 models"):
            found["decide_50_models_us"] = _quantiles(decide_us(50, effort.decisions))
        results["mesh"] = found
        if peer:
            results["litellm"] = {
                "added_first_token_ms": _ms(seconds["LiteLLM"], base_s),
                **await _litellm_costs(*peer, effort, phases),
            }
        return results


async def _stream_costs(fast: Supervisor, mesh: Mesh, effort: Effort, phases: Phases) -> Json:
    """Processor time of each service for a token, and of all for a request of 100 tokens, at 64 at a time."""
    pids = {service.spec.name: service.pid for service in fast.services if service.pid is not None}
    by_service: dict[str, dict[str, float]] = {name: {} for name in pids}
    for count in COUNTS:
        with phases.phase(f"mesh, {count} streams of 100 tokens/s"):
            before = {name: cpu_s([pid]) for name, pid in pids.items()}
            tokens = await streams(mesh, count, effort.tokens[count])
            for name, pid in pids.items():
                by_service[name][str(count)] = round((cpu_s([pid]) - before[name]) / tokens * 1e6, 1)
    with phases.phase(f"mesh, requests of {REQUEST_TOKENS} tokens, 64 at a time"):
        began_s = cpu_s(pids.values())
        requests = await streams(mesh, 64, REQUEST_TOKENS) / REQUEST_TOKENS
        requests += await streams(mesh, 64, REQUEST_TOKENS) / REQUEST_TOKENS
        spent_ms = (cpu_s(pids.values()) - began_s) * 1e3 / requests
    return {
        "router_us_per_token": by_service["router"],
        "provider_us_per_token": by_service["provider-upstream"],
        "all_services_ms_per_request": round(spent_ms, 2),
    }


async def _without_classifier(fast: Supervisor, direct: Http, mesh: Mesh, effort: Effort, phases: Phases) -> Json:
    """With the classifier gone the router uses its policy's default complexity."""
    await fast.service("classifier").stop(5)
    with phases.phase("first token, without classification", effort.rounds) as step:
        seconds = await first_tokens([direct, mesh], effort.rounds, step)
    return {"added_first_token_unclassified_ms": _ms(seconds["mesh"], statistics.median(seconds["direct"]))}


async def _litellm_costs(target: Http, pid: int, effort: Effort, phases: Phases) -> Json:
    per_token: dict[str, float] = {}
    for count in COUNTS:
        with phases.phase(f"LiteLLM, {count} streams of 100 tokens/s"):
            began_s = cpu_s(with_children(pid))
            tokens = await streams(target, count, effort.litellm_tokens[count])
            per_token[str(count)] = round((cpu_s(with_children(pid)) - began_s) / tokens * 1e6, 1)
    return {"us_per_token": per_token, "rss_mb": round(rss_mb(with_children(pid)), 1)}


@asynccontextmanager
async def _run_upstream() -> AsyncIterator[Upstream]:
    async with child(sys.executable, "-m", "bench.gateway.upstream") as process:
        assert process.stdout is not None
        port = int(await process.stdout.readline())
        # One connection for each stream, as many as there are.
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
            yield Upstream(f"http://127.0.0.1:{port}/v1", session)


def _rss(mesh: Supervisor) -> dict[str, float]:
    return {s.spec.name: round(rss_mb([s.pid]), 1) for s in mesh.services if s.pid is not None}


def _quantiles(values: Sequence[float]) -> dict[str, float]:
    return {"p50": round(quantile(values, 0.5), 2), "p99": round(quantile(values, 0.99), 2)}


def _ms(seconds: Sequence[float], base_s: float = 0.0) -> dict[str, float]:
    return _quantiles([1e3 * (value - base_s) for value in seconds])
