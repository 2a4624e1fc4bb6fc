"""The statements of ingest, run on the driver's own cursor: a lone message costs little more.

One transaction a batch; the row ``writer`` of ``meta`` is locked for its length, so that several
ingests on one store take turns and notice each other.
"""

# ruff: noqa: S608 - every name in a statement is ours
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cache
from typing import Any, Final, Self

from sqlalchemy import Table
from sqlalchemy.engine.interfaces import DBAPICursor

from overflight_ground.ingest.plausible import BELIEVABLE
from overflight_ground.store.copying import Copying
from overflight_ground.store.inserting import Alike, insert_sqlite, insert_sqlite_flight
from overflight_ground.store.store import Store
from overflight_ground.store.tables import flights, messages, meta, quarantine

Key = tuple[str, str, int]
"""(payload, flight, seq)."""
Row = tuple[Any, ...]

LAST_ID: Final = (
    "SELECT coalesce(max(id), 0) FROM (SELECT max(id) AS id FROM messages"
    " UNION ALL SELECT CAST(value AS BIGINT) FROM meta WHERE key = 'last_id') AS known"
)
"""The last id that a message had, also where retention has taken it out."""

MESSAGE_COLUMNS: Final = tuple(column.name for column in messages.c)
QUARANTINE_COLUMNS: Final = tuple(c.name for c in quarantine.c if c.name != "id")
FLIGHT_COLUMNS: Final = tuple(column.name for column in flights.c)


class BatchWriter:
    """Writes one batch, in the transaction of `Store.batch`."""

    def __init__(self, cursor: DBAPICursor, copying: Copying | None) -> None:
        self._cursor = cursor
        self._copying = copying
        self._sql = _statements(sqlite=copying is None)

    @classmethod
    @contextmanager
    def begun(cls, store: Store) -> Iterator[Self]:
        """Give a writer of one transaction, committed at the end; raises as `Store.batch`."""
        with (
            store.batch() as cursor,
            nullcontext() if store.sqlite else Copying(cursor) as copying,
        ):
            yield cls(cursor, copying)

    @property
    def streams(self) -> bool:
        """Whether the database works on the first messages while the next are made."""
        return self._copying is not None

    def take_turn(self, me: str) -> bool:
        """Lock out other ingests; true where `me` wrote last, so that memory is still right."""
        if self._one("writer") == (me,):
            return True
        self._run("meta", ("writer", me))
        return False

    def next_id(self) -> int:
        """Return the first id that is free for a message."""
        found = self._one("last_id")
        assert found is not None
        return int(found[0]) + 1

    def insert_messages(self, values: Sequence[Any], stored_at_ns: int) -> None:
        """Insert rows as `overflight_ground.store.inserting` takes them; all must be new."""
        if self._copying is None:
            insert_sqlite(self._cursor, values, stored_at_ns)
        else:
            self._copying.write(values, stored_at_ns)

    def insert_flight(self, values: Sequence[Any], alike: Alike) -> None:
        """Insert messages of one flight into SQLite; all must be new."""
        insert_sqlite_flight(self._cursor, values, alike)

    def stored(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """Return the bytes that are stored under each of `keys`; absent ones are left out."""
        found: dict[Key, bytes] = {}
        for key in keys:
            row = self._one("raw", key)
            if row is not None:
                found[key] = bytes(row[0])
        return found

    def quarantined(self, key: Key) -> bool:
        """Tell whether a message under `key` is in quarantine."""
        return self._one("in_quarantine", key) is not None

    def insert_quarantine(self, row: Row) -> bool:
        """Insert a row in the order of `QUARANTINE_COLUMNS`; a known one is counted once more.

        Returns whether it is new.
        """
        digest, received_at_ns = row[0], row[1]
        if self._one("digest", (digest,)) is not None:
            self._run("again", (received_at_ns, digest))
            return False
        self._run("quarantine", row)
        return True

    def save_flights(self, rows: Sequence[Row]) -> None:
        """Insert or replace flights, in the order of `FLIGHT_COLUMNS`."""
        if rows:
            self._ready().executemany(self._sql["flights"], rows)

    def load_flights(self) -> list[Row]:
        """Return all rows of ``flights``, in the order of `FLIGHT_COLUMNS`."""
        self._run("all_flights")
        return list(self._cursor.fetchall())

    def pending(self, payload: str, flight: str, through: int) -> list[int]:
        """Return the handled seqs of a flight beyond `through`, in order."""
        found: set[int] = set()
        for statement in ("pending", "pending_quarantine"):
            self._run(statement, (payload, flight, through))
            found.update([row[0] for row in self._cursor.fetchall()])
        return sorted(found)

    def newest_position(self, payload: str, flight: str) -> Row | None:
        """Return (measured_at_ns, lat_deg, lon_deg) of the newest believed position."""
        return self._one("newest_position", (payload, flight))

    def _run(self, statement: str, values: Row = ()) -> None:
        self._ready().execute(self._sql[statement], values)

    def _ready(self) -> DBAPICursor:
        """Return the cursor, which takes nothing else while messages are copied."""
        if self._copying is not None:
            self._copying.end()
        return self._cursor

    def _one(self, statement: str, values: Row = ()) -> Row | None:
        self._run(statement, values)
        row: Row | None = self._cursor.fetchone()
        return row


@cache
def _statements(sqlite: bool) -> dict[str, str]:
    """Return the statements for a database, made of the tables' columns."""
    mark = "?" if sqlite else "%s"
    lock = "" if sqlite else " FOR UPDATE"
    flight = f"payload = {mark} AND flight = {mark}"
    changed = ", ".join(f"{name} = excluded.{name}" for name in FLIGHT_COLUMNS[2:])
    return {
        "writer": f"SELECT value FROM meta WHERE key = 'writer'{lock}",
        "meta": _insert(meta, ("key", "value"), mark)
        + " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        "last_id": LAST_ID,
        "raw": f"SELECT raw FROM messages WHERE {flight} AND seq = {mark}",
        "in_quarantine": f"SELECT id FROM quarantine WHERE {flight} AND seq = {mark} LIMIT 1",
        "digest": f"SELECT id FROM quarantine WHERE digest = {mark}",
        "quarantine": _insert(quarantine, QUARANTINE_COLUMNS, mark),
        "again": f"UPDATE quarantine SET times = times + 1, last_at_ns = {mark} "
        f"WHERE digest = {mark}",
        "all_flights": f"SELECT {', '.join(FLIGHT_COLUMNS)} FROM flights",
        "flights": _insert(flights, FLIGHT_COLUMNS, mark)
        + f" ON CONFLICT (payload, flight) DO UPDATE SET {changed}",
        "pending": f"SELECT seq FROM messages WHERE {flight} AND seq > {mark}",
        "pending_quarantine": f"SELECT seq FROM quarantine WHERE {flight} AND seq > {mark}",
        "newest_position": "SELECT measured_at_ns, lat_deg, lon_deg FROM messages "
        f"WHERE {flight} AND lat_deg IS NOT NULL "
        f"AND (suspect IS NULL OR suspect IN {BELIEVABLE}) "
        "ORDER BY measured_at_ns DESC LIMIT 1",
    }


def _insert(table: Table, columns: Sequence[str], mark: str) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"
