"""Alerts in the store, and as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, select, update

from overflight_contract.times import iso
from overflight_ground.alerts.engine import Alert
from overflight_ground.store.tables import alerts


def save(connection: Connection, alert: Alert) -> None:
    """Insert a new alert (and give it its id) or update one that is stored.

    Learns who acknowledged it meanwhile. Where the transaction fails, the id is none.
    """
    values = {
        "kind": alert.kind,
        "subject": alert.subject,
        "payload": alert.payload,
        "flight": alert.flight,
        "severity": alert.severity,
        "title": alert.title,
        "cause": alert.cause,
        "begin_at_ns": alert.begin_at_ns,
        "end_at_ns": alert.end_at_ns,
        "raised_at_ns": alert.raised_at_ns,
        "lat_deg": alert.lat_deg,
        "lon_deg": alert.lon_deg,
        "evidence": msgspec.json.encode(alert.evidence).decode(),
    }
    if alert.id:
        where = alerts.c.id == alert.id
        connection.execute(update(alerts).where(where).values(**values))
        acked = connection.execute(select(alerts.c.acked_at_ns, alerts.c.acked_by).where(where))
        row = acked.first()
        if row is not None:
            alert.acked_at_ns, alert.acked_by = row
            return
    values |= {"acked_at_ns": alert.acked_at_ns, "acked_by": alert.acked_by}
    result = connection.execute(alerts.insert().values(**values))
    assert result.inserted_primary_key is not None
    alert.id = int(result.inserted_primary_key[0])


def acknowledge(connection: Connection, alert_id: int, at_ns: int, who: str | None) -> bool:
    """Note that a person saw an alert; false where there is none. A second time changes nothing."""
    known = connection.execute(select(alerts.c.id).where(alerts.c.id == alert_id)).first()
    if known is None:
        return False
    connection.execute(
        update(alerts)
        .where(alerts.c.id == alert_id, alerts.c.acked_at_ns.is_(None))
        .values(acked_at_ns=at_ns, acked_by=who)
    )
    return True


def read(connection: Connection, alert_id: int) -> Alert | None:
    """Return one alert."""
    row = connection.execute(select(alerts).where(alerts.c.id == alert_id)).first()
    return None if row is None else alert_of(row)


def open_alerts(connection: Connection) -> list[Alert]:
    """Return the alerts that have not ended."""
    query = select(alerts).where(alerts.c.end_at_ns.is_(None)).order_by(alerts.c.id)
    return [alert_of(row) for row in connection.execute(query)]


def page(
    connection: Connection,
    *,
    payload: str | None = None,
    flight: str | None = None,
    kind: str | None = None,
    is_open: bool | None = None,
    before_id: int | None = None,
    limit: int = 500,
) -> Sequence[Alert]:
    """Return alerts, newest first."""
    query = select(alerts).order_by(alerts.c.id.desc()).limit(limit)
    columns = ((alerts.c.payload, payload), (alerts.c.flight, flight), (alerts.c.kind, kind))
    for column, value in columns:
        if value is not None:
            query = query.where(column == value)
    if is_open is not None:
        ended = alerts.c.end_at_ns
        query = query.where(ended.is_(None) if is_open else ended.is_not(None))
    if before_id is not None:
        query = query.where(alerts.c.id < before_id)
    return [alert_of(row) for row in connection.execute(query)]


def alert_of(row: Row[Any]) -> Alert:
    """Make an alert of a row."""
    values = {name: getattr(row, name) for name in Alert.__slots__ if name != "evidence"}
    return Alert(**values, evidence=msgspec.json.decode(row.evidence))


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as the API and the stream have it."""

    def time(at_ns: int | None) -> str | None:
        return None if at_ns is None else iso(at_ns)

    return {
        "id": alert.id,
        "kind": alert.kind,
        "payload": alert.payload,
        "flight": alert.flight,
        "severity": alert.severity,
        "title": alert.title,
        "cause": alert.cause,
        "begin_at": time(alert.begin_at_ns),
        "end_at": time(alert.end_at_ns),
        "raised_at": time(alert.raised_at_ns),
        "acked_at": time(alert.acked_at_ns),
        "acked_by": alert.acked_by,
        "lat_deg": alert.lat_deg,
        "lon_deg": alert.lon_deg,
        "evidence": alert.evidence,
    }
