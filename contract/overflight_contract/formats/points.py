"""One point of a track, as every format takes it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import groupby
from typing import NamedTuple


class TrackPoint(NamedTuple):
    """Where a payload was, and how it moved; what is missing is None."""

    payload: str
    flight: str
    seq: int
    measured_at_ns: int
    lat_deg: float | None
    lon_deg: float | None
    alt_msl_m: float | None
    """Above mean sea level, as the receiver has it."""
    alt_hae_m: float | None
    """Above the WGS-84 ellipsoid."""
    speed_mps: float | None = None
    track_deg: float | None = None
    climb_mps: float | None = None
    phase: str | None = None
    fix: str | None = None
    sats: int | None = None
    hdop: float | None = None
    received_at_ns: int | None = None
    """When it arrived (or crossed); left out of exports that are to be the same each time."""


Simulated = bool | Collection[tuple[str, str]]
"""Whether all flights are simulated, or which are: (payload, flight) of each."""


class Flight(NamedTuple):
    """The points of one flight of one payload, to be taken once, in order."""

    payload: str
    flight: str
    points: Iterator[TrackPoint]
    simulated: bool


def flights(points: Iterable[TrackPoint], simulated: Simulated) -> Iterator[Flight]:
    """Split points that come flight by flight; take each flight's points before the next."""
    for (payload, flight), found in groupby(points, key=lambda point: (point[0], point[1])):
        yield Flight(payload, flight, found, is_simulated(simulated, payload, flight))


def is_simulated(simulated: Simulated, payload: str, flight: str) -> bool:
    """Tell whether a flight is simulated."""
    return simulated if isinstance(simulated, bool) else (payload, flight) in simulated
