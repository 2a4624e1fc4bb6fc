"""Leaves out points of a track, within a bound on the error in metres. Pure.

Ramer, Douglas and Peucker's method on the sphere: a point may go where it lies within the bound of
the great-circle arc that takes its place, and of the altitude interpolated by time along it.
Where a track begins or ceases to have altitudes, both points stay: nothing is interpolated across.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from overflight_contract.formats import TrackPoint
from overflight_ground.ingest.plausible import EARTH_M

Array = NDArray[np.float64]


def simplify(points: Sequence[TrackPoint], error_m: float) -> list[TrackPoint]:
    """Return a subset of `points` (by time) that is nowhere further than `error_m` from all.

    Points without a place are left out; the first and the last of the others stay.
    """
    placed = [p for p in points if p.lat_deg is not None and p.lon_deg is not None]
    if len(placed) < 3 or error_m <= 0:
        return placed
    keep = _kept(
        _vectors(placed),
        np.array([np.nan if p.alt_msl_m is None else p.alt_msl_m for p in placed]),
        np.array([p.measured_at_ns for p in placed], dtype=np.float64) / 1e9,
        error_m,
    )
    return [p for p, stays in zip(placed, keep, strict=True) if stays]


def _vectors(points: Sequence[TrackPoint]) -> Array:
    lat = np.radians(np.array([p.lat_deg for p in points], dtype=np.float64))
    lon = np.radians(np.array([p.lon_deg for p in points], dtype=np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=1)


def _kept(unit: Array, alt_m: Array, time_s: Array, error_m: float) -> NDArray[np.bool_]:
    keep = np.zeros(len(unit), dtype=bool)
    keep[0] = keep[-1] = True
    changes = np.flatnonzero(np.diff(np.isnan(alt_m)))
    keep[changes] = keep[changes + 1] = True
    spans = list(pairwise(np.flatnonzero(keep).tolist()))
    while spans:
        first, last = spans.pop()
        if last - first < 2:
            continue
        wrong = deviation_m(unit, alt_m, time_s, first, last)
        worst = int(np.argmax(wrong))
        if wrong[worst] > error_m:
            middle = first + 1 + worst
            keep[middle] = True
            spans += [(first, middle), (middle, last)]
    return keep


def deviation_m(unit: Array, alt_m: Array, time_s: Array, first: int, last: int) -> Array:
    """Return how far the points between two others are from the arc between these.

    Heights count where all have one; where none has, only the arc does.
    """
    a, b, between = unit[first], unit[last], unit[first + 1 : last]
    normal = np.cross(a, b)
    length = float(np.linalg.norm(normal))
    ends = np.minimum(_angles(between, a), _angles(between, b))
    if length < 1e-12:
        across = ends
    else:
        normal /= length
        sideways = np.arcsin(np.clip(between @ normal, -1, 1))
        beside = (between @ np.cross(normal, a) >= 0) & (between @ np.cross(b, normal) >= 0)
        across = np.where(beside, np.abs(sideways), ends)
    span_s = time_s[last] - time_s[first]
    share = (time_s[first + 1 : last] - time_s[first]) / span_s if span_s > 0 else 0.0
    height = alt_m[first] + (alt_m[last] - alt_m[first]) * share
    upward = np.nan_to_num(alt_m[first + 1 : last] - height, nan=0.0)
    wrong: Array = np.hypot(across * EARTH_M, upward)
    return wrong


def _angles(vectors: Array, to: Array) -> Array:
    """Angles in radians, exact for small ones too."""
    chord: Any = np.linalg.norm(vectors - to, axis=1)
    angles: Array = 2 * np.arcsin(np.clip(chord / 2, 0, 1))
    return angles


def inside(lat_deg: float, lon_deg: float, box: tuple[float, float, float, float]) -> bool:
    """Tell whether a place is in a box (west, south, east, north), RFC 7946 §5.

    A west that is greater than east spans the antimeridian.
    """
    west, south, east, north = box
    if not south <= lat_deg <= north:
        return False
    return west <= lon_deg <= east if west <= east else lon_deg >= west or lon_deg <= east
