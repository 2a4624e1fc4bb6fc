"""The durable outbox: what the payload has written and the ground has not yet receipted.

SQLite in WAL mode, one writer. The payload's record (`overflight_contract.record`) is written and
fsynced first, so that this database needs no fsync of its own at each message: what a power cut
takes from it, `Outbox.recover` puts back from the record.

A message's life: appended → (sent, again and again) → receipted and forgotten; or, where the outbox
is full, given up, the oldest first; or set aside, where the relay refused it three times. What was
given up or set aside stays counted, and `held_from` passes it.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from overflight_contract.errors import InputError
from overflight_contract.topics import Kind

FILE_NAME: Final = "outbox.sqlite"
DEFAULT_MAX_BYTES: Final = 64 * 2**20
_ROW_OVERHEAD: Final = 40

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    seq INTEGER PRIMARY KEY, kind TEXT NOT NULL, payload BLOB NOT NULL,
    refused INTEGER NOT NULL DEFAULT 0, aside INTEGER NOT NULL DEFAULT 0
);
"""


class Pending(NamedTuple):
    """A message that waits for its receipt."""

    seq: int
    kind: Kind
    payload: bytes


class Depth(NamedTuple):
    """How full the outbox is, and what became of the rest (counts of messages)."""

    pending: int
    pending_bytes: int
    receipted_through: int
    given_up: int
    set_aside: int


