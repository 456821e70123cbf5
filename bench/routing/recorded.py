"""The policies on recorded outcomes: abilities and everything that is chosen come from train, the test split is looked at once."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bench.classifier.reliability import reliability
from bench.routing.abilities import Tried, picks_at, try_all
from bench.routing.accounts import (
    Account,
    Columns,
    Point,
    account,
    area,
    at_random,
    by_length,
    by_task,
    expected_error,
    mixed,
    oracle,
    single,
)
from bench.routing.outcomes import Picks, Recorded, decide, shipped_routing, snapshot
from services.router.policy import Policy

# US dollars that a right answer is worth, along the curve.
VALUES = np.geomspace(1e-6, 10.0, 57)


@dataclass(frozen=True, slots=True)
class OnRecord:
    """What each policy and baseline comes to on the test split. `ece` is of what was expected of each policy's picks.

    `value_at_best_single` is the worth of a right answer, chosen on train, at which picks are as right as the best single model.
    """

    prompts: int
    train_prompts: int
    policies: dict[str, Account]
    ece: dict[str, float]
    baselines: dict[str, Account]
    by_true_task: Account
    singles: dict[str, Account]
    best_single_name: str
    curve: tuple[Point, ...]
    area: Mapping[str, float]
    at_best_single: Account
    value_at_best_single: float
    ways: tuple[Tried, ...]
    on_train: Mapping[str, Account]
    """The policies on train, each prompt by abilities that were fitted without it."""


def measure(train: Recorded, test: Recorded) -> OnRecord:
    """Fit on train, look at test."""
    ways = try_all(train)
    fleet = snapshot(test.models, ways[0].fit(train))
    shipped = shipped_routing([model.reference for model in test.models]).policies
    picks = {name: decide(fleet, policy, test.asked) for name, policy in shipped.items()}
    price = train.dollars.mean(axis=0)
    best = int(train.scores.mean(axis=0).argmax())
    # Of equal prices the better one on train, so that a baseline is as strong as its price allows.
    by_price = sorted(range(len(price)), key=lambda i: (round(price[i], 9), train.scores[:, i].mean()))
    cheapest = min(by_price, key=lambda i: (round(price[i], 9), -train.scores[:, i].mean()))
    dearest = by_price[-1]
    baselines = {
        "random": at_random(test),
        "best_single": single(test, best),
        "all_small": single(test, cheapest),
        "all_large": single(test, dearest),
        "oracle": oracle(test),
        "prompt_length": by_length(train, test, cheapest, dearest),
    }
    singles = {model.name: single(test, column) for column, model in enumerate(test.models)}
    curve = tuple(_point(test, value, decide(fleet, _worth(value), test.asked)) for value in VALUES.tolist())
    chosen = _value_at_best_single(train, ways[0], best)
    ends = baselines["all_small"].cost_per_1k, baselines["all_large"].cost_per_1k
    ours = [(point.cost_per_1k, point.accuracy) for point in curve]
    alone = [(one.cost_per_1k, one.accuracy) for one in singles.values()]
    return OnRecord(
        prompts=len(test.asked),
        train_prompts=len(train.asked),
        policies={name: account(test, one.columns) for name, one in picks.items()},
        ece={name: reliability(*expected_error(test, one)).ece for name, one in picks.items()},
        baselines=baselines,
        by_true_task=by_task(train, test),
        singles=singles,
        best_single_name=test.models[best].name,
        curve=curve,
        area={
            "policy": area(ours, *ends),
            "mixed_singles": area(mixed(alone), *ends),
            "oracle": area(_oracle_curve(test), *ends),
        },
        at_best_single=account(test, decide(fleet, _worth(chosen), test.asked).columns),
        value_at_best_single=chosen,
        ways=tuple(ways),
        on_train={name: account(train, _held_out(train, ways[0], policy)) for name, policy in shipped.items()},
    )


def _worth(value: float) -> Policy:
    """Quality against money alone."""
    return Policy("curve", success_value_micros=value * 1e6)


def _point(rows: Recorded, value: float, picks: Picks) -> Point:
    found = account(rows, picks.columns)
    return Point(value, found.accuracy, found.cost_per_1k)


def _held_out(train: Recorded, way: Tried, policy: Policy) -> Columns:
    columns = np.zeros(len(train.asked), dtype=np.int64)
    for rows, abilities in way.folds:
        fleet = snapshot(train.models, abilities)
        columns[rows] = decide(fleet, policy, [train.asked[row] for row in rows]).columns
    return columns


def _value_at_best_single(train: Recorded, way: Tried, best: int) -> float:
    """The least worth at which picks are right as often as the best single model."""
    # Of prices ever lower the last that holds on train.
    every, chosen = np.arange(len(train.asked)), float(VALUES[-1])
    for value in VALUES.tolist()[::-1]:
        gain = train.scores[every, picks_at(way.held_out, train.dollars, value)] - train.scores[:, best]
        if gain.mean() >= 0:
            chosen = value
    return chosen


def _oracle_curve(rows: Recorded) -> list[tuple[float, float]]:
    """What picks by the record itself reach at every worth."""
    found = []
    for value in VALUES.tolist():
        one = account(rows, (rows.scores - rows.dollars / value).argmax(axis=1))
        found.append((one.cost_per_1k, one.accuracy))
    return found
