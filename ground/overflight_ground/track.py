"""Positions and navigation of a flight put together into one track. Pure.

Both kinds are sent for the same instant; a position takes speed, climb and phase from the
navigation message of its instant, else from the last one before it that is no older than
`CARRY_NS`, and the phase from whichever was last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

from overflight_contract.times import NS_PER_S

CARRY_NS: Final = 300 * NS_PER_S


class Point(NamedTuple):
    """One position of a track."""

    flight: str
    seq: int
    measured_at_ns: int
    lat_deg: float | None
    lon_deg: float | None
    alt_msl_m: float | None
    alt_hae_m: float | None
    fix: str
    sats: int | None
    hdop: float | None
    track_deg: float | None
    speed_mps: float | None
    climb_mps: float | None
    phase: str | None
    received_at_ns: int


def merge(rows: Iterable[Any]) -> Iterator[Point]:
    """Merge rows of `store.reading.track_rows`, which come by flight and time."""
    waiting: list[Any] = []
    motion: Any = None
    for row in rows:
        if waiting and (
            row.measured_at_ns != waiting[0].measured_at_ns or row.flight != waiting[0].flight
        ):
            yield from (_point(position, motion) for position in waiting)
            waiting.clear()
        if row.kind == "position":
            waiting.append(row)
        else:
            motion = row
    yield from (_point(position, motion) for position in waiting)


def _point(row: Any, motion: Any) -> Point:
    known = motion is not None and motion.flight == row.flight
    near = known and row.measured_at_ns - motion.measured_at_ns <= CARRY_NS
    return Point(
        row.flight,
        row.seq,
        row.measured_at_ns,
        row.lat_deg,
        row.lon_deg,
        row.alt_msl_m,
        row.alt_hae_m,
        row.fix,
        row.sats,
        row.hdop,
        motion.track_deg if near else None,
        motion.speed_mps if near else None,
        motion.climb_mps if near else None,
        motion.phase if known else None,
        row.received_at_ns,
    )
