"""TelemetryService over the window and its watchers."""

import asyncio
import logging
from contextlib import aclosing
from typing import Any

from grpc import aio

from pointsman import errors
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceServicer
from services.runtime.clock import Clock
from services.telemetry.config import TelemetryConfig
from services.telemetry.validate import Malformed, to_record
from services.telemetry.watchers import Watchers
from services.telemetry.window import Window

logger = logging.getLogger(__name__)

Context = aio.ServicerContext[Any, Any]

SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 0.1, 60.0
# So many records are taken at a time, some 2 ms; then whoever else waits has a turn.
TURN = 100
FAULTS_LOGGED = 3


class TelemetryServicer(TelemetryServiceServicer):
    """Takes batches of records, counts what it refused, and streams the picture."""

    def __init__(
        self, config: TelemetryConfig, window: Window, watchers: Watchers[pb.WatchStatsResponse], clock: Clock
    ) -> None:
        self._config = config
        self._window = window
        self._watchers = watchers
        self._clock = clock
        self.rejected = 0

    async def Report(self, request: pb.ReportRequest, context: Context) -> pb.ReportResponse:
        """Takes the good records of a batch; a record that was reported before is taken too, and counts once."""
        if len(request.records) > self._config.max_records:
            raise errors.InvalidRequest.of(
                "records", f"expected at most {self._config.max_records}, found {len(request.records)}"
            )
        sent_at = request.send_time if request.HasField("send_time") else None
        faults: list[str] = []
        for index, message in enumerate(request.records):
            try:
                record = to_record(message, sent_at)
            except Malformed as fault:
                faults.append(f"records[{index}].{fault}")
            else:
                self._window.add(record, self._clock.monotonic())
            if index % TURN == TURN - 1:
                await asyncio.sleep(0)
        if faults:
            self.rejected += len(faults)
            logger.warning(
                "rejected %d of %d records, %d so far: %s",
                len(faults),
                len(request.records),
                self.rejected,
                "; ".join(faults[:FAULTS_LOGGED]),
            )
        return pb.ReportResponse(accepted=len(request.records) - len(faults), rejected=len(faults))

    async def WatchStats(self, request: pb.WatchStatsRequest, context: Context) -> None:  # type: ignore[override]
        """Streams the whole picture at once and then every interval, until the watcher leaves or the process drains."""
        interval_s = self._interval_s(request)
        with self._watchers.admit():
            async with aclosing(self._watchers.ticks(interval_s)) as ticks:
                async for tick in ticks:
                    await context.write(tick)

    def _interval_s(self, request: pb.WatchStatsRequest) -> float:
        if not request.HasField("interval"):
            return self._config.tick_s
        interval_s = float(request.interval.seconds + request.interval.nanos / 1e9)
        if not SHORTEST_INTERVAL_S <= interval_s <= LONGEST_INTERVAL_S:
            raise errors.InvalidRequest.of(
                "interval",
                f"expected {SHORTEST_INTERVAL_S:g} to {LONGEST_INTERVAL_S:g} seconds, found {interval_s:g}",
            )
        return interval_s
