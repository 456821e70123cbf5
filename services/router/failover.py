"""Whether, where and how a request goes on after an attempt failed. Pure: a state and an event in, a state and an action out.

begin ──────────────> TryModel(0, FRESH)
attempt_failed ─┬───> TryModel(same, FRESH, after a wait)   nothing delivered, it may pass: 429 with a short wait, 500, a reset
                ├───> TryModel(next, FRESH)                 nothing delivered
                ├───> TryModel(next, CONTINUE)              text delivered, the next model goes on from it
                ├───> TryModel(next, RESTART)               text delivered, the next model begins anew and is aligned
                └───> GiveUp(error)                         the caller's own fault, a tool call was delivered, nothing left
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pointsman import errors

# What another model cannot mend: the request itself is at fault.
CALLERS_FAULT: tuple[type[errors.PointsmanError], ...] = (
    errors.InvalidRequest,
    errors.ContentRefused,
    errors.DeadlineExceeded,
)
# A provider that asks for so little patience is waited for; so much of the time that is left may go into a wait.
SHORT_WAIT_S = 1.0
SHARE_OF_TIME = 0.25
# Without a time of its own, a provider that is full is asked again after about so long, doubled each time.
BACK_OFF_S = 0.25
# So often the same model is asked again for what may pass.
AGAIN = 1
AGAIN_WHERE_THERE_IS_NO_OTHER = 2
# Who goes on from the text comes before better models that would begin anew, if it is so nearly as likely to be right as they are:
# an answer without a seam is worth something, one that a far weaker model ends is not.
NEARLY = 0.9
# What may pass within one request.
PASSING = (errors.StreamCut, errors.StreamStalled, errors.ProviderUnavailable, errors.ProviderRateLimited)
# Exceptions of the way to a provider that say that it was there a moment ago.
RESETS = frozenset({"ServerDisconnectedError", "ClientOSError", "ClientConnectionResetError", "ConnectionResetError"})


class SwitchMode(Enum):
    """What may happen to text that was delivered; the names of pointsman.router.v1.SwitchMode."""

    CONTINUE_OR_RESTART = "CONTINUE_OR_RESTART"
    CONTINUE = "CONTINUE"
    FAIL = "FAIL"


class How(Enum):
    """How a model is asked: for a whole answer, to go on from what was delivered, or for a whole answer that is aligned with it."""

    FRESH = "fresh"
    CONTINUE = "continue"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Track:
    """One candidate: `provider/model`, whether it goes on from a prefix, its window in tokens, what it is expected to cost, and
    how likely it is right.
    """

    reference: str
    continues: bool = False
    context_tokens: int = 0
    cost_micros: float = 0.0
    quality: float = 0.0


@dataclass(frozen=True, slots=True)
class Failure:
    """One attempt that failed: `candidate` is its index in the ranking."""

    candidate: int
    reference: str
    error: errors.PointsmanError
    how: How = How.FRESH

    @property
    def words(self) -> str:
        """`provider/model: REASON: words`, for the error that tells every attempt."""
        return f"{self.reference}: {self.error.reason.value}: {self.error.message}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where a request stands when an attempt fails.

    `delivered_text` and `delivered_call` say what the client has seen; `structured` that the answer has a format, which is never
    continued; `switch_on_refusal` that the policy lets another model answer what one refused. `jitter` is a number in [0, 1).
    """

    attempts_left: int
    seconds_left: float
    # None where the caller sets no limit.
    cost_left_micros: float | None = None
    delivered_text: bool = False
    delivered_call: bool = False
    structured: bool = False
    mode: SwitchMode = SwitchMode.CONTINUE_OR_RESTART
    switch_on_refusal: bool = False
    jitter: float = 0.5
    # Candidates whose circuit is open by now.
    resting: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class State:
    """`candidates` best first; `failures` what was tried so far."""

    candidates: tuple[Track, ...]
    failures: tuple[Failure, ...] = ()


@dataclass(frozen=True, slots=True)
class TryModel:
    """Start an attempt at the candidate with this index, `after_s` seconds from now."""

    candidate: int
    how: How = How.FRESH
    after_s: float = 0.0


@dataclass(frozen=True, slots=True)
class GiveUp:
    """End the request with this error."""

    error: errors.PointsmanError


Action = TryModel | GiveUp


def begin(candidates: Sequence[Track]) -> tuple[State, Action]:
    """The first step; there is at least one candidate."""
    assert candidates
    return State(tuple(candidates)), TryModel(0)


def attempt_failed(state: State, failure: Failure, position: Position) -> tuple[State, Action]:
    """The step after a failure."""
    state = replace(state, failures=(*state.failures, failure))
    return state, _next(state, failure, position)


