"""Takes old messages out of the store: by age, by flight. With a dry run.

Counters and the watermark of a flight stay unless the whole flight goes: what was acknowledged
stays acknowledged. An alert that is open stays as well: a ground that runs still has it in hand.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, delete, exists, func, select, text

from overflight_ground.store import Store
from overflight_ground.store.tables import alerts, flights, messages, meta, quarantine
from overflight_ground.store.writing import LAST_ID

STEP: Final = 20_000


@dataclass(frozen=True, slots=True)
class Cut:
    """What retention takes out, or would."""

    messages: int
    bytes: int
    quarantined: int
    alerts: int
    flights: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Old:
    """What is to go: everything that fits all that is named."""

    received_before_ns: int | None = None
    payload: str | None = None
    flight: str | None = None

    def of(self, table: Table, time: str) -> list[Any]:
        """Return the conditions on `table`, whose column `time` says how old a row is."""
        found: list[Any] = []
        if self.received_before_ns is not None:
            found.append(table.c[time] < self.received_before_ns)
        if self.payload is not None:
            found.append(table.c.payload == self.payload)
        if self.flight is not None:
            found.append(table.c.flight == self.flight)
        if table is alerts:
            found.append(alerts.c.end_at_ns.is_not(None))
        return found


def would_cut(store: Store, old: Old) -> Cut:
    """Say what `cut` would take out."""
    with store.reading() as connection:
        count, size = connection.execute(
            select(func.count(), func.coalesce(func.sum(func.length(messages.c.raw)), 0)).where(
                *old.of(messages, "received_at_ns")
            )
        ).one()
        return Cut(
            int(count),
            int(size),
            _count(connection, quarantine, old, "last_at_ns"),
            _count(connection, alerts, old, "raised_at_ns"),
            _count(connection, flights, old, "last_received_at_ns"),
        )


def cut(store: Store, old: Old) -> Cut:
    """Take out, in steps, so that ingest gets its turn between; then give space back."""
    planned = would_cut(store, old)
    if store.sqlite:
        with store.writing() as connection:
            connection.exec_driver_sql("PRAGMA secure_delete=ON")  # for the writer's connection
    _delete_steps(store, messages, old, "received_at_ns")
    _delete_steps(store, quarantine, old, "last_at_ns")
    with store.writing() as connection:
        connection.execute(delete(alerts).where(*old.of(alerts, "raised_at_ns")))
        gone = old.of(flights, "last_received_at_ns")
        connection.execute(delete(flights).where(*gone, ~_has_messages()))
        # whoever writes next reads its watermarks anew
        connection.execute(delete(meta).where(meta.c.key == "writer"))
        _note(connection, "cut", uuid.uuid4().hex)
    if store.sqlite:
        with store.reader.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    return planned


def _has_messages() -> ColumnElement[bool]:
    """Tell of a flight whether messages of it came meanwhile."""
    return exists().where(
        messages.c.payload == flights.c.payload, messages.c.flight == flights.c.flight
    )


def _note(connection: Connection, key: str, value: str) -> None:
    connection.execute(delete(meta).where(meta.c.key == key))
    connection.execute(meta.insert().values(key=key, value=value))


def _count(connection: Connection, table: Table, old: Old, time: str) -> int:
    query = select(func.count()).select_from(table).where(*old.of(table, time))
    return int(connection.execute(query).scalar_one())


def _delete_steps(store: Store, table: Table, old: Old, time: str) -> None:
    some = select(table.c.id).where(*old.of(table, time)).limit(STEP)
    while True:
        with store.writing() as connection:
            _note(connection, "last_id", str(connection.execute(text(LAST_ID)).scalar_one()))
            if connection.execute(delete(table).where(table.c.id.in_(some))).rowcount < STEP:
                return
