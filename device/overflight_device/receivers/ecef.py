"""Earth-centred, earth-fixed coordinates to latitude, longitude and height on WGS-84.

Bowring's method (Survey Review 28, 1985); below 100 km of height its error is under 1e-9 degrees.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

_A: Final = 6_378_137.0
_F: Final = 1 / 298.257223563
_B: Final = _A * (1 - _F)
_E2: Final = _F * (2 - _F)
_EP2: Final = _E2 / (1 - _E2)


class Place(NamedTuple):
    """A place on or above the ellipsoid: degrees and metres."""

    lat_deg: float
    lon_deg: float
    alt_hae_m: float


class Motion(NamedTuple):
    """A velocity as seen from a place."""

    speed_mps: float
    track_deg: float
    climb_mps: float


def place(x: float, y: float, z: float) -> Place | None:
    """Return the place of a point in metres; `None` for one deep inside the earth."""
    distance = math.hypot(x, y)
    if math.hypot(distance, z) < _B / 2:
        return None
    theta = math.atan2(z * _A, distance * _B)
    lat = math.atan2(
        z + _EP2 * _B * math.sin(theta) ** 3, distance - _E2 * _A * math.cos(theta) ** 3
    )
    normal = _A / math.sqrt(1 - _E2 * math.sin(lat) ** 2)
    if abs(lat) < math.radians(80):
        height = distance / math.cos(lat) - normal
    else:
        height = z / math.sin(lat) - normal * (1 - _E2)
    return Place(math.degrees(lat), math.degrees(math.atan2(y, x)), height)


def motion(where: Place, vx: float, vy: float, vz: float) -> Motion:
    """Return how a velocity in metres a second looks from `where`."""
    lat, lon = math.radians(where.lat_deg), math.radians(where.lon_deg)
    outward = vx * math.cos(lon) + vy * math.sin(lon)
    north = vz * math.cos(lat) - outward * math.sin(lat)
    east = vy * math.cos(lon) - vx * math.sin(lon)
    climb = outward * math.cos(lat) + vz * math.sin(lat)
    return Motion(math.hypot(north, east), math.degrees(math.atan2(east, north)) % 360.0, climb)
