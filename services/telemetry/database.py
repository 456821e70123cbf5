"""The SQLite file: decisions with their snapshots, judgements, and what was learned. Blocking; one thread uses it.

The file is held for as long as it is open (`locking_mode=EXCLUSIVE`): two services that each keep beliefs of their own would
overwrite each other's. The second is told that the database is locked. In memory the same tables hold what there is no file for.

Snapshots are compressed, to a tenth. A record is not: alone it is too short to get more than a tenth smaller, for 17 µs each.
"""

import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from services.telemetry.ability import Lesson
from services.telemetry.knowledge import Row

VERSION = 1
# Another process that ends just now gets so long to let go of the file.
LOCK_WAIT_S = 1.0
# These few are kept without a decision that refers to them: a router that was idle may still decide on one.
SPARE_SNAPSHOTS = 64
FASTEST_COMPRESSION = 1
ROWS_AT_ONCE = 100

_SCHEMA = """
CREATE TABLE IF NOT EXISTS listing (id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS decisions (
  seq INTEGER PRIMARY KEY, request_id TEXT NOT NULL, began_ns INTEGER NOT NULL, snapshot TEXT NOT NULL, record BLOB NOT NULL,
  UNIQUE (request_id, began_ns)
);
CREATE INDEX IF NOT EXISTS decisions_snapshot ON decisions (snapshot, seq);
CREATE TABLE IF NOT EXISTS snapshots (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, snapshot BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS judgements (
  seq INTEGER PRIMARY KEY, explicit INTEGER NOT NULL, quality REAL NOT NULL, comment TEXT NOT NULL,
  provider TEXT NOT NULL, model TEXT NOT NULL, intent TEXT NOT NULL,
  precision REAL NOT NULL, pull REAL NOT NULL, weight REAL NOT NULL,
  at_s REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS learned (
  provider TEXT NOT NULL, model TEXT NOT NULL, intent TEXT NOT NULL,
  precision REAL NOT NULL, pull REAL NOT NULL, weight REAL NOT NULL, at_s REAL NOT NULL,
  log_sum REAL NOT NULL, answers REAL NOT NULL, lengths_at_s REAL NOT NULL, prior REAL, deviation REAL NOT NULL,
  PRIMARY KEY (provider, model, intent)
);
"""


_JUDGED = "explicit, quality, comment, provider, model, intent, precision, pull, weight, at_s"


class RequestKey(NamedTuple):
    """Tells a request: a client may use its id again."""

    request_id: str
    began_ns: int


class Decision(NamedTuple):
    """A record with a decision, serialized."""

    key: RequestKey
    snapshot_id: str
    record: bytes


class Snapshot(NamedTuple):
    """A snapshot of the fleet, serialized."""

    id: str
    snapshot: bytes


class Judgement(NamedTuple):
    """What was made of a request's answer: by somebody where `explicit`, else by a signal."""

    key: RequestKey
    explicit: bool
    quality: float
    comment: str
    lesson: Lesson


Item = Decision | Snapshot | Judgement


class Found(NamedTuple):
    """A request that is kept, and the judgement of it."""

    key: RequestKey
    record: bytes
    judgement: Judgement | None


class Page(NamedTuple):
    """`decisions` newest first, with their numbers; `snapshots` that no decision between them and the listing's start refers to."""

    listing: int
    newest: int
    decisions: Sequence[tuple[int, bytes]]
    snapshots: Sequence[bytes]
    more: bool


