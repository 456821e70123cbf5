"""The odds of exploration, and drawing by them."""

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.exploring import odds, pick

BELIEFS = st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(0, 5e3)), min_size=1, max_size=12)


@given(BELIEFS)
def test_odds_are_probabilities_that_add_up_to_one(beliefs: list[tuple[float, float]]) -> None:
    found = odds([mean for mean, _ in beliefs], [deviation for _, deviation in beliefs])
    assert all(0 <= chance <= 1 + 1e-9 for chance in found)
    assert sum(found) == pytest.approx(1)


@pytest.mark.parametrize(
    "beliefs",
    [
        [(0.0, 1.0), (0.0, 1.0)],
        [(0.0, 1.0), (1.0, 1.0), (0.5, 2.0)],
        [(10.0, 3.0), (9.0, 0.5), (8.0, 6.0), (-50.0, 1.0)],
        [(1.0, 0.0), (0.9, 0.2)],
    ],
)
def test_odds_are_those_of_drawing_each_worth_and_taking_the_highest(beliefs: list[tuple[float, float]]) -> None:
    rng = random.Random(1)
    rounds = 40_000
    counted: Counter[int] = Counter()
    for _ in range(rounds):
        drawn = [rng.gauss(mean, deviation) for mean, deviation in beliefs]
        counted[drawn.index(max(drawn))] += 1
    expected = [counted[index] / rounds for index in range(len(beliefs))]
    assert odds([m for m, _ in beliefs], [d for _, d in beliefs]) == pytest.approx(expected, abs=0.015)


def test_what_is_known_for_sure_leaves_nothing_to_chance() -> None:
    assert odds([3.0, 2.0, 1.0], [0.0, 0.0, 0.0]) == [1.0, 0.0, 0.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6).filter(lambda c: sum(c) > 0.01), st.floats(0, 0.999999))
def test_a_pick_never_falls_to_what_has_no_chance(chances: list[float], point: float) -> None:
    whole = sum(chances)
    chances = [chance / whole for chance in chances]
    assert chances[pick(chances, point)] > 0


def test_picks_follow_the_chances() -> None:
    rng = random.Random(2)
    counted = Counter(pick([0.7, 0.0, 0.2, 0.1], rng.random()) for _ in range(20_000))
    assert [counted[i] / 20_000 for i in range(4)] == pytest.approx([0.7, 0.0, 0.2, 0.1], abs=0.02)
