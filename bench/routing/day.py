"""A day of traffic, once for each policy: discrete events, no sockets, no sleeping.

request ──> what a router knows now ──choose──> models in order ──truth──> failures, then an answer ──> what it knows then
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bench.routing.day_router import Known
from bench.routing.day_world import World
from bench.routing.outcomes import Floats, shipped_routing
from services.router.candidates import Needs, Snapshot
from services.router.choice import Asked, Routing, choose
from services.router.policy import Policy

ATTEMPTS = 3
# Clients judge this share of the answers.
FEEDBACK_SHARE = 0.05
# Seconds until a refused connection, and until an error of an API in trouble, is known.
REFUSED_S, ERROR_S = 0.3, 1.5
EXPLORING = "balanced, explores 5 %"

Order = Callable[[int, Snapshot], Sequence[int]]
"""Columns to try, best first, for a request's number on what is known now."""


@dataclass(frozen=True, slots=True)
class Day:
    """What one policy did with each request, (N,). `chance` is the true one of a right answer, 0 for none."""

    dollars: Floats
    chance: Floats
    right: Floats
    first_token_s: Floats
    total_s: Floats
    columns: np.ndarray
    """The model that answered; -1 where none did."""
    failed_attempts: int

    def worth(self, policy: Policy) -> float:
        """What 1,000 requests were worth by a policy's own terms, in US dollars."""
        seconds = self.first_token_s * policy.first_token_value_micros + self.total_s * policy.second_value_micros
        each = self.right * policy.success_value_micros - seconds
        return 1_000 * float((each / 1e6 - self.dollars).mean())


def policies(world: World) -> Mapping[str, Policy]:
    """The shipped ones, and `balanced` that explores."""
    shipped = dict(shipped_routing([model.reference for model in world.models]).policies)
    return shipped | {EXPLORING: replace(shipped["balanced"], name=EXPLORING, explore=0.05)}


def routed(world: World, policy: Policy) -> Order:
    """As the router does."""
    routing = Routing({policy.name: policy}, policy.name)
    column = {model.reference: index for index, model in enumerate(world.models)}

    def order(number: int, fleet: Snapshot) -> Sequence[int]:
        asked = Asked(f"day-{number}", world.judged[number], Needs())
        return [column[c.model.reference] for c in choose(routing, fleet, asked).decision.ranked]

    return order


def fixed(columns: Sequence[int]) -> Order:
    """The same order for every request, without those that are known to be down."""

    def order(_: int, fleet: Snapshot) -> Sequence[int]:
        return [c for c in columns if not (fleet.models[c].unavailable or fleet.models[c].circuit)]

    return order


def shuffled(models: int) -> Order:
    """Any order, without those that are known to be down."""
    rng = np.random.default_rng(11)

    def order(_: int, fleet: Snapshot) -> Sequence[int]:
        drawn = rng.permutation(models).tolist()
        return [c for c in drawn if not (fleet.models[c].unavailable or fleet.models[c].circuit)]

    return order


def baselines(world: World) -> Mapping[str, Order]:
    """The best, the cheapest, any, and the one model that is worth most to `balanced` over this whole day, known in hindsight."""
    columns = range(len(world.models))
    price = [m.price.input_micros_per_mtok + m.price.output_micros_per_mtok for m in world.models]
    by_quality = sorted(columns, key=lambda c: -world.models[c].quality)
    worth = _hindsight(world, policies(world)["balanced"])
    return {
        "always the best": fixed(by_quality),
        "always the cheapest": fixed(sorted(columns, key=price.__getitem__)),
        "random": shuffled(len(world.models)),
        "best single in hindsight": fixed(sorted(columns, key=lambda c: -worth[c])),
    }


def live(world: World, order: Order) -> Day:
    """Plays the day."""
    known, count = Known(world), len(world.at_s)
    dollars, chance, right, first, total = (np.zeros(count) for _ in range(5))
    columns, failed = np.full(count, -1), 0
    for number, at_s in enumerate(world.at_s.tolist()):
        judged, spent_s = world.judged[number], 0.0
        for column in order(number, known.snapshot(at_s))[:ATTEMPTS]:
            known.begin(column, at_s)
            if world.fails[number, column] < (share := world.failing(column, at_s)):
                known.failed(column, at_s)
                spent_s += REFUSED_S if share == 1.0 else ERROR_S
                failed += 1
                continue
            first_s, rate = speed(world, number, column)
            tokens, price = world.length[number, column], world.price(column, at_s)
            known.answered(column, judged, at_s, first_s, rate, tokens)
            columns[number] = column
            dollars[number] = price.cost_micros(judged.input_tokens, int(tokens)) / 1e6
            chance[number] = world.chance[number, column]
            right[number] = world.luck[number] < chance[number]
            first[number], total[number] = spent_s + first_s, spent_s + first_s + tokens / rate
            if world.judged_by_client[number] < FEEDBACK_SHARE:
                known.taught(column, judged, bool(right[number]), at_s)
            break
        else:
            first[number] = total[number] = spent_s
    return Day(dollars, chance, right, first, total, columns, failed)


def speed(world: World, number: int, column: int) -> tuple[float, float]:
    """Seconds to the first token and tokens a second of one answer."""
    model, slow = world.models[column], world.slow[column, int(world.at_s[number] // 60)]
    return (
        model.first_token_s * slow * world.noise_first[number],
        model.tokens_per_second / slow * world.noise_rate[number],
    )


def _hindsight(world: World, policy: Policy) -> list[float]:
    """What each model alone would have been worth, by the truth, in micros a request."""
    rows = range(0, len(world.at_s), 10)
    found = []
    for column in range(len(world.models)):
        worth = 0.0
        for number in rows:
            at_s, judged = float(world.at_s[number]), world.judged[number]
            first_s, rate = speed(world, number, column)
            tokens = world.length[number, column]
            serves = 1 - world.failing(column, at_s)
            cost = world.price(column, at_s).cost_micros(judged.input_tokens, int(tokens))
            worth += serves * (world.chance[number, column] * policy.success_value_micros - cost)
            worth -= serves * policy.second_value_micros * (first_s + tokens / rate)
        found.append(worth / len(rows))
    return found


def play(world: World, told: Callable[[str], None]) -> dict[str, Day]:
    """Every policy and baseline."""
    orders: dict[str, Order] = {name: routed(world, policy) for name, policy in policies(world).items()}
    orders.update(baselines(world))
    found = {}
    for name, order in orders.items():
        told(f"a day of traffic: {name}")
        found[name] = live(world, order)
    return found
