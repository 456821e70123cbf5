"""The window counts each record once, where it belongs in time, and lets go of what is over."""

import math
from collections import Counter
from itertools import count

from hypothesis import given
from hypothesis import strategies as st

from services.telemetry.recent_set import RecentSet
from services.telemetry.records import Attempt, ModelKey, Outcome, Record
from services.telemetry.sketch import RELATIVE_ERROR
from services.telemetry.window import SLOTS, Window

WINDOW_S = 60.0
SLOT_S = WINDOW_S / SLOTS
M: ModelKey = ("p", "m")
_identities = count(1)


def attempt(
    model: ModelKey = M,
    outcome: Outcome = Outcome.SUCCEEDED,
    *,
    failure: str = "",
    first_token_s: float | None = 0.2,
    tokens_per_second: float | None = 100.0,
    total_s: float | None = 1.0,
) -> Attempt:
    return Attempt(model, outcome, failure, first_token_s, tokens_per_second, total_s, 10, 5, 3)


FAILED = attempt(outcome=Outcome.FAILED, failure="LATE", first_token_s=None, tokens_per_second=None, total_s=None)
CANCELLED = attempt(outcome=Outcome.CANCELLED, total_s=None)


def record(*attempts: Attempt, age_s: float = 0.0, identity: int | None = None) -> Record:
    return Record(next(_identities) if identity is None else identity, age_s, attempts)


def window(now_s: float = 0.0, *, max_models: int = 10, max_requests: int = 1_000) -> Window:
    return Window(WINDOW_S, now_s, max_models=max_models, max_requests=max_requests)


def attempts_of(shown: Window, now_s: float) -> dict[ModelKey, int]:
    return {key: tally.attempts for key, tally in shown.picture(now_s).models.items()}


def test_every_figure_of_a_model_adds_up() -> None:
    shown = window()
    shown.add(record(FAILED, attempt(first_token_s=0.4)), 1.0)
    shown.add(record(CANCELLED), 20.0)
    shown.add(record(attempt(("p", "other"))), 20.0)
    tally = shown.picture(30.0).models[M]
    assert (tally.attempts, tally.failures, tally.cancelled) == (3, 1, 1)
    assert (tally.input_tokens, tally.output_tokens, tally.cost_micros) == (30, 15, 9)
    assert tally.failures_by_reason == {"LATE": 1}
    # A cancelled attempt that came to a first token says how long that took, not how long an answer takes.
    assert (tally.first_token_s.count, tally.tokens_per_second.count, tally.total_s.count) == (2, 2, 1)
    low, high = tally.first_token_s.quantiles([0.0, 1.0])
    assert math.isclose(low, 0.2, rel_tol=RELATIVE_ERROR) and math.isclose(high, 0.4, rel_tol=RELATIVE_ERROR)


def test_a_silent_model_falls_out_slot_by_slot() -> None:
    shown = window()
    shown.add(record(attempt()), 1.0)
    shown.add(record(attempt()), 31.0)
    assert attempts_of(shown, 59.9) == {M: 2}
    assert attempts_of(shown, 60.1) == {M: 1}
    assert attempts_of(shown, 91.0) == {}


def test_a_picture_that_was_taken_does_not_change() -> None:
    shown = window()
    shown.add(record(attempt()), 1.0)
    before = shown.picture(1.0)
    shown.add(record(attempt()), 1.0)
    assert before.models[M].attempts == 1


def test_a_record_counts_once_however_often_it_is_reported() -> None:
    shown = window()
    for _ in range(3):
        shown.add(record(attempt(), identity=7), 1.0)
    assert attempts_of(shown, 1.0) == {M: 1}
    assert shown.duplicates == 2


def test_a_record_that_waited_counts_for_when_it_ended() -> None:
    shown = window(1_000.0)
    shown.add(record(attempt(), age_s=50.0), 1_000.0)
    assert attempts_of(shown, 1_000.0) == {M: 1}
    assert shown.picture(1_000.0).covered_s == 50.0
    assert attempts_of(shown, 1_010.1) == {}


