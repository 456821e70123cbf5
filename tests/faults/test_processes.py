"""Processes of the mesh that are killed, stopped and told to end, in the middle of an answer: the answer goes on."""

import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pointsman.errors import Reason
from tests.e2e.service_processes import NOT_SERVING, SERVING
from tests.faults.fault_mesh import PROVIDERS, FaultMesh, Pair, running_fault_mesh
from tests.faults.steps import BEGIN, ENDING, Do, Rest, Say, Script, well

pytestmark = pytest.mark.asyncio(loop_scope="module")

HALF = "The points are set "
TEXT = HALF + "and the train goes on to Basel."
WELL = well(TEXT)
# Half an answer, and the rest when the test says so.
PAUSING: Script = (*BEGIN, Say(HALF), Do.WAIT, Say(TEXT[len(HALF) :]), *ENDING)
KILLED = {way: Pair(f"killed-{way}", "openai", way == "on") for way in ("on", "anew")}
RESTARTED, STOPPED, SILENT, WOKEN = Pair("restarted"), Pair("stopped"), Pair("silent"), Pair("woken")
UNCLASSIFIED, UNREPORTED, BOTH = Pair("unclassified"), Pair("unreported"), Pair("both")
DRAINED, DRAINED_AND_CUT = Pair("drained"), Pair("drained-and-cut", continues=True)
PAIRS = [*KILLED.values(), RESTARTED, STOPPED, SILENT, WOKEN, UNCLASSIFIED, UNREPORTED, BOTH, DRAINED, DRAINED_AND_CUT]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultMesh]:
    folder = tmp_path_factory.mktemp("processes")
    router = {"classifier_timeout_ms": 10_000}
    async with running_fault_mesh(folder, PAIRS, also=("classifier", "telemetry"), router=router) as running:
        yield running


@pytest.mark.parametrize("way", KILLED)
async def test_a_provider_is_killed_in_mid_answer_and_the_answer_goes_on(mesh: FaultMesh, way: str) -> None:
    pair = KILLED[way]
    mesh.play(pair, [PAUSING], [WELL])
    call = mesh.call(pair)
    await call.until(HALF)
    mesh.processes.signal("provider-openai", signal.SIGKILL)
    got = await call.read()
    (first,), (second,) = mesh.seen(pair)
    assert (got.error, got.held, got.kept) == (None, TEXT, [len(HALF)])
    assert second.prefix == (HALF.rstrip() if pair.continues else "")
    await first.closed.wait()
    assert (await mesh.processes.ended("provider-openai"))[0] == -signal.SIGKILL
    # A new request does not wait until anybody has found out.
    mesh.wall.play(pair.first, WELL)
    assert (await mesh.ask(pair)).held == TEXT
    await mesh.processes.until("router", "provider/openai", NOT_SERVING)
    await mesh.processes.start("provider-openai")
    await mesh.processes.until("router", "provider/openai", SERVING)


async def test_a_provider_that_was_started_again_is_used_again(mesh: FaultMesh) -> None:
    mesh.play(RESTARTED, [WELL], [WELL])
    got = await mesh.ask(RESTARTED)
    assert (got.held, [len(seen) for seen in mesh.seen(RESTARTED)]) == (TEXT, [1, 0])


async def test_a_provider_is_stopped_in_mid_answer_and_used_again_when_it_goes_on(mesh: FaultMesh) -> None:
    mesh.play(STOPPED, [PAUSING], [WELL])
    mesh.play(SILENT, [WELL], [WELL])
    mesh.play(WOKEN, [WELL], [WELL])
    call = mesh.call(STOPPED)
    await call.until(HALF)
    mesh.processes.signal("provider-openai", signal.SIGSTOP)
    try:
        (await mesh.wall.nth(STOPPED.first, 1)).go_on.set()
        got = await call.read()
        assert (got.error, got.held) == (None, TEXT)
        assert [switch.reason for switch in got.partial.switches] == [Reason.STREAM_STALLED]
        # Who comes now is answered by the other.
        got = await mesh.ask(SILENT)
        assert (got.error, got.held) == (None, TEXT)
        assert [switch.reason for switch in got.partial.switches] == [Reason.PROVIDER_SILENT]
    finally:
        mesh.processes.signal("provider-openai", signal.SIGCONT)
    got = await mesh.ask(WOKEN)
    assert (got.held, [len(seen) for seen in mesh.seen(WOKEN)]) == (TEXT, [1, 0])


@pytest.mark.parametrize(
    ("name", "component", "pair"), [("classifier", "classifier", UNCLASSIFIED), ("telemetry", "telemetry", UNREPORTED)]
)
async def test_a_helper_is_killed_and_no_request_is_lost(
    mesh: FaultMesh, name: str, component: str, pair: Pair
) -> None:
    mesh.play(pair, [PAUSING, WELL], [WELL])
    call = mesh.call(pair)
    await call.until(HALF)
    mesh.processes.signal(name, signal.SIGKILL)
    assert (await mesh.processes.ended(name))[0] == -signal.SIGKILL
    # The open stream goes on where it is, and new requests are answered.
    assert [(await mesh.ask(pair, question=f"Who sets track {n}?")).held for n in range(3)] == [TEXT] * 3
    (await mesh.wall.nth(pair.first, 1)).go_on.set()
    got = await call.read()
    assert (got.error, got.held, got.partial.switches) == (None, TEXT, ())
    assert mesh.wall.of(pair.second) == []
    await mesh.processes.until("router", component, NOT_SERVING)
    await mesh.processes.until("router", "", SERVING)
    await mesh.processes.start(name)
    if name == "telemetry":
        await mesh.processes.until("router", component, SERVING)


async def test_without_classifier_and_telemetry_a_broken_answer_still_goes_on(mesh: FaultMesh) -> None:
    for name in ("classifier", "telemetry"):
        mesh.processes.signal(name, signal.SIGKILL)
        await mesh.processes.ended(name)
    mesh.play(BOTH, [(*BEGIN, Say(HALF), Do.END)], [WELL])
    got = await mesh.ask(BOTH)
    assert (got.error, got.held, got.kept) == (None, TEXT, [len(HALF)])
    await mesh.processes.start("telemetry")
    await mesh.processes.until("router", "telemetry", SERVING)


async def test_a_router_that_drains_ends_its_open_streams_whole_and_switches_to_the_last(mesh: FaultMesh) -> None:
    mesh.play(DRAINED, [PAUSING], [WELL])
    mesh.play(DRAINED_AND_CUT, [(*BEGIN, Say(HALF), Do.WAIT, Do.CUT)], [(*BEGIN, Rest(TEXT), *ENDING)])
    calls = [mesh.call(pair) for pair in (DRAINED, DRAINED_AND_CUT)]
    for call in calls:
        await call.until(HALF)
    async with mesh.processes.watching("router", "") as told:
        assert await anext(told) == SERVING
        mesh.processes.signal("router", signal.SIGTERM)
        assert await anext(told) == NOT_SERVING
        for pair in (DRAINED, DRAINED_AND_CUT):
            (await mesh.wall.nth(pair.first, 1)).go_on.set()
        answers = [await call.read() for call in calls]
    assert [(got.error, got.held) for got in answers] == [(None, TEXT)] * 2
    assert [got.kept for got in answers] == [[], [len(HALF)]]
    code, logged = await mesh.processes.ended("router")
    assert code == 0, logged
    ended = await mesh.processes.end(*(f"provider-{name}" for name in PROVIDERS))
    assert set(ended.values()) == {0}
    assert mesh.wall.open_attempts() == []
