"""Hands finished requests to telemetry in batches, off the request's path; what does not fit is dropped and counted."""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

import grpc
from grpc import aio

from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from services.runtime.channel import undecodable
from services.runtime.health import Health

if TYPE_CHECKING:  # these exist for the type checker alone
    from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceAsyncStub

logger = logging.getLogger(__name__)

COMPONENT = "reports"
QUEUE_LIMIT = 20_000
BATCH_LIMIT = 500
FLUSH_INTERVAL_S = 0.25
REPORT_TIMEOUT_S = 5.0
RETRY_PAUSE_S = 1.0


class Reporter:
    """A bounded queue before telemetry; when it is full the oldest record goes, since the newest tells more."""

    def __init__(self, channel: aio.Channel, health: Health) -> None:
        self._stub: TelemetryServiceAsyncStub = TelemetryServiceStub(channel)
        self._health = health
        self._queue: deque[pb.RequestRecord] = deque()
        self._some = asyncio.Event()
        self.dropped = 0

    def put(self, record: pb.RequestRecord) -> None:
        """Queues a record; never waits."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(record)
        self._some.set()

    async def run(self) -> None:
        """Sends what is queued, until it is cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(FLUSH_INTERVAL_S)
            if not await self.flush():
                await asyncio.sleep(RETRY_PAUSE_S)

    async def flush(self) -> bool:
        """Sends all that is queued; False where telemetry is away, and the records stay."""
        while self._queue:
            batch = [self._queue.popleft() for _ in range(min(BATCH_LIMIT, len(self._queue)))]
            try:
                request = pb.ReportRequest(records=batch)
                request.send_time.GetCurrentTime()
                response = await self._stub.Report(request, timeout=REPORT_TIMEOUT_S)
            except aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    # Sending the same again would block all that come after it.
                    self.dropped += len(batch)
                    logger.error("telemetry refused %d records: %s", len(batch), error.details())
                    continue
                self._put_back(batch)
                await self._health.report(COMPONENT, False, f"{error.details()}; {self.dropped} records dropped so far")
                return False
            except asyncio.CancelledError:
                self._put_back(batch)
                raise
            if not undecodable(response) and response.rejected:
                logger.warning("telemetry rejected %d of %d records", response.rejected, len(batch))
        self._some.clear()
        await self._health.report(COMPONENT, True)
        return True

    def _put_back(self, batch: list[pb.RequestRecord]) -> None:
        room = QUEUE_LIMIT - len(self._queue)
        kept = batch[-room:] if room else []
        self.dropped += len(batch) - len(kept)
        self._queue.extendleft(reversed(kept))
