"""A track as columns, for the page: what the columns are, and the rows of some points."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from overflight_contract.formats import TrackPoint

COLUMNS: Final = (
    "measured_at_ms",
    "lat_deg",
    "lon_deg",
    "alt_msl_m",
    "speed_mps",
    "climb_mps",
    "phase",
    "seq",
)


def rows_of(points: Iterable[TrackPoint]) -> list[tuple[Any, ...]]:
    """Return a row for each point, as `COLUMNS` has it."""
    return [
        (
            point.measured_at_ns // 1_000_000,
            point.lat_deg,
            point.lon_deg,
            point.alt_msl_m,
            point.speed_mps,
            point.climb_mps,
            point.phase,
            point.seq,
        )
        for point in points
    ]


def track_of(payload: str, flight: str, points: Iterable[TrackPoint]) -> dict[str, Any]:
    """Return the reply that is the track of one flight."""
    return {"payload": payload, "flight": flight, "columns": COLUMNS, "rows": rows_of(points)}
