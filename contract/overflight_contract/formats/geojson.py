"""GeoJSON (RFC 7946): a line for each flight, cut where it crosses the antimeridian."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, NamedTuple

import msgspec

from overflight_contract.formats.points import Flight, Simulated, TrackPoint, flights
from overflight_contract.times import iso

MEDIA_TYPE = "application/geo+json"
_encode = msgspec.json.Encoder().encode


class Vertex(NamedTuple):
    """A place on the line; `time` is None where the line was cut between two points."""

    lon_deg: float
    lat_deg: float
    alt_m: float | None
    time: str | None


def write(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write a FeatureCollection; one flight is held in memory at a time.

    Altitudes are above the ellipsoid, as RFC 7946 §3.1.1 has it, and left out of a flight that
    lacks any: shapely, for one, reads no line of which some positions have two numbers and some
    three. ``coordTimes`` runs parallel to the coordinates; null where the line was cut.
    """
    out.write(b'{"type":"FeatureCollection","features":[')
    separator = b"\n"
    for flight in flights(points, simulated):
        feature = _feature(flight)
        if feature is not None:
            out.write(separator + _encode(feature))
            separator = b",\n"
    out.write(b"\n]}\n")


def _feature(flight: Flight) -> dict[str, Any] | None:
    lines = list(cut_at_antimeridian(flight.points))
    vertices = [vertex for line in lines for vertex in line]
    if not vertices:
        return None
    flat = any(vertex.alt_m is None for vertex in vertices)
    lengths = {len(line) for line in lines}
    properties: dict[str, Any] = {"payload": flight.payload, "flight": flight.flight}
    if flight.simulated:
        properties["simulated"] = True
    coordinates = [[_position(vertex, flat) for vertex in line] for line in lines]
    times = [[vertex.time for vertex in line] for line in lines]
    if len(lines) == 1 and lengths == {1}:
        properties["time"] = times[0][0]
        geometry = {"type": "Point", "coordinates": coordinates[0][0]}
    elif len(lines) == 1:
        properties["coordTimes"] = times[0]
        geometry = {"type": "LineString", "coordinates": coordinates[0]}
    else:
        properties["coordTimes"] = times
        geometry = {"type": "MultiLineString", "coordinates": coordinates}
    return {"type": "Feature", "properties": properties, "geometry": geometry}


def _position(vertex: Vertex, flat: bool) -> list[float]:
    if flat or vertex.alt_m is None:
        return [vertex.lon_deg, vertex.lat_deg]
    return [vertex.lon_deg, vertex.lat_deg, vertex.alt_m]


def cut_at_antimeridian(points: Iterable[TrackPoint]) -> Iterator[list[Vertex]]:
    """Yield lines of which none crosses the antimeridian (RFC 7946 §3.1.9).

    Where two points lie over 180° apart, the shorter way is taken, and both lines get a vertex
    on the meridian. A point that is itself on the meridian ends or begins a line on the side of
    its neighbour, so that no line has fewer than two positions (§3.1.4) but that of a lone point.
    """
    line: list[Vertex] = []
    for point in points:
        if point.lat_deg is None or point.lon_deg is None:
            continue
        here = Vertex(point.lon_deg, point.lat_deg, point.alt_hae_m, iso(point.measured_at_ns))
        if line and abs(here.lon_deg - line[-1].lon_deg) > 180:
            if abs(here.lon_deg) == 180:
                here = _other_side(here)
            elif len(line) == 1 and abs(line[0].lon_deg) == 180:
                line = [_other_side(line[0])]
            else:
                before, after = _cut(line[-1], here)
                if before.lon_deg != line[-1].lon_deg:
                    line.append(before)
                yield line
                line = [after]
        line.append(here)
    if line:
        yield line


def _other_side(vertex: Vertex) -> Vertex:
    """Return the same place on the meridian, as seen from the other side."""
    return vertex._replace(lon_deg=-vertex.lon_deg)


def _cut(start: Vertex, end: Vertex) -> tuple[Vertex, Vertex]:
    side = 180.0 if start.lon_deg > 0 else -180.0
    whole = end.lon_deg + 2 * side - start.lon_deg
    part = 0.0 if whole == 0 else (side - start.lon_deg) / whole
    lat = round(start.lat_deg + part * (end.lat_deg - start.lat_deg), 7)
    alt = None
    if start.alt_m is not None and end.alt_m is not None:
        alt = round(start.alt_m + part * (end.alt_m - start.alt_m), 1)
    return Vertex(side, lat, alt, None), Vertex(-side, lat, alt, None)
