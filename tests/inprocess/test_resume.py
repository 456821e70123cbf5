"""A client that loses its connection comes back and misses nothing; one that does not come back ends the work."""

import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio

from pointsman import errors, rpc_status
from pointsman.answer import PartialAnswer
from pointsman.router.v1 import router_service_pb2 as pb
from tests.inprocess.answers import ask
from tests.inprocess.mesh import PATIENCE_S, Mesh, running_mesh

TEXT = "The points are set and the train goes on to Basel. "
STALLING: dict[str, Any] = {"answer": TEXT, "script": [{"stall_after_tokens": 3}]}


def resumable(**fields: Any) -> pb.GenerateRequest:
    return ask(request_id="r1", resumable=True, **fields)


async def begin(
    mesh: Mesh, frames: int, request: pb.GenerateRequest | None = None
) -> tuple[Any, list[pb.GenerateResponse]]:
    """Reads so many frames of a stream and leaves it open."""
    call = mesh.stub.Generate(request or resumable(), timeout=PATIENCE_S)
    reader = aiter(call)
    return call, [await anext(reader) for _ in range(frames)]


async def resume(mesh: Mesh, token: str, after: int) -> list[pb.GenerateResponse]:
    call = mesh.stub.Resume(
        pb.ResumeRequest(request_id="r1", resume_token=token, after_sequence=after), timeout=PATIENCE_S
    )
    return [response.frame async for response in call]


def whole(frames: list[pb.GenerateResponse]) -> str:
    """The text that a client holds at the end; raises where the stream breaks its grammar."""
    partial = PartialAnswer()
    for frame in frames:
        partial.take(frame)
    partial.end()
    return partial.text


async def test_a_lost_connection_is_taken_up_again_and_nothing_is_missed(tmp_path: Path) -> None:
    slowly = {"answer": TEXT, "tokens_per_second": 50.0}
    async with running_mesh(tmp_path, {"first": slowly}) as mesh:
        call, seen = await begin(mesh, 3)
        call.cancel()
        seen += await resume(mesh, seen[0].resume_token, seen[-1].sequence)
        assert len(mesh.adapter("first").requests) == 1
        assert mesh.adapter("first").cancelled == 0
    assert whole(seen) == TEXT


async def test_an_answer_that_ended_meanwhile_is_still_there(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": {"answer": TEXT}}) as mesh:
        call, seen = await begin(mesh, 1)
        call.cancel()
        await mesh.adapter("first").all_closed.wait()
        seen += await resume(mesh, seen[0].resume_token, 1)
    assert whole(seen) == TEXT


async def test_a_client_that_comes_back_twice_is_served_twice(tmp_path: Path) -> None:
    slowly = {"answer": TEXT, "tokens_per_second": 50.0}
    async with running_mesh(tmp_path, {"first": slowly}) as mesh:
        call, seen = await begin(mesh, 2)
        token = seen[0].resume_token
        call.cancel()
        again = mesh.stub.Resume(pb.ResumeRequest(request_id="r1", resume_token=token, after_sequence=2))
        seen.append((await anext(aiter(again))).frame)
        again.cancel()
        seen += await resume(mesh, token, seen[-1].sequence)
    assert whole(seen) == TEXT


async def test_who_comes_back_takes_the_place_of_a_connection_that_hangs(tmp_path: Path) -> None:
    slowly = {"answer": TEXT, "tokens_per_second": 50.0}
    async with running_mesh(tmp_path, {"first": slowly}) as mesh:
        call, seen = await begin(mesh, 2)
        seen += await resume(mesh, seen[0].resume_token, 2)
        with pytest.raises(aio.AioRpcError) as raised:
            async for _ in call:
                pass
    assert isinstance(rpc_status.from_rpc_error(raised.value), errors.RequestUnknown)
    assert whole(seen) == TEXT


async def test_a_client_that_does_not_come_back_ends_the_work(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}, sections={"limits": {"resume_s": 0.1}}) as mesh:
        call, seen = await begin(mesh, 2)
        call.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()
        assert mesh.adapter("first").cancelled == 1
        with pytest.raises(aio.AioRpcError) as raised:
            await resume(mesh, seen[0].resume_token, 2)
    assert isinstance(rpc_status.from_rpc_error(raised.value), errors.RequestUnknown)


async def test_cancel_ends_the_work_at_once(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}) as mesh:
        call, seen = await begin(mesh, 2)
        call.cancel()
        await mesh.stub.Cancel(pb.CancelRequest(request_id="r1", resume_token=seen[0].resume_token))
        async with asyncio.timeout(PATIENCE_S):
            await mesh.adapter("first").all_closed.wait()
        assert mesh.adapter("first").cancelled == 1
        await mesh.stub.Cancel(pb.CancelRequest(request_id="never", resume_token="x"))


@pytest.mark.parametrize(("token", "after"), [("guessed", 1), ("", 1), (None, 99)])
async def test_nobody_reads_a_stream_without_its_token_or_from_a_frame_that_never_was(
    tmp_path: Path, token: str | None, after: int
) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}) as mesh:
        call, seen = await begin(mesh, 2)
        with pytest.raises(aio.AioRpcError) as raised:
            await resume(mesh, seen[0].resume_token if token is None else token, after)
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND
        call.cancel()


async def test_the_error_at_the_end_is_told_to_whoever_reads_it(tmp_path: Path) -> None:
    failing = {
        name: {"script": [{"error": "PROVIDER_CREDENTIALS", "after_tokens": 2}]}
        for name in ("first", "second", "third")
    }
    async with running_mesh(tmp_path, failing) as mesh:
        stay = pb.RoutingConstraints(switch_mode=pb.SWITCH_MODE_FAIL)
        call, seen = await begin(mesh, 1, resumable(constraints=stay))
        call.cancel()
        await mesh.adapter("first").all_closed.wait()
        with pytest.raises(aio.AioRpcError) as raised:
            await resume(mesh, seen[0].resume_token, 1)
    assert isinstance(rpc_status.from_rpc_error(raised.value), errors.ProviderCredentials)


async def test_a_reader_that_is_slow_holds_its_own_stream_back_within_a_bound(tmp_path: Path) -> None:
    long: dict[str, Any] = {"answer": "x" * 10_000 + " ", "tokens": 200}
    async with running_mesh(tmp_path, {"first": long}, sections={"limits": {"resume_bytes": 50_000}}) as mesh:
        call, seen = await begin(mesh, 1)
        call.cancel()
        # Nobody reads: the model is not asked for more than is kept.
        seen += await resume(mesh, seen[0].resume_token, 1)
    assert seen[-1].event.finished.usage.output_tokens == 200
    assert whole(seen) == ("x" * 10_000 + " ") * 200


async def test_a_request_that_is_being_answered_cannot_be_begun_twice_under_its_id(tmp_path: Path) -> None:
    async with running_mesh(tmp_path, {"first": STALLING}) as mesh:
        call, _ = await begin(mesh, 2)
        second = await mesh.generate(resumable())
        assert isinstance(second.error, errors.InvalidRequest)
        assert [v.field for v in second.error.violations] == ["request_id"]
        call.cancel()
