"""What ways to pick a model come to on recorded outcomes: accuracy, cost, shares; the curve of quality against cost and its area."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.routing.outcomes import Floats, Picks, Recorded

Columns = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Account:
    """`accuracy` is the mean score of the picks, `error` its standard error; dollars for 1,000 requests; share by name."""

    accuracy: float
    cost_per_1k: float
    share: dict[str, float]
    error: float = 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """One place on the curve: at what a right answer is worth, in US dollars, what is reached for what cost."""

    success_value: float
    accuracy: float
    cost_per_1k: float


def account(rows: Recorded, columns: Columns) -> Account:
    """What these picks come to."""
    every = np.arange(len(columns))
    score = rows.scores[every, columns]
    counts = np.bincount(columns, minlength=len(rows.models)) / len(columns)
    return Account(
        float(score.mean()),
        1_000 * float(rows.dollars[every, columns].mean()),
        {model.name: float(share) for model, share in zip(rows.models, counts, strict=True) if share},
        float(score.std() / np.sqrt(len(score))),
    )


def single(rows: Recorded, column: int) -> Account:
    """The same model every time."""
    return account(rows, np.full(len(rows.asked), column, dtype=np.int64))


def at_random(rows: Recorded) -> Account:
    """What is expected of a model drawn anew for each prompt, each as often."""
    each = 1 / len(rows.models)
    shares = {model.name: each for model in rows.models}
    return Account(float(rows.scores.mean()), 1_000 * float(rows.dollars.mean()), shares)


def oracle(rows: Recorded) -> Account:
    """The best model for each prompt by the record itself, of equals the cheapest."""
    return account(rows, (rows.scores - 1e-9 * rows.dollars / rows.dollars.max()).argmax(axis=1))


def by_length(train: Recorded, rows: Recorded, small: int, large: int) -> Account:
    """Prompts above a length go to the large model; the length is the one that is right most often on train."""
    order = np.argsort(train.characters, kind="stable")
    length, gain = train.characters[order], (train.scores[:, large] - train.scores[:, small])[order]
    # What sending all from each row on to the large model gains; ties of length go together.
    gained = np.concatenate([np.cumsum(gain[::-1])[::-1], [0.0]])
    cuts = np.concatenate([[True], length[1:] != length[:-1], [True]])
    best = int(np.where(cuts, gained, -np.inf).argmax())
    least = length[best] if best < len(length) else length[-1] + 1
    return account(rows, np.where(rows.characters >= least, large, small))


def by_task(train: Recorded, rows: Recorded) -> Account:
    """For each true task, which no router is told, the model that is right most often on train."""
    overall = int(train.scores.mean(axis=0).argmax())
    tasks = np.array(train.tasks)
    best = {task: int(train.scores[tasks == task].mean(axis=0).argmax()) for task in set(train.tasks)}
    return account(rows, np.array([best.get(task, overall) for task in rows.tasks], dtype=np.int64))


def area(points: Sequence[tuple[float, float]], lowest: float, highest: float) -> float:
    """Mean accuracy over the costs from `lowest` to `highest`, of (cost, accuracy); 1 would be all right at every cost.

    Linear between points; below the first and above the last as there. No point is left out for being worse than a cheaper one.
    """
    ordered = sorted(points)
    cost, accuracy = np.array([p[0] for p in ordered]), np.array([p[1] for p in ordered])
    at = np.linspace(lowest, highest, 1_001)
    return float(np.trapezoid(np.interp(at, cost, accuracy), at) / (highest - lowest))


def mixed(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The best that drawing between single models gives: the upper hull of (cost, accuracy), from the cheapest to the most right."""
    hull: list[tuple[float, float]] = []
    for point in sorted(points, key=lambda p: (p[0], -p[1])):
        if hull and point[1] <= hull[-1][1]:
            continue
        while len(hull) > 1 and _bends_up(hull[-2], hull[-1], point):
            hull.pop()
        hull.append(point)
    return hull


def _bends_up(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[1] - a[1]) * (c[0] - b[0]) <= (c[1] - b[1]) * (b[0] - a[0])


def expected_error(rows: Recorded, picks: Picks) -> tuple[Floats, Floats]:
    """For a reliability diagram: what was said of the picks, and how they scored."""
    return picks.expected, rows.scores[np.arange(len(picks.columns)), picks.columns]
