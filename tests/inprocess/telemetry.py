"""A telemetry service on a Unix socket, a client of it, and records to report."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from pointsman import rpc_status
from pointsman.channel import open_channel
from pointsman.llm.v1.generation_pb2 import Usage
from pointsman.llm.v1.model_pb2 import ModelRef
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from services.runtime.clock import Clock, SystemClock
from services.runtime.server import Server
from services.telemetry.app import compose
from services.telemetry.config import TelemetryConfig

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub

START_S = 1_700_000_000
Tick = pb.WatchStatsResponse


@dataclass
class TelemetryClient:
    """Reports and watches; a failed call raises the project's error."""

    channel: aio.Channel

    @property
    def stub(self) -> "TelemetryServiceAsyncStub":
        """The generated stub."""
        return TelemetryServiceStub(self.channel)

    async def report(self, *records: pb.RequestRecord, send_time: Timestamp | None = None) -> tuple[int, int]:
        """Returns how many records were accepted and rejected."""
        try:
            response = await self.stub.Report(pb.ReportRequest(records=records, send_time=send_time))
        except aio.AioRpcError as error:
            raise rpc_status.from_rpc_error(error) from error
        return response.accepted, response.rejected

    async def watch(self, interval_s: float | None = None) -> AsyncGenerator[Tick, None]:
        """Yields ticks until the service ends the watch."""
        call = self.stub.WatchStats(pb.WatchStatsRequest(interval=None if interval_s is None else duration(interval_s)))
        try:
            async for tick in call:
                yield tick
        except aio.AioRpcError as error:
            raise rpc_status.from_rpc_error(error) from error
        finally:
            call.cancel()

    async def picture(self) -> Tick:
        """What a new watcher sees first."""
        call = self.stub.WatchStats(pb.WatchStatsRequest())
        try:
            async for tick in call:
                return tick
        finally:
            call.cancel()
        raise AssertionError("the watch ended before its first tick")


@asynccontextmanager
async def serving(
    folder: Path, clock: Clock | None = None, **limits: int
) -> AsyncIterator[tuple[Server, TelemetryClient]]:
    """Runs the service as its own process would, on a socket in `folder`."""
    address = f"unix:{folder / 'telemetry.sock'}"
    config = TelemetryConfig(address=address, window_s=60.0, tick_s=0.1, **limits)
    async with compose(config, clock or SystemClock()) as server:
        await server.start()
        channel = open_channel(address)
        try:
            yield server, TelemetryClient(channel)
        finally:
            await channel.close()
            await server.stop(0)


def record(request_id: str, attempts: Sequence[pb.Attempt] = (), *, total_s: float = 2.0) -> pb.RequestRecord:
    """One request that began at START_S."""
    return pb.RequestRecord(
        request_id=request_id,
        trace_id="0af7651916cd43dd8448eb211c80319c",
        start_time=Timestamp(seconds=START_S),
        total_time=duration(total_s),
        policy="balanced",
        intent="question",
        complexity=0.5,
        attempts=attempts,
        decision_time=duration(0.001),
        decision_reason="worth its price",
        config_revision="0123456789ab",
    )


def succeeded(model: str = "m", *, first_token_s: float = 0.25, tokens_per_second: float = 80.0) -> pb.Attempt:
    """An attempt of 100 tokens in and 50 out, for 7 micros, in 1.5 s."""
    return pb.Attempt(
        model=ModelRef(provider="p", model=model),
        usage=Usage(
            input_tokens=100,
            output_tokens=50,
            time_to_first_token=duration(first_token_s),
            total_time=duration(1.5),
            cost_micros=7,
        ),
        outcome=pb.Attempt.OUTCOME_SUCCEEDED,
        tokens_per_second=tokens_per_second,
    )


def failed(reason: str, model: str = "m") -> pb.Attempt:
    """An attempt that failed before its first token."""
    return pb.Attempt(model=ModelRef(provider="p", model=model), outcome=pb.Attempt.OUTCOME_FAILED, error_reason=reason)


def duration(seconds: float) -> Duration:
    """Seconds as google.protobuf.Duration."""
    value = Duration()
    value.FromNanoseconds(round(seconds * 1e9))
    return value
