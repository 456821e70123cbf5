"""How long text gathers, by the number of streams."""

from itertools import pairwise

import pytest

from services.providers.pace import STEP_S, gathering_s

LONGEST_S = 0.05


def test_a_few_streams_are_not_held_back() -> None:
    assert all(gathering_s(count, LONGEST_S, 0.003) == 0.0 for count in range(1, 5))


def test_a_wait_grows_with_the_streams_up_to_the_longest() -> None:
    waits = [gathering_s(count, LONGEST_S, 0.0) for count in range(1, 1_000)]
    assert all(earlier <= later for earlier, later in pairwise(waits))
    assert max(waits) == pytest.approx(LONGEST_S)


def test_all_streams_read_at_the_same_moments() -> None:
    moments = {round(now_s + gathering_s(64, LONGEST_S, now_s), 6) for now_s in (7.001, 7.01, 7.02, 7.049)}
    assert moments == {7.05}


@pytest.mark.parametrize("longest_s", [0.0, 0.009])
def test_an_operator_can_turn_it_off(longest_s: float) -> None:
    assert all(gathering_s(count, longest_s, 0.003) == 0.0 for count in range(1, 1_000))


@pytest.mark.parametrize("longest_s", [0.010, 0.025, 0.3])
def test_nothing_waits_longer_than_the_operator_allows(longest_s: float) -> None:
    waits = [gathering_s(count, longest_s, now_s) for count in range(1, 200) for now_s in (0.0, 0.004, 12.34)]
    assert max(waits) <= longest_s + 1e-9
    assert max(waits) > longest_s - STEP_S
