"""Positions and navigation of a flight put together into one track. Pure.

Both kinds are sent for the same instant; a position takes course, speed and climb from the
navigation message of its instant, else from the last one before it that is no older than
`CARRY_NS`, and the phase from whichever was last.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from overflight_contract.formats import TrackPoint
from overflight_contract.times import NS_PER_S

CARRY_NS: Final = 300 * NS_PER_S


def merge(rows: Iterable[Any], *, arrival_times: bool = False) -> Iterator[TrackPoint]:
    """Merge rows of `store.reading.track_rows`, which come by payload, flight and time.

    `arrival_times` keeps when each position arrived.
    """
    waiting: list[Any] = []
    motion: Any = None
    for row in rows:
        if waiting and (
            row.measured_at_ns != waiting[0].measured_at_ns
            or row.flight != waiting[0].flight
            or row.payload != waiting[0].payload
        ):
            yield from (_point(position, motion, arrival_times) for position in waiting)
            waiting.clear()
        if row.kind == "position":
            waiting.append(row)
        else:
            motion = row
    yield from (_point(position, motion, arrival_times) for position in waiting)


def _point(row: Any, motion: Any, arrival_times: bool) -> TrackPoint:
    known = motion is not None and motion.flight == row.flight and motion.payload == row.payload
    near = known and row.measured_at_ns - motion.measured_at_ns <= CARRY_NS
    return TrackPoint(
        payload=row.payload,
        flight=row.flight,
        seq=row.seq,
        measured_at_ns=row.measured_at_ns,
        lat_deg=row.lat_deg,
        lon_deg=row.lon_deg,
        alt_msl_m=row.alt_msl_m,
        alt_hae_m=row.alt_hae_m,
        speed_mps=motion.speed_mps if near else None,
        track_deg=motion.track_deg if near else None,
        climb_mps=motion.climb_mps if near else None,
        phase=motion.phase if known else None,
        fix=row.fix,
        sats=row.sats,
        hdop=row.hdop,
        received_at_ns=row.received_at_ns if arrival_times else None,
    )
