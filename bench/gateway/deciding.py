"""How long the decision itself takes: pure code, 50 models."""

import time

from pointsman.config.catalogue import Model, Price
from services.router.candidates import Judgement, LiveModel, Needs, Snapshot
from services.router.decision import decide
from services.router.policy import Policy

MODELS = 50
ROUNDS = 3_000


def measure() -> tuple[float, float]:
    """p50 and p99 in microseconds of the thread's processor time, which other processes do not add to."""
    snapshot = Snapshot(tuple(_live(index) for index in range(MODELS)), "bench")
    policy = Policy("bench", success_value_micros=20_000.0, second_value_micros=200.0)
    judgement = Judgement("code", 0.4, 200, 300, "")
    needs = Needs(frozenset(), "", None, None)
    times_ns = []
    for _ in range(ROUNDS):
        began_ns = time.thread_time_ns()
        decide(snapshot, policy, judgement, needs)
        times_ns.append(time.thread_time_ns() - began_ns)
    times_ns.sort()
    return times_ns[ROUNDS // 2] / 1e3, times_ns[int(ROUNDS * 0.99)] / 1e3


def _live(index: int) -> LiveModel:
    price = Price(100_000 * (index + 1), 400_000 * (index + 1), 10_000, 100_000)
    model = Model(
        f"provider{index % 7}", f"model{index}", frozenset(), 128_000, 4_096, price, 0.3 + index / 80, {}, 0.5, 80.0
    )
    return LiveModel(model, "", 0.4 + index / 100, 60.0 + index, 20, index % 3)