def test_a_record_from_before_the_window_does_not_count() -> None:
    shown = window(1_000.0)
    shown.add(record(attempt(), age_s=61.0), 1_000.0)
    assert attempts_of(shown, 1_000.0) == {}
    assert (shown.late, shown.duplicates) == (1, 0)


def test_a_record_from_the_future_counts_as_now() -> None:
    shown = window()
    shown.add(record(attempt(), age_s=-3_600.0), 1.0)
    assert attempts_of(shown, 59.0) == {M: 1}
    assert attempts_of(shown, 61.0) == {}


def test_a_clock_that_leaps_ahead_empties_the_window_and_it_goes_on() -> None:
    shown = window()
    shown.add(record(attempt()), 1.0)
    assert attempts_of(shown, 1e9) == {}
    shown.add(record(attempt()), 1e9)
    assert attempts_of(shown, 1e9 + 1) == {M: 1}


def test_a_clock_that_goes_back_moves_nothing() -> None:
    shown = window(1_000.0)
    shown.add(record(attempt()), 1_000.0)
    shown.add(record(attempt()), 10.0)
    assert attempts_of(shown, 0.0) == {M: 2}
    assert shown.picture(0.0).covered_s == 0.0


def test_it_says_how_much_time_its_figures_cover() -> None:
    shown = window(100.0)
    assert shown.picture(107.0).covered_s == 7.0
    assert WINDOW_S - SLOT_S <= shown.picture(500.0).covered_s <= WINDOW_S


def test_models_beyond_its_room_are_counted_and_the_silent_make_room() -> None:
    shown = window(max_models=2)
    shown.add(record(*(attempt(("p", str(n))) for n in range(5))), 1.0)
    shown.add(record(attempt(("p", "1"))), 31.0)
    assert attempts_of(shown, 31.0) == {("p", "0"): 1, ("p", "1"): 2}
    assert shown.unplaced(31.0) == 3
    shown.add(record(attempt(("p", "4"))), 61.0)
    assert attempts_of(shown, 61.0) == {("p", "1"): 1, ("p", "4"): 1}
    assert shown.unplaced(61.0) == 0


STEPS = st.lists(st.tuples(st.floats(0, 30), st.floats(0, 80), st.sampled_from("abc"), st.integers(0, 20)), max_size=60)


@given(STEPS)
def test_it_counts_as_a_plain_list_of_all_records_would(steps: list[tuple[float, float, str, int]]) -> None:
    shown, kept, seen, now_s = window(max_models=3), list[tuple[int, ModelKey]](), set[int](), 0.0
    for pause_s, age_s, name, identity in steps:
        now_s += pause_s
        shown.add(record(attempt(("p", name)), age_s=age_s, identity=identity), now_s)
        slot = math.floor((now_s - age_s) / SLOT_S)
        if identity not in seen and slot > math.floor(now_s / SLOT_S) - SLOTS:
            kept.append((slot, ("p", name)))
        seen.add(identity)
        newest = math.floor(now_s / SLOT_S)
        assert attempts_of(shown, now_s) == Counter(key for slot, key in kept if slot > newest - SLOTS)


@given(st.lists(st.integers(0, 30), max_size=200), st.integers(1, 10))
def test_the_newest_requests_are_remembered_in_bounded_memory(identities: list[int], capacity: int) -> None:
    recent, new = RecentSet(capacity), list[int]()
    for identity in identities:
        # What is among the newest `capacity` is known; what is beyond twice as many is forgotten.
        if identity in new[-capacity:]:
            assert not recent.add(identity)
        elif identity not in new[-2 * capacity :]:
            assert recent.add(identity)
            new.append(identity)
        elif recent.add(identity):
            new.append(identity)
        assert len(recent) <= 2 * capacity
