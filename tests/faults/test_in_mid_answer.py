"""Each way in which a provider fails in the middle of its answer: the client keeps its answer, whoever goes on and however."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio

from pointsman import errors
from pointsman.errors import Reason
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.router.v1 import router_service_pb2 as pb
from tests.e2e.service_processes import PATIENCE_S
from tests.faults.fault_mesh import PROVIDERS, FaultMesh, Pair, running_fault_mesh
from tests.faults.speech import words
from tests.faults.steps import BEGIN, ENDING, Do, ErrorEvent, Refuse, Say, Script, well
from tests.inprocess.answers import prompt

pytestmark = pytest.mark.asyncio(loop_scope="module")

HALF = "The points are set "
TEXT = HALF + "and the train goes on to Basel."
HALFWAY: Script = (*BEGIN, Say(HALF))


@dataclass(frozen=True, slots=True)
class Case:
    """A fault of the first model behind half of its answer, and the reason of the switch; `let_go` where it would talk on."""

    name: str
    steps: Sequence[Do | ErrorEvent | Say]
    reason: Reason
    let_go: bool = False


CASES = [
    # What breaks a connection may take with it what lies unread on the way; it happens when the client has read all.
    Case("cut", [Do.WAIT, Do.CUT], Reason.STREAM_CUT),
    Case("cut-in-an-event", [Do.HALF, Do.WAIT, Do.CUT], Reason.STREAM_CUT),
    Case("reset", [Do.WAIT, Do.RESET], Reason.STREAM_CUT),
    Case("end-without-a-reason", [Do.END], Reason.STREAM_CUT),
    Case("mark-without-a-reason", [Do.MARK, Do.END], Reason.STREAM_CUT),
    Case("stall", [Do.WAIT], Reason.STREAM_STALLED, let_go=True),
    Case("stall-in-an-event", [Do.HALF, Do.WAIT], Reason.STREAM_STALLED, let_go=True),
    Case("error-event", [ErrorEvent("overloaded_error"), Do.WAIT], Reason.PROVIDER_UNAVAILABLE, let_go=True),
    Case("full", [ErrorEvent("rate_limit_error"), Do.END], Reason.PROVIDER_RATE_LIMITED),
    Case("broken-events", [*[Do.BROKEN] * 20, Do.WAIT], Reason.PROVIDER_PROTOCOL, let_go=True),
]
WAYS = {"goes-on": True, "anew": False}
SLOW, CRAWL = "slow", "and the train goes on to Basel, to Bern, to Brig, to Chur, to Thun, to Visp and to Zug."
WITHOUT_USAGE, UNMARKED, ONE_BROKEN = "no-usage", "no-mark", "one-broken-event"
REFUSES_PREFIX, DIFFERS, KEEP, STAY, LIMITED, BOTH_BREAK = (
    "no-prefix",
    "differs",
    "keep",
    "stay",
    "limited",
    "both-break",
)
ALL_SAID, COMPLETE = "all-said", "complete"
SINGLES = [SLOW, WITHOUT_USAGE, UNMARKED, ONE_BROKEN, REFUSES_PREFIX, DIFFERS, KEEP, STAY, LIMITED, BOTH_BREAK]
CONTINUING = {SLOW, REFUSES_PREFIX, LIMITED, BOTH_BREAK}


def pair_of(name: str, provider: str, continues: bool) -> Pair:
    """The models of a case."""
    return Pair(f"{name}-{provider}-{'on' if continues else 'anew'}", provider, continues)


def single(name: str, provider: str) -> Pair:
    """The models of a test of its own."""
    return pair_of(name, provider, name in CONTINUING)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultMesh]:
    names = [*(case.name for case in CASES), ALL_SAID, COMPLETE]
    pairs = [pair_of(name, p, way) for name in names for p in PROVIDERS for way in WAYS.values()]
    pairs += [single(name, provider) for name in SINGLES for provider in PROVIDERS]
    async with running_fault_mesh(tmp_path_factory.mktemp("midway"), pairs) as running:
        yield running


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_the_answer_goes_on_elsewhere(mesh: FaultMesh, case: Case, provider: str, way: str) -> None:
    pair = pair_of(case.name, provider, WAYS[way])
    mesh.play(pair, [(*HALFWAY, *case.steps)], [well(TEXT)])
    call = mesh.call(pair)
    if not case.let_go and Do.WAIT in case.steps:
        await call.until(HALF)
        (await mesh.wall.nth(pair.first, 1)).go_on.set()
    got = await call.read()
    first, second = mesh.seen(pair)
    assert (got.error, got.held) == (None, TEXT)
    assert (len(first), len(second)) == (1, 1)
    # Told to go on from what the client had, or asked for the whole answer.
    assert second[0].prefix == (HALF.rstrip() if pair.continues else "")
    assert [(s.from_model, s.to_model, s.reason, s.kept_characters) for s in got.partial.switches] == [
        (f"{provider}/{pair.first}", f"{pair.other}/{pair.second}", case.reason, len(HALF))
    ]
    assert got.kinds == ["decided", "text_delta", "switched", "text_delta", "finished"]
    if case.let_go:
        await first[0].closed.wait()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_that_lacks_nothing_but_its_end_is_ended_elsewhere(
    mesh: FaultMesh, provider: str, way: str
) -> None:
    pair = pair_of(ALL_SAID, provider, WAYS[way])
    mesh.play(pair, [(*BEGIN, Say(TEXT), Do.END)], [well(TEXT)])
    got = await mesh.ask(pair)
    assert (got.error, got.held, got.kept) == (None, TEXT, [len(TEXT)])
    assert got.kinds == ["decided", "text_delta", "switched", "finished"]
    assert [len(seen) for seen in mesh.seen(pair)] == [1, 1]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_answer_in_one_piece_shows_nothing_of_it(mesh: FaultMesh, provider: str, way: str) -> None:
    pair = pair_of(COMPLETE, provider, WAYS[way])
    mesh.play(pair, [(*HALFWAY, Do.END)], [well(TEXT)])
    asked = pb.CompleteRequest(prompt=prompt(), constraints=pb.RoutingConstraints(policy=pair.name))
    response = await mesh.stub.Complete(asked, timeout=PATIENCE_S)
    assert [part.text for part in response.turn.parts] == [TEXT]
    assert [switch.reason for switch in response.switches] == [Reason.STREAM_CUT]
    assert [len(seen) for seen in mesh.seen(pair)] == [1, 1]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_model_that_says_one_token_a_second_is_left(mesh: FaultMesh, provider: str) -> None:
    pair = single(SLOW, provider)
    mesh.play(pair, [(*HALFWAY, Say(CRAWL, pause_s=1.0), *ENDING)], [well(HALF + CRAWL)])
    got = await mesh.ask(pair)
    first, second = mesh.seen(pair)
    assert (got.error, got.held) == (None, HALF + CRAWL)
    assert [s.reason for s in got.partial.switches] == [Reason.STREAM_STALLED]
    assert second[0].prefix and got.held.startswith(second[0].prefix)
    assert first[0].said_tokens < len(words(HALF + CRAWL)) / 2
    await first[0].closed.wait()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_end_without_usage_is_a_whole_answer_with_an_estimate(mesh: FaultMesh, provider: str) -> None:
    pair = single(WITHOUT_USAGE, provider)
    mesh.play(pair, [(*BEGIN, Say(TEXT), Do.FINISH_WITHOUT_USAGE, Do.MARK, Do.END)], [well(TEXT)])
    got = await mesh.ask(pair)
    first, second = mesh.seen(pair)
    assert (got.error, got.held, len(first), len(second)) == (None, TEXT, 1, 0)
    usage = got.finished.usage
    assert usage.estimated
    assert usage.output_tokens >= len(words(TEXT))
    assert usage.cost_micros > 0


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_an_end_without_its_marker_is_an_end_where_the_model_said_why_it_stopped(
    mesh: FaultMesh, provider: str
) -> None:
    """Be the stream then closed in order, cut, or left open."""
    pair = single(UNMARKED, provider)
    said: Script = (*BEGIN, Say(TEXT), Do.FINISH)
    mesh.play(pair, [(*said, Do.END), (*said, Do.WAIT, Do.CUT), (*said, Do.WAIT)], [well(TEXT)])
    for number in (1, 2, 3):
        call = mesh.call(pair)
        if number == 2:
            await call.until(TEXT)
            (await mesh.wall.nth(pair.first, number)).go_on.set()
        got = await call.read()
        first, second = mesh.seen(pair)
        assert (got.error, got.held, len(first), len(second)) == (None, TEXT, number, 0)
        assert got.kinds == ["decided", "text_delta", "finished"]
    await first[-1].closed.wait()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_one_broken_event_is_passed_over(mesh: FaultMesh, provider: str) -> None:
    pair = single(ONE_BROKEN, provider)
    mesh.play(pair, [(*HALFWAY, Do.BROKEN, Say(TEXT[len(HALF) :]), *ENDING)], [well(TEXT)])
    got = await mesh.ask(pair)
    first, second = mesh.seen(pair)
    assert (got.error, got.held, len(first), len(second)) == (None, TEXT, 1, 0)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_model_that_refuses_the_prefix_is_asked_for_the_whole_answer(mesh: FaultMesh, provider: str) -> None:
    pair = single(REFUSES_PREFIX, provider)
    refusing = Refuse(400, "invalid_request_error", "the last message must be the user's", prefixed=True)
    mesh.play(pair, [(*HALFWAY, Do.END)], [(refusing, *well(TEXT))])
    got = await mesh.ask(pair)
    first, second = mesh.seen(pair)
    assert (got.error, got.held, len(first)) == (None, TEXT, 1)
    assert [attempt.prefix for attempt in second] == [HALF.rstrip(), ""]
    assert got.kept == [len(HALF)]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_where_the_new_answer_differs_the_client_is_told_what_stands(mesh: FaultMesh, provider: str) -> None:
    pair = single(DIFFERS, provider)
    mesh.play(pair, [(*HALFWAY, Do.END)], [well("The points froze.")])
    got = await mesh.ask(pair)
    assert (got.error, got.held, got.kept) == (None, "The points froze.", [len("The points ")])


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nothing_is_taken_back_from_a_client_that_forbids_it(mesh: FaultMesh, provider: str) -> None:
    pair = single(KEEP, provider)
    mesh.play(pair, [(*HALFWAY, Do.END)], [well("The points froze.")])
    got = await mesh.ask(pair, mode=pb.SWITCH_MODE_CONTINUE)
    first, second = mesh.seen(pair)
    assert got.error is not None and got.partial.finished is None
    assert (got.held, got.kept) == (HALF, [])
    assert len(got.told) == len(first) + len(second)
    assert any(str(Reason.SWITCH_NOT_ALLOWED) in words for words in got.told)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_client_that_wants_no_switch_gets_the_error_and_keeps_what_it_has(
    mesh: FaultMesh, provider: str
) -> None:
    pair = single(STAY, provider)
    mesh.play(pair, [(*HALFWAY, Do.END)], [well(TEXT)])
    got = await mesh.ask(pair, mode=pb.SWITCH_MODE_FAIL)
    first, second = mesh.seen(pair)
    assert isinstance(got.error, errors.StreamCut)
    assert (got.held, got.partial.finished, len(first), len(second)) == (HALF, None, 1, 0)
    assert len(got.told) == 1


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_next_model_may_say_what_is_left_of_the_callers_limit(mesh: FaultMesh, provider: str) -> None:
    pair = single(LIMITED, provider)
    mesh.play(pair, [(*HALFWAY, Do.END)], [well(TEXT)])
    got = await mesh.ask(pair, sampling=SamplingOptions(max_output_tokens=20))
    (first,), (second,) = mesh.seen(pair)
    assert first.body["max_tokens"] == 20
    assert 0 < second.body["max_tokens"] <= 20 - len(words(HALF))
    assert got.held == TEXT


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_where_every_model_breaks_the_client_is_never_shown_a_part_as_the_whole(
    mesh: FaultMesh, provider: str
) -> None:
    pair = single(BOTH_BREAK, provider)
    mesh.play(pair, [(*BEGIN, Say("The points "), Do.END)], [(*BEGIN, Say(" are "), Do.END)])
    got = await mesh.ask(pair)
    first, second = mesh.seen(pair)
    assert isinstance(got.error, errors.AllCandidatesUnavailable)
    assert got.partial.finished is None
    assert got.held.startswith("The points are ")
    assert len(got.told) == len(first) + len(second)
    assert len(got.told) <= 4
