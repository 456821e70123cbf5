"""Hands finished requests to telemetry in batches, off the request's path; what does not fit is dropped and counted."""

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING

import grpc
from grpc import aio

from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceStub
from services.router.candidates import Snapshot
from services.router.recording import to_snapshot
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
# Ids of snapshots that telemetry has; a snapshot lives for about a second.
SENT_REMEMBERED = 1_000
RETRY_PAUSE_S = 1.0


class Reporter:
    """A bounded queue before telemetry; when it is full the oldest record goes, since the newest tells more."""

    def __init__(self, channel: aio.Channel, health: Health) -> None:
        self._stub: TelemetryServiceAsyncStub = TelemetryServiceStub(channel)
        self._health = health
        self._queue: deque[tuple[pb.RequestRecord, pb.FleetSnapshot]] = deque()
        self._some = asyncio.Event()
        self._newest: tuple[Snapshot, pb.FleetSnapshot] | None = None
        self._sent: deque[str] = deque(maxlen=SENT_REMEMBERED)
        self.dropped = 0

    def recorded(self, snapshot: Snapshot) -> pb.FleetSnapshot:
        """A snapshot as it is recorded; made once for each."""
        if self._newest is None or self._newest[0] is not snapshot:
            self._newest = (snapshot, to_snapshot(snapshot))
        return self._newest[1]

    def put(self, record: pb.RequestRecord, snapshot: pb.FleetSnapshot) -> None:
        """Queues a record and the snapshot that it refers to; never waits."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append((record, snapshot))
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
                request = pb.ReportRequest(records=[record for record, _ in batch])
                snapshots = {snapshot.id: snapshot for _, snapshot in batch}
                request.snapshots.extend(s for key, s in snapshots.items() if key not in self._sent)
                request.send_time.GetCurrentTime()
                response = await self._stub.Report(request, timeout=REPORT_TIMEOUT_S)
            except aio.AioRpcError as error:
                if error.code() is grpc.StatusCode.INVALID_ARGUMENT:
                    # Sending the same again would block all that come after it.
                    self.dropped += len(batch)
                    logger.error("telemetry refused %d records: %s", len(batch), error.details())
                    continue
                self._put_back(batch)
                # It may come back without what it was sent.
                self._sent.clear()
                await self._health.report(COMPONENT, False, f"{error.details()}; {self.dropped} records dropped so far")
                return False
            except asyncio.CancelledError:
                self._put_back(batch)
                raise
            self._sent.extend(s.id for s in request.snapshots)
            if not undecodable(response) and response.rejected:
                logger.warning("telemetry rejected %d of %d records", response.rejected, len(batch))
        self._some.clear()
        await self._health.report(COMPONENT, True)
        return True

    def _put_back(self, batch: list[tuple[pb.RequestRecord, pb.FleetSnapshot]]) -> None:
        room = QUEUE_LIMIT - len(self._queue)
        kept = batch[-room:] if room else []
        self.dropped += len(batch) - len(kept)
        self._queue.extendleft(reversed(kept))
