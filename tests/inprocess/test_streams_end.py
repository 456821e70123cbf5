"""How a stream ends when the client leaves, reads slowly, or a process drains: nothing is left open, nothing is lost."""

import asyncio
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from pointsman import errors
from pointsman.llm.v1 import model_pb2
from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.answers import ask, prompt
from tests.inprocess.mesh import NOT_SERVING, PATIENCE_S, SERVING, Mesh, running_mesh

STALLING: dict[str, Any] = {"script": [{"stall_after_tokens": 1}]}
SECOND = pb.RoutingConstraints(
    pinned_model=model_pb2.ModelRef(provider="second", model="m"), switch_mode=pb.SWITCH_MODE_FAIL
)
STAY = pb.RoutingConstraints(switch_mode=pb.SWITCH_MODE_FAIL)


async def speaking(mesh: Mesh) -> tuple[Any, Any]:
    """A call whose first token has come; the call and its frames."""
    call = mesh.stub.Generate(ask(constraints=STAY), timeout=PATIENCE_S)
    frames = aiter(call)
    assert (await anext(frames)).HasField("decided")
    assert (await anext(frames)).event.HasField("text_delta")
    return call, frames


async def test_a_clients_cancel_ends_the_work_at_the_provider(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}) as mesh:
        call, _ = await speaking(mesh)
        assert mesh.adapter("first").open == 1
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()
        assert mesh.adapter("first").cancelled == 1
        assert mesh.adapter("second").requests == []


async def test_a_cancel_before_the_first_token_ends_it_too_and_asks_nobody_else(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": {"script": [{"stall_after_tokens": 0}]}}) as mesh:
        call = mesh.stub.Complete(pb.CompleteRequest(prompt=prompt()), timeout=PATIENCE_S)
        await mesh.adapter("first").started.wait()
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()
        assert mesh.adapter("second").requests == []


async def test_a_client_that_goes_away_ends_the_work_too(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}) as mesh:
        await speaking(mesh)
        assert mesh.channel is not None
        await mesh.channel.close()
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()


# More than the windows of two connections hold.
LONG: dict[str, Any] = {"answer": "x" * 100_000 + " ", "tokens_per_second": 500}


async def test_a_slow_reader_is_not_taken_for_a_stall_and_loses_nothing(tmp_path: Path) -> None:
    scenarios = {"first": LONG | {"tokens": 200}, "second": STALLING}
    async with running_mesh(tmp_path, scenarios, sections={"limits": {"stall_timeout_s": 0.3}}) as mesh:
        frames = aiter(mesh.stub.Generate(ask(), timeout=PATIENCE_S))
        seen = [await anext(frames), await anext(frames)]
        # By the time that this one stalls, the other was not read for longer than a model may pause.
        stalled = await mesh.generate(ask(constraints=SECOND))
        assert isinstance(stalled.error, errors.StreamStalled)
        seen += [frame async for frame in frames]
    assert seen[-1].event.finished.usage.output_tokens == 200
    assert sum(frame.event.text_delta.token_count for frame in seen) == 200


async def test_a_client_that_sets_no_deadline_and_does_not_read_gives_its_place_back(tmp_path: Path) -> None:
    limits = {"default_deadline_s": 0.5, "max_in_flight": 1}
    async with running_mesh(tmp_path, {"first": LONG | {"tokens": 2_000}}, sections={"limits": limits}) as mesh:
        call = mesh.stub.Generate(ask())
        frames = aiter(call)
        assert (await anext(frames)).HasField("decided")

        async def code() -> str:
            return (await mesh.generate(ask(constraints=SECOND))).code

        assert await code() == "RESOURCE_EXHAUSTED"
        await mesh.eventually(code, "OK")
        with pytest.raises(aio.AioRpcError) as raised:
            _ = [frame async for frame in frames]
    assert raised.value.code().name == "DEADLINE_EXCEEDED"


