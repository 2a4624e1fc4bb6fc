"""Queries of the API and the exports. Each takes a connection from `Store.reading`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, case, func, select, text, tuple_

from overflight_contract.messages import decode
from overflight_contract.times import NS_PER_S
from overflight_contract.topics import Kind
from overflight_ground.ingest.flights import FlightRow
from overflight_ground.ingest.judge import Accepted, Arrival
from overflight_ground.ingest.plausible import BELIEVABLE
from overflight_ground.ingest.stored import Stored
from overflight_ground.store.inserting import NAVIGATION, POSITION
from overflight_ground.store.store import Store
from overflight_ground.store.tables import (
    audits,
    flights,
    messages,
    meta,
    pictures,
    quarantine,
    recoveries,
)
from overflight_ground.store.writing import LAST_ID
from overflight_ground.track import COLUMNS

STEP: Final = 5_000
SAMPLED_TAIL: Final = 500
SAMPLED_STEP_NS: Final = 30 * NS_PER_S
SAMPLED_GROWTH: Final = 100
"""The steps of a sample grow by one part in so many of the time to its nearer end."""

Place = tuple[str, int, int]
"""(flight, measured_at_ns, seq): where a page of a payload's messages ended."""

_BELIEVABLE: Final = messages.c.suspect.is_(None) | messages.c.suspect.in_(BELIEVABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFilter:
    """Which messages; what is `None` does not matter. `since` is inclusive, `until` exclusive."""

    payload: str | None = None
    flight: str | None = None
    kind: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None
    suspect: bool | None = None
    believable: bool = False

    def apply(self, query: Select[Any]) -> Select[Any]:
        """Narrow `query`."""
        table = messages.c
        for column, value in (
            (table.payload, self.payload),
            (table.flight, self.flight),
            (table.kind, self.kind),
        ):
            if value is not None:
                query = query.where(column == value)
        if self.since_ns is not None:
            query = query.where(table.measured_at_ns >= self.since_ns)
        if self.until_ns is not None:
            query = query.where(table.measured_at_ns < self.until_ns)
        if self.suspect is not None:
            marked = table.suspect.is_not(None) if self.suspect else table.suspect.is_(None)
            query = query.where(marked)
        if self.believable:
            query = query.where(_BELIEVABLE)
        return query


def flight_rows(connection: Connection, payload: str | None = None) -> list[FlightRow]:
    """Return the flights, oldest first."""
    query = select(flights).order_by(flights.c.flight, flights.c.payload)
    if payload is not None:
        query = query.where(flights.c.payload == payload)
    return [FlightRow(**row._mapping) for row in connection.execute(query)]  # noqa: SLF001


def flight_row(connection: Connection, payload: str, flight: str) -> FlightRow | None:
    """Return one flight."""
    query = select(flights).where(flights.c.payload == payload, flights.c.flight == flight)
    row = connection.execute(query).first()
    return None if row is None else FlightRow(**row._mapping)  # noqa: SLF001


def last_flight(connection: Connection, payload: str) -> str | None:
    """Return the flight of `payload` that began last (or was heard of last) and has messages."""
    query = (
        select(flights.c.flight)
        .where(flights.c.payload == payload)
        .order_by(
            (flights.c.messages > 0).desc(),
            func.substr(flights.c.flight, 1, 16).desc(),
            flights.c.first_received_at_ns.desc(),
        )
        .limit(1)
    )
    return connection.execute(query).scalar_one_or_none()


def flight_keys(connection: Connection) -> set[tuple[str, str]]:
    """Return (payload, flight) of all flights."""
    query = select(flights.c.payload, flights.c.flight)
    return {(row.payload, row.flight) for row in connection.execute(query)}


def last_cut(connection: Connection) -> str | None:
    """Return what tells one run of retention from another; `None` before the first."""
    return connection.execute(select(meta.c.value).where(meta.c.key == "cut")).scalar()


def last_id(connection: Connection) -> int:
    """Return the last id that a message had, 0 before the first."""
    return int(connection.execute(text(LAST_ID)).scalar_one())


def messages_page(
    connection: Connection, wanted: MessageFilter, *, before_id: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Return messages, newest id first, with ids below `before_id`."""
    query = wanted.apply(select(messages)).order_by(messages.c.id.desc()).limit(limit)
    if before_id is not None:
        query = query.where(messages.c.id < before_id)
    return connection.execute(query).all()


def messages_of_payload(
    connection: Connection, wanted: MessageFilter, *, before: Place | None, limit: int
) -> Sequence[Row[Any]]:
    """Return messages of the payload in `wanted`: newest flight first, in it newest measured first.

    In the order of the index, so that a page of a payload is quick among any number of others.
    """
    table = messages.c
    order = (table.flight, table.measured_at_ns, table.seq)
    query = wanted.apply(select(messages)).order_by(*(column.desc() for column in order))
    if before is not None:
        query = query.where(tuple_(*order) < tuple_(*before))
        query = query.where(table.flight <= before[0])  # what the index can begin with
    return connection.execute(query.limit(limit)).all()


def message(connection: Connection, message_id: int) -> Row[Any] | None:
    """Return one message."""
    return connection.execute(select(messages).where(messages.c.id == message_id)).first()


def quarantine_page(
    connection: Connection, *, payload: str | None, before_id: int | None, limit: int
) -> Sequence[Row[Any]]:
    """Return quarantined messages, newest first."""
    query = select(quarantine).order_by(quarantine.c.id.desc()).limit(limit)
    if payload is not None:
        query = query.where(quarantine.c.payload == payload)
    if before_id is not None:
        query = query.where(quarantine.c.id < before_id)
    return connection.execute(query).all()


def stray_count(connection: Connection) -> int:
    """Return how many quarantined messages name no seq."""
    query = select(func.count()).select_from(quarantine).where(quarantine.c.seq.is_(None))
    return int(connection.execute(query).scalar_one())


def track_rows(connection: Connection, wanted: MessageFilter) -> Iterator[Row[Any]]:
    """Yield positions and navigation of one flight by time; see `overflight_ground.track`."""
    table = messages.c
    query: Select[Any] = select(*(table[name] for name in COLUMNS))
    query = wanted.apply(query).order_by(
        table.payload, table.flight, table.measured_at_ns, table.seq
    )
    yield from connection.execution_options(yield_per=STEP).execute(query)


def stored_after(connection: Connection, after_id: int, limit: int) -> list[Stored]:
    """Return the messages that were stored after `after_id`, as ingest handed them on."""
    query = select(messages).where(messages.c.id > after_id).order_by(messages.c.id).limit(limit)
    return [stored_of(row) for row in connection.execute(query)]


def newest_of(connection: Connection, payload: str, flight: str, kind: Kind) -> Stored | None:
    """Return the newest believable message of a kind."""
    query = (
        select(messages)
        .where(messages.c.payload == payload, messages.c.flight == flight)
        .where(messages.c.kind == kind.value, _BELIEVABLE)
        .order_by(messages.c.measured_at_ns.desc(), messages.c.seq.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else stored_of(row)


def stored_of(row: Row[Any]) -> Stored:
    """Make of a row of ``messages`` what ingest made of the message."""
    kind, raw = Kind(row.kind), bytes(row.raw)
    arrival = Arrival(
        row.topic.encode(), raw, row.qos, bool(row.retained), bool(row.dup), row.received_at_ns
    )
    decoded: Any = decode(kind, raw)
    accepted = Accepted(arrival, row.payload, kind, row.topic, decoded, row.measured_at_ns)
    return Stored(row.id, accepted, row.suspect)


def picture_rows(
    connection: Connection, payload: str | None, flight: str | None
) -> Sequence[Row[Any]]:
    """Return recovered pictures by time."""
    query = select(pictures).order_by(pictures.c.taken_at_ns, pictures.c.id)
    if payload is not None:
        query = query.where(pictures.c.payload == payload)
    if flight is not None:
        query = query.where(pictures.c.flight == flight)
    return connection.execute(query).all()


def picture(connection: Connection, sha256: str) -> Row[Any] | None:
    """Return one recovered picture."""
    return connection.execute(select(pictures).where(pictures.c.sha256 == sha256).limit(1)).first()


def last_recovery(connection: Connection, payload: str, flight: str) -> Row[Any] | None:
    """Return the newest recovery of a flight."""
    query = (
        select(recoveries)
        .where(recoveries.c.payload == payload, recoveries.c.flight == flight)
        .order_by(recoveries.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).first()


def last_audit(connection: Connection, payload: str, flight: str) -> Row[Any] | None:
    """Return the newest audit of a flight."""
    query = (
        select(audits)
        .where(audits.c.payload == payload, audits.c.flight == flight)
        .order_by(audits.c.id.desc())
        .limit(1)
    )
    return connection.execute(query).first()


def density(
    connection: Connection, wanted: MessageFilter, bounds_ns: tuple[int, int], bins: int
) -> list[int]:
    """Count messages in `bins` equal spans of time between the bounds."""
    start_ns, end_ns = bounds_ns
    width_ns = max(1, -(-(end_ns - start_ns) // bins))
    place = (messages.c.measured_at_ns - start_ns) // width_ns
    query = wanted.apply(
        select(place.label("place"), func.count().label("n"))
        .where(messages.c.measured_at_ns >= start_ns, messages.c.measured_at_ns < end_ns)
        .group_by(place)
    )
    counts = [0] * bins
    for row in connection.execute(query):
        counts[min(int(row.place), bins - 1)] += int(row.n)
    return counts


DECODED: Final = {"position": POSITION, "navigation": NAVIGATION}
"""The columns that each kind fills."""


def arrival_bounds_ns(store: Store) -> tuple[int, int]:
    """Return when the first and the last message arrived; (0, 0) where there is none."""
    column = messages.c.received_at_ns
    with store.reading() as connection:
        first, last = connection.execute(select(func.min(column), func.max(column))).one()
    return (int(first), int(last)) if first is not None else (0, 0)


def stored_between(
    connection: Connection, after_ns: int, until_ns: int, limit: int
) -> list[Stored]:
    """Return messages by when they arrived, after one time and up to another."""
    column = messages.c.received_at_ns
    query = (
        select(messages)
        .where(column > after_ns, column <= until_ns)
        .order_by(messages.c.id)
        .limit(limit)
    )
    return [stored_of(row) for row in connection.execute(query)]


def last_measured_ns(connection: Connection, payload: str, flight: str) -> int:
    """Return when the newest believable message was measured; 0 where there is none."""
    query = (
        select(messages.c.measured_at_ns)
        .where(messages.c.payload == payload, messages.c.flight == flight, _BELIEVABLE)
        .order_by(messages.c.measured_at_ns.desc())
        .limit(1)
    )
    return int(connection.execute(query).scalar_one_or_none() or 0)


def sampled_rows(connection: Connection, payload: str, flight: str) -> list[Row[Any]]:
    """Return believable rows as `track_rows` does: the newest `SAMPLED_TAIL`, before them a sample.

    The steps of the sample are `SAMPLED_STEP_NS` at both its ends and grow inwards, so that a
    flight of any length is about 2,000 rows, and its launch and its last hours are there closely.
    """
    table = messages.c
    ours = (table.payload == payload) & (table.flight == flight) & _BELIEVABLE
    order = (table.measured_at_ns, table.seq)
    rows = select(*(table[name] for name in COLUMNS)).where(ours)
    newest = rows.order_by(*(column.desc() for column in order)).limit(SAMPLED_TAIL)
    tail = list(reversed(connection.execute(newest).all()))
    if len(tail) < SAMPLED_TAIL:
        return tail
    times = connection.execute(_sampled_times(ours, tail[0].measured_at_ns)).scalars().all()
    sample = rows.where(table.measured_at_ns.in_(times)).order_by(*order)
    return [*connection.execute(sample).all(), *tail]


def _sampled_times(ours: ColumnElement[bool], until_ns: int) -> Select[Any]:
    """Ask for times of messages before `until_ns`, each found by one look into the index."""
    at_ns = messages.c.measured_at_ns
    first = select(func.min(at_ns)).where(ours, at_ns < until_ns).scalar_subquery()
    hop = select(first.label("at_ns"), first.label("first_ns")).cte("hop", recursive=True)
    gone, left = hop.c.at_ns - hop.c.first_ns, until_ns - hop.c.at_ns
    step = SAMPLED_STEP_NS + case((gone < left, gone), else_=left) // SAMPLED_GROWTH
    following = select(func.min(at_ns)).where(ours, at_ns >= hop.c.at_ns + step, at_ns < until_ns)
    hops = hop.union_all(
        select(following.scalar_subquery(), hop.c.first_ns).where(hop.c.at_ns.is_not(None))
    )
    return select(hops.c.at_ns).where(hops.c.at_ns.is_not(None))
