"""Country outlines, from the file beside this module (Natural Earth, public domain).

The file is TopoJSON in essence: arcs as quantised differences, countries as lists of arcs. They are
de facto boundaries at 1:50 million, good to a few kilometres; no statement on any dispute.
"""

from __future__ import annotations

import functools
import json
from itertools import accumulate
from pathlib import Path
from typing import Any

from overflight_ground.areas.area import Area, polygons_of


@functools.cache
def countries() -> tuple[Area, ...]:
    """Return all countries, by code."""
    data = json.loads(Path(__file__).with_name("countries.json").read_text("utf-8"))
    arcs = [_decoded(arc, data["transform"]) for arc in data["arcs"]]
    return tuple(_country(entry, arcs) for entry in data["countries"])


def find_countries(names: list[str]) -> tuple[tuple[Area, ...], list[str]]:
    """Return the countries by name or ISO 3166 alpha-3 code (``*`` is all), and what is unknown."""
    known = countries()
    if "*" in names:
        return known, []
    by_name = {area.name.casefold(): area for area in known}
    by_name.update({code.casefold(): area for code, area in zip(codes(), known, strict=True)})
    found = {name: by_name.get(name.casefold()) for name in names}
    unknown = [name for name, area in found.items() if area is None]
    return tuple(area for area in found.values() if area is not None), unknown


def unknown_countries(names: list[str]) -> list[str]:
    """Return those of `names` that name no country; quick, without the outlines."""
    data = json.loads(Path(__file__).with_name("countries.json").read_text("utf-8"))
    known = {entry[key].casefold() for entry in data["countries"] for key in ("code", "name")}
    return [name for name in names if name != "*" and name.casefold() not in known]


@functools.cache
def codes() -> tuple[str, ...]:
    """Return the ISO 3166 alpha-3 codes, in the order of `countries`."""
    data = json.loads(Path(__file__).with_name("countries.json").read_text("utf-8"))
    return tuple(entry["code"] for entry in data["countries"])


def _decoded(arc: list[list[int]], transform: dict[str, Any]) -> list[tuple[float, float]]:
    (sx, sy), (tx, ty) = transform["scale"], transform["translate"]
    steps = accumulate(arc, lambda a, b: [a[0] + b[0], a[1] + b[1]])
    return [(x * sx + tx, min(90.0, max(-90.0, y * sy + ty))) for x, y, *_ in steps]


def _country(entry: dict[str, Any], arcs: list[list[tuple[float, float]]]) -> Area:
    shapes = [entry["arcs"]] if entry["type"] == "Polygon" else entry["arcs"]
    coordinates = [[_ring(ring, arcs) for ring in shape] for shape in shapes]
    coordinates = [[ring for ring in rings if len(ring) >= 4] for rings in coordinates]
    coordinates = [rings for rings in coordinates if rings]
    polygons = tuple(polygon for rings in coordinates for polygon in polygons_of(rings))
    geometry = {"type": "MultiPolygon", "coordinates": coordinates}
    return Area(entry["name"], "country", polygons, geometry=geometry)


def _ring(parts: list[int], arcs: list[list[tuple[float, float]]]) -> list[tuple[float, float]]:
    ring: list[tuple[float, float]] = []
    for number in parts:
        arc = arcs[number] if number >= 0 else arcs[~number][::-1]
        ring += arc[1:] if ring else arc
    return ring
