"""Geodesics on WGS-84 (geographiclib), and a sketch of the geoid.

Longitudes come out in [-180, 180); azimuths in [0, 360). No seam at the antimeridian or the poles.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from geographiclib.geodesic import Geodesic

_WGS84: Final = Geodesic.WGS84
_EQUATOR_M: Final = 6_378_137.0
_E2: Final = 0.00669437999014
_POSITION: Final = Geodesic.LATITUDE | Geodesic.LONGITUDE
_MEASURE: Final = Geodesic.DISTANCE | Geodesic.AZIMUTH


class Measure(NamedTuple):
    """A geodesic between two points: its length and its azimuths at both ends."""

    distance_m: float
    azimuth_deg: float
    end_azimuth_deg: float


def wrap_longitude(lon_deg: float) -> float:
    """Bring a longitude into [-180, 180)."""
    return (lon_deg + 180.0) % 360.0 - 180.0


def destination(
    lat_deg: float, lon_deg: float, azimuth_deg: float, distance_m: float
) -> tuple[float, float]:
    """Go along a geodesic; returns latitude and longitude."""
    end = _WGS84.Direct(lat_deg, lon_deg, azimuth_deg, distance_m, _POSITION)
    return float(end["lat2"]), wrap_longitude(end["lon2"])


def drift(lat_deg: float, lon_deg: float, east_m: float, north_m: float) -> tuple[float, float]:
    """Move a point by so much east and north, along one geodesic."""
    distance = math.hypot(east_m, north_m)
    if distance == 0.0:
        return lat_deg, lon_deg
    return destination(lat_deg, lon_deg, math.degrees(math.atan2(east_m, north_m)), distance)


def nudge(lat_deg: float, lon_deg: float, east_m: float, north_m: float) -> tuple[float, float]:
    """Move a point by some metres: as `drift`, to a millimetre, and quicker."""
    if abs(lat_deg) > 89.0:
        return drift(lat_deg, lon_deg, east_m, north_m)
    lat = math.radians(lat_deg)
    flat = 1.0 - _E2 * math.sin(lat) ** 2
    across = _EQUATOR_M / math.sqrt(flat) * math.cos(lat)
    along = _EQUATOR_M * (1.0 - _E2) / flat**1.5
    lon_deg += math.degrees(east_m / across)
    return lat_deg + math.degrees(north_m / along), wrap_longitude(lon_deg)


def measure(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> Measure:
    """Measure the geodesic from the first point to the second."""
    line = _WGS84.Inverse(lat1_deg, lon1_deg, lat2_deg, lon2_deg, _MEASURE)
    return Measure(float(line["s12"]), line["azi1"] % 360.0, line["azi2"] % 360.0)


def unit_vector(lat_deg: float, lon_deg: float) -> tuple[float, float, float]:
    """Return the point on the unit sphere: x to (0, 0), z to the north pole."""
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


_GEOID: Final = (
    (4.0, 78.0, -100.0), (-5.0, 145.0, 75.0), (58.0, -25.0, 62.0), (60.0, -85.0, -45.0),
    (38.0, -75.0, -35.0), (42.0, -105.0, -16.0), (64.0, -150.0, 10.0), (36.0, 140.0, 38.0),
    (20.0, 112.0, 0.0), (48.0, 10.0, 48.0), (-30.0, 25.0, 28.0), (-15.0, -70.0, 25.0),
    (-10.0, -45.0, -15.0), (-75.0, 0.0, 15.0), (-75.0, 180.0, -58.0), (20.0, -160.0, 5.0),
    (45.0, -170.0, -8.0), (-35.0, 170.0, 28.0), (-25.0, 125.0, -15.0), (40.0, 90.0, -50.0),
    (65.0, 100.0, -22.0), (25.0, -50.0, -40.0), (-40.0, -10.0, 25.0), (-30.0, -110.0, -8.0),
    (30.0, -5.0, 45.0), (-45.0, 75.0, 30.0), (-20.0, -140.0, -2.0), (5.0, 20.0, 8.0),
)  # fmt: skip
"""Some undulations of EGM96, rounded: (latitude, longitude, metres)."""

_ANCHORS: Final = tuple((*unit_vector(lat, lon), height) for lat, lon, height in _GEOID)


def geoid_m(lat_deg: float, lon_deg: float) -> float:
    """Sketch the height of mean sea level above the ellipsoid, good to some 20 m.

    For simulated receivers only: real ones say it themselves.
    """
    x, y, z = unit_vector(lat_deg, lon_deg)
    total = weights = 0.0
    for ax, ay, az, height in _ANCHORS:
        weight = 1.0 / (1.02 - (ax * x + ay * y + az * z)) ** 2
        total += weight * height
        weights += weight
    return total / weights
