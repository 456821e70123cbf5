"""One request's time and attempts."""

from hypothesis import given
from hypothesis import strategies as st

from services.router.budget import Budget, tells_of_the_model

SECONDS = st.floats(0, 1_000)


@given(SECONDS, SECONDS, SECONDS, st.integers(0, 5), st.booleans())
def test_no_wait_is_longer_than_the_time_left_or_the_limit(
    deadline_s: float, now_s: float, limit_s: float, attempts: int, others: bool
) -> None:
    budget = Budget(deadline_s, attempts)
    wait_s = budget.first_token_limit_s(now_s, limit_s, others=others)
    assert 0 <= wait_s <= min(limit_s, budget.remaining_s(now_s))


def test_a_candidate_that_is_not_the_last_leaves_half_of_the_time() -> None:
    assert Budget(10.0, 2).first_token_limit_s(0.0, 30.0, others=True) == 5.0
    assert Budget(10.0, 2).first_token_limit_s(0.0, 30.0, others=False) == 9.5
    assert Budget(10.0, 1).first_token_limit_s(0.0, 30.0, others=True) == 9.5
    assert Budget(10.0, 2).first_token_limit_s(0.0, 2.0, others=True) == 2.0


def test_time_runs_out_at_nothing() -> None:
    assert Budget(10.0, 1).remaining_s(4.0) == 6.0
    assert Budget(10.0, 1).remaining_s(11.0) == 0.0


def test_attempts_are_spent_one_by_one() -> None:
    assert Budget(10.0, 3).spend_attempt().spend_attempt() == Budget(10.0, 1)


def test_silence_tells_of_a_model_that_had_its_time() -> None:
    assert tells_of_the_model(30.0, configured_s=30.0, usual_s=20.0)
    assert tells_of_the_model(2.0, configured_s=30.0, usual_s=1.0)
    assert not tells_of_the_model(1.9, configured_s=30.0, usual_s=1.0)
    assert not tells_of_the_model(0.05, configured_s=30.0, usual_s=0.4)
