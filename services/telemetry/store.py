"""Keeps decisions and what was learned on disk, off the event loop; without a usable file it goes on in memory and tries again.

  ┌── file fails: full, locked, damaged, not ours ──┐
file                                             memory
  └── every RETRY_S: opens again, takes all over ───┘
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TypeVar

from services.telemetry.database import Database, Item, RequestKey
from services.telemetry.knowledge import Row

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Some 10 MB; the oldest goes when it is full, since the newest tells more.
QUEUE_LIMIT = 10_000
BATCH = 1_000
RETRY_S = 5.0
# Decisions that are kept in memory while there is no file.
MEMORY_KEPT = 2_000
# A reporter that got no answer before a restart sends its last batch again; so many requests are still known then.
REMEMBERED = 20_000


class Restored(NamedTuple):
    """What a file held when it was first opened."""

    rows: Sequence[Row]
    seen: Sequence[RequestKey]


class Store:
    """One thread does all the work. `problem` says why there is no file, empty where there is one or none is wanted."""

    def __init__(self, path: Path | None, kept: int) -> None:
        self._path = path
        self._kept = kept
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._queue: deque[Item] = deque()
        self._rows: dict[tuple[str, str, str], Row] = {}
        self._memory: Database | None = None
        self._file: Database | None = None
        self._was_open = False
        self.problem = ""
        self.dropped = 0

    async def open(self) -> Restored:
        """Opens the file, or memory; what it returns is empty but for the first time that the file opens."""
        return await self._run(self._open)

    async def retry(self) -> Restored | None:
        """Opens the file again where it failed; None where there is nothing to do or it fails still."""
        if not self.problem:
            return None
        restored = await self._run(self._open)
        return None if self.problem else restored

    async def close(self) -> None:
        """Writes what is left and ends the thread."""
        try:
            await self.flush()
            await self._run(self._close)
        finally:
            self._thread.shutdown()

    def put(self, item: Item) -> None:
        """Queues an item; never waits."""
        if len(self._queue) >= QUEUE_LIMIT:
            self._queue.popleft()
            self.dropped += 1
        self._queue.append(item)

    def put_rows(self, rows: Iterable[Row]) -> None:
        """Queues what was learned; of a key only the newest is written."""
        for row in rows:
            self._rows[row[:3]] = row

    async def flush(self) -> None:
        """Returns once all that was queued before is kept."""
        while self._queue or self._rows:
            await self.ask(_nothing)

    async def ask(self, question: Callable[[Database], T]) -> T:
        """Puts a question to the database, in which a batch of what was queued is found already."""
        for _ in range(len(self._queue) // BATCH):
            await self._run(self._write_and, self._batch(), (), _nothing)
        # What was learned comes with the last batch, so that it is never kept without the judgements that taught it.
        items, rows, self._rows = self._batch(), list(self._rows.values()), {}
        return await self._run(self._write_and, items, rows, question)

    def _batch(self) -> list[Item]:
        return [self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))]

    async def _run(self, work: Callable[..., T], *arguments: object) -> T:
        # A caller that leaves takes no batch with it.
        return await asyncio.shield(asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments))

    # Everything below runs on the thread.

    def _write_and(self, items: Sequence[Item], rows: Sequence[Row], question: Callable[[Database], T]) -> T:
        if self._file is not None:
            try:
                if items or rows:
                    self._file.write(items, rows)
                return question(self._file)
            except sqlite3.Error as error:
                self._give_up(error)
        memory = self._fallback()
        if items or rows:
            memory.write(items, rows)
        return question(memory)

    def _open(self) -> Restored:
        if self._path is None:
            self._fallback()
            return Restored((), ())
        try:
            self._file = Database(self._path, self._kept)
            restored = Restored((), ())
            if not self._was_open:
                restored = Restored(self._file.learned(), self._file.newest_keys(REMEMBERED))
                self._was_open = True
            if self._memory is not None:
                items = iter(self._memory.items())
                while batch := list(islice(items, BATCH)):
                    self._file.write(batch, ())
                self._memory.close()
                self._memory = None
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
            return Restored((), ())
        self.problem = ""
        return restored

    def _give_up(self, error: Exception) -> None:
        """Goes on in memory."""
        if self._file is not None:
            file, self._file = self._file, None
            try:
                file.close()
            except sqlite3.Error as told:
                logger.warning("%s did not close: %s", self._path, told)
        self.problem = f"{self._path}: {error}; nothing is kept beyond this process' end"
        if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
            self.problem = f"{self._path}: another process holds it; nothing is kept beyond this process' end"
        self._fallback()

    def _fallback(self) -> Database:
        if self._memory is None:
            self._memory = Database(None, min(self._kept, MEMORY_KEPT))
        return self._memory

    def _close(self) -> None:
        for database in (self._file, self._memory):
            if database is not None:
                database.close()


def _nothing(_: Database) -> None:
    return None
