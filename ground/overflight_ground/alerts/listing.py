"""The stored alerts, oldest first, however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection, Select, select

from overflight_ground.alerts.engine import Alert
from overflight_ground.alerts.storing import alert_of
from overflight_ground.store.reading import MessageFilter
from overflight_ground.store.tables import alerts

STEP: Final = 1_000


def listed(connection: Connection, wanted: MessageFilter, *, only_open: bool) -> Iterator[Alert]:
    """Yield the alerts of a payload, a flight and the times between which they began."""
    query = _narrowed(select(alerts), wanted).order_by(alerts.c.id)
    if only_open:
        query = query.where(alerts.c.end_at_ns.is_(None))
    for row in connection.execution_options(yield_per=STEP).execute(query):
        yield alert_of(row)


def _narrowed(query: Select[Any], wanted: MessageFilter) -> Select[Any]:
    if wanted.payload is not None:
        query = query.where(alerts.c.payload == wanted.payload)
    if wanted.flight is not None:
        query = query.where(alerts.c.flight == wanted.flight)
    if wanted.since_ns is not None:
        query = query.where(alerts.c.begin_at_ns >= wanted.since_ns)
    if wanted.until_ns is not None:
        query = query.where(alerts.c.begin_at_ns < wanted.until_ns)
    return query
