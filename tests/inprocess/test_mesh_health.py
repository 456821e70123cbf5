"""What is missing is told by name, through health and the list of models, and the rest works on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import yaml
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pointsman.config.load import load_config
from tests.inprocess.answers import ask
from tests.inprocess.mesh import NOT_SERVING, SERVING, running_mesh

if TYPE_CHECKING:  # these exist for the type checker alone
    pass


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
