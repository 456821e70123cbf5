"""What a scenario file says is what the scripted provider plays."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import yaml

from pointsman import errors
from pointsman.config.load import ConfigError
from pointsman.config.schema import ModelSection
from pointsman.errors import BY_REASON
from pointsman.llm.v1 import prompt_pb2
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.contract import Event, Finished, FinishReason, ModelState, Reasoning, Text, ToolCall
from services.providers.scenario import Scenario, load_scenario
from services.providers.scripted import ScriptedAdapter

AT_ONCE = {"first_token_s": 0, "tokens_per_second": None}
MODELS = {name: ModelSection(provider="p", model=name, quality=0.5) for name in ("m", "other")}


def adapter(**model: Any) -> ScriptedAdapter:
    """A provider whose model `m` behaves so."""
    return ScriptedAdapter(Scenario.model_validate({"version": 1, "models": {"m": AT_ONCE | model}}), MODELS)


def ask(text: str = "Why?", **fields: Any) -> GenerateRequest:
    turn = prompt_pb2.Turn(role=prompt_pb2.ROLE_USER, parts=[prompt_pb2.Part(text=text)])
    return GenerateRequest(model="m", prompt=prompt_pb2.Prompt(turns=[turn]), **fields)


async def play(provider: ScriptedAdapter, request: GenerateRequest | None = None) -> list[Event]:
    """All events of one call."""
    events: list[Event] = []
    async with aclosing(provider.generate(request or ask())) as batches:
        async for batch in batches:
            events.extend(batch)
    return events


def text(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Text))


def finished(events: Sequence[Event]) -> Finished:
    assert isinstance(events[-1], Finished)
    assert not any(isinstance(event, Finished) for event in events[:-1])
    return events[-1]


async def test_it_says_its_answer_token_by_token_and_counts_them() -> None:
    events = await play(adapter(answer="Ice keeps  blades\nopen."))
    assert [event.text for event in events if isinstance(event, Text)] == ["Ice ", "keeps  ", "blades\n", "open."]
    assert finished(events).reason is FinishReason.STOP
    assert (finished(events).usage.output_tokens, finished(events).usage.estimated) == (4, False)


async def test_it_repeats_its_answer_up_to_so_many_tokens() -> None:
    assert text(await play(adapter(answer="click clack ", tokens=5))) == "click clack click clack click "


async def test_it_can_quote_the_prompt() -> None:
    assert text(await play(adapter(answer="You said: {prompt}"), ask("{prompt}?"))) == "You said: {prompt}?"


async def test_it_stops_at_the_callers_limit() -> None:
    events = await play(adapter(answer="a b c d"), ask(sampling=SamplingOptions(max_output_tokens=2)))
    assert text(events) == "a b "
    assert (finished(events).reason, finished(events).usage.output_tokens) == (FinishReason.LENGTH, 2)


async def test_it_goes_on_from_its_own_beginning_and_ignores_anothers() -> None:
    provider = adapter(answer="a b c d")
    assert text(await play(provider, ask(answer_prefix="a b "))) == "c d"
    assert text(await play(provider, ask(answer_prefix="x y "))) == "a b c d"


async def test_it_thinks_before_it_speaks() -> None:
    events = await play(adapter(reasoning="so it is", answer="yes"))
    assert [type(event) for event in events] == [Reasoning, Reasoning, Reasoning, Text, Finished]
    assert finished(events).usage.reasoning_output_tokens == 3
    assert finished(events).usage.output_tokens == 4


async def test_it_calls_a_tool_whole_and_each_call_has_its_own_id() -> None:
    provider = adapter(tool_call={"name": "look_up", "arguments_json": '{"a": 1}'})
    first, second = await play(provider), await play(provider)
    assert finished(first).reason is FinishReason.TOOL_CALLS
    assert [e for e in first if isinstance(e, ToolCall)] == [ToolCall("call_1", "look_up", '{"a": 1}')]
    assert [e for e in second if isinstance(e, ToolCall)] == [ToolCall("call_2", "look_up", '{"a": 1}')]


@pytest.mark.parametrize("reason", sorted(BY_REASON))
async def test_it_raises_any_error_of_the_contract(reason: str) -> None:
    script = [{"error": reason.removeprefix("ERROR_REASON_"), "retry_after_s": 3}]
    with pytest.raises(BY_REASON[reason]) as raised:
        await play(adapter(script=script))
    assert raised.value.retry_after_s == 3


async def test_it_fails_after_so_many_tokens() -> None:
    said: list[Event] = []
    provider = adapter(answer="a b c d", script=[{"error": "PROVIDER_UNAVAILABLE", "after_tokens": 2}])
    with pytest.raises(errors.ProviderUnavailable):
        async with aclosing(provider.generate(ask())) as batches:
            async for batch in batches:
                said.extend(batch)
    assert text(said) == "a b "


@pytest.mark.parametrize("after", [0, 2, 100])
async def test_a_cut_stream_ends_without_finishing(after: int) -> None:
    events = await play(adapter(answer="a b c d", script=[{"cut_after_tokens": after}]))
    assert len(events) == min(after, 4)
    assert not any(isinstance(event, Finished) for event in events)


async def test_a_stalled_stream_says_nothing_more_until_it_is_cancelled() -> None:
    provider = adapter(answer="a b c d", script=[{"stall_after_tokens": 2}])
    said = asyncio.Event()

    async def read() -> None:
        async for _ in provider.generate(ask()):
            said.set()

    task = asyncio.create_task(read())
    await said.wait()
    assert not task.done()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_slow_stream_is_whole_all_the_same() -> None:
    script = [{"slow_after_tokens": 2, "slow_tokens_per_second": 1_000}]
    assert text(await play(adapter(answer="a b c d", tokens_per_second=2_000, script=script))) == "a b c d"


async def test_its_script_goes_on_from_call_to_call_and_its_last_line_for_ever() -> None:
    provider = adapter(script=[{"error": "OVERLOADED", "calls": 2}, {"cut_after_tokens": 0}, {}])
    ways = []
    for _ in range(6):
        try:
            events = await play(provider)
            ways.append("whole" if events and isinstance(events[-1], Finished) else "cut")
        except errors.Overloaded:
            ways.append("overloaded")
    assert ways == ["overloaded", "overloaded", "cut", "whole", "whole", "whole"]


async def test_each_model_has_its_own_script() -> None:
    provider = adapter(script=[{"error": "OVERLOADED"}, {}])
    await play(provider, GenerateRequest(model="other", prompt=ask().prompt))
    with pytest.raises(errors.Overloaded):
        await play(provider)


async def test_chaos_is_a_share_of_calls_and_the_same_for_the_same_seed() -> None:
    chaos = {"share": 0.5, "seed": 7, "behaviours": [{"error": "OVERLOADED"}]}

    async def ways() -> list[bool]:
        provider, went_well = adapter(chaos=chaos), []
        for _ in range(200):
            try:
                await play(provider)
                went_well.append(True)
            except errors.Overloaded:
                went_well.append(False)
        return went_well

    first = await ways()
    assert first == await ways()
    assert 60 < sum(first) < 140


async def test_usage_can_be_left_out() -> None:
    assert finished(await play(adapter(script=[{"without_usage": True}]))).usage.estimated


async def test_a_model_that_is_down_says_so() -> None:
    health = await adapter(down=True).check_health()
    assert {name: h.state for name, h in health.items()} == {"m": ModelState.UNAVAILABLE, "other": ModelState.READY}


BAD: list[tuple[Mapping[str, Any] | str, str]] = [
    ({"version": 2}, "version: expected"),
    ({"version": 1, "modles": {}}, "2: modles: expected no such field"),
    ({"version": 1, "models": {"m": {"script": [{"error": "BANG"}]}}}, "expected one of ALL_CANDIDATES_UNAVAILABLE"),
    ({"version": 1, "models": {"m": {"script": []}}}, "models.m.script: expected"),
    (
        {"version": 1, "models": {"m": {"script": [{"error": "INTERNAL", "cut_after_tokens": 1}]}}},
        "at most one of error, cut_after_tokens and stall_after_tokens",
    ),
    ({"version": 1, "default": {"tokens_per_second": 0}}, "default.tokens_per_second: expected"),
    ("version: [", "(syntax): expected YAML"),
    ("version: !what 1", "1: (syntax): expected YAML"),
    ("- 1", "(file): expected a mapping"),
    ("\udcff", "(file): expected UTF-8 text"),
]


@pytest.mark.parametrize(("content", "told"), BAD)
def test_a_bad_scenario_is_told_by_file_line_and_field(
    tmp_path: Path, content: Mapping[str, Any] | str, told: str
) -> None:
    path = tmp_path / "scenario.yaml"
    written = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
    path.write_bytes(written.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as raised:
        load_scenario(path)
    assert str(raised.value).startswith(f"{path}:")
    assert told in str(raised.value)
