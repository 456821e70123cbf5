"""A provider's own service, as the router calls it: it lists, refuses in words, and sheds what is too much."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from grpc import aio

from pointsman import errors, rpc_status
from pointsman.channel import open_channel
from pointsman.provider.v1 import provider_service_pb2 as pb
from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceStub
from tests.inprocess.answers import prompt
from tests.inprocess.mesh import PATIENCE_S, Mesh, running_mesh

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.provider.v1.provider_service_pb2_grpc import ProviderServiceAsyncStub


@asynccontextmanager
async def provider(mesh: Mesh) -> "AsyncIterator[ProviderServiceAsyncStub]":
    async with open_channel(f"unix:{mesh.folder}/provider-first.sock") as channel:
        yield ProviderServiceStub(channel)


async def failure(call: Any) -> errors.PointsmanError:
    """The error that a call ends with."""
    with pytest.raises(aio.AioRpcError) as raised:
        _ = [frame async for frame in call] if hasattr(call, "__aiter__") else await call
    return rpc_status.from_rpc_error(raised.value)


def with_models(*names: str) -> dict[str, Any]:
    """A `models` section with these at the first provider, and the others' one each."""
    priced = {"quality": 0.5, "context_tokens": 8_000, "price": {"input": 1, "output": 2}}
    owners = [*(("first", name) for name in names), ("second", "m"), ("third", "m")]
    return {"models": [{"provider": owner, "model": name} | priced for owner, name in owners]}


async def test_models_are_listed_page_by_page(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, sections=with_models("a", "b", "c")) as mesh, provider(mesh) as stub:
        pages, token = [], ""
        while True:
            page = await stub.ListModels(pb.ListModelsRequest(page_size=2, page_token=token))
            pages.append([card.ref.model for card in page.models])
            if not (token := page.next_page_token):
                break
        whole = await stub.ListModels(pb.ListModelsRequest())
    assert pages == [["a", "b"], ["c"]]
    assert [card.ref.model for card in whole.models] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.ListModelsRequest(page_size=-1), "page_size"),
        (pb.ListModelsRequest(page_token="next"), "page_token"),
        (pb.ListModelsRequest(page_token="-1"), "page_token"),
        (pb.ListModelsRequest(page_token="9" * 5_000), "page_token"),
        (pb.ListModelsRequest(page_token="²"), "page_token"),
    ],
)
async def test_a_page_that_cannot_be_is_refused_in_words(
    tmp_path: Path, request_: pb.ListModelsRequest, field: str
) -> None:
    async with running_mesh(tmp_path) as mesh, provider(mesh) as stub:
        error = await failure(stub.ListModels(request_))
    assert isinstance(error, errors.InvalidRequest)
    assert [violation.field for violation in error.violations] == [field]


async def test_a_model_that_it_does_not_have_is_told_with_those_it_has(tmp_path: Path) -> None:
    async with running_mesh(tmp_path) as mesh, provider(mesh) as stub:
        error = await failure(stub.Generate(pb.GenerateRequest(model="other", prompt=prompt())))
    assert isinstance(error, errors.ProviderModelUnknown)
    assert error.message == "model: expected one of m at first, found 'other'"


async def test_beyond_its_limit_it_asks_to_come_back(tmp_path: Path) -> None:
    providers: dict[str, Any] = {
        name: {"kind": "scripted", "scenario": f"{name}.yaml", "max_in_flight": 1}
        for name in ("first", "second", "third")
    }
    stalling = {"script": [{"stall_after_tokens": 1}, {}]}
    asked = pb.GenerateRequest(model="m", prompt=prompt())
    async with (
        running_mesh(tmp_path, {"first": stalling}, sections={"providers": providers}) as mesh,
        provider(mesh) as stub,
    ):
        held = stub.Generate(asked, timeout=PATIENCE_S)
        await anext(aiter(held))
        error = await failure(stub.Generate(asked, timeout=PATIENCE_S))
        assert isinstance(error, errors.ProviderRateLimited)
        assert error.retry_after_s == 1.0
        held.cancel()
        await mesh.adapter("first").all_closed.wait()

        async def answers() -> bool:
            try:
                return bool([frame async for frame in stub.Generate(asked, timeout=PATIENCE_S)])
            except aio.AioRpcError:
                return False

        await mesh.eventually(answers, True)


async def test_without_its_key_it_refuses_and_says_which(tmp_path: Path) -> None:
    providers: dict[str, Any] = {
        name: {"kind": "scripted", "scenario": f"{name}.yaml"} for name in ("second", "third")
    } | {"first": {"kind": "anthropic_http", "api_key_env": "SOME_API_KEY"}}
    sections = {"providers": providers}
    async with running_mesh(tmp_path, sections=sections, until=["second"]) as mesh, provider(mesh) as stub:
        error = await failure(stub.Generate(pb.GenerateRequest(model="m", prompt=prompt())))
    assert isinstance(error, errors.ProviderCredentials)
    assert error.message == "first has no key: SOME_API_KEY is not set in its environment"