class Outbox:
    """An outbox in a file. Safe to use from several threads; one process at a time."""

    def __init__(
        self, path: Path, *, payload: str, new_flight: str, max_bytes: int = DEFAULT_MAX_BYTES
    ) -> None:
        """Open the outbox at `path`; a new one gets the flight id `new_flight`.

        Raises `InputError` where it belongs to another payload or is no outbox.
        """
        self._lock = threading.RLock()
        self._max_bytes = max_bytes
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute("PRAGMA cache_size = -512")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise InputError(f"{path} is not a usable outbox: {error}") from error
        self._load(path, payload, new_flight)

    def _load(self, path: Path, payload: str, new_flight: str) -> None:
        meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        if meta and meta.get("payload") != payload:
            raise InputError(
                f"the outbox {path} belongs to {meta.get('payload')}, not to {payload};"
                " use another --data folder"
            )
        self.is_new = not meta
        if not meta:
            meta = {"payload": payload, "flight": new_flight}
            self._db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
        self.payload = payload
        self.flight = str(meta["flight"])
        self._next_seq = int(meta.get("next_seq", 1))
        self._held_from = int(meta.get("held_from", 1))
        self._through = int(meta.get("through", 0))
        self._given_up = int(meta.get("given_up", 0))
        self._aside = self._scalar("SELECT count(*) FROM pending WHERE aside = 1")
        self._count = self._scalar("SELECT count(*) FROM pending WHERE aside = 0")
        self._bytes = self._scalar("SELECT coalesce(sum(length(payload)), 0) FROM pending")
        self._bytes += _ROW_OVERHEAD * (self._count + self._aside)
        self._raise_held_from()

    @property
    def next_seq(self) -> int:
        """The seq that the next message will have."""
        return self._next_seq

    @property
    def held_from(self) -> int:
        """The lowest seq that can still be delivered; `next_seq` where none waits. Only grows."""
        return self._held_from

    @property
    def depth(self) -> Depth:
        """How full it is now."""
        with self._lock:
            return Depth(self._count, self._bytes, self._through, self._given_up, self._aside)

    def make_room(self, size: int) -> int:
        """Give up the oldest messages until `size` more bytes fit; return how many went.

        Call it before encoding, so that the new message's `held_from` tells what went.
        """
        with self._lock:
            excess = self._bytes + size - self._max_bytes
            if excess <= 0:
                return 0
            gone, freed = [], 0
            for seq, length in self._db.execute(
                "SELECT seq, length(payload) FROM pending WHERE aside = 0 ORDER BY seq"
            ):
                gone.append(seq)
                freed += length + _ROW_OVERHEAD
                if freed >= excess:
                    break
            if gone:
                self._given_up += len(gone)
                with self._transaction():
                    self._delete("seq <= ? AND aside = 0", gone[-1])
                    self._raise_held_from()
                    self._save(given_up=self._given_up)
            return len(gone)

    def append(self, messages: Sequence[tuple[Kind, int, bytes]]) -> None:
        """Add messages as (kind, seq, payload); their seqs go on from `next_seq`."""
        if not messages:
            return
        with self._lock:
            if [seq for _, seq, _ in messages] != list(
                range(self._next_seq, self._next_seq + len(messages))
            ):
                raise ValueError(f"seqs must go on from {self._next_seq}")
            with self._transaction():
                self._db.executemany(
                    "INSERT INTO pending (seq, kind, payload) VALUES (?, ?, ?)",
                    [(seq, str(kind), payload) for kind, seq, payload in messages],
                )
                self._next_seq += len(messages)
                self._count += len(messages)
                self._bytes += sum(len(payload) + _ROW_OVERHEAD for _, _, payload in messages)
                self._raise_held_from()
                self._save(next_seq=self._next_seq, held_from=self._held_from)

    def recover(self, entries: Iterable[tuple[Kind, int, bytes]], held_from: int) -> int:
        """Put back what a power cut took: entries of the record (of this flight) past our last.

        `held_from` is that of the record's last message. Returns how many were put back.
        """
        with self._lock:
            missing = [entry for entry in entries if entry[1] >= self._next_seq]
            if missing:
                self._next_seq = missing[0][1]
            self.append(missing)
            if held_from > self._held_from:
                with self._transaction():
                    self._delete("seq < ? AND aside = 0", held_from)
                    self._held_from = held_from
                    self._save(held_from=held_from)
            return len(missing)

    def after(self, seq: int, *, upto: int, limit: int) -> list[Pending]:
        """Return at most `limit` messages with `seq` < their seq ≤ `upto`, in order."""
        with self._lock:
            rows = self._db.execute(
                "SELECT seq, kind, payload FROM pending"
                " WHERE seq > ? AND seq <= ? AND aside = 0 ORDER BY seq LIMIT ?",
                (seq, upto, limit),
            ).fetchall()
        return [Pending(row[0], Kind(row[1]), row[2]) for row in rows]

    def receipted(self, through: int) -> int:
        """Forget everything up to and including `through`; return how many messages went."""
        with self._lock:
            if through <= self._through:
                return 0
            self._through = through
            with self._transaction():
                gone = self._delete("seq <= ?", through)
                self._aside = self._scalar("SELECT count(*) FROM pending WHERE aside = 1")
                self._raise_held_from()
                self._save(through=through, held_from=self._held_from)
            return gone

    def release(self, seq: int) -> None:
        """Forget one message: its PUBACK is all there will be (``receipts = off``)."""
        with self._lock, self._transaction():
            self._delete("seq = ?", seq)
            self._raise_held_from()

    def refused(self, seq: int, *, limit: int = 3) -> bool:
        """Count a refusal of `seq`; at `limit` set it aside and return True."""
        with self._lock:
            row = self._db.execute(
                "UPDATE pending SET refused = refused + 1 WHERE seq = ? AND aside = 0"
                " RETURNING refused",
                (seq,),
            ).fetchone()
            if row is None or row[0] < limit:
                return False
            with self._transaction():
                self._db.execute("UPDATE pending SET aside = 1 WHERE seq = ?", (seq,))
                self._aside += 1
                self._count -= 1
                self._raise_held_from()
                self._save(held_from=self._held_from)
            return True

    def meta(self, key: str) -> str | None:
        """Read a small durable value of the payload's (as the seed of a simulated source)."""
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (f"app.{key}",))
            found = row.fetchone()
        return None if found is None else str(found[0])

    def set_meta(self, key: str, value: str) -> None:
        """Keep a small durable value."""
        with self._lock:
            self._save(**{f"app.{key}": value})

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._db.close()

    def _raise_held_from(self) -> None:
        lowest = self._db.execute("SELECT min(seq) FROM pending WHERE aside = 0").fetchone()[0]
        self._held_from = max(self._held_from, self._next_seq if lowest is None else int(lowest))

    def _delete(self, where: str, value: int) -> int:
        rows = self._db.execute(
            f"DELETE FROM pending WHERE {where} RETURNING length(payload), aside",  # noqa: S608
            (value,),
        ).fetchall()
        self._bytes -= sum(length + _ROW_OVERHEAD for length, _ in rows)
        self._count -= sum(1 for _, aside in rows if not aside)
        return len(rows)

    def _save(self, **values: int | str) -> None:
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def _scalar(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    def _transaction(self) -> _Transaction:
        return _Transaction(self._db)


class _Transaction:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