class Database:
    """Opens `path`, or memory where it is None; keeps the newest `kept` decisions. Every method may raise sqlite3.Error."""

    def __init__(self, path: Path | None, kept: int) -> None:
        self._kept = kept
        self._unpruned = 0
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path or ":memory:", timeout=LOCK_WAIT_S, isolation_level=None)
        try:
            self._prepare()
        except sqlite3.Error:
            self._db.close()
            raise

    def _prepare(self) -> None:
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode=WAL")
        # With a WAL a crash of the process loses nothing, one of the machine the last moments; neither harms the file.
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(f"PRAGMA journal_size_limit={16 * 1024 * 1024}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if version not in (0, VERSION):
            raise sqlite3.DatabaseError(f"it is of version {version}, and this service knows version {VERSION}")
        self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
        self._db.execute(
            "INSERT INTO listing SELECT abs(random()) % 4294967296 WHERE NOT EXISTS (SELECT 1 FROM listing)"
        )

    def close(self) -> None:
        """Writes all into the one file and lets go of it."""
        self._db.close()

    def write(self, items: Iterable[Item], rows: Iterable[Row]) -> None:
        """Keeps all of it or nothing. A request that is kept already stays as it is; judgements and rows replace those before."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            items = list(items)
            self._write_decisions([item for item in items if isinstance(item, Decision)])
            for item in items:
                match item:
                    case Snapshot(snapshot_id, snapshot):
                        packed = zlib.compress(snapshot, FASTEST_COMPRESSION)
                        self._db.execute(
                            "INSERT OR IGNORE INTO snapshots (id, snapshot) VALUES (?, ?)", (snapshot_id, packed)
                        )
                    case Judgement(key, explicit, quality, comment, lesson):
                        (provider, model), *rest = lesson
                        self._db.execute(
                            "INSERT OR REPLACE INTO judgements SELECT seq, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? "
                            "FROM decisions WHERE request_id = ? AND began_ns = ?",
                            (explicit, quality, comment, provider, model, *rest, *key),
                        )
            self._db.executemany(f"INSERT OR REPLACE INTO learned VALUES ({', '.join('?' * len(Row._fields))})", rows)  # noqa: S608
            if self._unpruned > self._kept // 20:
                self._prune()
            self._db.execute("COMMIT")
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _write_decisions(self, decisions: Sequence[Decision]) -> None:
        """Many in one statement: each statement hands the interpreter to the event loop, and waits to get it back."""
        for begin in range(0, len(decisions), ROWS_AT_ONCE):
            some = decisions[begin : begin + ROWS_AT_ONCE]
            self._db.execute(
                "INSERT OR IGNORE INTO decisions (request_id, began_ns, snapshot, record) VALUES "  # noqa: S608
                + ", ".join(["(?, ?, ?, ?)"] * len(some)),
                [value for (key, *others) in some for value in (*key, *others)],
            )
        self._unpruned += len(decisions)

    def _prune(self) -> None:
        (newest,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM decisions").fetchone()
        self._db.execute("DELETE FROM decisions WHERE seq <= ?", (newest - self._kept,))
        self._db.execute("DELETE FROM judgements WHERE seq <= ?", (newest - self._kept,))
        self._db.execute(
            "DELETE FROM snapshots WHERE seq <= (SELECT max(seq) FROM snapshots) - ? "
            "AND NOT EXISTS (SELECT 1 FROM decisions WHERE decisions.snapshot = snapshots.id)",
            (SPARE_SNAPSHOTS,),
        )
        self._unpruned = 0

    def find(self, request_id: str) -> Found | None:
        """The newest request of that id."""
        row = self._db.execute(
            f"SELECT began_ns, record, {_JUDGED} FROM decisions LEFT JOIN judgements USING (seq) "  # noqa: S608
            "WHERE request_id = ? ORDER BY decisions.seq DESC LIMIT 1",
            (request_id,),
        ).fetchone()
        if row is None:
            return None
        key = RequestKey(request_id, row[0])
        return Found(key, row[1], _judgement(key, row[2:]) if row[2] is not None else None)

    def page(self, size: int, listing: int, newest: int, below: int, most_bytes: int) -> Page | None:
        """So many decisions older than number `below`, of the listing that began at number `newest`; 0 and 0 begin one.

        Ends early once the page has `most_bytes`. None where the listing is another store's.
        """
        (own,) = self._db.execute("SELECT id FROM listing").fetchone()
        if not newest:
            (newest,) = self._db.execute("SELECT coalesce(max(seq), 0) FROM decisions").fetchone()
            below = newest + 1
        elif listing != own:
            return None
        found = self._db.execute(
            "SELECT seq, snapshot, record FROM decisions WHERE seq < ? ORDER BY seq DESC LIMIT ?", (below, size + 1)
        )
        decisions, snapshots, told, held = list[tuple[int, bytes]](), list[bytes](), set[str](), 0
        for seq, snapshot_id, record in found:
            if len(decisions) == size or held > most_bytes:
                return Page(own, newest, decisions, snapshots, True)
            decisions.append((seq, record))
            held += len(record)
            if snapshot_id not in told:
                told.add(snapshot_id)
                for (snapshot,) in self._db.execute(
                    "SELECT snapshot FROM snapshots WHERE id = ?1 AND NOT EXISTS "
                    "(SELECT 1 FROM decisions WHERE snapshot = ?1 AND seq >= ?2 AND seq <= ?3)",
                    (snapshot_id, below, newest),
                ):
                    snapshots.append(_unpacked(snapshot))
                    held += len(snapshots[-1])
        return Page(own, newest, decisions, snapshots, False)

    def learned(self) -> list[Row]:
        """All that was learned."""
        return [Row(*row) for row in self._db.execute("SELECT * FROM learned")]

    def newest_keys(self, count: int) -> list[RequestKey]:
        """The requests that were kept last."""
        found = self._db.execute("SELECT request_id, began_ns FROM decisions ORDER BY seq DESC LIMIT ?", (count,))
        return [RequestKey(*row) for row in found]

    def items(self) -> Iterable[Item]:
        """All that is kept but for what was learned, oldest first, to be written elsewhere."""
        for snapshot_id, snapshot in self._db.execute("SELECT id, snapshot FROM snapshots ORDER BY seq"):
            yield Snapshot(snapshot_id, _unpacked(snapshot))
        for request_id, began_ns, snapshot_id, record in self._db.execute(
            "SELECT request_id, began_ns, snapshot, record FROM decisions ORDER BY seq"
        ):
            yield Decision(RequestKey(request_id, began_ns), snapshot_id, record)
        for request_id, began_ns, *row in self._db.execute(
            f"SELECT request_id, began_ns, {_JUDGED} FROM judgements JOIN decisions USING (seq)"  # noqa: S608
        ):
            yield _judgement(RequestKey(request_id, began_ns), row)


def _judgement(key: RequestKey, row: Sequence[object]) -> Judgement:
    explicit, quality, comment, provider, model, *rest = row
    lesson = Lesson((provider, model), *rest)  # type: ignore[arg-type]
    return Judgement(key, bool(explicit), quality, comment, lesson)  # type: ignore[arg-type]


def _unpacked(packed: bytes) -> bytes:
    try:
        return zlib.decompress(packed)
    except zlib.error as error:
        raise sqlite3.DatabaseError(f"a snapshot in it is damaged ({error})") from error
