"""A server as the runtime makes it for every service, behind it a handler that a test tells what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grpc import aio

from pointsman.channel import open_channel
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import (
    TelemetryServiceServicer,
    TelemetryServiceStub,
    add_TelemetryServiceServicer_to_server,
)
from services.runtime.health import Health
from services.runtime.server import Server

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub

SERVICE = "pointsman.telemetry.v1.TelemetryService"


class Served(TelemetryServiceServicer):
    """Raises what it is told to, and streams one tick now and one when it is let."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.go_on = asyncio.Event()
        self.ended = asyncio.Event()

    async def Report(self, request: Any, context: Any) -> pb.ReportResponse:  # noqa: N802
        if self.failure:
            raise self.failure
        return pb.ReportResponse()

    async def WatchStats(self, request: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802
        try:
            await context.write(pb.WatchStatsResponse())
            await self.go_on.wait()
            await context.write(pb.WatchStatsResponse())
        finally:
            self.ended.set()

    async def RecordFeedback(self, request: Any, context: Any) -> pb.RecordFeedbackResponse:  # noqa: N802
        return pb.RecordFeedbackResponse()

    async def WatchAbilities(self, request: Any, context: Any) -> None:  # type: ignore[override]  # noqa: N802
        await self.go_on.wait()

    async def ListDecisions(self, request: Any, context: Any) -> pb.ListDecisionsResponse:  # noqa: N802
        return pb.ListDecisionsResponse()


@asynccontextmanager
async def running(
    address: str, served: TelemetryServiceServicer | None = None
) -> AsyncIterator[tuple[Server, aio.Channel]]:
    """A server as a service's app puts it together, and a channel to it."""
    server = Server(address, Health(SERVICE), [SERVICE])
    add_TelemetryServiceServicer_to_server(served or Served(), server.grpc)
    await server.start()
    channel = open_channel(server.address)
    try:
        yield server, channel
    finally:
        await channel.close()
        await server.stop(0)


def socket_in(folder: Path) -> str:
    return f"unix:{folder / 'service.sock'}"


def stub(channel: aio.Channel) -> "TelemetryServiceAsyncStub":
    return TelemetryServiceStub(channel)
