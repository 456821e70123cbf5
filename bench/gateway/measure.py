"""What streaming costs: processor time of each process for a token and for a request, and their memory."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from bench.gateway.load import Target, streams
from bench.gateway.processes import cpu_s, rss_mb

COUNTS = (1, 16, 64)
# Tokens of each stream: enough of them that what a request costs once hardly counts.
STREAM_TOKENS = 300
REQUEST_TOKENS = 100
IDLE_S = 3.0

Groups = Mapping[str, Sequence[int]]


@dataclass(slots=True)
class Cost:
    """By the group's name: microseconds a token by the number of streams, resident MB before and after, share of a core when idle."""

    us_per_token: dict[str, dict[str, float]] = field(default_factory=dict)
    rss_idle_mb: dict[str, float] = field(default_factory=dict)
    rss_mb: dict[str, float] = field(default_factory=dict)
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
        before = _spent(groups)
        tokens = await streams(target, count, STREAM_TOKENS)
        for name, now in _spent(groups).items():
            cost.us_per_token[name][str(count)] = (now - before[name]) / tokens * 1e6
    cost.rss_mb = _memory(groups)
    return cost


async def measure_request(target: Target, groups: Groups, count: int) -> float:
    """Processor milliseconds of all groups for a request of 100 tokens, `count` at a time."""
    before = sum(_spent(groups).values())
    requests = sum([await streams(target, count, REQUEST_TOKENS) for _ in range(3)]) / REQUEST_TOKENS
    return (sum(_spent(groups).values()) - before) * 1e3 / requests


def _spent(groups: Groups) -> dict[str, float]:
    return {name: cpu_s(pids) for name, pids in groups.items()}


def _memory(groups: Groups) -> dict[str, float]:
    return {name: rss_mb(pids) for name, pids in groups.items()}
