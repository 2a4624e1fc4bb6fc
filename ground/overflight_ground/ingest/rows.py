"""Rows of the store, made of what was judged."""

from __future__ import annotations

from typing import Any

from overflight_contract.messages import Navigation, Position
from overflight_ground.ingest.judge import Accepted, Rejected

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
