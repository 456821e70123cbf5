"""A whole mesh in one event loop: router, scripted providers and, where wanted, telemetry and classifier, over Unix sockets.

Three providers with one model each, equal but for their quality: `first/m` is ranked before `second/m` and `third/m`.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.metrics import Meter

from pointsman import rpc_status
from pointsman.channel import open_channel
from pointsman.config.load import LoadedConfig, load_config
from pointsman.provider.v1.provider_service_pb2 import GenerateRequest as ProviderRequest
from pointsman.router.v1 import router_service_pb2 as pb
from pointsman.router.v1.router_service_pb2_grpc import RouterServiceStub
from services.providers import app as provider_app
from services.providers import config as provider_config
from services.providers.contract import Event
from services.providers.scripted import ScriptedAdapter
from services.router import app as router_app
from services.router import config as router_config
from services.runtime.clock import SystemClock
from services.runtime.health import Component
from services.runtime.metrics import NO_METER
from services.runtime.server import Server
from services.runtime.settings import Settings, read_settings
from services.telemetry import app as telemetry_app
from services.telemetry import config as telemetry_config
from tests.inprocess.answers import Answer, prompt

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.router.v1.router_service_pb2_grpc import RouterServiceAsyncStub

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
QUALITY = {"first": 0.9, "second": 0.8, "third": 0.7}
# Well within every limit, far above what a test takes: a deadline keeps a hanging test from hanging the suite.
PATIENCE_S = 20.0
WELL: dict[str, Any] = {"answer": "All is well. ", "first_token_s": 0, "tokens_per_second": None}


class WatchedAdapter(ScriptedAdapter):
    """The scripted provider, which also tells what became of its calls."""

    def note(self) -> None:
        """Begins to count."""
        self.requests: list[ProviderRequest] = []
        self.open = 0
        self.cancelled = 0
        self.started = asyncio.Event()
        self.all_closed = asyncio.Event()

    async def generate(self, request: ProviderRequest) -> AsyncGenerator[Sequence[Event], None]:
        """Plays on; `all_closed` is set when no generator is open any more."""
        self.requests.append(request)
        self.open += 1
        self.started.set()
        self.all_closed.clear()
        try:
            async with aclosing(super().generate(request)) as batches:
                async for batch in batches:
                    yield batch
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.open -= 1
            if not self.open:
                self.all_closed.set()


@dataclass
class Provider:
    """One running provider."""

    adapter: WatchedAdapter
    server: Server
    stack: AsyncExitStack


@dataclass
class Mesh:
    """The running mesh and what a client needs of it."""

    folder: Path
    loaded: LoadedConfig
    environment: Mapping[str, str]
    providers: dict[str, Provider] = field(default_factory=dict)
    router: Server | None = None
    channel: aio.Channel | None = None

    @property
    def stub(self) -> "RouterServiceAsyncStub":
        """The router's generated stub."""
        assert self.channel is not None
        return RouterServiceStub(self.channel)

    def settings(self, service: str, *arguments: str) -> Settings:
        """What the process of `service` would be told."""
        argv = ["--config", str(self.loaded.path), "--run-dir", str(self.folder), *arguments]
        option = "provider" if service == "providers" else None
        return read_settings(service, argv, self.environment, instance_option=option)

    def component(self, name: str) -> Component:
        """A component of the router's health, with its reason."""
        assert self.router is not None
        return self.router.health.components[name]

    def adapter(self, provider: str) -> WatchedAdapter:
        """The adapter of one provider."""
        return self.providers[provider].adapter

    async def start_provider(self, name: str) -> None:
        """Starts one provider as its own process would."""
        config = provider_config.read_config(self.loaded, self.settings("providers", "--provider", name))
        stack = AsyncExitStack()
        section = config.section
        scenario = self.folder / f"{name}.yaml" if section.kind != "scripted" else config.resolve(section.scenario)
        adapter = WatchedAdapter.from_file(scenario, config.models)
        adapter.note()
        server = await stack.enter_async_context(provider_app.compose(config, adapter))
        await server.start()
        self.providers[name] = Provider(adapter, server, stack)

    async def stop_provider(self, name: str, grace_s: float = 0) -> None:
        """Ends one provider as SIGTERM would."""
        provider = self.providers.pop(name)
        await provider.server.stop(grace_s)
        await provider.stack.aclose()

    async def until(self, component: str, status: int, address: str | None = None) -> None:
        """Waits until health says so: of the router, or of the service at `address`."""
        channel = open_channel(address) if address else self.channel
        assert channel is not None
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=component))
        try:
            async with asyncio.timeout(PATIENCE_S):
                async for told in watch:
                    if told.status == status:
                        return
        finally:
            watch.cancel()
            if address:
                await channel.close()
        raise AssertionError(f"the watch of {component} ended")

    async def eventually(self, ask: Callable[[], Awaitable[object]], wanted: object) -> None:
        """Asks, over gRPC, until the answer is `wanted`."""
        found: object = None
        try:
            async with asyncio.timeout(PATIENCE_S):
                while (found := await ask()) != wanted:
                    pass
        except TimeoutError:
            raise AssertionError(f"expected {wanted!r}, found {found!r} to the end") from None

    async def health_of(self, component: str) -> int:
        """What the router's health says of a component now."""
        stub: Any = health_pb2_grpc.HealthStub(self.channel)  # type: ignore[arg-type]
        return int((await stub.Check(health_pb2.HealthCheckRequest(service=component))).status)

    async def chosen(self) -> str:
        """The provider that would be asked now."""
        return (await self.stub.Explain(pb.ExplainRequest(prompt=prompt()))).decision.chosen.provider

    async def detail_of(self, provider: str) -> str:
        """Why the model of `provider` is not available, as the router lists it; empty where it is."""
        models = (await self.stub.ListModels(pb.ListModelsRequest())).models
        return next(model.detail for model in models if model.card.ref.provider == provider)

    async def generate(self, request: pb.GenerateRequest, timeout_s: float = PATIENCE_S) -> Answer:
        """Reads a whole stream."""
        answer = Answer()
        call = self.stub.Generate(request, timeout=timeout_s)
        try:
            async for frame in call:
                answer.frames.append(frame)
        except aio.AioRpcError as error:
            answer.code, answer.error = error.code().name, rpc_status.from_rpc_error(error)
        finally:
            call.cancel()
        return answer


