"""How long text gathers, by the number of streams."""

from itertools import pairwise

from services.providers.pace import FRAMES_PER_SECOND, SHORTEST_S, gathering_s

LONGEST_S = 0.05


def test_few_streams_are_not_held_back() -> None:
    assert all(gathering_s(count, LONGEST_S) == 0.0 for count in range(1, 6))


def test_a_wait_grows_with_the_streams_up_to_the_longest() -> None:
    waits = [gathering_s(count, LONGEST_S) for count in range(1, 1_000)]
    assert all(earlier <= later for earlier, later in pairwise(waits))
    assert max(waits) == LONGEST_S
    assert all(wait == 0.0 or wait >= SHORTEST_S for wait in waits)


def test_all_streams_together_stay_below_the_rate_until_the_longest_wait() -> None:
    for count in (8, 16, 24):
        assert 0.0 < gathering_s(count, LONGEST_S) < LONGEST_S
        assert count / gathering_s(count, LONGEST_S) <= FRAMES_PER_SECOND * 1.001


def test_an_operator_can_turn_it_off() -> None:
    assert all(gathering_s(count, 0.0) == 0.0 for count in range(1, 1_000))
