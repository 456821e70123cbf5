"""Each way in which a provider fails before it says anything: whom the router asks next, and what the client gets."""

import itertools
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import pytest
import pytest_asyncio

from pointsman import errors
from pointsman.errors import Reason
from tests.faults.fault_mesh import PROVIDERS, FaultMesh, Pair, running_fault_mesh
from tests.faults.steps import BEGIN, Do, ErrorEvent, Refuse, Script, well

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "The points are set and the train goes on to Basel."
WELL = well(TEXT)


@dataclass(frozen=True, slots=True)
class Case:
    """A fault of the first model, how often each model is then asked, and the reason of the switch where there is one."""

    name: str
    scripts: Sequence[Script]
    first: int
    second: int
    reason: Reason | None = None


ELSEWHERE = (1, 1)
AGAIN_THEN_ELSEWHERE = (2, 1)
AGAIN = (2, 0)
FULL = Reason.PROVIDER_RATE_LIMITED
DOWN = Reason.PROVIDER_UNAVAILABLE
CUT = Reason.STREAM_CUT
CASES = [
    Case("reset", [(Do.RESET,)], *AGAIN_THEN_ELSEWHERE, Reason.PROVIDER_UNREACHABLE),
    Case("reset-once", [(Do.RESET,), WELL], *AGAIN),
    Case("silent", [(Do.WAIT,)], *ELSEWHERE, Reason.PROVIDER_SILENT),
    Case("head-then-silent", [(Do.HEAD, Do.WAIT)], *ELSEWHERE, Reason.PROVIDER_SILENT),
    Case("error-in-200", [(Do.HEAD, ErrorEvent("overloaded_error"))], *ELSEWHERE, DOWN),
    Case("full-in-200", [(Do.HEAD, ErrorEvent("rate_limit_error"))], *ELSEWHERE, FULL),
    Case("nothing-said", [(Do.HEAD, Do.OPEN, Do.MARK, Do.END)], *AGAIN_THEN_ELSEWHERE, CUT),
    Case("end", [(*BEGIN, Do.END)], *AGAIN_THEN_ELSEWHERE, CUT),
    Case("500-once", [(Refuse(500, "api_error"),), WELL], *AGAIN),
    Case("500", [(Refuse(500, "api_error"),)], *AGAIN_THEN_ELSEWHERE, DOWN),
    Case("503", [(Refuse(503, "overloaded_error"),)], *ELSEWHERE, DOWN),
    Case("full", [(Refuse(429, "rate_limit_error"),), WELL], *ELSEWHERE, FULL),
    Case("full-for-long", [(Refuse(429, "rate_limit_error", retry_after="60"),), WELL], *ELSEWHERE, FULL),
    Case("full-till-late", [(Refuse(429, "rate_limit_error", retry_date_in_s=60),), WELL], *ELSEWHERE, FULL),
    Case("full-for-a-moment", [(Refuse(429, "rate_limit_error", retry_after="0.5"),), WELL], *AGAIN),
    Case("full-till-soon", [(Refuse(429, "rate_limit_error", retry_date_in_s=1),), WELL], *AGAIN),
    Case("no-key", [(Refuse(401, "authentication_error"),)], *ELSEWHERE, Reason.PROVIDER_CREDENTIALS),
    Case("no-such-model", [(Refuse(404, "not_found_error"),)], *ELSEWHERE, Reason.PROVIDER_MODEL_UNKNOWN),
    Case(
        "too-long",
        [(Refuse(400, "invalid_request_error", "prompt is too long: 9001 tokens > 8000 maximum"),)],
        *ELSEWHERE,
        Reason.CONTEXT_TOO_LONG,
    ),
    Case("too-long-by-name", [(Refuse(400, "context_length_exceeded"),)], *ELSEWHERE, Reason.CONTEXT_TOO_LONG),
]
ENDED_BY_THE_REQUEST = {
    "refused-content": (Refuse(400, "content_policy_violation", "we do not speak of this"), errors.ContentRefused),
    "bad-request": (Refuse(400, "invalid_request_error", "`temperature` is out of range"), errors.InvalidRequest),
}
DEAD = Pair("dead")
PINNED = Pair("pinned")