@asynccontextmanager
async def running_mesh(
    folder: Path,
    scenarios: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    sections: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    telemetry: bool = False,
    absent: Sequence[str] = (),
    until: Sequence[str] | None = None,
    clock: SystemClock | None = None,
    meter: Meter = NO_METER,
) -> AsyncIterator[Mesh]:
    """Starts the mesh and waits until every provider that is not `absent`, or those in `until`, serve.

    `scenarios` maps a provider to how its model behaves (the rest answer at once), `sections` are more of the configuration's
    sections, `model` more fields of each model.
    """
    providers: dict[str, Any] = {}
    for name in QUALITY:
        behaviour = WELL | dict((scenarios or {}).get(name, {}))
        (folder / f"{name}.yaml").write_text(yaml.safe_dump({"version": 1, "default": behaviour}))
        providers[name] = {"kind": "scripted", "scenario": f"{name}.yaml"}
    models = [
        {
            "provider": name,
            "model": "m",
            "quality": quality,
            "context_tokens": 8_000,
            "price": {"input": 1, "output": 2},
        }
        | dict(model or {})
        for name, quality in QUALITY.items()
    ]
    content = {"version": 1, "providers": providers, "models": models} | dict(sections or {})
    (folder / "mesh.yaml").write_text(yaml.safe_dump(content))
    mesh = Mesh(folder, load_config(folder / "mesh.yaml"), {})
    async with AsyncExitStack() as stack:
        if telemetry:
            await stack.enter_async_context(running_telemetry(mesh))
        stack.push_async_callback(_stop_providers, mesh)
        for name in providers:
            if name not in absent:
                await mesh.start_provider(name)
        settings = mesh.settings("router")
        config = router_config.read_config(mesh.loaded, settings)
        mesh.router = await stack.enter_async_context(
            router_app.compose(config, clock or SystemClock(), settings, meter)
        )
        await mesh.router.start()
        stack.push_async_callback(mesh.router.stop, 0)
        mesh.channel = await stack.enter_async_context(open_channel(config.address))
        for name in mesh.providers if until is None else until:
            await mesh.until(f"provider/{name}", SERVING)
        yield mesh


@asynccontextmanager
async def running_telemetry(mesh: Mesh) -> AsyncIterator[Server]:
    """The telemetry service of the mesh, at ten ticks a second."""
    config = telemetry_config.read_config(mesh.loaded, mesh.settings("telemetry"))
    async with telemetry_app.compose(replace(config, tick_s=0.1), SystemClock()) as server:
        await server.start()
        try:
            yield server
        finally:
            await server.stop(0)


async def _stop_providers(mesh: Mesh) -> None:
    for name in list(mesh.providers):
        await mesh.stop_provider(name)
