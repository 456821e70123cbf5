"""TelemetryService over the window, what was learned and what is kept, and their watchers."""

import asyncio
import logging
import math
from contextlib import aclosing
from typing import Any

from grpc import aio

from pointsman import errors
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from pointsman.telemetry.v1.telemetry_service_pb2_grpc import TelemetryServiceServicer
from services.runtime.clock import Clock
from services.telemetry.board import Board
from services.telemetry.config import TelemetryConfig
from services.telemetry.listing import BEGINNING, Place, place, token
from services.telemetry.messages import to_learned
from services.telemetry.store import Store
from services.telemetry.teacher import Teacher
from services.telemetry.validate import Malformed, to_record
from services.telemetry.watchers import Watchers
from services.telemetry.window import Window

logger = logging.getLogger(__name__)

Context = aio.ServicerContext[Any, Any]

SHORTEST_INTERVAL_S, LONGEST_INTERVAL_S = 0.1, 60.0
# So many records are taken at a time, some 2 ms; then whoever else waits has a turn.
TURN = 100
FAULTS_LOGGED = 3
MAX_REQUEST_ID, MAX_COMMENT = 128, 2_000
PAGE_SIZE, MAX_PAGE_SIZE = 100, 1_000
# A page ends early here, well within what a message may hold: snapshots of many models are large.
PAGE_BYTES = 8 * 1024 * 1024


class TelemetryServicer(TelemetryServiceServicer):
    """Takes batches of records, counts what it refused, and streams the picture."""

    def __init__(
        self,
        config: TelemetryConfig,
        window: Window,
        watchers: Watchers[pb.WatchStatsResponse],
        learners: Watchers[Board],
        teacher: Teacher,
        store: Store,
        clock: Clock,
    ) -> None:
        self._config = config
        self._window = window
        self._watchers = watchers
        self._learners = learners
        self._teacher = teacher
        self._store = store
        self._clock = clock
        self.rejected = 0

    async def Report(self, request: pb.ReportRequest, context: Context) -> pb.ReportResponse:
        """Takes the good records of a batch; a record that was reported before is taken too, and counts and teaches once."""
        for field in ("records", "snapshots"):
            if (found := len(getattr(request, field))) > self._config.max_records:
                raise errors.InvalidRequest.of(field, f"expected at most {self._config.max_records}, found {found}")
        sent_at = request.send_time if request.HasField("send_time") else None
        self._take_snapshots(request)
        faults: list[str] = []
        for index, message in enumerate(request.records):
            try:
                record = to_record(message, sent_at)
            except Malformed as fault:
                faults.append(f"records[{index}].{fault}")
            else:
                if self._window.add(record, self._clock.monotonic()):
                    self._teacher.take(message, record)
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

    def _take_snapshots(self, request: pb.ReportRequest) -> None:
        for index, snapshot in enumerate(request.snapshots):
            try:
                self._teacher.take_snapshot(snapshot)
            except Malformed as fault:
                logger.warning("left a snapshot out: snapshots[%d].%s", index, fault)

    async def WatchStats(self, request: pb.WatchStatsRequest, context: Context) -> None:  # type: ignore[override]
        """Streams the whole picture at once and then every interval, until the watcher leaves or the process drains."""
        interval_s = self._interval_s(request)
        with self._watchers.admit():
            async with aclosing(self._watchers.ticks(interval_s)) as ticks:
                async for tick in ticks:
                    await context.write(tick)

    async def RecordFeedback(self, request: pb.RecordFeedbackRequest, context: Context) -> pb.RecordFeedbackResponse:
        """Learns from a judgement. Raises InvalidRequest, for a request without an answer too, and RequestUnknown."""
        _check_feedback(request)
        told = await self._teacher.judge(request.request_id, request.quality, request.comment)
        return pb.RecordFeedbackResponse(learned=to_learned(*told))

    async def WatchAbilities(self, request: pb.WatchAbilitiesRequest, context: Context) -> None:  # type: ignore[override]
        """Streams all that was learned and then what changed, until the watcher leaves or the process drains."""
        seen = -1
        with self._learners.admit():
            async with aclosing(self._learners.ticks(self._config.abilities_tick_s)) as boards:
                async for board in boards:
                    changed, whole, seen = board.since(seen), seen < 0, board.version
                    if whole or changed:
                        learned = [to_learned(key, learned) for key, learned in changed]
                        await context.write(pb.WatchAbilitiesResponse(learned=learned, whole=whole))

    async def ListDecisions(self, request: pb.ListDecisionsRequest, context: Context) -> pb.ListDecisionsResponse:
        """A page of decisions, newest first. Raises InvalidRequest."""
        size = request.page_size or PAGE_SIZE
        if not 1 <= size <= MAX_PAGE_SIZE:
            raise errors.InvalidRequest.of("page_size", f"expected 1 to {MAX_PAGE_SIZE}, found {size}")
        at = place(request.page_token) if request.page_token else BEGINNING
        if at is None:
            raise errors.InvalidRequest.of("page_token", "expected what a page before gave as next_page_token")
        await self._teacher.settle()
        page = await self._store.ask(lambda database: database.page(size, *at, PAGE_BYTES))
        if page is None:
            raise errors.InvalidRequest.of("page_token", "expected one of this store, which was replaced: begin again")
        response = pb.ListDecisionsResponse()
        for index, (_, record) in enumerate(page.decisions):
            response.records.add().MergeFromString(record)
            if index % TURN == TURN - 1:
                await asyncio.sleep(0)
        for snapshot in page.snapshots:
            response.snapshots.add().MergeFromString(snapshot)
        if page.more:
            response.next_page_token = token(Place(page.listing, page.newest, page.decisions[-1][0]))
        return response

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


def _check_feedback(request: pb.RecordFeedbackRequest) -> None:
    """Raises InvalidRequest with every fault."""
    faults = []
    if not 1 <= len(request.request_id) <= MAX_REQUEST_ID:
        told = f"expected 1 to {MAX_REQUEST_ID} characters, found {len(request.request_id)}"
        faults.append(errors.FieldViolation("request_id", told))
    if not (math.isfinite(request.quality) and 0.0 <= request.quality <= 1.0):
        faults.append(errors.FieldViolation("quality", f"expected 0 to 1, found {request.quality:g}"))
    if len(request.comment) > MAX_COMMENT:
        told = f"expected at most {MAX_COMMENT} characters, found {len(request.comment)}"
        faults.append(errors.FieldViolation("comment", told))
    if faults:
        raise errors.InvalidRequest(
            "; ".join(f"{fault.field}: {fault.description}" for fault in faults), violations=faults
        )
