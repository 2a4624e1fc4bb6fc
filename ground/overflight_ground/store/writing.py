"""The statements of ingest, made once and run with tuples (several times as fast as dicts).

One transaction a batch; the row ``writer`` of ``meta`` is locked for its length, so that several
ingests on one store take turns and notice each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Table, select

from overflight_ground.store.tables import flights, messages, meta, quarantine

Key = tuple[str, str, int]
"""(payload, flight, seq)."""

MESSAGE_COLUMNS: Final = tuple(column.name for column in messages.c)
QUARANTINE_COLUMNS: Final = tuple(c.name for c in quarantine.c if c.name != "id")
FLIGHT_COLUMNS: Final = tuple(column.name for column in flights.c)
_BELIEVABLE: Final = messages.c.suspect.is_(None) | messages.c.suspect.in_(("past", "sats"))


class BatchWriter:
    """Writes one batch on `connection`, inside a transaction that the caller ends."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sql = _statements(connection.dialect)

    def take_turn(self, me: str) -> bool:
        """Lock out other ingests; true where `me` wrote last, so that memory is still right."""
        query = select(meta.c.value).where(meta.c.key == "writer").with_for_update()
        last = self._connection.execute(query).scalar_one_or_none()
        if last == me:
            return True
        self._connection.exec_driver_sql(self._sql["meta"], ("writer", me))
        return False

    def next_id(self) -> int:
        """Return the first id that is free for a message."""
        return int(self._connection.exec_driver_sql(self._sql["last_id"]).scalar_one()) + 1

    def insert_messages(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert rows in the order of `MESSAGE_COLUMNS`; all must be new."""
        if not rows:
            return
        if self._connection.dialect.name == "postgresql" and len(rows) > 20:
            driver: Any = self._connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(self._sql["copy"]) as copy:
                for row in rows:
                    copy.write_row(row)
            return
        self._connection.exec_driver_sql(self._sql["messages"], list(rows))

    def stored(self, keys: Iterable[Key]) -> dict[Key, bytes]:
        """Return the bytes that are stored under each of `keys`; absent ones are left out."""
        found: dict[Key, bytes] = {}
        for key in keys:
            row = self._connection.exec_driver_sql(self._sql["raw"], key).first()
            if row is not None:
                found[key] = bytes(row[0])
        return found

    def quarantined(self, key: Key) -> bool:
        """Tell whether a message under `key` is in quarantine."""
        return self._connection.exec_driver_sql(self._sql["in_quarantine"], key).first() is not None

    def insert_quarantine(self, row: tuple[Any, ...]) -> bool:
        """Insert a row in the order of `QUARANTINE_COLUMNS`; a known one is counted once more.

        Returns whether it is new.
        """
        digest, received_at_ns = row[0], row[1]
        known = self._connection.exec_driver_sql(self._sql["digest"], (digest,)).first()
        if known is not None:
            self._connection.exec_driver_sql(self._sql["again"], (received_at_ns, digest))
            return False
        self._connection.exec_driver_sql(self._sql["quarantine"], row)
        return True

    def save_flights(self, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or replace flights, in the order of `FLIGHT_COLUMNS`."""
        if rows:
            self._connection.exec_driver_sql(self._sql["flights"], list(rows))

    def load_flights(self) -> list[Any]:
        """Return all rows of ``flights``."""
        return list(self._connection.execute(select(flights)))

    def pending(self, payload: str, flight: str, through: int) -> list[int]:
        """Return the handled seqs of a flight beyond `through`, in order."""
        found: set[int] = set()
        for table in (messages, quarantine):
            query = select(table.c.seq).where(
                table.c.payload == payload, table.c.flight == flight, table.c.seq > through
            )
            found.update(self._connection.execute(query).scalars())
        return sorted(found)

    def newest_position(self, payload: str, flight: str) -> Any:
        """Return (measured_at_ns, lat_deg, lon_deg) of the newest believed position."""
        table = messages
        query = (
            select(table.c.measured_at_ns, table.c.lat_deg, table.c.lon_deg)
            .where(table.c.payload == payload, table.c.flight == flight)
            .where(table.c.lat_deg.is_not(None), _BELIEVABLE)
            .order_by(table.c.measured_at_ns.desc())
            .limit(1)
        )
        return self._connection.execute(query).first()


_cache: dict[str, dict[str, str]] = {}


def _statements(dialect: Dialect) -> dict[str, str]:
    """Return the statements for `dialect`, made once from the tables' columns."""
    made = _cache.get(dialect.name)
    if made is None:
        made = _cache[dialect.name] = _make("?" if dialect.name == "sqlite" else "%s")
    return made


def _make(mark: str) -> dict[str, str]:
    key = " AND ".join(f"{name} = {mark}" for name in ("payload", "flight", "seq"))
    changed = ", ".join(f"{name} = excluded.{name}" for name in FLIGHT_COLUMNS[2:])
    return {
        "messages": _insert(messages, MESSAGE_COLUMNS, mark),
        "copy": f"COPY messages ({', '.join(MESSAGE_COLUMNS)}) FROM STDIN",
        "quarantine": _insert(quarantine, QUARANTINE_COLUMNS, mark),
        "flights": _insert(flights, FLIGHT_COLUMNS, mark)
        + f" ON CONFLICT (payload, flight) DO UPDATE SET {changed}",
        "meta": _insert(meta, ("key", "value"), mark)
        + " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        "raw": f"SELECT raw FROM messages WHERE {key}",  # noqa: S608 - names are ours
        "in_quarantine": f"SELECT id FROM quarantine WHERE {key} LIMIT 1",  # noqa: S608
        "digest": f"SELECT id FROM quarantine WHERE digest = {mark}",  # noqa: S608
        "again": "UPDATE quarantine SET times = times + 1, "  # noqa: S608
        f"last_at_ns = {mark} WHERE digest = {mark}",
        "last_id": "SELECT coalesce(max(id), 0) FROM messages",
    }


def _insert(table: Table, columns: Sequence[str], mark: str) -> str:
    marks = ", ".join([mark] * len(columns))
    return f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({marks})"  # noqa: S608
