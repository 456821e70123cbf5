"""Calls the same upstream in different ways: directly, through the mesh, through LiteLLM's proxy. Times are in seconds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import aiohttp
from grpc import aio

from pointsman.channel import open_channel
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.llm.v1.prompt_pb2 import ROLE_USER, Part, Prompt, Turn
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub

PROMPT = "Compare two ways to keep a railway's timetable robust against delays, and say which you would take for a small network."


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
        body = {"model": model, "max_tokens": tokens, "stream": True, "messages": [{"role": "user", "content": PROMPT}]}
        began_s, first_s = time.monotonic(), 0.0
        async with self._session.post(self._url, json=body, headers={"Authorization": "Bearer bench"}) as response:
            response.raise_for_status()
            async for piece in response.content.iter_any():
                if not first_s and b'"content":"' in piece:
                    first_s = time.monotonic() - began_s
        return first_s

    async def cut(self) -> float:
        """Ends a stream after its first token."""
        body = {
            "model": "paced",
            "max_tokens": 1_000,
            "stream": True,
            "messages": [{"role": "user", "content": PROMPT}],
        }
        async with self._session.post(self._url, json=body, headers={"Authorization": "Bearer bench"}) as response:
            async for piece in response.content.iter_any():
                if b'"content":"' in piece:
                    break
            ended_s = time.monotonic()
            response.close()
        return ended_s


class Mesh:
    """The router over gRPC."""

    def __init__(self, name: str, address: str) -> None:
        self.name = name
        self._channel = open_channel(address)
        self._stub = RouterServiceStub(self._channel)

    async def aclose(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def stream(self, model: str, tokens: int) -> float:
        """Reads one answer to its end."""
        began_s, first_s = time.monotonic(), 0.0
        call = self._stub.Generate(_request(model, tokens))
        async for frame in call:
            if not first_s and frame.HasField("event"):
                first_s = time.monotonic() - began_s
        return first_s

    async def cut(self) -> float:
        """Ends a stream after its first token."""
        call: aio.UnaryStreamCall[pb.GenerateRequest, pb.GenerateResponse] = self._stub.Generate(
            _request("paced", 1_000)
        )
        async for frame in call:
            if frame.HasField("event"):
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


async def streams(target: Target, count: int, tokens: int) -> int:
    """`count` answers of `tokens` at once, each at the upstream's pace, begun evenly over a tenth of a second; returns all tokens."""

    async def one(index: int) -> None:
        await asyncio.sleep(0.1 * index / count)
        await target.stream("paced", tokens)

    await asyncio.gather(*(one(index) for index in range(count)))
    return count * tokens


async def cancels(target: Target, closed_s: Callable[[], Awaitable[float]], rounds: int) -> Sample:
    """How long the upstream's socket stays open after the client ended its stream."""
    sample = Sample()
    for _ in range(rounds):
        before = await closed_s()
        ended_s = await target.cut()
        while (now_s := await closed_s()) == before:  # noqa: ASYNC110 - another process knows
            await asyncio.sleep(0.001)
        sample.values_s.append(max(0.0, now_s - ended_s))
    return sample
