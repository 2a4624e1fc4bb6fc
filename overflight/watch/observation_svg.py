"""The provider's knowledge as a picture: the track on a map, contact times and volume below."""

from __future__ import annotations

from html import escape
from typing import Any

from overflight.watch.observation import FlightSeen, Observation
from overflight_contract.times import iso

_WIDTH, _MAP, _BAR = 900, 480, 90
_COLOURS = ("#d9480f", "#1864ab", "#2b8a3e", "#862e9c", "#c92a2a")


def draw(seen: Observation) -> str:
    """Return an SVG document."""
    frame = _Frame([flight for flight in seen.flights if flight.points])
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_MAP + _BAR + 40}" '
            f'viewBox="0 0 {_WIDTH} {_MAP + _BAR + 40}" font-family="sans-serif" font-size="12">'
        ),
        f'<rect width="{_WIDTH}" height="{_MAP}" fill="#e7f0f7"/>',
        f'<clipPath id="map"><rect width="{_WIDTH}" height="{_MAP}"/></clipPath>',
        '<g clip-path="url(#map)">',
        *_outlines(frame),
        *(_track(frame, flight, _COLOURS[n % 5]) for n, flight in enumerate(frame.flights)),
        "</g>",
    ]
    if not frame.flights:
        parts.append(
            f'<text x="{_WIDTH / 2}" y="{_MAP / 2}" text-anchor="middle" font-size="18">'
            f"{escape(seen.metadata.statement)}</text>"
        )
    return "\n".join([*parts, *_contacts(seen), "</svg>", ""])


class _Frame:
    """What part of the world is shown; longitudes are unwrapped along the track."""

    def __init__(self, flights: list[FlightSeen]) -> None:
        self.flights = flights
        self.lines = {id(flight): _unwrapped(flight) for flight in flights}
        places = [place for line in self.lines.values() for place in line]
        lons = [lon for lon, _ in places] or [-180.0, 180.0]
        lats = [lat for _, lat in places] or [-80.0, 80.0]
        margin = max(0.1, (max(lons) - min(lons)) * 0.08, (max(lats) - min(lats)) * 0.08)
        across = max(lons) - min(lons) + 2 * margin
        high = max(lats) - min(lats) + 2 * margin
        self.scale = min(_WIDTH / across, _MAP / high)
        self.lon = (min(lons) + max(lons)) / 2
        self.lat = (min(lats) + max(lats)) / 2

    def place(self, lon: float, lat: float) -> str:
        """Return ``x,y`` of a place."""
        x = _WIDTH / 2 + (lon - self.lon) * self.scale
        y = _MAP / 2 - (lat - self.lat) * self.scale
        return f"{x:.1f},{y:.1f}"

    def shows(self, lons: list[float], lats: list[float]) -> bool:
        """Tell whether a ring may be in the picture."""
        half_x, half_y = _WIDTH / 2 / self.scale, _MAP / 2 / self.scale
        return (
            min(lons) < self.lon + half_x
            and max(lons) > self.lon - half_x
            and min(lats) < self.lat + half_y
            and max(lats) > self.lat - half_y
        )


def _unwrapped(flight: FlightSeen) -> list[tuple[float, float]]:
    line: list[tuple[float, float]] = []
    for point in flight.points:
        if point.lon_deg is None or point.lat_deg is None:
            continue
        before = line[-1][0] if line else point.lon_deg
        lon = before + (point.lon_deg - before + 180.0) % 360.0 - 180.0
        line.append((lon, point.lat_deg))
    return line


def _outlines(frame: _Frame) -> list[str]:
    if not frame.flights:
        return []
    try:
        from overflight_ground.areas import countries
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("overflight"):
            raise
        return []
    drawn = []
    for area in countries():
        for polygon in area.polygons:
            drawn += _rings(frame, polygon)
    return drawn


def _rings(frame: _Frame, polygon: Any) -> list[str]:
    drawn = []
    for turn in (-360, 0, 360):
        ring = [(lon + turn, lat) for lon, lat in polygon.exterior.coords]
        if frame.shows([lon for lon, _ in ring], [lat for _, lat in ring]):
            points = " ".join(frame.place(lon, lat) for lon, lat in ring)
            drawn.append(
                f'<polygon points="{points}" fill="#f8f5ee" stroke="#b8b2a5" stroke-width="0.6"/>'
            )
    return drawn


def _track(frame: _Frame, flight: FlightSeen, colour: str) -> str:
    line = frame.lines[id(flight)]
    step = max(1, len(line) // 4000)
    points = " ".join(frame.place(*place) for place in [*line[::step], line[-1]])
    name = escape(f"{flight.payload} {flight.flight}")
    x, y = frame.place(*line[-1]).split(",")
    shift, anchor = (7, "start") if float(x) < _WIDTH * 0.7 else (-7, "end")
    return (
        f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>'
        f'<text x="{float(x) + shift}" y="{y}" text-anchor="{anchor}" fill="{colour}">{name}</text>'
    )


def _contacts(seen: Observation) -> list[str]:
    contacts = seen.metadata.contacts
    if not contacts:
        return []
    start = min(contact.from_ns for contact in contacts)
    end = max(*(contact.to_ns for contact in contacts), start + 1)
    top = _MAP + 30
    most = max(*(contact.bytes_up for contact in contacts), 1)
    drawn = [
        (
            f'<text x="4" y="{_MAP + 18}">contacts, {iso(start)} to {iso(end)}; height: bytes up '
            f"(most {most:,})</text>"
        )
    ]
    for contact in contacts:
        x = (contact.from_ns - start) / (end - start) * _WIDTH
        width = max(1.0, (contact.to_ns - contact.from_ns) / (end - start) * _WIDTH)
        height = max(1.0, contact.bytes_up / most * _BAR)
        drawn.append(
            f'<rect x="{x:.1f}" y="{top + _BAR - height:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}" fill="#495057" fill-opacity="0.5"/>'
        )
    return drawn