def pair_of(name: str, provider: str) -> Pair:
    """The models of a case."""
    return Pair(f"{name}-{provider}".replace("500", "error").replace("503", "busy"), provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultMesh]:
    names = [*(case.name for case in CASES), *ENDED_BY_THE_REQUEST]
    pairs = [pair_of(name, provider) for name in names for provider in PROVIDERS]
    async with running_fault_mesh(tmp_path_factory.mktemp("before"), [*pairs, DEAD, PINNED]) as running:
        yield running


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_reason_decides_between_again_and_elsewhere(mesh: FaultMesh, case: Case, provider: str) -> None:
    pair = pair_of(case.name, provider)
    mesh.play(pair, case.scripts, [WELL])
    got = await mesh.ask(pair)
    first, second = mesh.seen(pair)
    assert (len(first), len(second)) == (case.first, case.second), got.error
    assert (got.error, got.held) == (None, TEXT)
    assert [(s.from_model, s.to_model, s.reason) for s in got.partial.switches] == (
        [(f"{provider}/{pair.first}", f"{pair.other}/{pair.second}", case.reason)] if case.reason else []
    )
    assert got.kept == [0] * len(got.kept)
    assert got.kinds == ["decided", *["switched"] * len(got.kept), "text_delta", "finished"]
    assert all(attempt.prefix == "" for attempt in (*first, *second))
    if case.reason is Reason.PROVIDER_SILENT:
        # The silent one is let go, not left to talk to nobody.
        await first[0].closed.wait()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_time_that_a_provider_asks_for_is_given_to_it(mesh: FaultMesh, provider: str) -> None:
    """Runs on the requests of the cases above, as the wall saw them."""
    pair = pair_of("full-for-a-moment", provider)
    first, second = mesh.wall.of(pair.first)
    assert second.at_s - first.at_s >= 0.5
    pair = pair_of("full-till-soon", provider)
    first, second = mesh.wall.of(pair.first)
    # Two clocks take part in it.
    assert second.wall_time_s >= parsedate_to_datetime(first.retry_date).timestamp() - 0.05


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("name", ENDED_BY_THE_REQUEST)
async def test_what_is_the_requests_own_fault_is_told_in_the_providers_words(
    mesh: FaultMesh, name: str, provider: str
) -> None:
    refusal, error = ENDED_BY_THE_REQUEST[name]
    pair = pair_of(name, provider)
    mesh.play(pair, [(refusal,)], [WELL])
    got = await mesh.ask(pair)
    first, second = mesh.seen(pair)
    assert (len(first), len(second)) == (1, 0)
    assert type(got.error) is error
    assert refusal.message in got.error.message
    assert len(got.told) == 1
    assert (got.held, got.partial.finished) == ("", None)


async def test_where_all_fail_the_error_tells_every_attempt(mesh: FaultMesh) -> None:
    full = Refuse(429, "rate_limit_error", "one at a time", retry_after="60")
    mesh.play(DEAD, [(Refuse(503, "overloaded_error", "no steam"),)], [(full,)])
    got = await mesh.ask(DEAD)
    first, second = mesh.seen(DEAD)
    assert isinstance(got.error, errors.AllCandidatesUnavailable)
    assert (got.code, got.error.retry_after_s) == ("UNAVAILABLE", 60.0)
    # There is time for one more, and the first one's failure may pass; that of the second is not waited for.
    assert (len(first), len(second), len(got.told)) == (2, 1, 3)
    for words, (model, reason, said) in zip(
        got.told,
        [
            (f"openai/{DEAD.first}", Reason.PROVIDER_UNAVAILABLE, "no steam"),
            (f"anthropic/{DEAD.second}", Reason.PROVIDER_RATE_LIMITED, "one at a time"),
            (f"openai/{DEAD.first}", Reason.PROVIDER_UNAVAILABLE, "no steam"),
        ],
        strict=True,
    ):
        assert words.startswith(f"{model}: {reason}: ")
        assert said in words
    assert got.partial.finished is None


async def test_the_only_model_is_asked_again_and_not_for_ever(mesh: FaultMesh) -> None:
    """A pinned model that is full and does not say for how long."""
    mesh.play(PINNED, [(Refuse(429, "rate_limit_error"),)], [WELL])
    got = await mesh.ask(PINNED, pinned=f"openai/{PINNED.first}")
    first, second = mesh.seen(PINNED)
    assert (len(first), len(second)) == (3, 0)
    assert len(got.told) == 3
    # Later and later, never in a tight loop.
    waits = [b.at_s - a.at_s for a, b in itertools.pairwise(first)]
    assert waits[0] >= 0.125 and waits[1] >= 0.25
    assert got.error is not None and got.partial.finished is None
