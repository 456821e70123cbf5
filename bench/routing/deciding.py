"""How long a decision takes: pure code, 50 models, as the router calls it. `bench.gateway` shares it."""

import gc
import time
from dataclasses import dataclass, replace
from itertools import count

from pointsman.config.catalogue import Model, Price
from pointsman.response import Chances
from services.router.candidates import Ability, Judgement, LiveModel, Needs, Snapshot
from services.router.choice import Asked, Routing, choose
from services.router.experiments import Experiment
from services.router.policy import reliability
from services.router.prepared import prepare
from services.router.rules import Rule, When

MODELS = 50
ROUNDS = 20_000
WARM_UP = 500
INTENTS = ("code", "math", "question_answering", "summarization", "classification", "roleplay")


@dataclass(frozen=True, slots=True)
class Times:
    """Microseconds of the thread's processor time, to which other processes do not add."""

    p50: float
    p99: float


def measure(routing: Routing, rounds: int = ROUNDS) -> Times:
    """Decides again and again, each request another; the collector runs as in the service, whose snapshots come in between."""
    snapshot = fleet()
    asked = [_asked(number) for number in range(997)]
    times_ns: list[int] = []
    gc.collect()
    for number in count():
        one = asked[number % len(asked)]
        if number % 1_000 == 0:
            # Swapped whole in the service, which prepares it off the requests' path.
            snapshot = fleet()
            for policy in routing.policies.values():
                prepare(snapshot, policy)
        began_ns = time.thread_time_ns()
        choose(routing, snapshot, one)
        times_ns.append(time.thread_time_ns() - began_ns)
        if len(times_ns) == rounds + WARM_UP:
            break
    found = sorted(times_ns[WARM_UP:])
    return Times(found[rounds // 2] / 1e3, found[int(rounds * 0.99)] / 1e3)


def busy_routing(shipped: Routing, explore: float = 0.0) -> Routing:
    """The shipped policies with rules that do not hold, one that does, a split of 5 % and, where asked for, exploration."""
    balanced = replace(shipped.policies["balanced"], explore=explore)
    references = [live.model.reference for live in fleet().models]
    rules = (
        Rule(
            "legal",
            When(intents=frozenset({"translation"}), min_input_tokens=20_000),
            preferred=frozenset(references[:3]),
        ),
        Rule("gold", When(tenants=frozenset({"gold"})), policy="quality_first"),
        Rule("code", When(intents=frozenset({"code"})), preferred=frozenset(references[20:40])),
    )
    canary = Experiment("canary", When(), ((references[7], 0.05),))
    return Routing({**shipped.policies, "balanced": balanced}, "balanced", rules, (canary,))


def fleet() -> Snapshot:
    """Models of every price and ability, with an ability for each intent."""
    return Snapshot(tuple(_live(index) for index in range(MODELS)), "bench")


def _asked(number: int) -> Asked:
    small = 0.1 + 0.8 * (number % 83) / 83
    chances = Chances(small, small + 0.4 * (0.95 - small), 0.95)
    judged = Judgement(INTENTS[number % len(INTENTS)], 0.95 - small, 20 + number, 50 + number % 500, chances=chances)
    return Asked(f"request-{number}", judged, Needs(), tenant="acme", session=number * 7_919)


def _live(index: int) -> LiveModel:
    price = Price(100_000 * (index + 1), 400_000 * (index + 1), 10_000, 100_000)
    quality = -0.2 + index / 35
    model = Model(f"provider{index % 7}", f"model{index}", frozenset(), 128_000, 4_096, price, quality, {}, 0.5, 80.0)
    abilities = {intent: Ability(quality + 0.1 * (place - 2), 0.15) for place, intent in enumerate(INTENTS[:4])}
    abilities[""] = Ability(quality, 0.15)
    return LiveModel(model, "", 0.4 + index / 100, 60.0 + index, reliability(20, index % 3), abilities)
