"""So many requests at a model at a time, and a bounded queue before it."""

import asyncio

from services.router.gate import Gate, Gates

SOON_S, PATIENT_S = 0.01, 20.0


async def queued(gate: Gate, count: int) -> None:
    """Lets tasks that were just made come to their wait."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert gate.waiting == count


async def test_whoever_leaves_lets_the_one_in_who_waits_longest() -> None:
    gate, order = Gate(places=1, queue=10), []
    assert await gate.enter(0)

    async def wait(name: str) -> None:
        assert await gate.enter(PATIENT_S)
        order.append(name)
        gate.leave()

    tasks = [asyncio.create_task(wait(name)) for name in "abc"]
    await queued(gate, 3)
    gate.leave()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c"]
    assert (gate.taken, gate.waiting) == (0, 0)


async def test_a_full_queue_and_a_time_that_is_up_are_refused_and_counted() -> None:
    gate = Gate(places=1, queue=1)
    assert await gate.enter(0)
    assert not await gate.enter(0)
    waits = asyncio.create_task(gate.enter(SOON_S))
    await queued(gate, 1)
    assert not await gate.enter(PATIENT_S)
    assert not await waits
    assert (gate.refused, gate.waiting) == (3, 0)


async def test_one_who_goes_away_while_it_waits_takes_no_place_along() -> None:
    gate = Gate(places=1, queue=5)
    assert await gate.enter(0)
    waits = asyncio.create_task(gate.enter(PATIENT_S))
    await queued(gate, 1)
    gate.leave()
    waits.cancel()
    await asyncio.wait({waits})
    assert (gate.taken, gate.waiting) == (0, 0)
    assert await gate.enter(0)


def test_a_model_without_a_limit_has_no_gate_and_a_reload_changes_the_places() -> None:
    gates = Gates()
    assert gates.of("p/m", 0, 5) is None
    gate = gates.of("p/m", 2, 5)
    assert gate is not None and gates.of("p/m", 3, 5) is gate
    assert gate.places == 3
