"""GPX 1.1: a track for each flight, a new segment after points without a fix."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO
from xml.sax.saxutils import escape

from overflight_contract.formats.decimals import decimal
from overflight_contract.formats.points import Simulated, TrackPoint, flights
from overflight_contract.times import iso

MEDIA_TYPE = "application/gpx+xml"
_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<gpx version="1.1" creator="overflight" xmlns="http://www.topografix.com/GPX/1/1">
"""


def write(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write a GPX document; elevations are above mean sea level."""
    out.write(_HEAD.encode())
    if simulated is True:
        out.write(b"<metadata><desc>simulated flight</desc></metadata>\n")
    for flight in flights(points, simulated):
        name = escape(f"{flight.payload} {flight.flight}")
        note = "<desc>simulated flight</desc>" if flight.simulated else ""
        out.write(f"<trk><name>{name}</name>{note}\n".encode())
        inside = False
        for point in flight.points:
            if point.lat_deg is None or point.lon_deg is None:
                if inside:
                    out.write(b"</trkseg>\n")
                inside = False
                continue
            if not inside:
                out.write(b"<trkseg>\n")
            inside = True
            out.write(_trackpoint(point, point.lat_deg, point.lon_deg).encode())
        out.write(b"</trkseg>\n</trk>\n" if inside else b"</trk>\n")
    out.write(b"</gpx>\n")


def _trackpoint(point: TrackPoint, lat_deg: float, lon_deg: float) -> str:
    """Write one point; the order of its elements is that of the schema."""
    parts = [f'<trkpt lat="{decimal(lat_deg)}" lon="{decimal(lon_deg)}">']
    if point.alt_msl_m is not None:
        parts.append(f"<ele>{decimal(point.alt_msl_m)}</ele>")
    parts.append(f"<time>{iso(point.measured_at_ns)}</time>")
    if point.alt_msl_m is not None and point.alt_hae_m is not None:
        above_m = round(point.alt_hae_m - point.alt_msl_m, 1)
        parts.append(f"<geoidheight>{decimal(above_m)}</geoidheight>")
    if point.fix is not None:
        parts.append(f"<fix>{point.fix}</fix>")
    if point.sats is not None:
        parts.append(f"<sat>{point.sats}</sat>")
    if point.hdop is not None:
        parts.append(f"<hdop>{decimal(point.hdop)}</hdop>")
    parts.append("</trkpt>\n")
    return "".join(parts)
