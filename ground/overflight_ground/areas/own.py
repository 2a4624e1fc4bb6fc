"""A person's own areas: a GeoJSON file of polygons with a name and, if wanted, altitude bounds.

Properties that count: ``name`` (required), ``floor_m``, ``ceiling_m`` (above mean sea level).
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final

from shapely.errors import ShapelyError

from overflight_contract.errors import InputError
from overflight_ground.areas.area import Area, polygons_of

_MOST_LON_DEG: Final = 360.0
"""Longitudes may go on over the antimeridian, up to a turn."""


def read_areas(*files: Path) -> tuple[Area, ...]:
    """Read areas; `InputError` says which feature does not fit and why.

    A name may stand for one area only, over all `files`.
    """
    found: dict[str, tuple[Area, str]] = {}
    for file in files:
        for n, feature in enumerate(_features(file), 1):
            where = f"{file}, feature {n}"
            area = _area(feature, where)
            if area.name in found:
                first = found[area.name][1]
                raise InputError(f"{where}: {area.name!r} is also the name of {first}")
            found[area.name] = area, where
    return tuple(area for area, _ in found.values())


def _features(file: Path) -> list[Any]:
    try:
        data = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"can't read the areas in {file}: {error.strerror}") from error
    except RecursionError as error:
        raise InputError(f"{file} is nested too deeply for GeoJSON") from error
    except ValueError as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    features = data.get("features", [data]) if isinstance(data, dict) else None
    if not isinstance(features, list):
        raise InputError(f"{file} is no GeoJSON FeatureCollection")
    return features


def _area(feature: Any, where: str) -> Area:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise InputError(f"{where}: is no GeoJSON Feature")
    properties, geometry = feature.get("properties"), feature.get("geometry")
    name = properties.get("name") if isinstance(properties, dict) else None
    if not isinstance(properties, dict) or not isinstance(name, str) or not name or "\0" in name:
        raise InputError(f"{where}: has no name among its properties")
    kind = geometry.get("type") if isinstance(geometry, dict) else None
    if not isinstance(geometry, dict) or kind not in ("Polygon", "MultiPolygon"):
        raise InputError(f"{where}: its geometry is no Polygon or MultiPolygon")
    try:
        name.encode()
        given = geometry.get("coordinates")
        shapes = [_rings(one) for one in ([given] if kind == "Polygon" else _list(given)) if one]
        polygons = tuple(polygon for rings in shapes for polygon in polygons_of(rings))
        floor_m, ceiling_m = _heights(properties)
    except (TypeError, ValueError, ShapelyError) as error:
        raise InputError(f"{where}: {error}") from error
    if not polygons:
        raise InputError(f"{where}: encloses nothing")
    outline = {"type": kind, "coordinates": shapes[0] if kind == "Polygon" else shapes}
    return Area(name, "own", polygons, floor_m, ceiling_m, outline)


def _rings(given: Any) -> list[list[tuple[float, float]]]:
    rings = [[_position(position) for position in _list(ring)] for ring in _list(given)]
    if not all(rings):
        raise ValueError("has a ring without positions")
    return rings


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"its coordinates hold {_short(value)} where a list belongs")
    return value


def _position(given: Any) -> tuple[float, float]:
    """Take longitude and latitude, in degrees, in this order (RFC 7946 §3.1.1)."""
    if not isinstance(given, list) or len(given) < 2:
        raise ValueError(f"{_short(given)} is no position")
    lon_deg, lat_deg = (_number(value, "coordinate") for value in given[:2])
    if abs(lat_deg) > 90.0:
        raise ValueError(f"latitude {lat_deg:g} is beyond 90; longitude comes first")
    if abs(lon_deg) > _MOST_LON_DEG:
        raise ValueError(f"longitude {lon_deg:g} is beyond {_MOST_LON_DEG:g}")
    return lon_deg, lat_deg


def _heights(properties: dict[str, Any]) -> tuple[float | None, float | None]:
    floor_m, ceiling_m = (
        None if properties.get(key) is None else _number(properties[key], f"{key} in metres")
        for key in ("floor_m", "ceiling_m")
    )
    if floor_m is not None and ceiling_m is not None and floor_m > ceiling_m:
        raise ValueError(f"floor_m {floor_m:g} is above ceiling_m {ceiling_m:g}")
    return floor_m, ceiling_m


def _number(value: Any, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{_short(value)} is no {what}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{_short(value)} is no {what}")
    return number


def _short(value: Any) -> str:
    text = "a list or an object" if isinstance(value, (list, dict)) else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
