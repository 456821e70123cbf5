"""What the router remembers of a model, and how it forgets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.observed import HALF_LIFE_S, Observed

FIGURES = st.floats(0.01, 100)


def seen(*outcomes: bool, at_s: float = 0.0) -> Observed:
    """A model whose attempts failed (True) or went well, with a first token after 1 s and 50 tokens a second."""
    observed = Observed()
    for failed in outcomes:
        observed.add(at_s, failed=failed, first_token_s=1.0, tokens_per_second=50.0)
    return observed


@given(st.lists(st.tuples(st.booleans(), FIGURES, FIGURES, st.floats(0, 60)), min_size=1, max_size=30))
def test_averages_stay_within_what_was_seen_and_failures_within_attempts(
    calls: list[tuple[bool, float, float, float]],
) -> None:
    observed, now_s = Observed(), 0.0
    for failed, first_token_s, tokens_per_second, later_s in calls:
        now_s += later_s
        observed.add(now_s, failed=failed, first_token_s=first_token_s, tokens_per_second=tokens_per_second)
        assert 0 <= observed.failures <= observed.attempts
    assert observed.first_token_s is not None and observed.tokens_per_second is not None
    assert min(c[1] for c in calls) - 1e-9 <= observed.first_token_s <= max(c[1] for c in calls) + 1e-9
    assert min(c[2] for c in calls) - 1e-9 <= observed.tokens_per_second <= max(c[2] for c in calls) + 1e-9


def test_counts_halve_with_the_half_life() -> None:
    observed = seen(True, True, False, False)
    observed.fade(HALF_LIFE_S)
    assert (observed.attempts, observed.failures) == (2.0, 1.0)


def test_a_clock_that_stands_still_changes_nothing() -> None:
    observed = seen(True)
    observed.fade(0.0)
    assert (observed.attempts, observed.failures) == (1.0, 1.0)


def test_new_figures_move_the_average_step_by_step() -> None:
    observed = seen(False)
    observed.add(0.0, failed=False, first_token_s=5.0, tokens_per_second=None)
    assert observed.first_token_s == pytest.approx(2.0)
    assert observed.tokens_per_second == 50.0


def test_a_call_without_a_first_token_leaves_the_averages_alone() -> None:
    observed = seen(False)
    observed.add(0.0, failed=True, first_token_s=None, tokens_per_second=None)
    assert (observed.first_token_s, observed.failures) == (1.0, 1.0)


def test_a_model_that_was_slow_long_ago_gets_another_chance() -> None:
    remembered, forgotten = seen(False), seen(False)
    remembered.fade(3 * HALF_LIFE_S)
    forgotten.fade(10 * HALF_LIFE_S)
    assert (remembered.first_token_s, remembered.tokens_per_second) == (1.0, 50.0)
    assert (forgotten.first_token_s, forgotten.tokens_per_second) == (None, None)
