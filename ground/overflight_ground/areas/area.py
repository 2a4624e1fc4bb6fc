"""Areas on the Earth: is a place inside, and if not, how far from it? Pure.

An edge is a straight line in longitude and latitude, as RFC 7946 §3.1.1 has it. A ring may cross
the antimeridian, cut there or not, and may go around a pole: longitudes are unwrapped along it,
and a ring that ends a whole turn from where it began is closed over its pole. So an edge over more
than 180 degrees of longitude goes the other, shorter way round; only a ring that would enclose
nothing (a band around the Earth, -180 to 180) is taken as it is given.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from shapely import STRtree, make_valid, prepare, transform
from shapely.geometry import GeometryCollection, Point, Polygon
from shapely.ops import nearest_points

from overflight_ground.ingest.plausible import Place, distance_m

Ring = Sequence[Sequence[float]]
Line = list[tuple[float, float]]
TURNS: Final = (0.0, 360.0, -360.0)

LEAST_EAST: Final = 1e-3
"""How long a degree of longitude is at least, in degrees of latitude: it is nothing at a pole."""


@dataclass(frozen=True, slots=True)
class Area:
    """A named area; `floor_m` and `ceiling_m` are above mean sea level, `None` has no bound."""

    name: str
    kind: str
    polygons: tuple[Polygon, ...]
    floor_m: float | None = None
    ceiling_m: float | None = None
    geometry: Any = None
    """The GeoJSON geometry: longitudes as they were given."""

    def at_height(self, alt_m: float | None, slack_m: float = 0.0) -> bool:
        """Tell whether an altitude is within the bounds; an unknown one is, for safety."""
        if alt_m is None:
            return True
        low = self.floor_m is None or alt_m >= self.floor_m - slack_m
        return low and (self.ceiling_m is None or alt_m <= self.ceiling_m + slack_m)

    def contains(self, lat_deg: float, lon_deg: float) -> bool:
        """Tell whether a place is inside."""
        points = [Point(lon_deg + turn, lat_deg) for turn in TURNS]
        return any(polygon.covers(point) for polygon in self.polygons for point in points)

    def distance_m(self, lat_deg: float, lon_deg: float) -> float:
        """Return the distance to the area, 0 inside; within a few per cent near by.

        The nearest point is looked for in a plane where a degree of longitude is as long as it is
        at this latitude.
        """
        if self.contains(lat_deg, lon_deg):
            return 0.0
        east = max(math.cos(math.radians(lat_deg)), LEAST_EAST)
        plane = transform(GeometryCollection(self.polygons), lambda lonlat: lonlat * (east, 1.0))
        here = Place(0, lat_deg, lon_deg)
        best = math.inf
        for turn in TURNS:
            nearest, _ = nearest_points(plane, Point((lon_deg + turn) * east, lat_deg))
            best = min(best, distance_m(here, Place(0, nearest.y, nearest.x / east)))
        return best


class AreaMap:
    """Many areas, asked at once."""

    def __init__(self, areas: Iterable[Area]) -> None:
        self.areas = tuple(areas)
        self.by_name = {area.name: area for area in self.areas}
        self._owners = [area for area in self.areas for _ in area.polygons]
        self._polygons = [polygon for area in self.areas for polygon in area.polygons]
        for polygon in self._polygons:
            prepare(polygon)
        self._tree = STRtree(self._polygons)

    def at(self, lat_deg: float, lon_deg: float, alt_m: float | None = None) -> list[Area]:
        """Return the areas that hold a place, by name."""
        found = {}
        for turn in TURNS:
            point = Point(lon_deg + turn, lat_deg)
            for index in self._tree.query(point):
                area = self._owners[int(index)]
                if area.at_height(alt_m) and self._polygons[int(index)].covers(point):
                    found[area.name] = area
        return [found[name] for name in sorted(found)]


def polygons_of(rings: Sequence[Ring]) -> tuple[Polygon, ...]:
    """Make the polygons of one GeoJSON Polygon: an outer ring and holes."""
    outer = _near(_unwrapped(rings[0]), 0.0)
    holes = [_near(_unwrapped(ring), _middle(outer)) for ring in rings[1:]]
    as_given = [[(lon, lat) for lon, lat, *_ in ring] for ring in rings]
    return _valid(outer, holes) or _valid(as_given[0], as_given[1:])


def _valid(outer: Line, holes: list[Line]) -> tuple[Polygon, ...]:
    shape: Any = Polygon(outer, holes)
    if not shape.is_valid:
        shape = make_valid(shape, method="structure", keep_collapsed=False)
    parts = getattr(shape, "geoms", [shape])
    return tuple(part for part in parts if isinstance(part, Polygon) and not part.is_empty)


def _unwrapped(ring: Ring) -> Line:
    points = [(float(ring[0][0]), float(ring[0][1]))]
    for (given, *_), (lon, lat, *_) in pairwise(ring):
        step = lon - given
        if abs(step) > 180.0:
            step -= 360.0 * round(step / 360.0)
        points.append((points[-1][0] + step, float(lat)))
    turn = points[-1][0] - points[0][0]
    if abs(turn) > 180.0:
        pole = 90.0 if sum(lat for _, lat in points) > 0 else -90.0
        points += [(points[-1][0], pole), (points[0][0], pole)]
    return points


def _near(ring: Line, middle_deg: float) -> Line:
    """Shift a ring by whole turns so that its middle lies near a longitude."""
    turns = round((middle_deg - _middle(ring)) / 360.0)
    return [(lon + 360.0 * turns, lat) for lon, lat in ring]


def _middle(ring: Line) -> float:
    return sum(lon for lon, _ in ring) / len(ring)
