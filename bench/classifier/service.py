"""The classifier's process as an operator starts it, on a core of its own where the system can pin, and a client of it.

The other cores are the client's: what is measured is the service on one core.
"""

import asyncio
import math
import os
import sys
import time
from asyncio.subprocess import DEVNULL
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from grpc import StatusCode, aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bench.gateway.processes import child, rss_mb
from pointsman.channel import open_channel
from pointsman.classifier.v1 import classifier_service_pb2 as pb
from pointsman.llm.v1.prompt_pb2 import ROLE_USER, Part, Prompt, Turn

METHOD = "/pointsman.classifier.v1.ClassifierService/Classify"
READY_S = 60.0
ENCODER_WAIT_MS = 10_000
FAST, ENCODER = pb.CLASSIFIER_TIER_FAST, pb.CLASSIFIER_TIER_ENCODER


class ServiceFailed(Exception):
    """The classifier's process did not become ready, or answered otherwise than the figure needs."""


class Client:
    """One connection. Requests are serialised beforehand, answers read afterwards: the client's work is not the figure."""

    def __init__(self, channel: aio.Channel, pid: int) -> None:
        self._call: aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)
        self._pid = pid

    async def ask_s(self, request: bytes, answers: list[bytes], timeout_s: float | None = None) -> float:
        """One call; returns its time and appends the answer. Infinite where it came too late or was refused for the load.

        Raises AioRpcError for any other failure.
        """
        began_s = time.perf_counter()
        try:
            answer = await self._call(request, timeout=timeout_s)
        except aio.AioRpcError as error:
            if error.code() in (StatusCode.DEADLINE_EXCEEDED, StatusCode.RESOURCE_EXHAUSTED):
                return math.inf
            raise
        took_s = time.perf_counter() - began_s
        answers.append(answer)
        return took_s

    def rss_mb(self) -> float:
        """Resident memory of the service now."""
        return rss_mb([self._pid])


def request(text: str, tier: pb.ClassifierTier = pb.CLASSIFIER_TIER_UNSPECIFIED) -> bytes:
    """A serialised request of one user turn."""
    turn = Turn(role=ROLE_USER, parts=[Part(text=text)])
    return pb.ClassifyRequest(prompt=Prompt(turns=[turn]), wanted_tier=tier).SerializeToString()


def tiers(answers: Sequence[bytes]) -> Counter[int]:
    """How many answers each tier gave."""
    return Counter(int(pb.ClassifyResponse.FromString(answer).classification.tier) for answer in answers)


def from_cache(answers: Sequence[bytes]) -> int:
    """How many answers were remembered ones."""
    return sum(pb.ClassifyResponse.FromString(answer).classification.from_cache for answer in answers)


@asynccontextmanager
async def run_service(folder: Path, tier: str, models_dir: Path, *, cache: bool = False) -> AsyncIterator[Client]:
    """The classifier with the given tier of its configuration; its cache is off unless asked for. Raises ServiceFailed."""
    section: dict[str, Any] = {"tier": tier, "models_dir": str(models_dir)}
    if not cache:
        section["cache_entries"] = 0
    if tier == "encoder":
        # Its own time is measured, not when the service would rather not wait for it.
        section["encoder_wait_ms"] = ENCODER_WAIT_MS
    config = {
        "version": 1,
        "classifier": section,
        "providers": {"none": {"kind": "openai_http", "base_url": "http://127.0.0.1:9/v1"}},
        "models": [
            {"provider": "none", "model": "none", "quality": 0.5, "context_tokens": 1_000, "price": {"input": 1, "output": 1}}
        ],
    }  # fmt: skip
    path = folder / "mesh.yaml"
    await asyncio.to_thread(_write, path, yaml.safe_dump(config).encode())
    command = ("-m", "services.classifier", "--config", str(path), "--run-dir", str(folder))
    async with _serving(f"unix:{folder / 'classifier.sock'}", *command) as client:
        yield client


@asynccontextmanager
async def run_bare(folder: Path, answer: bytes) -> AsyncIterator[Client]:
    """A server of the same contract that always gives the same answer: the floor under every time."""
    path = folder / "answer"
    await asyncio.to_thread(_write, path, answer)
    address = f"unix:{folder / 'bare.sock'}"
    async with _serving(address, "-m", "bench.classifier.bare", address, str(path)) as client:
        yield client


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)


@asynccontextmanager
async def _serving(address: str, *command: str) -> AsyncIterator[Client]:
    cores = os.sched_getaffinity(0) if can_pin() else set()
    last = set(sorted(cores)[-1:])
    async with AsyncExitStack() as stack:
        with _on_cores(last):
            # It inherits the core.
            process = await stack.enter_async_context(child(sys.executable, *command, stderr=DEVNULL))
        with _on_cores(cores - last):
            channel = await stack.enter_async_context(open_channel(address))
            await _ready(channel, process)
            yield Client(channel, process.pid)


async def _ready(channel: aio.Channel, process: asyncio.subprocess.Process) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_S):
            while process.returncode is None:
                with suppress(aio.AioRpcError):
                    told = await stub.Check(health_pb2.HealthCheckRequest(service=""))
                    if told.status == health_pb2.HealthCheckResponse.SERVING:
                        return
                await asyncio.sleep(0.05)
    raise ServiceFailed(f"the classifier's process was not ready within {READY_S:g} s (exit code {process.returncode})")


def can_pin() -> bool:
    """Whether a process can be held on one core, and another core is left for the client."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


@contextmanager
def _on_cores(cores: set[int]) -> Iterator[None]:
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
