"""Where, when and how a request goes on after a failure, and when it ends."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import errors
from pointsman.errors import BY_REASON
from services.router.failover import (
    AGAIN_WHERE_THERE_IS_NO_OTHER,
    Failure,
    GiveUp,
    How,
    Position,
    SwitchMode,
    Track,
    TryModel,
    attempt_failed,
    begin,
)

UNREACHABLE = errors.ProviderUnreachable("refused", metadata={"exception": "ClientConnectorError"})
RESET = errors.ProviderUnreachable("reset", metadata={"exception": "ServerDisconnectedError"})
RATE_LIMITED = errors.ProviderRateLimited("slow down", retry_after_s=30)
BUSY = errors.ProviderUnavailable("503", metadata={"http_status": "503"})
BROKEN = errors.ProviderUnavailable("500", metadata={"http_status": "500"})
CUT = errors.StreamCut("cut")


def play(
    candidates: list[str], happen: list[errors.PointsmanError], attempts: int = 10, seconds: float = 10.0, **where: Any
) -> tuple[list[str], errors.PointsmanError | None]:
    """Lets each attempt fail as told, the attempts after those succeed; returns what was tried and the error at the end."""
    state, action = begin([Track(reference) for reference in candidates])
    tried: list[str] = []
    while isinstance(action, TryModel):
        reference = candidates[action.candidate]
        tried.append(reference)
        attempts -= 1
        if len(tried) > len(happen):
            return tried, None
        failure = Failure(action.candidate, reference, happen[len(tried) - 1], action.how)
        state, action = attempt_failed(state, failure, Position(attempts, seconds, **where))
    return tried, action.error


def after(error: errors.PointsmanError, *tracks: Track, how: How = How.FRESH, **where: Any) -> TryModel | GiveUp:
    """What follows when the first of these candidates fails so."""
    state, _ = begin(tracks)
    position = Position(**({"attempts_left": 5, "seconds_left": 10.0} | where))
    return attempt_failed(state, Failure(0, tracks[0].reference, error, how), position)[1]


A, B, C = Track("a/1"), Track("b/1"), Track("c/1", continues=True)


@given(
    st.lists(st.sampled_from(["a/1", "a/2", "b/1", "b/2", "c/1"]), min_size=1, max_size=5, unique=True),
    st.lists(st.sampled_from(sorted(BY_REASON)), min_size=12, max_size=12),
    st.integers(1, 6),
    st.sampled_from([10.0, 0.0]),
    st.booleans(),
    st.booleans(),
    st.sampled_from(SwitchMode),
)
def test_it_always_ends_within_its_attempts_and_tells_every_one(
    candidates: list[str],
    reasons: list[str],
    attempts: int,
    seconds: float,
    text: bool,
    call: bool,
    mode: SwitchMode,
) -> None:
    happen = [BY_REASON[reason]("as told") for reason in reasons]
    tried, error = play(candidates, happen, attempts, seconds, delivered_text=text, delivered_call=call, mode=mode)
    assert len(tried) <= attempts
    assert max(tried.count(reference) for reference in tried) <= 1 + AGAIN_WHERE_THERE_IS_NO_OTHER
    assert error is not None
    told = [error.metadata[f"attempt_{number}"] for number in range(1, len(tried) + 1)]
    assert [words.split(":")[0] for words in told] == tried


def test_the_next_candidate_is_asked_when_one_fails() -> None:
    assert play(["a/1", "b/1", "c/1"], [RATE_LIMITED]) == (["a/1", "b/1"], None)


def test_a_provider_that_was_not_reached_is_not_asked_for_its_other_models_before_anybody_else() -> None:
    assert play(["a/1", "a/2", "a/3", "b/1"], [UNREACHABLE]) == (["a/1", "b/1"], None)
    assert play(["a/1", "a/2", "b/1"], [UNREACHABLE, RATE_LIMITED]) == (["a/1", "b/1", "a/2"], None)
    assert play(["a/1", "a/2", "b/1"], [RATE_LIMITED]) == (["a/1", "a/2"], None)


@pytest.mark.parametrize("error", [BROKEN, RESET, CUT])
def test_what_may_pass_is_tried_once_more_and_then_elsewhere(error: errors.PointsmanError) -> None:
    assert play(["a/1", "b/1"], [error]) == (["a/1", "a/1"], None)
    assert play(["a/1", "b/1"], [error, error]) == (["a/1", "a/1", "b/1"], None)


@pytest.mark.parametrize(
    "error",
    [BUSY, UNREACHABLE, errors.ProviderCredentials("no"), errors.ProviderSilent("silent"), errors.ContextTooLong("4k")],
)
def test_what_does_not_pass_is_tried_elsewhere_at_once(error: errors.PointsmanError) -> None:
    assert play(["a/1", "b/1"], [error]) == (["a/1", "b/1"], None)


def test_a_short_wait_is_waited_for_and_a_long_one_is_not_where_there_is_another() -> None:
    short = errors.ProviderRateLimited("slow down", retry_after_s=0.8)
    assert after(short, A, B) == TryModel(0, after_s=0.8)
    assert after(short, A, B, seconds_left=2.0) == TryModel(1)
    assert after(RATE_LIMITED, A, B) == TryModel(1)
    assert after(RATE_LIMITED, A, seconds_left=300.0) == TryModel(0, after_s=30)
    assert isinstance(after(RATE_LIMITED, A), GiveUp)


def test_without_a_time_to_wait_the_only_model_is_asked_again_after_longer_and_longer_and_not_for_ever() -> None:
    full = errors.ProviderRateLimited("full")
    assert after(full, A, B) == TryModel(1)
    state, action = begin([A])
    waits = []
    while isinstance(action, TryModel):
        waits.append(action.after_s)
        state, action = attempt_failed(state, Failure(0, "a/1", full), Position(9, 100.0, jitter=0.5))
    assert waits == [0.0, 0.25, 0.5]
    assert after(full, A, jitter=0.0) != after(full, A, jitter=0.9)


@pytest.mark.parametrize(
    "error", [errors.InvalidRequest("no"), errors.ContentRefused("no"), errors.DeadlineExceeded("too late")]
)
def test_what_is_the_requests_own_fault_ends_it(error: errors.PointsmanError) -> None:
    tried, told = play(["a/1", "b/1"], [error])
    assert tried == ["a/1"]
    assert type(told) is type(error)


def test_a_policy_may_let_another_model_answer_what_one_refused() -> None:
    assert after(errors.ContentRefused("no"), A, B, switch_on_refusal=True) == TryModel(1)


def test_what_is_too_long_for_one_goes_to_a_larger_window_and_never_to_a_smaller_one() -> None:
    tracks = [
        Track("a/1", context_tokens=8_000),
        Track("b/1", context_tokens=4_000),
        Track("c/1", context_tokens=8_000),
    ]
    large = Track("d/1", context_tokens=100_000)
    assert after(errors.ContextTooLong("8k"), *tracks, large) == TryModel(3)
    assert after(errors.ContextTooLong("8k"), *tracks) == TryModel(2)
    assert isinstance(after(errors.ContextTooLong("8k"), *tracks[:2]), GiveUp)


def test_what_is_left_of_the_money_decides_who_may_go_on() -> None:
    dear, cheap = Track("b/1", cost_micros=500.0), Track("c/1", cost_micros=100.0)
    assert after(RATE_LIMITED, A, dear, cheap, cost_left_micros=400.0) == TryModel(2)
    assert isinstance(after(RATE_LIMITED, A, dear, cost_left_micros=400.0), GiveUp)


def test_after_text_was_delivered_those_come_first_that_go_on_from_it() -> None:
    assert after(CUT, A, B, C, delivered_text=True) == TryModel(2, How.CONTINUE)
    assert after(CUT, A, B, delivered_text=True) == TryModel(1, How.RESTART)
    assert after(CUT, A, B, C, delivered_text=True, structured=True) == TryModel(1, How.RESTART)


def test_a_far_weaker_model_does_not_end_what_a_good_one_began_unless_nothing_may_be_taken_back() -> None:
    good, near, weak = Track("b/1", quality=0.9), Track("c/1", True, quality=0.85), Track("d/1", True, quality=0.5)
    assert after(CUT, A, good, near, delivered_text=True) == TryModel(2, How.CONTINUE)
    assert after(CUT, A, good, weak, delivered_text=True) == TryModel(1, How.RESTART)
    assert after(CUT, A, good, weak, delivered_text=True, mode=SwitchMode.CONTINUE) == TryModel(2, How.CONTINUE)


@pytest.mark.parametrize("reason", sorted(BY_REASON))
def test_a_client_that_wants_no_switch_and_one_that_has_a_tool_call_get_the_error(reason: str) -> None:
    error = BY_REASON[reason]("cut")
    stays = after(error, A, C, delivered_text=True, mode=SwitchMode.FAIL)
    called = after(error, A, C, delivered_text=True, delivered_call=True)
    for action in (stays, called):
        assert isinstance(action, GiveUp)
        assert action.error.reason.value == reason


@pytest.mark.parametrize("error", [errors.InvalidRequest("no prefill"), errors.NoCapableModel("no prefix")])
def test_who_refuses_the_prefix_begins_anew_if_the_client_lets_it(error: errors.PointsmanError) -> None:
    assert after(error, C, B, how=How.CONTINUE, delivered_text=True) == TryModel(0, How.RESTART)
    only = SwitchMode.CONTINUE
    assert after(error, C, B, how=How.CONTINUE, delivered_text=True, mode=only) == TryModel(1, How.RESTART)


def test_the_last_resort_is_the_model_that_was_cut() -> None:
    assert after(CUT, C, delivered_text=True) == TryModel(0, How.CONTINUE)
    assert after(CUT, A, delivered_text=True) == TryModel(0, How.RESTART)
    assert isinstance(after(errors.ProviderCredentials("no"), A, delivered_text=True), GiveUp)


def test_what_a_second_model_does_not_like_in_mid_answer_is_its_own_quirk() -> None:
    error = errors.InvalidRequest("temperature is out of range")
    assert after(error, A, B, how=How.RESTART, delivered_text=True) == TryModel(1, How.RESTART)


def test_where_all_failed_in_a_way_that_may_pass_what_is_left_of_time_and_attempts_is_used() -> None:
    full = errors.ProviderRateLimited("full")
    assert play(["a/1", "b/1"], [errors.ProviderProtocol("bad"), full], seconds=60.0) == (["a/1", "b/1", "b/1"], None)
    tried, error = play(["a/1", "b/1"], [BUSY, full, BUSY, full, BUSY], seconds=60.0)
    assert tried[:2] == ["a/1", "b/1"]
    assert len(tried) > 3
    assert isinstance(error, errors.AllCandidatesUnavailable)


def test_a_model_whose_circuit_opened_meanwhile_is_not_asked_again() -> None:
    rests: dict[str, Any] = {"resting": frozenset({0})}
    assert after(CUT, A, B, **rests) == TryModel(1)
    assert isinstance(after(CUT, A, **rests), GiveUp)
    assert isinstance(after(CUT, A, delivered_text=True, **rests), GiveUp)
    assert after(BUSY, A, B, C, resting=frozenset({1})) == TryModel(2)


def test_several_failures_are_told_together_with_the_shortest_wait() -> None:
    _, error = play(["a/1", "b/1"], [errors.ProviderRateLimited("full", retry_after_s=70), RATE_LIMITED])
    assert isinstance(error, errors.AllCandidatesUnavailable)
    assert error.retry_after_s == 30
    assert error.metadata == {
        "attempt_1": "a/1: ERROR_REASON_PROVIDER_RATE_LIMITED: full",
        "attempt_2": "b/1: ERROR_REASON_PROVIDER_RATE_LIMITED: slow down",
    }
    assert error.message.startswith("all 2 attempts failed: a/1: ")


def test_one_failure_speaks_for_itself() -> None:
    _, error = play(["a/1"], [RATE_LIMITED])
    assert isinstance(error, errors.ProviderRateLimited)
    assert (error.message, error.retry_after_s) == ("slow down", 30)


def test_a_prompt_that_is_too_long_everywhere_is_told_as_that() -> None:
    _, error = play(["a/1", "b/1"], [errors.ContextTooLong("4k"), errors.ContextTooLong("8k")])
    assert isinstance(error, errors.ContextTooLong)
    assert set(error.metadata) == {"attempt_1", "attempt_2"}


def test_without_time_or_attempts_nothing_more_is_tried() -> None:
    late = after(UNREACHABLE, A, B, seconds_left=0.0)
    assert isinstance(late, GiveUp)
    assert isinstance(late.error, errors.DeadlineExceeded)
    assert "a/1: ERROR_REASON_PROVIDER_UNREACHABLE: refused" in late.error.message
    assert isinstance(after(UNREACHABLE, A, B, attempts_left=0), GiveUp)
