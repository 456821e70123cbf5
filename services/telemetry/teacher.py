"""Takes what is reported and judged to what is learned and to what is kept.

records ──signals──┐
judgements ────────┴─> knowledge ──> board, for routers
        └─> store <──────┘
"""

import asyncio
import logging
from collections import deque
from typing import NamedTuple

from pointsman import errors
from pointsman.telemetry.v1 import telemetry_service_pb2 as pb
from services.runtime.clock import Clock
from services.telemetry.database import Decision, Found, Judgement, RequestKey, Snapshot
from services.telemetry.knowledge import Key, Knowledge, Learned
from services.telemetry.records import Attempt, Record
from services.telemetry.signals import Complaints, Kind, answering, failures, left_early
from services.telemetry.store import RETRY_S, Restored, Store
from services.telemetry.validate import to_record
from services.telemetry.validate_decision import to_facts

logger = logging.getLogger(__name__)

FLUSH_INTERVAL_S = 0.25
# Requests that were asked again and wait to be looked up; the oldest goes when it is full.
ASKED_AGAIN_LIMIT = 1_000
EXPLICIT_WEIGHT = 1.0


class Told(NamedTuple):
    """What a judgement taught."""

    key: Key
    learned: Learned


class Teacher:
    """One a process. Feedback takes the place of whatever was made of the same answer before: of a signal, or of other feedback.

    Feedback goes to the newest request of its id whose decision was recorded, and to the model whose text the client holds: the one
    that ended whole, else the one that the client cancelled in mid-answer. `dropped` counts signals for which there was no room.
    """

    def __init__(self, knowledge: Knowledge, store: Store, clock: Clock) -> None:
        self.knowledge = knowledge
        self._store = store
        self._clock = clock
        self._complaints = Complaints()
        self._asked_again: deque[str] = deque()
        # One judgement at a time: between looking a request up and keeping what was made of it nobody else may.
        self._judging = asyncio.Lock()
        self._known: set[int] = set()
        self.dropped = 0

    def restore(self, restored: Restored) -> None:
        """Takes in what a file held."""
        self.knowledge.join(restored.rows, self._clock.wall_time())
        self._known.update(identity(key) for key in restored.seen)

    def take_snapshot(self, snapshot: pb.FleetSnapshot) -> None:
        """Keeps a snapshot and learns the priors from it. Raises Malformed."""
        now_s = self._clock.wall_time()
        for model, facts in to_facts(snapshot).items():
            self.knowledge.set_facts(model, facts, now_s)
        self._store.put(Snapshot(snapshot.id, snapshot.SerializeToString()))

    def take(self, message: pb.RequestRecord, record: Record) -> None:
        """Keeps a record that was not reported before, and learns what it tells without being judged."""
        decided = record.decided
        if decided is None or record.identity in self._known:
            return
        key = RequestKey(message.request_id, message.start_time.ToNanoseconds())
        self._store.put(Decision(key, message.decision.snapshot_id, message.SerializeToString()))
        now_s = self._clock.wall_time()
        self.knowledge.measure(record, now_s)
        for signal in failures(record):
            self.knowledge.judge(signal.model, decided, 0.0, signal.kind.weight, now_s)
        if (answer := answering(record)) is not None:
            self._complaints.answered(answer.model, decided.intent)
            if left_early(record, answer):
                self._complain(key, record, answer, Kind.LEFT_EARLY, None)
        if record.retry_of:
            if len(self._asked_again) >= ASKED_AGAIN_LIMIT:
                self._asked_again.popleft()
                self.dropped += 1
            self._asked_again.append(record.retry_of)

    async def judge(self, request_id: str, quality: float, comment: str) -> Told:
        """Learns from feedback and keeps it. Raises RequestUnknown, and InvalidRequest for a request that nobody answered."""
        async with self._judging:
            await self._hear_complaints()
            found = await self._store.ask(lambda database: database.find(request_id))
            if found is None:
                short = " (the store is down, only the last are known)" if self._store.problem else ""
                raise errors.RequestUnknown(f"no request of that id is known, or not any more{short}")
            record, answer = _answered(found)
            if answer is None or record.decided is None:
                raise errors.InvalidRequest.of(
                    "request_id", "expected a request that a model answered, found one whose attempts all failed"
                )
            now_s = self._clock.wall_time()
            if found.judgement is not None:
                self.knowledge.take_back(found.judgement.lesson, now_s)
            lesson = self.knowledge.judge(answer.model, record.decided, quality, EXPLICIT_WEIGHT, now_s)
            self._store.put(Judgement(found.key, True, quality, comment, lesson))
            learned_key = (answer.model, record.decided.intent)
            told = Told(learned_key, self.knowledge.learned(learned_key, now_s))
            self._keep_changes()
            await self._store.flush()
        return told

    async def run(self) -> None:
        """Writes what is queued and opens the store again where it failed, until it is cancelled."""
        loop = asyncio.get_running_loop()
        retry_at_s = loop.time() + RETRY_S
        while True:
            await asyncio.sleep(FLUSH_INTERVAL_S)
            await self.settle()
            if loop.time() >= retry_at_s:
                retry_at_s = loop.time() + RETRY_S
                await self.reopen()

    async def reopen(self) -> None:
        """Takes a store over that can be used again."""
        if (restored := await self._store.retry()) is not None:
            self.restore(restored)
            # What changed while there was no file is nowhere else.
            self.knowledge.unkept |= self.knowledge.keys()

    async def settle(self) -> None:
        """Does what waits, and returns once it is kept."""
        async with self._judging:
            await self._hear_complaints()
            self._keep_changes()
            await self._store.flush()

    def _keep_changes(self) -> None:
        changed, self.knowledge.unkept = self.knowledge.unkept, set()
        self._store.put_rows(self.knowledge.row(key) for key in changed)

    async def _hear_complaints(self) -> None:
        """Lowers the models whose answers were asked for again; an answer that somebody judged stays as it was judged."""
        while self._asked_again:
            request_id = self._asked_again.popleft()
            found = await self._store.ask(lambda database, wanted=request_id: database.find(wanted))  # type: ignore[misc]
            if found is None or (found.judgement is not None and found.judgement.explicit):
                continue
            record, answer = _answered(found)
            if answer is not None:
                self._complain(found.key, record, answer, Kind.ASKED_AGAIN, found.judgement)

    def _complain(self, key: RequestKey, record: Record, answer: Attempt, kind: Kind, before: Judgement | None) -> None:
        """Learns from a complaint, as far as it goes beyond the usual; of several about one answer the last counts."""
        assert record.decided is not None
        weight = kind.weight * self._complaints.complained(answer.model, record.decided.intent)
        if weight <= 0.0:
            return
        now_s = self._clock.wall_time()
        if before is not None:
            self.knowledge.take_back(before.lesson, now_s)
        lesson = self.knowledge.judge(answer.model, record.decided, 0.0, weight, now_s)
        self._store.put(Judgement(key, False, 0.0, "", lesson))


def identity(key: RequestKey) -> int:
    """As `validate` makes it of the record."""
    return hash((key.request_id, *divmod(key.began_ns, 1_000_000_000)))


def _answered(found: Found) -> tuple[Record, Attempt | None]:
    record = to_record(pb.RequestRecord.FromString(found.record), None)
    return record, answering(record)