def _next(state: State, failure: Failure, position: Position) -> Action:
    error, failures = failure.error, state.failures
    if position.seconds_left <= 0 and not isinstance(error, errors.CallerError):
        return GiveUp(_told("the request's time ran out", failures, errors.DeadlineExceeded))
    prefix_refused = failure.how is How.CONTINUE and isinstance(error, errors.InvalidRequest | errors.NoCapableModel)
    # Another model took the same request and spoke: what this one does not like is its own quirk.
    quirk = position.delivered_text and isinstance(error, errors.InvalidRequest)
    if isinstance(error, CALLERS_FAULT) and not quirk:
        refused = isinstance(error, errors.ContentRefused)
        if not (refused and position.switch_on_refusal):
            return GiveUp(_with_attempts(error, failures))
    if position.delivered_call or (position.delivered_text and position.mode is SwitchMode.FAIL):
        return GiveUp(_with_attempts(error, failures))
    if position.attempts_left > 0:
        if prefix_refused and position.mode is SwitchMode.CONTINUE_OR_RESTART:
            # It may still begin anew; that its adapter or API wants no prefix says nothing else of it.
            return TryModel(failure.candidate, How.RESTART)
        again = None if position.delivered_text else _again(state, failure, position)
        if again is not None:
            return again
        following = _untried(state, position) or _last_resort(state, position)
        if following is not None:
            return following
    return GiveUp(_exhausted(failures))


def _again(state: State, failure: Failure, position: Position) -> TryModel | None:
    """The same model once more, where what failed may pass; nothing was delivered."""
    error = failure.error
    tried = sum(f.candidate == failure.candidate for f in state.failures)
    others = _untried(state, position) is not None
    if failure.candidate in position.resting or tried > (AGAIN if others else AGAIN_WHERE_THERE_IS_NO_OTHER):
        return None
    patience_s = position.seconds_left * SHARE_OF_TIME
    if isinstance(error, errors.ProviderRateLimited):
        if error.retry_after_s is None:
            wait_s = BACK_OFF_S * 2 ** (tried - 1) * (0.5 + position.jitter)
            return None if others else TryModel(failure.candidate, after_s=min(wait_s, patience_s))
        longest_s = min(SHORT_WAIT_S, patience_s) if others else patience_s
        return TryModel(failure.candidate, after_s=error.retry_after_s) if error.retry_after_s <= longest_s else None
    if _may_pass(error):
        return TryModel(failure.candidate, after_s=min(patience_s, BACK_OFF_S * position.jitter))
    return None


def _may_pass(error: errors.PointsmanError) -> bool:
    """A plain 500, a connection that was reset, a stream that ended before it said anything."""
    if isinstance(error, errors.ProviderUnavailable):
        return error.metadata.get("http_status") == "500"
    if isinstance(error, errors.ProviderUnreachable):
        return error.metadata.get("exception") in RESETS
    return isinstance(error, errors.StreamCut)


def _untried(state: State, position: Position) -> TryModel | None:
    """The best candidate that was not tried. Other models of a provider that nobody reached come after all else; after text was
    delivered those come first that go on from it and are nearly as good.
    """
    failures = state.failures
    tried = {failure.candidate for failure in failures}
    gone = {_provider(f.reference) for f in failures if isinstance(f.error, errors.ProviderUnreachable)}
    too_small = [
        state.candidates[f.candidate].context_tokens for f in failures if isinstance(f.error, errors.ContextTooLong)
    ]
    left = []
    for index, track in enumerate(state.candidates):
        too_dear = position.cost_left_micros is not None and track.cost_micros > position.cost_left_micros
        small = bool(too_small) and 0 < track.context_tokens <= max(too_small)
        if not (index in tried or too_dear or (small and track.context_tokens < max(too_small))):
            left.append((index, track, small))
    best = max((track.quality for _, track, _ in left), default=0.0)
    choices = []
    for index, track, small in left:
        how = _how(track, position)
        seamless = how is How.CONTINUE and (position.mode is SwitchMode.CONTINUE or track.quality >= NEARLY * best)
        choices.append((index in position.resting, _provider(track.reference) in gone, small, not seamless, index, how))
    if choices:
        *_, index, how = min(choices, key=lambda choice: choice[:5])
        return TryModel(index, how)
    return None


def _last_resort(state: State, position: Position) -> TryModel | None:
    """All were tried: one whose failure may pass is asked once more, after a while where nothing was delivered yet."""
    tried = [failure.candidate for failure in state.failures]
    for failure in state.failures:
        rests = failure.candidate in position.resting
        if rests or not isinstance(failure.error, PASSING) or tried.count(failure.candidate) > AGAIN:
            continue
        how = _how(state.candidates[failure.candidate], position)
        if position.delivered_text:
            return TryModel(failure.candidate, how)
        wait_s = failure.error.retry_after_s
        if wait_s is None:
            wait_s = BACK_OFF_S * (0.5 + position.jitter)
        if wait_s <= position.seconds_left * SHARE_OF_TIME:
            return TryModel(failure.candidate, how, wait_s)
    return None


def _how(track: Track, position: Position) -> How:
    if not position.delivered_text:
        return How.FRESH
    return How.CONTINUE if track.continues and not position.structured else How.RESTART


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
