"""Where a request goes on after a failure, and when it ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pointsman import errors
from pointsman.errors import BY_REASON
from services.router.failover import Failure, GiveUp, State, TryModel, attempt_failed, begin

UNREACHABLE, RATE_LIMITED = (
    errors.ProviderUnreachable("refused"),
    errors.ProviderRateLimited("slow down", retry_after_s=2),
)


def play(
    candidates: list[str], happen: list[errors.PointsmanError], attempts: int = 10, seconds: float = 10.0
) -> tuple[list[str], errors.PointsmanError | None]:
    """Lets each attempt fail as told, the attempts after those succeed; returns what was tried and the error at the end."""
    state, action = begin(candidates)
    tried: list[str] = []
    while isinstance(action, TryModel):
        reference = candidates[action.candidate]
        tried.append(reference)
        attempts -= 1
        if len(tried) > len(happen):
            return tried, None
        failure = Failure(action.candidate, reference, happen[len(tried) - 1])
        state, action = attempt_failed(state, failure, delivered=False, attempts_left=attempts, seconds_left=seconds)
    return tried, action.error


@given(
    st.lists(st.sampled_from(["a/1", "a/2", "b/1", "b/2", "c/1"]), min_size=1, max_size=5, unique=True),
    st.lists(st.sampled_from(sorted(BY_REASON)), min_size=6, max_size=6),
    st.integers(1, 6),
    st.sampled_from([10.0, 0.0]),
)
def test_it_always_ends_within_its_attempts_and_never_tries_a_model_twice(
    candidates: list[str], reasons: list[str], attempts: int, seconds: float
) -> None:
    happen = [BY_REASON[reason]("as told") for reason in reasons]
    tried, error = play(candidates, happen, attempts, seconds)
    assert len(tried) == len(set(tried)) <= min(attempts, len(candidates))
    assert error is not None
    told = [error.metadata[f"attempt_{number}"] for number in range(1, len(tried) + 1)]
    assert [words.split(":")[0] for words in told] == tried


def test_the_next_candidate_is_asked_when_one_fails() -> None:
    assert play(["a/1", "b/1", "c/1"], [RATE_LIMITED]) == (["a/1", "b/1"], None)


def test_a_provider_that_was_not_reached_is_not_asked_for_its_other_models_before_anybody_else() -> None:
    assert play(["a/1", "a/2", "a/3", "b/1"], [UNREACHABLE]) == (["a/1", "b/1"], None)
    assert play(["a/1", "a/2", "b/1"], [UNREACHABLE, RATE_LIMITED]) == (["a/1", "b/1", "a/2"], None)
    assert play(["a/1", "a/2", "b/1"], [RATE_LIMITED]) == (["a/1", "a/2"], None)


@pytest.mark.parametrize(
    "error", [errors.InvalidRequest("no"), errors.ContentRefused("no"), errors.DeadlineExceeded("too late")]
)
def test_what_is_the_requests_own_fault_ends_it(error: errors.PointsmanError) -> None:
    tried, told = play(["a/1", "b/1"], [error])
    assert tried == ["a/1"]
    assert type(told) is type(error)


@pytest.mark.parametrize("reason", sorted(BY_REASON))
def test_after_text_was_delivered_nothing_goes_on_elsewhere(reason: str) -> None:
    failure = Failure(0, "a/1", BY_REASON[reason]("cut"))
    state, first = begin(["a/1", "b/1"])
    _, action = attempt_failed(state, failure, delivered=True, attempts_left=2, seconds_left=10)
    assert first == TryModel(0)
    assert isinstance(action, GiveUp)
    assert action.error.reason.value == reason


def test_several_failures_are_told_together_with_the_shortest_wait() -> None:
    _, error = play(["a/1", "b/1"], [errors.ProviderRateLimited("full", retry_after_s=7), RATE_LIMITED])
    assert isinstance(error, errors.AllCandidatesUnavailable)
    assert error.retry_after_s == 2
    assert error.metadata == {
        "attempt_1": "a/1: ERROR_REASON_PROVIDER_RATE_LIMITED: full",
        "attempt_2": "b/1: ERROR_REASON_PROVIDER_RATE_LIMITED: slow down",
    }
    assert error.message.startswith("all 2 attempts failed: a/1: ")


def test_one_failure_speaks_for_itself() -> None:
    _, error = play(["a/1"], [RATE_LIMITED])
    assert isinstance(error, errors.ProviderRateLimited)
    assert (error.message, error.retry_after_s) == ("slow down", 2)


def test_a_prompt_that_is_too_long_everywhere_is_told_as_that() -> None:
    _, error = play(["a/1", "b/1"], [errors.ContextTooLong("4k"), errors.ContextTooLong("8k")])
    assert isinstance(error, errors.ContextTooLong)
    assert set(error.metadata) == {"attempt_1", "attempt_2"}


def test_without_time_nothing_more_is_tried() -> None:
    state = State(("a/1", "b/1"))
    _, action = attempt_failed(
        state, Failure(0, "a/1", UNREACHABLE), delivered=False, attempts_left=5, seconds_left=0.0
    )
    assert isinstance(action, GiveUp)
    assert isinstance(action.error, errors.DeadlineExceeded)
    assert "a/1: ERROR_REASON_PROVIDER_UNREACHABLE: refused" in action.error.message
