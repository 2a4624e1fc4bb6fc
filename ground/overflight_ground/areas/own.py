"""A person's own areas: a GeoJSON file of polygons with a name and, if wanted, altitude bounds.

Properties that count: ``name`` (required), ``floor_m``, ``ceiling_m`` (above mean sea level).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from overflight_contract.errors import InputError
from overflight_ground.areas.area import Area, polygons_of


def read_areas(file: Path) -> tuple[Area, ...]:
    """Read areas; `InputError` says which feature does not fit and why."""
    try:
        data = json.loads(file.read_text("utf-8"))
    except OSError as error:
        raise InputError(f"can't read the areas in {file}: {error.strerror}") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(f"{file} is not JSON: {error}") from error
    features = data.get("features", [data]) if isinstance(data, dict) else None
    if not isinstance(features, list):
        raise InputError(f"{file} is no GeoJSON FeatureCollection")
    return tuple(_area(feature, f"{file}, feature {n}") for n, feature in enumerate(features, 1))


def _area(feature: Any, where: str) -> Area:
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        raise InputError(f"{where}: is no GeoJSON Feature")
    properties = feature.get("properties") or {}
    name = properties.get("name")
    if not isinstance(name, str) or not name:
        raise InputError(f"{where}: has no name among its properties")
    geometry = feature.get("geometry") or {}
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind not in ("Polygon", "MultiPolygon"):
        raise InputError(f"{where}: is a {kind}, not a Polygon or MultiPolygon")
    try:
        shapes: Any = [coordinates] if kind == "Polygon" else coordinates
        polygons = tuple(polygon for rings in shapes for polygon in polygons_of(rings))
        floor_m, ceiling_m = (_height(properties.get(key)) for key in ("floor_m", "ceiling_m"))
    except (TypeError, ValueError, IndexError) as error:
        raise InputError(f"{where}: {error}") from error
    if not polygons:
        raise InputError(f"{where}: encloses nothing")
    return Area(name, "own", polygons, floor_m, ceiling_m, geometry)


def _height(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no altitude in metres")
    return float(value)
