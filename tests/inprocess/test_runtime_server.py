"""What every service gets from the runtime: an address of its own, health, reflection, a drain, mapped errors."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pointsman import errors, rpc_status
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.runtime.health import Health
from services.runtime.server import AddressTaken, Server
from tests.inprocess.runtime_server import SERVICE, Served, running, socket_in, stub

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
# Keeps a test that hangs from hanging the suite; nothing here takes as long.
PATIENCE_S = 20.0


@pytest.fixture(autouse=True)
async def patience() -> AsyncIterator[None]:
    async with asyncio.timeout(PATIENCE_S):
        yield


async def health_of(channel: aio.Channel, name: str) -> int:
    health: Any = health_pb2_grpc.HealthStub(channel)
    return int((await health.Check(health_pb2.HealthCheckRequest(service=name))).status)


async def report_fails(channel: aio.Channel) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as raised:
        await stub(channel).Report(pb.ReportRequest())
    return raised.value


@pytest.mark.parametrize("kind", ["unix", "tcp"])
async def test_an_address_that_another_holds_is_told_and_left_alone(tmp_path: Path, kind: str) -> None:
    async with running(socket_in(tmp_path) if kind == "unix" else "127.0.0.1:0") as (first, channel):
        assert first.address.startswith("unix:") or int(first.address.rpartition(":")[2]) > 0
        second = Server(first.address, Health(SERVICE), [SERVICE])
        with pytest.raises(AddressTaken, match=f"^cannot listen on {first.address}: "):
            await second.start()
        assert await stub(channel).Report(pb.ReportRequest()) == pb.ReportResponse()


async def test_the_socket_of_a_process_that_died_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "service.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as left_behind:
        left_behind.bind(str(path))
    async with running(socket_in(tmp_path)) as (_, channel):
        assert await stub(channel).Report(pb.ReportRequest()) == pb.ReportResponse()


async def test_a_file_that_is_no_socket_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "service.sock").write_text("precious")
    with pytest.raises(AddressTaken, match="a file that is no socket is there"):
        await Server(socket_in(tmp_path), Health(SERVICE), [SERVICE]).start()
    assert (tmp_path / "service.sock").read_text() == "precious"


async def test_a_path_that_is_too_long_for_a_socket_is_told(tmp_path: Path) -> None:
    with pytest.raises(AddressTaken, match="a Unix socket's path may have 103 bytes"):
        await Server(f"unix:{tmp_path}/{'x' * 104}.sock", Health(SERVICE), [SERVICE]).start()


async def test_reflection_lists_what_is_served(tmp_path: Path) -> None:
    async with running(socket_in(tmp_path)) as (_, channel):
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        call = reflection.ServerReflectionInfo()
        await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        names = {service.name for service in (await call.read()).list_services_response.service}
        await call.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE))
        files = (await call.read()).file_descriptor_response.file_descriptor_proto
        call.cancel()
    assert names == {SERVICE, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}
    assert any(b"WatchStats" in file for file in files)


async def test_the_whole_serves_while_every_vital_part_does(tmp_path: Path) -> None:
    async with running(socket_in(tmp_path)) as (server, channel):
        await server.health.report("cache", False, "gone")
        await server.health.report("model", True, vital=True)
        assert [await health_of(channel, name) for name in ("cache", "model", "", SERVICE)] == [
            NOT_SERVING, SERVING, SERVING, SERVING,
        ]  # fmt: skip
        await server.health.report("model", False, "no memory", vital=True)
        assert [await health_of(channel, name) for name in ("model", "", SERVICE)] == [NOT_SERVING] * 3
        assert server.health.components["model"].detail == "no memory"
        await server.health.report("model", True, vital=True)
        assert await health_of(channel, "") == SERVING
        with pytest.raises(aio.AioRpcError) as raised:
            await health_of(channel, "nobody")
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


async def test_a_drain_says_no_and_lets_an_open_stream_finish(tmp_path: Path) -> None:
    served, told = Served(), list[int]()
    async with running(socket_in(tmp_path), served) as (server, channel):
        drains = list[str]()

        async def note() -> None:
            drains.append("told")

        server.on_drain(note)
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
        told.append((await watch.read()).status)
        stream = stub(channel).WatchStats(pb.WatchStatsRequest())
        ticks = aiter(stream)
        await anext(ticks)
        drained = asyncio.ensure_future(server.stop(10 * PATIENCE_S))
        told.append((await watch.read()).status)
        assert not drained.done() and drains == ["told"]
        served.go_on.set()
        assert isinstance(await anext(ticks), pb.WatchStatsResponse)
        assert await anext(ticks, None) is None
        assert await stream.code() is grpc.StatusCode.OK
        await drained
    assert told == [SERVING, NOT_SERVING]


async def test_a_stream_that_outlives_the_grace_is_ended(tmp_path: Path) -> None:
    served = Served()
    async with running(socket_in(tmp_path), served) as (server, channel):
        stream = stub(channel).WatchStats(pb.WatchStatsRequest())
        await anext(aiter(stream))
        await server.stop(0.05)
        await served.ended.wait()
        assert await stream.code() is grpc.StatusCode.UNAVAILABLE


async def test_a_defect_is_logged_and_does_not_leak_its_text(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    served = Served()
    served.failure = ValueError("the password is swordfish")
    async with running(socket_in(tmp_path), served) as (_, channel):
        failure = await report_fails(channel)
    error = rpc_status.from_rpc_error(failure)
    assert type(error) is errors.InternalError
    assert failure.code() is grpc.StatusCode.INTERNAL
    assert error.message == f"ValueError in /{SERVICE}/Report; the service's log has the details"
    trailing = b"".join(
        value if isinstance(value, bytes) else value.encode() for _, value in failure.trailing_metadata()
    )
    assert b"swordfish" not in trailing
    assert "swordfish" in caplog.text


async def test_an_error_of_the_tree_reaches_the_client_whole(tmp_path: Path) -> None:
    served = Served()
    served.failure = errors.Overloaded("later", retry_after_s=1.5, metadata={"queue": "full"})
    async with running(socket_in(tmp_path), served) as (_, channel):
        failure = await report_fails(channel)
    error = rpc_status.from_rpc_error(failure)
    assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert type(error) is errors.Overloaded
    assert (error.message, error.retry_after_s, error.metadata) == ("later", 1.5, {"queue": "full"})


async def test_bytes_that_are_no_message_are_the_callers_fault(tmp_path: Path) -> None:
    async with running(socket_in(tmp_path)) as (_, channel):
        call: Any = channel.unary_unary(f"/{SERVICE}/Report")
        with pytest.raises(aio.AioRpcError) as raised:
            await call(b"\x0a\xff\xff")
    error = rpc_status.from_rpc_error(raised.value)
    assert type(error) is errors.InvalidRequest
    assert [violation.field for violation in error.violations] == ["(message)"]


async def test_a_clients_cancel_ends_the_handler(tmp_path: Path) -> None:
    served = Served()
    async with running(socket_in(tmp_path), served) as (_, channel):
        stream = stub(channel).WatchStats(pb.WatchStatsRequest())
        await anext(aiter(stream))
        stream.cancel()
        await served.ended.wait()
