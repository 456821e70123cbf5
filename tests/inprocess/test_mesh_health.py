"""What is missing is told by name, through health and the list of models, and the rest works on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pointsman.config.load import load_config
from pointsman.provider.v1 import provider_service_pb2 as provider_pb
from services.runtime.clock import SystemClock
from tests.inprocess.answers import ask
from tests.inprocess.mesh import NOT_SERVING, PATIENCE_S, SERVING, running_mesh


async def test_a_provider_without_its_key_says_so_and_the_rest_works(tmp_path: Path) -> None:
    providers: dict[str, Any] = {
        name: {"kind": "scripted", "scenario": f"{name}.yaml"} for name in ("second", "third")
    } | {"first": {"kind": "openai_http", "api_key_env": "SOME_API_KEY"}}
    async with running_mesh(tmp_path, sections={"providers": providers}, until=["second", "third"]) as mesh:
        await mesh.eventually(lambda: mesh.detail_of("first"), "SOME_API_KEY is not set")
        await mesh.until("", NOT_SERVING, address=f"unix:{tmp_path}/provider-first.sock")
        assert await mesh.health_of("provider/first") == NOT_SERVING
        assert await mesh.health_of("") == SERVING
        answer = await mesh.generate(ask())
    assert answer.decided.chosen.provider == "second"
    assert [c.detail for c in answer.decided.candidates if c.model.provider == "first"] == ["SOME_API_KEY is not set"]


async def test_a_model_that_its_provider_does_not_know_is_told_so(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        await mesh.stop_provider("third")
        # It is started again with another configuration than the router has.
        content = yaml.safe_load(mesh.loaded.path.read_text())
        content["models"][2]["model"] = "other"
        mesh.loaded.path.write_text(yaml.safe_dump(content))
        mesh.loaded = load_config(mesh.loaded.path)
        await mesh.start_provider("third")
        await mesh.eventually(lambda: mesh.detail_of("third"), "its provider does not know it")


async def test_health_names_every_part(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        await mesh.generate(ask())
        for name in ("", "pointsman.router.v1.RouterService", "models", "provider/first", "provider/third"):
            assert await mesh.health_of(name) == SERVING
        with pytest.raises(aio.AioRpcError) as raised:
            await mesh.health_of("no such part")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_without_any_model_the_router_does_not_serve(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, absent=["first", "second", "third"]) as mesh:
        await mesh.until("", NOT_SERVING)
        answer = await mesh.generate(ask())
        assert answer.code == "UNAVAILABLE"
        await mesh.start_provider("second")
        await mesh.until("", SERVING)
        assert (await mesh.generate(ask())).decided.chosen.provider == "second"


async def test_every_watcher_of_health_is_told_even_when_another_leaves(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh:
        assert mesh.channel is not None
        stub: Any = health_pb2_grpc.HealthStub(mesh.channel)
        leaving, staying = (stub.Watch(health_pb2.HealthCheckRequest(service="provider/first")) for _ in range(2))
        told = aiter(staying)
        assert ((await anext(aiter(leaving))).status, (await anext(told)).status) == (SERVING, SERVING)
        leaving.cancel()
        await mesh.until("provider/first", SERVING)
        await mesh.stop_provider("first")
        assert (await anext(told)).status == NOT_SERVING
        staying.cancel()


class LeapingClock(SystemClock):
    """The machine's clock, which a test may move forward."""

    def __init__(self) -> None:
        self.leapt_s = 0.0
        self.monotonic = lambda: time.monotonic() + self.leapt_s


@asynccontextmanager
async def provider_behind_a_proxy(address: str) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
    """A provider whose first watch is cut when the first event is set; the second event tells that it is watched again."""
    cut, again = asyncio.Event(), asyncio.Event()
    ready = provider_pb.ModelHealth(model="m", state=provider_pb.ModelHealth.STATE_READY)
    picture = provider_pb.WatchModelHealthResponse(models=[ready]).SerializeToString()

    async def watch(request: bytes, context: Any) -> None:
        await context.write(picture)
        if cut.is_set():
            again.set()
            await asyncio.Event().wait()
        await cut.wait()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "upstream connect error or disconnect/reset before headers")

    server = aio.server()
    handler: Any = {"WatchModelHealth": grpc.unary_stream_rpc_method_handler(watch)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("pointsman.provider.v1.ProviderService", handler),)
    )
    server.add_insecure_port(address)
    await server.start()
    try:
        yield cut, again
    finally:
        await server.stop(0)


@pytest.mark.parametrize(("good_for_s", "went_down"), [(300.0, False), (0.0, True)])
async def test_a_proxy_that_ends_an_old_watch_takes_no_model_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, good_for_s: float, went_down: bool
) -> None:
    clock = LeapingClock()
    async with (
        running_mesh(tmp_path, absent=["first"], clock=clock) as mesh,
        provider_behind_a_proxy(f"unix:{tmp_path}/provider-first.sock") as (cut, again),
    ):
        await mesh.until("provider/first", SERVING)
        caplog.clear()
        clock.leapt_s = good_for_s
        cut.set()
        async with asyncio.timeout(PATIENCE_S):
            await again.wait()
        await mesh.until("provider/first", SERVING)
        told = [record.message for record in caplog.records]
    assert any(message.startswith("component provider/first is not serving") for message in told) is went_down
