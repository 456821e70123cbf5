"""What streaming costs: processor time of each process for a token and for a request, and their memory."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.gateway.load import STAGGER_S, Target, streams
from bench.gateway.processes import cpu_s, pss_mb, rss_mb
from bench.gateway.upstream import TOKENS_PER_SECOND

COUNTS = (1, 16, 64)
# Tokens of each stream: enough of them that what a request costs once hardly counts.
STREAM_TOKENS = 300
REQUEST_TOKENS = 100
REQUESTS, REQUESTS_A_SECOND = 256, 64
IDLE_S = 3.0
# Reports of finished requests leave the router in batches, up to a quarter of a second later; they are part of the cost.
SETTLE_S = 0.6

Groups = Mapping[str, Sequence[int]]


@dataclass(slots=True)
class Cost:
    """By the group's name: microseconds a token by the number of streams, resident MB before and after, share of a core when idle.

    `rss` counts pages that processes share for each of them, `pss` a part of them. `pace` is the share of the upstream's tokens a
    second that a stream had at the client, by the number of streams: below 1 where a way cannot keep up.
    """

    us_per_token: dict[str, dict[str, float]] = field(default_factory=dict)
    pace: dict[str, float] = field(default_factory=dict)
    rss_idle_mb: dict[str, float] = field(default_factory=dict)
    rss_mb: dict[str, float] = field(default_factory=dict)
    pss_mb: dict[str, float] = field(default_factory=dict)
    idle_share: dict[str, float] = field(default_factory=dict)


async def measure_cost(target: Target, groups: Groups, step: Callable[[str], None]) -> Cost:
    """Reads 1, 16 and 64 streams at the upstream's pace; `groups` are the processes that are counted, by name."""
    cost = Cost(us_per_token={name: {} for name in groups}, rss_idle_mb=_memory(groups))
    step(f"{target.name}: idle")
    before = _spent(groups)
    await asyncio.sleep(IDLE_S)
    cost.idle_share = {name: (now - before[name]) / IDLE_S for name, now in _spent(groups).items()}
    for count in COUNTS:
        step(f"{target.name}: {count} streams of 100 tokens/s")
        before, began_s = _spent(groups), time.monotonic()
        tokens = await streams(target, count, STREAM_TOKENS)
        due_s = (STREAM_TOKENS - 1) / TOKENS_PER_SECOND + STAGGER_S * (count - 1) / count
        cost.pace[str(count)] = due_s / (time.monotonic() - began_s)
        await asyncio.sleep(SETTLE_S)
        for name, now in _spent(groups).items():
            cost.us_per_token[name][str(count)] = (now - before[name]) / tokens * 1e6
    cost.rss_mb = _memory(groups)
    cost.pss_mb = {name: pss for name, pids in groups.items() if (pss := pss_mb(pids)) is not None}
    return cost


async def measure_request(target: Target, groups: Groups) -> float:
    """Processor milliseconds of all groups for a request of 100 tokens, with the reports of it; about REQUESTS_A_SECOND are in flight.

    They begin one after the other: all at once they would wait for each other, and beyond its time limit the classifier is not heard.
    """
    before = sum(_spent(groups).values())
    await streams(target, REQUESTS, REQUEST_TOKENS, begun_over_s=REQUESTS / REQUESTS_A_SECOND)
    await asyncio.sleep(SETTLE_S)
    return (sum(_spent(groups).values()) - before) * 1e3 / REQUESTS


def _spent(groups: Groups) -> dict[str, float]:
    return {name: cpu_s(pids) for name, pids in groups.items()}


def _memory(groups: Groups) -> dict[str, float]:
    return {name: rss_mb(pids) for name, pids in groups.items()}
