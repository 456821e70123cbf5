"""A telemetry service on a Unix socket, a client of it, and records to report."""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from grpc import aio

from pointsman import rpc_status
from pointsman.channel import open_channel
from pointsman.classifier.v1.classifier_service_pb2 import RightChances
from pointsman.llm.v1.generation_pb2 import Usage
from pointsman.llm.v1.model_pb2 import ModelCard, ModelRef
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

    async def report(
        self,
        *records: pb.RequestRecord,
        send_time: Timestamp | None = None,
        snapshots: Sequence[pb.FleetSnapshot] = (),
    ) -> tuple[int, int]:
        """Returns how many records were accepted and rejected."""
        request = pb.ReportRequest(records=records, send_time=send_time, snapshots=snapshots)
        try:
            response = await self.stub.Report(request)
        except aio.AioRpcError as error:
            raise rpc_status.from_rpc_error(error) from error
        return response.accepted, response.rejected

    async def judge(self, request_id: str, quality: float, comment: str = "") -> pb.LearnedAbility:
        """Gives feedback and returns what was learned."""
        request = pb.RecordFeedbackRequest(request_id=request_id, quality=quality, comment=comment)
        try:
            return (await self.stub.RecordFeedback(request)).learned
        except aio.AioRpcError as error:
            raise rpc_status.from_rpc_error(error) from error

    async def abilities(self) -> AsyncGenerator[pb.WatchAbilitiesResponse, None]:
        """Yields updates until the service ends the watch."""
        call = self.stub.WatchAbilities(pb.WatchAbilitiesRequest())
        try:
            async for update in call:
                yield update
        except aio.AioRpcError as error:
            raise rpc_status.from_rpc_error(error) from error
        finally:
            call.cancel()

    async def learned(self) -> dict[tuple[str, str], pb.LearnedAbility]:
        """What a new watcher is told, by model and intent."""
        async with aclosing(self.abilities()) as updates:
            async for update in updates:
                assert update.whole
                return {(told.model.model, told.intent): told for told in update.learned}
        raise AssertionError("the watch ended before its first update")

    async def decisions(self, size: int = 0, token: str = "") -> pb.ListDecisionsResponse:
        """One page."""
        try:
            return await self.stub.ListDecisions(pb.ListDecisionsRequest(page_size=size, page_token=token))
        except aio.AioRpcError as error:
            raise rpc_status.from_rpc_error(error) from error

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
    folder: Path, clock: Clock | None = None, database: Path | None = None, **limits: int
) -> AsyncIterator[tuple[Server, TelemetryClient]]:
    """Runs the service as its own process would, on a socket in `folder`."""
    address = f"unix:{folder / 'telemetry.sock'}"
    config = TelemetryConfig(
        address=address, window_s=60.0, tick_s=0.1, abilities_tick_s=0.05, database=database, **limits
    )
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


def decided(
    request_id: str,
    attempts: Sequence[pb.Attempt] = (),
    *,
    snapshot: str = "s-1",
    expected_tokens: int = 50,
    retry_of: str = "",
) -> pb.RequestRecord:
    """A record with the decision that it was made by: a prompt that small models fail and frontier models answer."""
    reported = record(request_id, attempts or [succeeded()])
    reported.retry_of = retry_of
    reported.decision.CopyFrom(
        pb.DecisionFeatures(
            snapshot_id=snapshot,
            right=RightChances(small=0.25, medium=0.5, frontier=0.875),
            confidence=0.75,
            input_tokens=100,
            output_tokens=expected_tokens,
            chosen=ModelRef(provider="p", model="m"),
            propensity=1.0,
            expected_quality=0.5,
        )
    )
    return reported


def fleet(snapshot: str = "s-1", *models: str, prior: float = 0.5, deviation: float = 0.3) -> pb.FleetSnapshot:
    """A snapshot of models, `m` alone where none are named."""
    return pb.FleetSnapshot(
        id=snapshot,
        config_revision="0123456789ab",
        models=[
            pb.ModelState(
                card=ModelCard(ref=ModelRef(provider="p", model=model), max_output_tokens=4_096),
                reliability=1.0,
                abilities=[pb.AbilityState(ability=prior, deviation=deviation, prior=prior, prior_deviation=deviation)],
            )
            for model in models or ("m",)
        ],
    )


def failed(reason: str, model: str = "m") -> pb.Attempt:
    """An attempt that failed before its first token."""
    return pb.Attempt(model=ModelRef(provider="p", model=model), outcome=pb.Attempt.OUTCOME_FAILED, error_reason=reason)


def duration(seconds: float) -> Duration:
    """Seconds as google.protobuf.Duration."""
    value = Duration()
    value.FromNanoseconds(round(seconds * 1e9))
    return value
