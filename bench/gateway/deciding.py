"""How long the decision itself takes: as `bench.routing` measures it, with the shipped policy `balanced`."""

from bench.routing.deciding import busy_routing, fleet
from bench.routing.deciding import measure as measure_choose
from bench.routing.outcomes import shipped_routing

ROUNDS = 3_000


def measure() -> tuple[float, float]:
    """p50 and p99 in microseconds of the thread's processor time, which other processes do not add to."""
    shipped = shipped_routing([live.model.reference for live in fleet().models])
    times = measure_choose(busy_routing(shipped), ROUNDS)
    return times.p50, times.p99
