"""A provider is down for a while and comes back: its model is left alone meanwhile, tried now and then, and used again."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from pointsman import errors
from pointsman.errors import Reason
from services.router.breaker import IN_A_ROW
from tests.e2e.service_processes import PATIENCE_S
from tests.faults.fault_mesh import PROVIDERS, FaultMesh, Pair, running_fault_mesh
from tests.faults.steps import Do, Refuse, Script, well

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT = "The points are set."
WELL = well(TEXT)
DOWN: Script = (Refuse(503, "overloaded_error", "closed for repairs"),)
REQUESTS = 40
# More than any ramp lets through before the model has answered.
MOST_PROBES = 5


def pair_of(name: str, provider: str) -> Pair:
    """The models of a case."""
    return Pair(f"{name}-{provider}", provider)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FaultMesh]:
    pairs = [pair_of(name, provider) for name in ("down", "pinned", "mute") for provider in PROVIDERS]
    async with running_fault_mesh(tmp_path_factory.mktemp("outage"), pairs, also=("telemetry",)) as running:
        yield running


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_nobody_waits_for_a_model_that_is_down(mesh: FaultMesh, provider: str) -> None:
    pair = pair_of("down", provider)
    mesh.play(pair, [DOWN], [WELL])
    answers = [await mesh.ask(pair) for _ in range(REQUESTS)]
    first, second = mesh.seen(pair)
    assert [(got.error, got.held) for got in answers] == [(None, TEXT)] * REQUESTS
    assert len(first) <= IN_A_ROW + MOST_PROBES
    assert len(second) == REQUESTS
    async for models in mesh.stats():
        stats = models.get(f"{provider}/{pair.first}")
        if stats is not None and stats.attempts == len(first):
            assert dict(stats.failures_by_reason) == {Reason.PROVIDER_UNAVAILABLE: len(first)}
            break


async def test_a_model_that_was_down_sees_probes_and_is_used_again_when_it_answers(mesh: FaultMesh) -> None:
    """Pinned, so that nothing but the circuit keeps requests away; both providers' models at once."""
    pairs = [pair_of("pinned", provider) for provider in PROVIDERS]
    for pair in pairs:
        pinned = f"{pair.provider}/{pair.first}"
        mesh.play(pair, [DOWN], [WELL])
        answers = [await mesh.ask(pair, pinned=pinned) for _ in range(REQUESTS)]
        assert len(mesh.wall.of(pair.first)) == IN_A_ROW
        assert all(isinstance(got.error, errors.ProviderError) for got in answers)
        assert "closed for repairs" in str(answers[0].error)
        assert "failed too often" in str(answers[-1].error)
        mesh.wall.play(pair.first, WELL)
    back: set[str] = set()
    async with asyncio.timeout(PATIENCE_S):
        # With each tick of telemetry, a second or so.
        async for _ in mesh.stats():
            for pair in pairs:
                got = await mesh.ask(pair, pinned=f"{pair.provider}/{pair.first}")
                if got.error is None:
                    back.add(pair.name)
            if len(back) == len(pairs):
                break
    for pair in pairs:
        assert len(mesh.wall.of(pair.first)) <= IN_A_ROW + MOST_PROBES
        assert mesh.wall.of(pair.second) == []


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_a_model_that_went_mute_is_waited_for_a_few_times_and_not_by_everybody(
    mesh: FaultMesh, provider: str
) -> None:
    pair = pair_of("mute", provider)
    mesh.play(pair, [(Do.WAIT,)], [WELL])
    answers = await asyncio.gather(*(mesh.ask(pair) for _ in range(IN_A_ROW)))
    answers += [await mesh.ask(pair) for _ in range(REQUESTS)]
    first, _ = mesh.seen(pair)
    assert [(got.error, got.held) for got in answers] == [(None, TEXT)] * len(answers)
    assert len(first) <= IN_A_ROW + MOST_PROBES
    for attempt in first:
        await attempt.closed.wait()
