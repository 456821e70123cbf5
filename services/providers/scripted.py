"""Plays a scenario: a provider whose every delay and failure is written down. For demonstrations, tests and benchmarks."""

import asyncio
import random
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from itertools import cycle, islice
from pathlib import Path
from typing import Self

from pointsman import errors
from pointsman.config.schema import ModelSection
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest
from services.providers.contract import (
    Event,
    Finished,
    FinishReason,
    ModelHealth,
    ModelState,
    Reasoning,
    Text,
    ToolCall,
    Usage,
)
from services.providers.scenario import REASONS, Behaviour, Scenario, ScriptedModel, load_scenario
from services.providers.tokens import estimate_prompt_tokens


class ScriptedAdapter:
    """One scenario; counts the calls of each model, so that its script goes on from call to call."""

    def __init__(self, scenario: Scenario, models: Mapping[str, ModelSection]) -> None:
        self._models = {name: scenario.models.get(name, scenario.default) for name in models}
        self._calls = dict.fromkeys(models, 0)
        self._chaos = {name: random.Random(m.chaos.seed) for name, m in self._models.items() if m.chaos}  # noqa: S311

    @classmethod
    def from_file(cls, path: Path, models: Mapping[str, ModelSection]) -> Self:
        """Reads the scenario; raises ConfigError."""
        return cls(load_scenario(path), models)

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Sequence[Event], None]:
        """Plays the next call of `request.model`'s script."""
        model = self._models[request.model]
        behaviour = self._next_behaviour(request.model, model)
        pieces, reason = _pieces(model, request, f"call_{self._calls[request.model]}")
        fails_at = _fails_at(behaviour)
        stop = len(pieces) if fails_at is None else min(fails_at, len(pieces))
        sent = 0
        async with aclosing(_due(stop, model, behaviour)) as dues:
            async for due in dues:
                yield pieces[sent:due]
                sent = due
        if fails_at is not None:
            await _fail(behaviour)
            return
        yield [Finished(reason, _usage(request, behaviour, pieces))]

    async def check_health(self) -> Mapping[str, ModelHealth]:
        """READY but for the models that the scenario calls down."""
        down = ModelHealth(ModelState.UNAVAILABLE, "down by its scenario")
        return {name: down if model.down else ModelHealth(ModelState.READY) for name, model in self._models.items()}

    async def aclose(self) -> None:
        """Nothing is open."""

    def _next_behaviour(self, name: str, model: ScriptedModel) -> Behaviour:
        call = self._calls[name]
        self._calls[name] += 1
        if model.chaos and (generator := self._chaos[name]).random() < model.chaos.share:
            return generator.choice(model.chaos.behaviours)
        for behaviour in model.script:
            call -= behaviour.calls
            if call < 0:
                return behaviour
        return model.script[-1]


def _tokens(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*|\s+", text)


def _pieces(model: ScriptedModel, request: GenerateRequest, call_id: str) -> tuple[list[Event], FinishReason]:
    """All that the model says when nothing fails, a token a piece, and how it ends."""
    reasoning: list[Event] = [Reasoning(token, 1) for token in _tokens(model.reasoning)]
    if model.tool_call:
        return [
            *reasoning,
            ToolCall(call_id, model.tool_call.name, model.tool_call.arguments_json),
        ], FinishReason.TOOL_CALLS
    prompt = "".join(part.text for part in request.prompt.turns[-1].parts) if request.prompt.turns else ""
    tokens = _tokens(model.answer.replace("{prompt}", prompt))
    if model.tokens:
        tokens = list(islice(cycle(tokens), model.tokens))
    if request.answer_prefix and (answer := "".join(tokens)).startswith(request.answer_prefix):
        tokens = _tokens(answer[len(request.answer_prefix) :])
    limit = request.sampling.max_output_tokens if request.sampling.HasField("max_output_tokens") else len(tokens)
    reason = FinishReason.LENGTH if limit < len(tokens) else FinishReason.STOP
    return [*reasoning, *(Text(token, 1) for token in tokens[:limit])], reason


async def _due(stop: int, model: ScriptedModel, behaviour: Behaviour) -> AsyncGenerator[int, None]:
    """Yields, at the model's pace, how many pieces should have gone out by now, until it is `stop`.

    The pace is an absolute schedule: who comes late to it says the missed pieces at once.
    """
    await asyncio.sleep(model.first_token_s)
    rate, slow_at = model.tokens_per_second, behaviour.slow_after_tokens
    began_s, began_at, sent = time.monotonic(), 0, 0
    while sent < stop:
        if slow_at is not None and sent >= slow_at:
            rate, slow_at, began_s, began_at = behaviour.slow_tokens_per_second, None, time.monotonic(), sent
        limit = stop if slow_at is None else min(stop, slow_at)
        if rate is None:
            sent = limit
        else:
            await asyncio.sleep(max(0.0, began_s + (sent - began_at) / rate - time.monotonic()))
            sent = min(limit, max(sent + 1, began_at + int((time.monotonic() - began_s) * rate) + 1))
        yield sent


def _fails_at(behaviour: Behaviour) -> int | None:
    """How many pieces go out before the failure that the behaviour names."""
    if behaviour.error:
        return behaviour.after_tokens
    return behaviour.cut_after_tokens if behaviour.stall_after_tokens is None else behaviour.stall_after_tokens


async def _fail(behaviour: Behaviour) -> None:
    """Raises the error or stalls; returns where the stream is just cut."""
    if behaviour.error:
        raise _error(behaviour)
    if behaviour.stall_after_tokens is not None:
        await asyncio.Event().wait()


def _error(behaviour: Behaviour) -> errors.PointsmanError:
    assert behaviour.error is not None
    return REASONS[behaviour.error]("as its scenario says", retry_after_s=behaviour.retry_after_s)


def _usage(request: GenerateRequest, behaviour: Behaviour, pieces: Sequence[Event]) -> Usage:
    return Usage(
        input_tokens=estimate_prompt_tokens(request.prompt),
        output_tokens=len(pieces),
        reasoning_output_tokens=sum(isinstance(piece, Reasoning) for piece in pieces),
        estimated=behaviour.without_usage,
    )
