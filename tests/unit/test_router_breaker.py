"""A model that only fails is left alone, and comes back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.router.breaker import (
    ENOUGH_CALLS,
    IN_A_ROW,
    OPEN_FIRST_S,
    OPEN_MOST_S,
    PROBE_S,
    RAMP_STEP_S,
    Breaker,
    State,
)


def opened() -> Breaker:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        breaker.ended(0.0, failed=True)
    return breaker


def test_so_many_failures_in_a_row_open_it_and_one_fewer_does_not() -> None:
    breaker = Breaker()
    for _ in range(IN_A_ROW - 1):
        breaker.ended(0.0, failed=True)
    assert (breaker.state(0.0), breaker.refusal(0.0)) == (State.CLOSED, "")
    breaker.ended(0.0, failed=True)
    assert breaker.state(0.0) is State.OPEN
    assert breaker.refusal(1.0) == f"it failed too often; it is tried again in {OPEN_FIRST_S - 1:.0f} s"


def test_a_share_of_failures_opens_it_even_where_some_calls_go_well() -> None:
    breaker = Breaker()
    for number in range(ENOUGH_CALLS):
        breaker.ended(float(number), failed=number % 2 == 1)
    assert breaker.state(9.0) is State.OPEN


def test_failures_long_ago_do_not_count() -> None:
    breaker = Breaker()
    for number in range(20):
        breaker.ended(number * 20.0, failed=number % 4 == 3)
    assert breaker.state(400.0) is State.CLOSED


def test_after_a_while_one_probe_goes_through_and_closes_it_if_it_goes_well() -> None:
    breaker = opened()
    assert not breaker.begin(OPEN_FIRST_S - 0.1)
    assert breaker.begin(OPEN_FIRST_S)
    assert breaker.refusal(OPEN_FIRST_S + 1) == "it failed too often; one request tries it now"
    breaker.ended(OPEN_FIRST_S + 2, failed=False)
    assert (breaker.state(OPEN_FIRST_S + 2), breaker.refusal(OPEN_FIRST_S + 2)) == (State.RECOVERING, "")


def recovering() -> tuple[Breaker, float]:
    """A circuit whose probe went well just now."""
    breaker = opened()
    breaker.begin(OPEN_FIRST_S)
    breaker.ended(OPEN_FIRST_S, failed=False)
    return breaker, OPEN_FIRST_S


def test_a_model_that_comes_back_gets_more_and_more_of_the_requests() -> None:
    breaker, now_s = recovering()
    shares = [breaker.share(now_s + step * RAMP_STEP_S) for step in range(4)]
    assert shares == [0.10, 0.25, 0.50, 1.0]
    assert breaker.state(now_s + 3 * RAMP_STEP_S) is State.CLOSED


def test_one_failure_while_it_recovers_opens_it_again_for_longer() -> None:
    breaker, now_s = recovering()
    breaker.ended(now_s + 1, failed=True)
    assert breaker.state(now_s + 1) is State.OPEN
    assert breaker.state(now_s + 1 + 2 * OPEN_FIRST_S - 0.1) is State.OPEN
    assert breaker.state(now_s + 1 + 2 * OPEN_FIRST_S) is State.HALF_OPEN


def test_once_it_is_well_the_next_outage_begins_with_a_short_wait_again() -> None:
    breaker, now_s = recovering()
    now_s += 100.0
    breaker.ended(now_s, failed=False)
    for _ in range(IN_A_ROW):
        breaker.ended(now_s, failed=True)
    assert breaker.state(now_s + OPEN_FIRST_S) is State.HALF_OPEN


def test_each_probe_that_fails_doubles_the_time_up_to_a_bound() -> None:
    breaker, now_s, waits = opened(), 0.0, []
    for _ in range(6):
        wait_s = next(s for s in range(1, 100) if breaker.state(now_s + s) is State.HALF_OPEN)
        waits.append(wait_s)
        now_s += wait_s
        assert breaker.begin(now_s)
        breaker.ended(now_s, failed=True)
    assert waits == [5, 10, 20, 40, 60, 60]


def test_a_provider_may_ask_for_more_time_but_not_for_ever() -> None:
    breaker = Breaker()
    for _ in range(IN_A_ROW):
        breaker.ended(0.0, failed=True, retry_after_s=30.0)
    assert breaker.state(29.0) is State.OPEN
    assert breaker.state(30.0) is State.HALF_OPEN
    breaker.ended(30.0, failed=True, retry_after_s=1e6)
    assert breaker.state(30.0 + OPEN_MOST_S) is State.HALF_OPEN


def test_a_probe_that_nobody_ends_does_not_block_for_ever() -> None:
    breaker = opened()
    assert breaker.begin(OPEN_FIRST_S)
    assert breaker.refusal(OPEN_FIRST_S + PROBE_S - 1)
    assert not breaker.refusal(OPEN_FIRST_S + PROBE_S)
    assert breaker.begin(OPEN_FIRST_S + PROBE_S)
    breaker.let_go()
    assert not breaker.refusal(OPEN_FIRST_S + PROBE_S)


@pytest.mark.parametrize("late_failed", [True, False])
def test_a_call_that_ends_after_it_opened_changes_nothing(late_failed: bool) -> None:
    breaker = opened()
    breaker.ended(1.0, failed=late_failed)
    assert breaker.state(OPEN_FIRST_S - 0.1) is State.OPEN
    assert breaker.state(OPEN_FIRST_S) is State.HALF_OPEN


@given(st.lists(st.tuples(st.floats(0, 20), st.sampled_from(["begin", "good", "bad", "left"])), max_size=80))
def test_while_it_is_not_closed_at_most_one_call_is_let_through_at_a_time(steps: list[tuple[float, str]]) -> None:
    breaker, now_s, probes = Breaker(), 0.0, 0
    began_s = 0.0
    for wait_s, what in steps:
        now_s += wait_s
        if what == "begin" and not breaker.refusal(now_s):
            closed = breaker.state(now_s) in (State.CLOSED, State.RECOVERING)
            if breaker.begin(now_s):
                assert not closed
                assert probes == 0 or now_s - began_s >= PROBE_S
                probes, began_s = 1, now_s
        elif what in ("good", "bad") and (probes or breaker.state(now_s) in (State.CLOSED, State.RECOVERING)):
            breaker.ended(now_s, failed=what == "bad")
            probes = 0
        elif what == "left" and probes:
            breaker.let_go()
            probes = 0
        assert bool(breaker.refusal(now_s)) <= (breaker.state(now_s) is not State.CLOSED)
