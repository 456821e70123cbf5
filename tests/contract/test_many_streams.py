"""With many answers at once their text gathers before it is read on: nothing is lost by it, and a cancel is as quick."""

import asyncio
from contextlib import aclosing

import pytest

from services.providers.contract import Event, Finished, Text
from services.providers.pace import gathering_s
from tests.contract.harness import ANSWER, WAIT_S, Case, Harness, Running, request_for
from tests.contract.http_harness import AnthropicHarness, OpenAiHarness

MANY = 48
HARNESSES = [pytest.param(harness, id=harness.name) for harness in (OpenAiHarness(), AnthropicHarness())]


async def collect(running: Running, harness: Harness, events: list[Event], first: asyncio.Event) -> None:
    async with aclosing(running.adapter.generate(request_for(harness))) as batches:
        async for batch in batches:
            events.extend(batch)
            first.set()


@pytest.mark.parametrize("harness", HARNESSES)
async def test_every_answer_is_whole(harness: Harness) -> None:
    assert gathering_s(MANY, 0.05, 0.0) > 0.0
    answers: list[list[Event]] = [[] for _ in range(MANY)]
    async with harness.run(Case.TEXT) as running, asyncio.TaskGroup() as tasks:
        for events in answers:
            tasks.create_task(collect(running, harness, events, asyncio.Event()))
    for *pieces, finished in answers:
        assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == ANSWER
        assert isinstance(finished, Finished)


@pytest.mark.parametrize("harness", HARNESSES)
async def test_a_cancel_does_not_wait_for_the_text_that_gathers(harness: Harness) -> None:
    async with harness.run(Case.STALLED) as running, asyncio.timeout(WAIT_S):
        firsts = [asyncio.Event() for _ in range(MANY)]
        calls = [asyncio.create_task(collect(running, harness, [], first)) for first in firsts]
        # The first token comes, however many others there are.
        for first in firsts:
            await first.wait()
        for call in calls:
            call.cancel()
        assert all(isinstance(e, asyncio.CancelledError) for e in await asyncio.gather(*calls, return_exceptions=True))
        await running.upstream_closed.wait()
