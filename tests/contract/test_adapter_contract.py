"""Every adapter keeps the one contract of services/providers/contract.py."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing

import pytest

from pointsman import errors
from services.providers.contract import Event, Finished, FinishReason, ModelState, Text, ToolCall
from tests.contract.harness import ANSWER, WAIT_S, Case, Harness, Running, request_for
from tests.contract.http_harness import AnthropicHarness, OpenAiHarness

HARNESSES: Sequence[Harness] = (OpenAiHarness(), AnthropicHarness())


def playing(*cases: Case) -> pytest.MarkDecorator:
    """Runs the test for each harness and case, as far as the harness can play it."""
    rows = [
        pytest.param(harness, case, id=f"{harness.name}-{case.value}")
        for harness in HARNESSES
        for case in cases
        if case in harness.cases
    ]
    return pytest.mark.parametrize(("harness", "case"), rows)


async def collect(running: Running, harness: Harness, events: list[Event]) -> None:
    async with aclosing(running.adapter.generate(request_for(harness))) as batches:
        async for batch in batches:
            assert batch, "an adapter yields no empty batches"
            events.extend(batch)
            running.go_on.set()


@playing(Case.TEXT)
async def test_text_comes_in_order_and_ends_with_its_usage(harness: Harness, case: Case) -> None:
    events: list[Event] = []
    async with harness.run(case) as running:
        await collect(running, harness, events)
    *pieces, finished = events
    assert all(isinstance(piece, Text) and piece.token_count > 0 for piece in pieces)
    assert "".join(piece.text for piece in pieces if isinstance(piece, Text)) == ANSWER
    assert isinstance(finished, Finished) and finished.reason is FinishReason.STOP
    assert finished.usage.input_tokens > 0 and finished.usage.output_tokens > 0 and not finished.usage.estimated


@playing(Case.TOOL_CALLS)
async def test_tool_calls_come_whole(harness: Harness, case: Case) -> None:
    events: list[Event] = []
    async with harness.run(case) as running:
        await collect(running, harness, events)
    calls = [event for event in events if isinstance(event, ToolCall)]
    assert [(call.name, json.loads(call.arguments_json)) for call in calls] == [
        ("set_points", {"track": 2}),
        ("ring", {}),
    ]
    assert all(call.tool_call_id for call in calls) and len({call.tool_call_id for call in calls}) == 2
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.TOOL_CALLS


@playing(Case.LENGTH)
async def test_a_limit_is_told_apart_from_an_end(harness: Harness, case: Case) -> None:
    events: list[Event] = []
    async with harness.run(case) as running:
        await collect(running, harness, events)
    assert isinstance(events[-1], Finished) and events[-1].reason is FinishReason.LENGTH


FAILURES = {
    Case.UNKNOWN_MODEL: errors.ProviderModelUnknown,
    Case.BAD_KEY: errors.ProviderCredentials,
    Case.RATE_LIMITED: errors.ProviderRateLimited,
    Case.OVERLOADED: errors.ProviderUnavailable,
    Case.DOWN: errors.ProviderUnreachable,
}


@playing(*FAILURES)
async def test_a_failure_before_the_answer_is_one_of_the_tree(harness: Harness, case: Case) -> None:
    events: list[Event] = []
    async with harness.run(case) as running:
        with pytest.raises(errors.PointsmanError) as raised:
            await collect(running, harness, events)
    assert type(raised.value) is FAILURES[case] and raised.value.message
    assert events == []
    if case is Case.RATE_LIMITED:
        assert raised.value.retry_after_s == 7.0


@playing(Case.CUT, Case.BROKEN)
async def test_a_lost_answer_is_never_shown_as_whole(harness: Harness, case: Case) -> None:
    events: list[Event] = []
    async with harness.run(case) as running:
        with pytest.raises(errors.ProviderError) as raised:
            await collect(running, harness, events)
    assert type(raised.value) is (errors.StreamCut if case is Case.CUT else errors.ProviderProtocol)
    text = "".join(event.text for event in events if isinstance(event, Text))
    assert text and ANSWER.startswith(text) and text != ANSWER
    assert not any(isinstance(event, Finished) for event in events)


@playing(Case.STALLED)
async def test_closing_the_generator_closes_the_upstream(harness: Harness, case: Case) -> None:
    async with harness.run(case) as running:
        batches = running.adapter.generate(request_for(harness))
        assert await anext(batches)
        await batches.aclose()
        async with asyncio.timeout(WAIT_S):
            await running.upstream_closed.wait()


@playing(Case.STALLED)
async def test_cancelling_the_caller_closes_the_upstream(harness: Harness, case: Case) -> None:
    async with harness.run(case) as running:
        events: list[Event] = []
        first = asyncio.Event()

        async def call() -> None:
            async with aclosing(running.adapter.generate(request_for(harness))) as batches:
                async for batch in batches:
                    events.extend(batch)
                    first.set()

        task = asyncio.create_task(call())
        async with asyncio.timeout(WAIT_S):
            await first.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await running.upstream_closed.wait()
    assert events and not isinstance(events[-1], Finished)


HEALTH = {
    Case.TEXT: ModelState.READY,
    Case.BAD_KEY: ModelState.UNAVAILABLE,
    Case.UNKNOWN_MODEL: ModelState.UNAVAILABLE,
    Case.DOWN: ModelState.UNAVAILABLE,
}


@playing(*HEALTH)
async def test_health_tells_what_a_call_would_meet(harness: Harness, case: Case) -> None:
    async with harness.run(case) as running:
        health = await running.adapter.check_health()
    assert set(health) == {harness.model}
    assert health[harness.model].state is HEALTH[case]
    assert bool(health[harness.model].detail) is (HEALTH[case] is not ModelState.READY)
