"""What the store knows of each payload when the ground starts, for the alerts to go on from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, select

from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S
from overflight_ground.alerts.heard import Past
from overflight_ground.ingest.flights import FlightKey, FlightRow, order
from overflight_ground.ingest.plausible import ahead
from overflight_ground.store.tables import alerts, messages

NEWEST: Final = 64
"""So many messages tell the rhythm: pairs, 24 steps, and some in a row that tell nothing."""
FLIGHTS: Final = 3
"""So many flights are looked at for one whose messages are not all ahead of their time."""
RECENT_NS: Final = 86_400 * NS_PER_S
"""A payload that was heard longer ago is not awaited."""


def payloads(connection: Connection, rows: Iterable[FlightRow], now_ns: int) -> list[Past]:
    """Return the newest flight of each payload; `rows` are all flights."""
    flights: dict[str, list[FlightRow]] = defaultdict(list)
    for row in rows:
        if row.messages:
            flights[row.payload].append(row)
    return [_past(connection, those, now_ns) for those in flights.values()]


def raised(connection: Connection) -> list[tuple[str, FlightKey]]:
    """Return which kinds of alerts each flight has raised."""
    query = select(alerts.c.kind, alerts.c.payload, alerts.c.flight).distinct()
    return [(kind, (payload, flight)) for kind, payload, flight in connection.execute(query)]


def _past(connection: Connection, rows: list[FlightRow], now_ns: int) -> Past:
    rows.sort(key=lambda row: order(row.flight, row.first_received_at_ns), reverse=True)
    looked = ((row, _newest(connection, row)) for row in islice(rows, FLIGHTS))
    found = next((one for one in looked if _measured(one[1])), None)
    row, newest = found or (rows[0], [])
    recent = now_ns - row.last_received_at_ns < RECENT_NS
    arrivals = [(m.received_at_ns, None if ahead(m.suspect) else m.measured_at_ns) for m in newest]
    phases = [m.phase for m in newest if m.phase is not None and not ahead(m.suspect)]
    return Past(
        payload=row.payload,
        flight=row.flight,
        last_received_ns=row.last_received_at_ns,
        last_measured_ns=max(_measured(newest), default=None),
        phase=Phase(phases[0]) if phases else None,
        arrivals=sorted(arrivals, key=lambda arrival: arrival[0]) if recent else (),
        flights={one.flight: one.first_received_at_ns for one in rows},
    )


def _measured(newest: Iterable[Row[Any]]) -> list[int]:
    return [row.measured_at_ns for row in newest if not ahead(row.suspect)]


def _newest(connection: Connection, row: FlightRow) -> Sequence[Row[Any]]:
    """Return the messages of a flight that were measured last, newest first."""
    table = messages.c
    query: Select[Any] = (
        select(table.received_at_ns, table.measured_at_ns, table.suspect, table.phase)
        .where(table.payload == row.payload, table.flight == row.flight)
        .order_by(table.measured_at_ns.desc(), table.seq.desc())
        .limit(NEWEST)
    )
    return connection.execute(query).all()
