"""A client that goes away is followed: whatever its request is at, the provider's socket is closed, and the model is not to blame."""

import signal
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pointsman import errors
from pointsman.router.v1 import router_service_pb2 as pb
from tests.e2e.service_processes import SERVING
from tests.faults.fault_mesh import LIMITS, PROVIDERS, FaultMesh, Pair, running_fault_mesh
from tests.faults.playing import Attempt
from tests.faults.steps import BEGIN, Do, Refuse, Say, Script, well

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "The points are set and the train goes on to Basel."
HALF = "The points are set "
WELL = well(TEXT)
# More than all buffers on the way hold, in words of a kilobyte.
ENDLESS = " ".join(["x" * 1_000] * 40_000)
PHASES: dict[str, Script] = {
    "before-headers": (Do.WAIT,),
    "before-the-first-token": (*BEGIN, Do.WAIT),
    "between-tokens": (*BEGIN, Say(HALF), Do.WAIT),
    "in-an-event": (*BEGIN, Say(HALF), Do.HALF, Do.WAIT),
}
CLASSIFYING, SLOW_READER, WAITING, DEADLINE, SECOND = "classifying", "slow-reader", "waiting", "deadline", "second"
NAMES = [*PHASES, CLASSIFYING, SLOW_READER, WAITING, DEADLINE, SECOND]
# Nothing but the client's cancel may end a wait.
PATIENT = LIMITS | {"first_token_timeout_s": 50.0, "stall_timeout_s": 50.0, "slow_tokens_per_second": 0.0}


def pair_of(name: str, provider: str) -> Pair:
    """The models of a case."""
    return Pair(f"{name}-{provider}", provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultMesh]:
    pairs = [pair_of(name, provider) for name in NAMES for provider in PROVIDERS]
    folder = tmp_path_factory.mktemp("cancel")
    router = {"classifier_timeout_ms": 10_000}
    also = ("classifier", "telemetry")
    async with running_fault_mesh(folder, pairs, also=also, limits=PATIENT, router=router) as running:
        await running.processes.until("router", "telemetry", SERVING)
        yield running


async def is_cancelled(mesh: FaultMesh, attempt: Attempt, failures: int = 0) -> None:
    """Telemetry counts the attempt as cancelled and not as failed."""
    async for models in mesh.stats():
        stats = models.get(f"{attempt.provider}/{attempt.model}")
        if stats is not None and stats.cancelled:
            assert (stats.cancelled, stats.failures) == (1, failures)
            return


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("phase", PHASES)
async def test_the_cancel_reaches_the_providers_socket(mesh: FaultMesh, phase: str, provider: str) -> None:
    pair = pair_of(phase, provider)
    mesh.play(pair, [PHASES[phase]], [WELL])
    call = mesh.call(pair)
    attempt = await mesh.wall.nth(pair.first, 1)
    await call.until(HALF if Say(HALF) in PHASES[phase] else "")
    await attempt.waiting.wait()
    assert not attempt.closed.is_set()
    call.cancel()
    await attempt.closed.wait()
    await is_cancelled(mesh, attempt)
    assert mesh.wall.of(pair.second) == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_client_that_reads_slowly_holds_up_its_own_stream_and_its_cancel_is_heard(
    mesh: FaultMesh, provider: str
) -> None:
    pair = pair_of(SLOW_READER, provider)
    mesh.play(pair, [(*BEGIN, Say(ENDLESS), Do.WAIT), WELL], [WELL])
    call = mesh.call(pair)
    attempt = await mesh.wall.nth(pair.first, 1)
    await attempt.held_up.wait()
    # Others are answered meanwhile.
    assert (await mesh.ask(pair)).held == TEXT
    assert not attempt.closed.is_set()
    call.cancel()
    await attempt.closed.wait()
    await is_cancelled(mesh, attempt)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_request_that_is_cancelled_while_it_is_classified_reaches_no_provider(
    mesh: FaultMesh, provider: str
) -> None:
    pair = pair_of(CLASSIFYING, provider)
    mesh.play(pair, [WELL], [WELL])
    mesh.processes.signal("classifier", signal.SIGSTOP)
    try:
        call = mesh.call(pair, question="Who sets the points?")
        # On the same connection, and so taken after it.
        await mesh.stub.ListModels(pb.ListModelsRequest())
        call.cancel()
        await mesh.stub.ListModels(pb.ListModelsRequest())
    finally:
        mesh.processes.signal("classifier", signal.SIGCONT)
    assert (await mesh.ask(pair)).held == TEXT
    assert [len(seen) for seen in mesh.seen(pair)] == [1, 0]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_request_that_waits_for_a_provider_asks_it_no_more_when_its_client_is_gone(
    mesh: FaultMesh, provider: str
) -> None:
    pair = pair_of(WAITING, provider)
    full: Script = (Refuse(429, "rate_limit_error", retry_after="0.5"),)
    mesh.play(pair, [full, full, WELL], [WELL])
    pinned = f"{provider}/{pair.first}"
    call = mesh.call(pair, pinned=pinned)
    await mesh.wall.nth(pair.first, 1)
    await mesh.stub.ListModels(pb.ListModelsRequest())
    call.cancel()
    # Begun later, it waits as long; its answer comes after what the first would have asked.
    assert (await mesh.ask(pair, pinned=pinned)).held == TEXT
    assert [len(seen) for seen in mesh.seen(pair)] == [3, 0]


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_clients_deadline_closes_every_socket(mesh: FaultMesh, provider: str) -> None:
    pair = pair_of(DEADLINE, provider)
    mesh.play(pair, [(Do.WAIT,)], [(*BEGIN, Say(HALF), Do.WAIT)])
    got = await mesh.ask(pair, timeout_s=2.0)
    (first,), (second,) = mesh.seen(pair)
    assert isinstance(got.error, errors.DeadlineExceeded)
    assert (got.held, got.partial.finished) == (HALF, None)
    await first.closed.wait()
    await second.closed.wait()


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_after_a_switch_the_cancel_reaches_the_model_that_speaks_now(mesh: FaultMesh, provider: str) -> None:
    pair = pair_of(SECOND, provider)
    mesh.play(pair, [(*BEGIN, Say(HALF), Do.END)], [(*BEGIN, Say(TEXT), Do.WAIT)])
    call = mesh.call(pair)
    await call.until(TEXT)
    attempt = await mesh.wall.nth(pair.second, 1)
    await attempt.waiting.wait()
    call.cancel()
    await attempt.closed.wait()
    await is_cancelled(mesh, attempt)


async def test_at_the_end_nothing_is_open(mesh: FaultMesh) -> None:
    """After all of the above; the router drains at once, since it has nothing in flight."""
    assert set((await mesh.processes.end("router", "provider-openai", "provider-anthropic")).values()) == {0}
    assert mesh.wall.open_attempts() == []
