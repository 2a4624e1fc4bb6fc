"""Rows of the store, made of what was judged."""

from __future__ import annotations

from itertools import repeat
from typing import Any

from overflight_contract.messages import Navigation, Position
from overflight_ground.ingest.judge import Accepted, Rejected
from overflight_ground.ingest.run import Run
from overflight_ground.store.inserting import HEAD, KIND_PLACES, OWN_PLACES, PLACES, RAW

Row = tuple[Any, ...]


def message_row(row_id: int, item: Accepted, suspect: str | None) -> Row:
    """Return a row of ``messages`` as `overflight_ground.store.inserting` wants it."""
    message = item.message
    if isinstance(message, Position):
        return _position_row(row_id, item, message, suspect)
    return _navigation_row(row_id, item, message, suspect)


# Both are written out whole: putting a row together from parts takes twice as long.


def _position_row(row_id: int, item: Accepted, message: Position, suspect: str | None) -> Row:
    arrival, payload, _, topic, _, measured_at_ns = item
    _, raw, qos, retained, dup, received_at_ns, _, _ = arrival
    return (
        row_id,
        payload,
        message.flight,
        message.seq,
        "position",
        message.held_from,
        measured_at_ns,
        received_at_ns,
        topic,
        qos,
        +retained,  # 0 or 1
        +dup,
        bytearray(raw),
        suspect or "",
        message.lat_deg,
        message.lon_deg,
        message.alt_msl_m,
        message.alt_hae_m,
        message.fix._value_,
        message.sats,
        message.hdop,
        0,
    )


def _navigation_row(row_id: int, item: Accepted, message: Navigation, suspect: str | None) -> Row:
    arrival, payload, _, topic, _, measured_at_ns = item
    _, raw, qos, retained, dup, received_at_ns, _, _ = arrival
    waypoint = message.waypoint
    return (
        row_id,
        payload,
        message.flight,
        message.seq,
        "navigation",
        message.held_from,
        measured_at_ns,
        received_at_ns,
        topic,
        qos,
        +retained,
        +dup,
        bytearray(raw),
        suspect or "",
        message.track_deg,
        message.speed_mps,
        message.climb_mps,
        message.phase._value_,
        None if waypoint is None else waypoint.number,
        None if waypoint is None else waypoint.distance_m,
        None if waypoint is None else waypoint.bearing_deg,
        message.cross_track_m,
    )


def run_values(first_id: int, run: Run) -> list[Any]:
    """Return the rows of a run one behind the other, each as `message_row` makes it.

    What all of them share is written once, and each column then put into its places.
    """
    count = len(run.seqs)
    shared = (
        *(None, run.payload, run.flight, *repeat(None, 6)),
        *(1, 0, 0, None, "", *repeat(None, KIND_PLACES)),
    )
    values: list[Any] = list(shared) * count
    columns = (
        (0, range(first_id, first_id + count)),
        (3, run.seqs),
        (4, [way.kind._value_ for way in run.ways]),
        (5, run.held_froms),
        (6, run.measured_at_ns),
        (7, run.received_at_ns),
        (8, [way.topic for way in run.ways]),
        (RAW, run.raws),
        *enumerate(run.places, len(HEAD)),
    )
    for place, column in columns:
        values[place::PLACES] = column
    return values


def flight_values(first_id: int, run: Run) -> list[Any]:
    """Return the rows of a run as `overflight_ground.store.inserting` wants those of a flight."""
    count = len(run.seqs)
    columns = (
        range(first_id, first_id + count),
        run.seqs,
        [way.kind._value_ for way in run.ways],
        run.held_froms,
        run.measured_at_ns,
        run.received_at_ns,
        run.raws,
        *run.places,
    )
    values: list[Any] = [None] * (OWN_PLACES * count)
    for place, column in enumerate(columns):
        values[place::OWN_PLACES] = column
    return values


def quarantine_row(digest: bytes, item: Rejected) -> Row:
    """Return a row of ``quarantine`` without its id, in the order of its columns."""
    arrival = item.arrival
    return (
        digest,
        arrival.received_at_ns,
        arrival.received_at_ns,
        1,
        item.topic.replace("\0", "�"),
        item.payload,
        item.flight,
        item.seq,
        item.reason,
        item.detail.replace("\0", "�"),
        arrival.qos,
        arrival.retained,
        arrival.dup,
        max(arrival.size, len(arrival.raw)),
        arrival.raw,
    )
