"""Calls the same upstream in different ways: directly, through the mesh, through LiteLLM's proxy. Times are in seconds.

An answer that is not whole would make a way look cheap, so every one is checked: RuntimeError says what is missing.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from grpc import aio

from bench.gateway.upstream import TOKEN_TEXT
from pointsman.channel import open_channel
from pointsman.classifier.v1.classifier_service_pb2 import ClassifierTier
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.llm.v1.prompt_pb2 import ROLE_USER, Part, Prompt, Turn
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub

PROMPT = "Compare two ways to keep a railway's timetable robust against delays, and say which you would take for a small network."
# How the upstream's tokens look in a body of events, its own and LiteLLM's.
CONTENT = b'"content":"%b' % TOKEN_TEXT.encode()
# The bar is a twentieth of it.
CLOSE_LIMIT_S = 2.0
# Streams that are measured together begin evenly over so long.
STAGGER_S = 0.1


class Target(Protocol):
    """One way to the upstream."""

    name: str

    async def stream(self, model: str, tokens: int) -> float:
        """Reads one answer to its end; returns the time to its first token."""
        ...

    async def cut(self) -> float:
        """Ends a stream after its first token; returns when it did, on the monotonic clock."""
        ...


class Http:
    """An OpenAI-compatible API; `model` is what the upstream's model is called there."""

    def __init__(self, name: str, session: aiohttp.ClientSession, base_url: str) -> None:
        self.name = name
        self._session = session
        self._url = f"{base_url}/chat/completions"

    async def stream(self, model: str, tokens: int) -> float:
        """Reads one answer to its end."""
        began_s, first_s = time.monotonic(), 0.0
        pieces: list[bytes] = []
        async with self._post(model, tokens) as response:
            response.raise_for_status()
            async for piece in response.content.iter_any():
                pieces.append(piece)
                if not first_s and CONTENT in piece:
                    first_s = time.monotonic() - began_s
        _check_whole(self.name, b"".join(pieces).count(CONTENT), tokens, first_s)
        return first_s

    async def cut(self) -> float:
        """Ends a stream after its first token."""
        async with self._post("paced", 1_000) as response:
            response.raise_for_status()
            async for piece in response.content.iter_any():
                if CONTENT in piece:
                    break
            ended_s = time.monotonic()
            response.close()
        return ended_s

    def _post(self, model: str, tokens: int) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        body = {"model": model, "max_tokens": tokens, "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
        return self._session.post(self._url, json=body, headers={"Authorization": "Bearer bench"})


class Mesh:
    """The router over gRPC; `classified` counts requests by the tier that judged them, `none` where none did in time."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self.classified: Counter[str] = Counter()
        self._channel = open_channel(address)
        self._stub = RouterServiceStub(self._channel)

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def stream(self, model: str, tokens: int) -> float:
        """Reads one answer to its end."""
        began_s, first_s = time.monotonic(), 0.0
        texts: list[str] = []
        async for frame in self._stub.Generate(_request(model, tokens)):
            if frame.HasField("decided"):
                self.classified[_tier(frame.decided)] += 1
            elif frame.HasField("event") and frame.event.HasField("text_delta"):
                first_s = first_s or time.monotonic() - began_s
                texts.append(frame.event.text_delta.text)
        _check_whole(self.name, "".join(texts).count(TOKEN_TEXT), tokens, first_s)
        return first_s

    async def cut(self) -> float:
        """Ends a stream after its first token."""
        call: aio.UnaryStreamCall[pb.GenerateRequest, pb.GenerateResponse] = self._stub.Generate(
            _request("paced", 1_000)
        )
        async for frame in call:
            if frame.HasField("event") and frame.event.HasField("text_delta"):
                break
        ended_s = time.monotonic()
        call.cancel()
        return ended_s


def _request(model: str, tokens: int) -> pb.GenerateRequest:
    return pb.GenerateRequest(
        prompt=Prompt(turns=[Turn(role=ROLE_USER, parts=[Part(text=PROMPT)])]),
        sampling=SamplingOptions(max_output_tokens=tokens),
        constraints=pb.RoutingConstraints(pinned_model={"provider": "upstream", "model": model}),
    )


def _tier(decided: pb.RouteDecision) -> str:
    # Not `default_complexity`: a classifier that answers, and is unsure, has done its work.
    if not decided.classification.tier:
        return "none"
    return ClassifierTier.Name(decided.classification.tier).removeprefix("CLASSIFIER_TIER_").lower()


def _check_whole(name: str, found: int, tokens: int, first_s: float) -> None:
    if found != tokens or not first_s:
        raise RuntimeError(f"{name}: expected an answer of {tokens} tokens, found {found}")


@dataclass(slots=True)
class Sample:
    """Times to the first token, sorted when asked."""

    values_s: list[float] = field(default_factory=list)

    def quantile_ms(self, share: float) -> float:
        """The value below which `share` of them lie, in milliseconds."""
        ordered = sorted(self.values_s)
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def first_tokens(targets: list[Target], rounds: int, step: Callable[[], None]) -> dict[str, Sample]:
    """Asks every target in turn, `rounds` times, one request at a time, so that a drift of the machine meets all alike."""
    samples = {target.name: Sample() for target in targets}
    for target in targets:
        for _ in range(10):
            await target.stream("instant", 5)
    for _ in range(rounds):
        for target in targets:
            samples[target.name].values_s.append(await target.stream("instant", 5))
        step()
    return samples


async def streams(target: Target, count: int, tokens: int, begun_over_s: float = STAGGER_S) -> int:
    """`count` answers of `tokens` at the upstream's pace, begun evenly over `begun_over_s`; returns all tokens."""

    async def one(index: int) -> None:
        await asyncio.sleep(begun_over_s * index / count)
        await target.stream("paced", tokens)

    async with asyncio.TaskGroup() as tasks:
        for index in range(count):
            tasks.create_task(one(index))
    return count * tokens


async def cancels(target: Target, closed_s: Callable[[], Awaitable[float]], rounds: int) -> Sample:
    """How long the upstream's socket stays open after the client ended its stream; RuntimeError where it does not close."""
    sample = Sample()
    for _ in range(rounds):
        before = await closed_s()
        ended_s = await target.cut()
        while (now_s := await closed_s()) == before:
            if time.monotonic() - ended_s > CLOSE_LIMIT_S:
                raise RuntimeError(f"{target.name}: the upstream's stream is open {CLOSE_LIMIT_S:g} s after a cancel")
            await asyncio.sleep(0.001)
        sample.values_s.append(max(0.0, now_s - ended_s))
    return sample
