"""A mesh of real processes whose two providers speak to the fault wall, and what its client gets.

Each case has a pair of models of its own, so that no case's circuits and figures reach another: the `first`, which is far better, at
one provider, and the `second` at the other. The case's policy allows these two alone.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from grpc import aio

from pointsman import rpc_status
from pointsman.answer import PartialAnswer
from pointsman.channel import open_channel
from pointsman.llm.v1.generation_pb2 import SamplingOptions
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub
from pointsman.telemetry.v1.telemetry_service_pb2 import ModelStats, WatchStatsRequest
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from tests.e2e.mesh_config import clean_environment
from tests.e2e.service_processes import PATIENCE_S, SERVING, ServiceProcesses, service_processes
from tests.faults.playing import Attempt
from tests.faults.speech import SPEECHES
from tests.faults.steps import Script
from tests.faults.wall import Wall, running_wall
from tests.inprocess.answers import Answer, prompt

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

PROVIDERS = tuple(SPEECHES)
# Short enough to wait for, far above what a sound answer of the wall takes.
LIMITS: dict[str, Any] = {
    "max_attempts": 4,
    "first_token_timeout_s": 2.0,
    "stall_timeout_s": 2.0,
    "slow_tokens_per_second": 4.0,
    "slow_window_s": 1.0,
}


@dataclass(frozen=True, slots=True)
class Pair:
    """The models of one case: the first at `provider`, the second at the other; `continues` says of both."""

    name: str
    provider: str = "openai"
    continues: bool = False

    @property
    def other(self) -> str:
        """The second's provider."""
        return next(name for name in PROVIDERS if name != self.provider)

    @property
    def first(self) -> str:
        """The first's name."""
        return f"first-{self.name}"

    @property
    def second(self) -> str:
        """The second's name."""
        return f"second-{self.name}"

    def models(self) -> list[dict[str, Any]]:
        """Both, for the configuration."""
        price = {"price": {"input": 1, "output": 2}}
        more = price | {"capabilities": ["continue_from_prefix"] if self.continues else []}
        return [
            {"provider": self.provider, "model": self.first, "quality": 0.95, "context_tokens": 8_000} | more,
            {"provider": self.other, "model": self.second, "quality": 0.3, "context_tokens": 100_000} | more,
        ]


@dataclass(slots=True)
class Got(Answer):
    """What a client got, and its text as the project's own client holds it."""

    partial: PartialAnswer = field(default_factory=PartialAnswer)

    @property
    def held(self) -> str:
        """The text that stands."""
        return self.partial.text

    @property
    def kept(self) -> list[int]:
        """How much of the text each switch let stand."""
        return [switch.kept_characters for switch in self.partial.switches]

    @property
    def told(self) -> list[str]:
        """Every attempt that the error tells, in order."""
        metadata = self.error.metadata if self.error else {}
        return [metadata[name] for name in sorted(metadata) if name.startswith("attempt_")]


class Call:
    """A stream as the client reads it."""

    def __init__(self, call: "aio.UnaryStreamCall[pb.GenerateRequest, pb.GenerateResponse]") -> None:
        self._call = call
        # Not `call.read()`: once the status has come it drops the frames that are still unread.
        self._frames = aiter(call)
        self.got = Got()

    async def until(self, text: str) -> None:
        """Reads until the client holds this text."""
        while self.got.held != text:
            self._take(await anext(self._frames))

    async def read(self) -> Got:
        """Reads to the end; the project's client raises where the grammar is broken, or the answer not whole."""
        got = self.got
        try:
            async for frame in self._frames:
                self._take(frame)
            got.partial.end()
        except aio.AioRpcError as error:
            got.code, got.error = error.code().name, rpc_status.from_rpc_error(error)
        finally:
            self._call.cancel()
        return got

    def cancel(self) -> None:
        """The client goes away."""
        self._call.cancel()

    def _take(self, frame: pb.GenerateResponse) -> None:
        self.got.frames.append(frame)
        self.got.partial.take(frame)


@dataclass(slots=True)
class FaultMesh:
    """The running mesh."""

    wall: Wall
    processes: ServiceProcesses
    stub: "RouterServiceAsyncStub"

    def play(self, pair: Pair, first: Sequence[Script], second: Sequence[Script]) -> None:
        """Sets what the wall does for a pair."""
        self.wall.play(pair.first, *first)
        self.wall.play(pair.second, *second)

    def seen(self, pair: Pair) -> tuple[list[Attempt], list[Attempt]]:
        """What the wall saw for both models of a pair."""
        return self.wall.of(pair.first), self.wall.of(pair.second)

    def call(
        self,
        pair: Pair,
        *,
        timeout_s: float = PATIENCE_S,
        mode: "pb.SwitchMode" = pb.SWITCH_MODE_UNSPECIFIED,
        pinned: str = "",
        sampling: SamplingOptions | None = None,
        question: str = "Why do points freeze?",
    ) -> Call:
        """Begins to ask."""
        constraints = pb.RoutingConstraints(policy=pair.name, switch_mode=mode)
        if pinned:
            constraints.pinned_model.provider, _, constraints.pinned_model.model = pinned.partition("/")
        request = pb.GenerateRequest(prompt=prompt(question), constraints=constraints, sampling=sampling)
        return Call(self.stub.Generate(request, timeout=timeout_s))

    async def stats(self) -> AsyncIterator[Mapping[str, ModelStats]]:
        """Telemetry's picture by model, with each tick."""
        async with open_channel(self.processes.address("telemetry")) as channel:
            watch = TelemetryServiceStub(channel).WatchStats(WatchStatsRequest(), timeout=PATIENCE_S)
            try:
                async for tick in watch:
                    yield {f"{stats.model.provider}/{stats.model.model}": stats for stats in tick.models}
            finally:
                watch.cancel()

    async def ask(self, pair: Pair, **options: Any) -> Got:
        """Asks, and reads to the end."""
        return await self.call(pair, **options).read()


def write_config(folder: Path, wall: Wall, pairs: Sequence[Pair], **sections: Any) -> Path:
    """Writes the configuration; returns its path."""
    content: dict[str, Any] = {
        "version": 1,
        "limits": LIMITS,
        "providers": {
            "openai": {"kind": "openai_http", "base_url": f"http://127.0.0.1:{wall.port}/openai/v1"},
            "anthropic": {
                "kind": "anthropic_http",
                "base_url": f"http://127.0.0.1:{wall.port}/anthropic",
                "api_key_env": None,
            },
        },
        "models": [model for pair in pairs for model in pair.models()],
        "policies": {
            pair.name: {"success_value": 1.0, "allow": [f"*/first-{pair.name}", f"*/second-{pair.name}"]}
            for pair in pairs
        },
    }
    path = folder / "mesh.yaml"
    path.write_text(yaml.safe_dump(content | sections))
    return path


@asynccontextmanager
async def running_fault_mesh(
    folder: Path, pairs: Sequence[Pair], *, also: Sequence[str] = (), **sections: Any
) -> AsyncIterator[FaultMesh]:
    """Starts the wall, both providers' processes, the router's, and those in `also`."""
    async with running_wall() as wall:
        config = write_config(folder, wall, pairs, **sections)
        async with service_processes(config, clean_environment()) as processes:
            await processes.start("provider-openai", "provider-anthropic", *also, "router")
            for name in PROVIDERS:
                await processes.until("router", f"provider/{name}", SERVING)
            async with open_channel(processes.address("router")) as channel:
                yield FaultMesh(wall, processes, RouterServiceStub(channel))
