"""Keeps a report in the ground's store, where the page finds it; one a flight, the newest."""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from overflight_ground.audit.report import AuditReport, to_json
from overflight_ground.store import Store, tables


def keep(store: str, report: AuditReport, now_ns: int) -> None:
    """Write the report for each of its flights, and the verdict of each picture."""
    opened = Store.open(store, create=False)
    try:
        with opened.writing() as connection:
            for payload, flight in _flights(connection, report):
                _one(connection, report, payload, flight, now_ns)
    finally:
        opened.close()


def _flights(connection: Connection, report: AuditReport) -> list[tuple[str, str]]:
    table = tables.flights
    rows = connection.execute(select(table.c.payload, table.c.flight))
    wanted = set(report.flights)
    names = set(report.payloads)
    return [(r.payload, r.flight) for r in rows if r.flight in wanted and r.payload in names]


def _one(
    connection: Connection, report: AuditReport, payload: str, flight: str, now_ns: int
) -> None:
    audits, pictures = tables.audits, tables.pictures
    connection.execute(delete(audits).where(audits.c.payload == payload, audits.c.flight == flight))
    connection.execute(
        insert(audits).values(
            payload=payload,
            flight=flight,
            made_at_ns=now_ns,
            verdict=str(report.verdict),
            report=to_json(report).decode(),
        )
    )
    for state in report.pictures:
        words = f"kept: {state.state}" if state.state.startswith("not ") else state.state
        connection.execute(
            update(pictures)
            .where(
                pictures.c.payload == payload,
                pictures.c.flight == flight,
                pictures.c.sha256 == state.sha256,
            )
            .values(verdict=words)
        )
