"""How many prompts a second the service answers on one core while the slowest in a hundred waits 25 ms at most.

Closed loop: so many callers, each asking again when it has its answer; it finds what the service can do at most. Open loop:
requests begin at even distances whatever the service does, as those of many users do, and the time counts from when a request
was due, so that a service that falls behind is not spared.
"""

import asyncio
import gc
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.classifier.judging import Progress
from bench.classifier.service import ENCODER, FAST, Client, request, run_service, tiers
from bench.classifier.texts import Words
from pointsman.classifier.v1 import classifier_service_pb2 as pb

LIMIT_S = 0.025
# A service that answers fewer of the requests falls behind.
KEPT_UP = 0.95
DISTINCT = 4_000
WARM_UP_S = 0.5
CALLERS = (1, 4, 16, 64)
# The highest rate is searched between these shares of the closed loop's best, to a few percent.
LOWEST, HIGHEST = 0.1, 1.15
SEARCH_STEPS = 7


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to ask: the service's tier, the wanted one, the time that the caller leaves."""

    name: str
    tier: str
    wanted: pb.ClassifierTier
    timeout_s: float | None


@dataclass(frozen=True, slots=True)
class Caller:
    """A client with the requests that it sends, over and over."""

    client: Client
    requests: Sequence[bytes]
    timeout_s: float | None

    async def ask_s(self, index: int, answers: list[bytes]) -> float:
        """One call; see Client.ask_s."""
        return await self.client.ask_s(self.requests[index % len(self.requests)], answers, self.timeout_s)


@dataclass(frozen=True, slots=True)
class Load:
    """One run: answers a second, the slowest in a hundred in milliseconds, the share that the encoder gave."""

    per_s: float
    p99_ms: float
    encoder_share: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """Of one way to ask: the closed loop by callers, the highest open rate within the limit (None where none was)."""

    closed: dict[int, Load]
    open: Load | None


async def measure(
    folder: Path, models_dir: Path, words: Words, seconds: float, progress: Progress
) -> dict[str, Throughput]:
    """Prompts of mixed lengths: the encoder alone (`encoder`), either as the service sees fit (`auto`), `fast` alone."""
    texts = words.mixed(DISTINCT, np.random.default_rng(3))
    found = {}
    for kind in (
        Kind("encoder", "encoder", ENCODER, None),
        # The time that is left is what lets the service choose the fast tier.
        Kind("auto", "auto", pb.CLASSIFIER_TIER_UNSPECIFIED, LIMIT_S),
        Kind("fast", "auto", FAST, None),
    ):
        async with run_service(folder / f"load-{kind.name}", kind.tier, models_dir) as client:
            caller = Caller(client, [request(text, kind.wanted) for text in texts], kind.timeout_s)
            found[kind.name] = await _one(caller, kind.name, seconds, progress)
    return found


async def _one(caller: Caller, name: str, seconds: float, progress: Progress) -> Throughput:
    closed = {}
    await _closed(caller, 4, WARM_UP_S)
    for callers in CALLERS:
        progress(f"throughput, {name}: {callers} callers")
        closed[callers] = await _closed(caller, callers, seconds)
    # Under the encoder's own load an answer of the fast tier is one that came too late for it.
    alone = name == "encoder"
    most = max(1.0, *(load.per_s * (load.encoder_share if alone else 1) for load in closed.values()))
    low, high, best = LOWEST * most, HIGHEST * most, None
    for _ in range(SEARCH_STEPS):
        rate = (low * high) ** 0.5
        progress(f"throughput, {name}: {rate:.0f} a second")
        load = await _open(caller, rate, seconds)
        whole = load.encoder_share > 0.99 or not alone
        if load.p99_ms <= 1e3 * LIMIT_S and load.per_s > KEPT_UP * rate and whole:
            low, best = rate, load
        else:
            high = rate
    return Throughput(closed, best)


async def _closed(caller: Caller, callers: int, seconds: float) -> Load:
    answers: list[bytes] = []
    times_s: list[float] = []
    began_s = 0.0

    async def again(first: int) -> None:
        index = first
        while time.perf_counter() - began_s < seconds:
            times_s.append(await caller.ask_s(index, answers))
            index += callers

    with _quiet():
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for first in range(callers):
                tasks.create_task(again(first))
    return _load(times_s, answers, time.perf_counter() - began_s)


async def _open(caller: Caller, rate: float, seconds: float) -> Load:
    answers: list[bytes] = []
    times_s: list[float] = []
    count = max(1, int(rate * seconds))

    async def one(due_s: float, index: int) -> None:
        late_s = time.perf_counter() - due_s
        times_s.append(late_s + await caller.ask_s(index, answers))

    with _quiet():
        began_s = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for index in range(count):
                due_s = began_s + index / rate
                if (wait_s := due_s - time.perf_counter()) > 0:
                    await asyncio.sleep(wait_s)
                tasks.create_task(one(due_s, index))
    return _load(times_s, answers, time.perf_counter() - began_s)


def _load(times_s: Sequence[float], answers: Sequence[bytes], took_s: float) -> Load:
    given: Counter[int] = tiers(answers)
    slowest = sorted(times_s)[int(0.99 * len(times_s))]
    return Load(len(answers) / took_s, 1e3 * slowest, given[ENCODER] / max(1, len(answers)))


class _quiet:  # noqa: N801
    """No garbage is collected while times are taken."""

    def __enter__(self) -> None:
        gc.collect()
        gc.disable()

    def __exit__(self, *raised: object) -> None:
        gc.enable()
