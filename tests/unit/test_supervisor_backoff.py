"""How long a service that died waits."""

from hypothesis import given
from hypothesis import strategies as st

from pointsman.supervisor.backoff import Backoff, BackoffLimits

LIMITS = BackoffLimits(first_s=0.5, factor=2.0, most_s=3.0, forgiven_after_s=30.0)


def waits(lives_s: list[float], limits: BackoffLimits = LIMITS) -> list[float]:
    """What a service waits that lives so long each time."""
    backoff, now_s, waited = Backoff(limits), 100.0, []
    for life_s in lives_s:
        backoff.started(now_s)
        now_s += life_s
        waited.append(backoff.died(now_s))
        now_s += waited[-1]
    return waited


def test_each_wait_is_longer_up_to_the_most() -> None:
    assert waits([0.1] * 5) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_service_that_lived_long_enough_starts_over() -> None:
    assert waits([0.1, 0.1, 0.1, 30.0, 0.1]) == [0.5, 1.0, 2.0, 0.5, 1.0]


def test_one_that_lived_a_little_too_short_does_not() -> None:
    assert waits([0.1, 29.9]) == [0.5, 1.0]


@given(st.lists(st.floats(0, 100), max_size=20))
def test_waits_stay_within_their_limits(lives_s: list[float]) -> None:
    waited = waits(lives_s)
    assert all(LIMITS.first_s <= wait_s <= LIMITS.most_s for wait_s in waited)
    assert waited[:1] in ([], [LIMITS.first_s])