async def test_a_cancel_while_the_window_is_full_reaches_the_provider_and_is_no_defect(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scenarios = {"first": LONG | {"tokens": 2_000}, "second": STALLING}
    async with running_mesh(tmp_path, scenarios, sections={"limits": {"stall_timeout_s": 0.3}}) as mesh:
        call, _ = await speaking(mesh)
        await mesh.generate(ask(constraints=SECOND))
        assert mesh.adapter("first").open == 1
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_whatever_clients_do_and_models_suffer_nothing_stays_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    behaviours = [
        {"error": "PROVIDER_UNAVAILABLE"},
        {"error": "PROVIDER_RATE_LIMITED", "after_tokens": 4},
        {"cut_after_tokens": 3},
        {"stall_after_tokens": 2},
    ]
    scenarios = {
        "first": {"answer": "a " * 50, "tokens_per_second": 2_000, "chaos": {"share": 0.5, "behaviours": behaviours}},
        "second": {"answer": "b " * 50, "tokens_per_second": 3_000},
    }
    limits = {"stall_timeout_s": 0.2, "max_in_flight": 40}

    async def use(mesh: Mesh, number: int) -> None:
        # Some give no time, some leave at their n-th frame, some stay to the end.
        call = mesh.stub.Generate(ask(), timeout=(0.001, 0.02, PATIENCE_S)[number % 3])
        with suppress(aio.AioRpcError, asyncio.CancelledError):
            async for frame in call:
                if frame.sequence == number % 20:
                    call.cancel()

    async with running_mesh(tmp_path, scenarios, sections={"limits": limits}) as mesh:
        for _ in range(5):
            await asyncio.gather(*(use(mesh, number) for number in range(40)))
        async with asyncio.timeout(PATIENCE_S):
            for name in ("first", "second"):
                if mesh.adapter(name).open:
                    await mesh.adapter(name).all_closed.wait()
        third = pb.RoutingConstraints(pinned_model=model_pb2.ModelRef(provider="third", model="m"))

        async def all_places_are_free() -> bool:
            asked = [mesh.generate(ask(constraints=third)) for _ in range(40)]
            return {answer.code for answer in await asyncio.gather(*asked)} == {"OK"}

        await mesh.eventually(all_places_are_free, True)
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_draining_router_finishes_open_streams_and_takes_no_new_ones(tmp_path: Path) -> None:
    first = {"answer": "a b c d e f g h", "tokens_per_second": 40}
    async with running_mesh(tmp_path, {"first": first}) as mesh:
        assert mesh.router is not None and mesh.channel is not None
        watching: Any = health_pb2_grpc.HealthStub(mesh.channel)
        watch = watching.Watch(health_pb2.HealthCheckRequest(service="pointsman.router.v1.RouterService"))
        _, frames = await speaking(mesh)
        drained = asyncio.create_task(mesh.router.stop(PATIENCE_S))
        told = [answer.status async for answer in watch]
        assert told == [SERVING, NOT_SERVING]
        with pytest.raises(aio.AioRpcError):
            await mesh.stub.Explain(pb.ExplainRequest(prompt=prompt()))
        rest = [frame async for frame in frames]
        assert rest[-1].event.HasField("finished")
        # It waits for nobody: not for the watch, and not for its grace to pass.
        async with asyncio.timeout(PATIENCE_S / 2):
            await drained


async def test_a_drain_ends_with_its_grace(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}) as mesh:
        assert mesh.router is not None
        _, frames = await speaking(mesh)
        await mesh.router.stop(0.1)
        with pytest.raises(aio.AioRpcError) as raised:
            await anext(frames)
        assert raised.value.code().name in ("UNAVAILABLE", "CANCELLED")
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()


async def test_a_draining_provider_finishes_its_streams_and_gets_no_new_ones(tmp_path: Path) -> None:
    first = {"answer": "a b c d e f g h", "tokens_per_second": 40}
    async with running_mesh(tmp_path, {"first": first}) as mesh:
        _, frames = await speaking(mesh)
        drained = asyncio.create_task(mesh.stop_provider("first", grace_s=PATIENCE_S))
        await mesh.until("provider/first", NOT_SERVING)
        answer = await mesh.generate(ask())
        assert answer.decided.chosen.provider == "second"
        rest = [frame async for frame in frames]
        assert rest[-1].event.HasField("finished")
        await drained


async def test_a_provider_that_is_told_to_end_at_once_is_a_cut_stream_for_the_client(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}) as mesh:
        _, frames = await speaking(mesh)
        await mesh.stop_provider("first", grace_s=0.05)
        with pytest.raises(aio.AioRpcError) as raised:
            await anext(frames)
        assert raised.value.code().name == "UNAVAILABLE"
        assert (await mesh.generate(ask())).error is None
