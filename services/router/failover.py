"""Whether and where a request goes on after an attempt failed. Pure: a state and an event in, a state and an action out.

Begin ──────────────> TryModel(0)
AttemptFailed ──┬───> TryModel(next)   nothing delivered, another model may do better, budget left
                └───> GiveUp(error)    text delivered, the caller's own fault, or nothing left to try
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pointsman import errors

# What another model cannot mend: the request itself is at fault.
CALLERS_FAULT: tuple[type[errors.PointsmanError], ...] = (
    errors.InvalidRequest,
    errors.ContentRefused,
    errors.DeadlineExceeded,
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that failed: `candidate` is its index in the ranking."""

    candidate: int
    reference: str
    error: errors.PointsmanError

    @property
    def words(self) -> str:
        """`provider/model: REASON: words`, for the error that tells every attempt."""
        return f"{self.reference}: {self.error.reason.value}: {self.error.message}"


@dataclass(frozen=True, slots=True)
class State:
    """`candidates` are the ranked models' references, `provider/model`, best first; `failures` what was tried so far."""

    candidates: tuple[str, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class TryModel:
    """Start an attempt at the candidate with this index."""

    candidate: int


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the request with this error."""

    error: errors.PointsmanError


Action = TryModel | GiveUp


def begin(candidates: Sequence[str]) -> tuple[State, Action]:
    """The first step; there is at least one candidate."""
    assert candidates
    return State(tuple(candidates)), TryModel(0)


def attempt_failed(
    state: State, failure: Failure, *, delivered: bool, attempts_left: int, seconds_left: float
) -> tuple[State, Action]:
    """The step after a failure; `delivered` says whether the client has seen any of the answer."""
    state = replace(state, failures=(*state.failures, failure))
    error = failure.error
    if delivered or isinstance(error, CALLERS_FAULT):
        return state, GiveUp(_with_attempts(error, state.failures))
    if seconds_left <= 0:
        return state, GiveUp(_told("the request's time ran out", state.failures, errors.DeadlineExceeded))
    following = _following(state)
    if following is not None and attempts_left > 0:
        return state, TryModel(following)
    return state, GiveUp(_exhausted(state.failures))


def _following(state: State) -> int | None:
    """The best candidate that was not tried; other models of a provider that nobody reached come after all else."""
    tried = {failure.candidate for failure in state.failures}
    gone = {_provider(f.reference) for f in state.failures if isinstance(f.error, errors.ProviderUnreachable)}
    untried = [index for index in range(len(state.candidates)) if index not in tried]
    return min(untried, key=lambda index: (_provider(state.candidates[index]) in gone, index), default=None)


def _provider(reference: str) -> str:
    return reference.partition("/")[0]


def _exhausted(failures: Sequence[Failure]) -> errors.PointsmanError:
    """One failure speaks for itself; the same caller's error everywhere stays that; else all are told."""
    last = failures[-1].error
    same_callers_error = isinstance(last, errors.CallerError) and len({f.error.reason for f in failures}) == 1
    if len(failures) > 1 and not same_callers_error:
        return _told(f"all {len(failures)} attempts failed", failures, errors.AllCandidatesUnavailable)
    return _with_attempts(last, failures)


def _with_attempts(error: errors.PointsmanError, failures: Sequence[Failure]) -> errors.PointsmanError:
    """The same error, which also tells every attempt."""
    return type(error)(
        error.message,
        retry_after_s=error.retry_after_s,
        metadata=error.metadata | attempts(failures),
        violations=error.violations,
    )


def _told(message: str, failures: Sequence[Failure], cls: type[errors.PointsmanError]) -> errors.PointsmanError:
    waits = [f.error.retry_after_s for f in failures if f.error.retry_after_s is not None]
    told = "; ".join(f.words for f in failures)
    return cls(f"{message}: {told}", retry_after_s=min(waits, default=1.0), metadata=attempts(failures))


def attempts(failures: Sequence[Failure]) -> dict[str, str]:
    """Every failed attempt as `attempt_N`, for google.rpc.ErrorInfo.metadata."""
    return {f"attempt_{number}": failure.words for number, failure in enumerate(failures, 1)}
