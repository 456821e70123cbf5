"""What a router remembers of requests past: sessions, repeated prompts, and what copies may still cost."""

from hypothesis import given
from hypothesis import strategies as st

from services.router.allowance import Allowance
from services.router.candidates import Last
from services.router.repeats import AGAIN_WITHIN_S, Repeats
from services.router.sessions import Sessions


def test_a_session_knows_who_answered_last_for_as_long_as_caches_last() -> None:
    sessions = Sessions(limit=10, kept_s=300.0)
    sessions.served(7, "p/a", 900, now_s=0.0)
    sessions.served(7, "p/b", 1_200, now_s=100.0)
    assert sessions.last(7, now_s=399.0) == Last("p/b", 1_200)
    assert sessions.last(7, now_s=401.0) == Last()
    assert sessions.last(8, now_s=100.0) == Last()


def test_requests_without_a_session_are_not_remembered() -> None:
    sessions = Sessions(limit=10, kept_s=300.0)
    sessions.served(0, "p/a", 900, now_s=0.0)
    assert len(sessions) == 0
    assert sessions.last(0, now_s=0.0) == Last()


def test_the_oldest_session_makes_room() -> None:
    sessions = Sessions(limit=3, kept_s=300.0)
    for session in (1, 2, 3, 1, 4):
        sessions.served(session, "p/a", 1, now_s=0.0)
    assert [bool(sessions.last(s, 0.0).reference) for s in (1, 2, 3, 4)] == [True, False, True, True]


def test_the_same_prompt_of_the_same_caller_is_a_retry_of_the_last_one() -> None:
    repeats = Repeats()
    assert repeats.earlier("ann", b"why?", "r1", 0.0) == ""
    assert repeats.earlier("ann", b"why?", "r2", 10.0) == "r1"
    assert repeats.earlier("ann", b"why?", "r3", 20.0) == "r2"
    assert repeats.earlier("bob", b"why?", "r4", 20.0) == ""
    assert repeats.earlier("ann", b"how?", "r5", 20.0) == ""
    assert repeats.earlier("ann", b"why?", "r6", 21.0 + AGAIN_WITHIN_S) == ""


def test_a_request_sent_twice_under_one_id_is_no_retry_of_itself() -> None:
    repeats = Repeats()
    repeats.earlier("", b"why?", "r1", 0.0)
    assert repeats.earlier("", b"why?", "r1", 1.0) == ""


def test_only_so_many_prompts_are_remembered() -> None:
    repeats = Repeats(limit=2)
    for number, prompt in enumerate((b"a", b"b", b"c")):
        repeats.earlier("", prompt, f"r{number}", 0.0)
    assert repeats.earlier("", b"a", "r9", 1.0) == ""
    assert repeats.earlier("", b"c", "r9", 1.0) == "r2"


@given(st.lists(st.tuples(st.floats(0, 50), st.floats(0, 4_000)), max_size=50))
def test_an_allowance_never_gives_more_than_it_holds_and_fills(takes: list[tuple[float, float]]) -> None:
    allowance, now_s, taken = Allowance(100.0, 0.0), 0.0, 0.0
    for amount, wait_s in takes:
        now_s += wait_s
        if allowance.take(amount, now_s):
            taken += amount
    assert taken <= 100.0 + 100.0 * now_s / 3_600 + 1e-6


def test_what_a_copy_cost_in_the_end_counts() -> None:
    allowance = Allowance(100.0, 0.0)
    assert allowance.take(40.0, 0.0)
    allowance.settle(40.0, 95.0)
    assert not allowance.take(10.0, 0.0)
    assert allowance.take(10.0, 360.0)


def test_a_clock_that_goes_back_fills_nothing() -> None:
    allowance = Allowance(100.0, 3_600.0)
    assert allowance.take(100.0, 3_600.0)
    assert not allowance.take(1.0, 0.0)
    assert not allowance.take(1.0, 3_600.0)
