"""How likely a model of some ability is right."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman.response import Chances, chances_of, response

INNER = st.floats(0.02, 0.98)
ABILITIES = st.floats(-5, 7)


@given(INNER, INNER, INNER)
def test_a_prompt_that_better_models_do_better_at_gets_the_classifiers_own_chances(
    a: float, b: float, c: float
) -> None:
    chances = Chances(*sorted((a, b, c)))
    line = response(chances)
    assert [line.probability(ability) for ability in (0.0, 0.4, 1.0)] == pytest.approx(list(chances))


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.lists(ABILITIES, min_size=2))
def test_more_ability_never_makes_an_answer_less_likely_to_be_right(
    a: float, b: float, c: float, abilities: list[float]
) -> None:
    line = response(Chances(a, b, c))
    found = [line.probability(ability) for ability in sorted(abilities)]
    assert all(0 < p < 1 for p in found)
    assert all(later >= earlier - 1e-12 for earlier, later in pairwise(found))


def test_a_frontier_model_that_is_said_to_be_worse_counts_as_equal() -> None:
    line = response(Chances(0.9, 0.9, 0.5))
    assert line.probability(0.0) == pytest.approx(line.probability(1.0))
    assert 0.5 < line.probability(1.0) < 0.9


@given(st.floats(0, 1))
def test_a_complexity_alone_is_the_gap_between_the_ends(complexity: float) -> None:
    small, medium, frontier = chances_of(complexity)
    assert small <= medium <= frontier
    assert frontier - small == pytest.approx(0.95 * complexity)


def test_what_lies_beyond_the_scale_goes_on_a_little() -> None:
    line = response(Chances(0.3, 0.5, 0.8))
    assert line.probability(-0.5) < 0.3
    assert line.probability(1.4) > 0.8
    assert line.probability(7.0) == line.probability(4.0)
