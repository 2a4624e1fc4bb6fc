"""KML 2.2 with a ``gx:Track`` for each flight, so that a globe can play it."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterable
from typing import BinaryIO
from xml.sax.saxutils import escape

from overflight_contract.formats.decimals import decimal
from overflight_contract.formats.points import Flight, Simulated, TrackPoint, flights
from overflight_contract.times import iso

MEDIA_TYPE = "application/vnd.google-earth.kml+xml"
_SPOOL_BYTES = 1 << 22
_HEAD = """\
<?xml version="1.0" encoding="UTF-8"?>
<kml xmlns="http://www.opengis.net/kml/2.2" xmlns:gx="http://www.google.com/kml/ext/2.2">
<Document>
<name>overflight</name>
<Schema id="motion">
<gx:SimpleArrayField name="speed_mps" type="float"><displayName>speed, m/s</displayName>\
</gx:SimpleArrayField>
<gx:SimpleArrayField name="climb_mps" type="float"><displayName>climb, m/s</displayName>\
</gx:SimpleArrayField>
</Schema>
<Style id="track"><LineStyle><color>ff2a7fff</color><width>3</width></LineStyle></Style>
"""


def write(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write a KML document; altitudes are above mean sea level (``absolute``).

    A point that lacks position or altitude has an empty ``gx:coord``, as the schema has it.
    """
    out.write(_HEAD.encode())
    for flight in flights(points, simulated):
        _placemark(flight, out)
    out.write(b"</Document>\n</kml>\n")


def _placemark(flight: Flight, out: BinaryIO) -> None:
    name = escape(f"{flight.payload} {flight.flight}")
    note = "<description>simulated flight</description>" if flight.simulated else ""
    out.write(
        f"<Placemark><name>{name}</name>{note}<styleUrl>#track</styleUrl>\n"
        "<gx:Track><altitudeMode>absolute</altitudeMode>\n".encode()
    )
    with contextlib.ExitStack() as stack:
        columns = [
            stack.enter_context(tempfile.SpooledTemporaryFile(_SPOOL_BYTES)) for _ in _COLUMNS
        ]
        for point in flight.points:
            for column, line in zip(columns, _COLUMNS, strict=True):
                column.write(line(point).encode())
        for column, (before, after) in zip(columns, _AROUND, strict=True):
            out.write(before)
            column.seek(0)
            shutil.copyfileobj(column, out)
            out.write(after)
    out.write(b"</gx:Track></Placemark>\n")


def _when(point: TrackPoint) -> str:
    return f"<when>{iso(point.measured_at_ns)}</when>\n"


def _coord(point: TrackPoint) -> str:
    if point.lat_deg is None or point.lon_deg is None or point.alt_msl_m is None:
        return "<gx:coord></gx:coord>\n"
    place = map(decimal, (point.lon_deg, point.lat_deg, point.alt_msl_m))
    return f"<gx:coord>{' '.join(place)}</gx:coord>\n"


def _speed(point: TrackPoint) -> str:
    return _value(point.speed_mps)


def _climb(point: TrackPoint) -> str:
    return _value(point.climb_mps)


def _value(value: float | None) -> str:
    return f"<gx:value>{'' if value is None else decimal(value)}</gx:value>\n"


_COLUMNS: tuple[Callable[[TrackPoint], str], ...] = (_when, _coord, _speed, _climb)
_AROUND: tuple[tuple[bytes, bytes], ...] = (
    (b"", b""),
    (b"", b""),
    (
        b'<ExtendedData><SchemaData schemaUrl="#motion">\n<gx:SimpleArrayData name="speed_mps">\n',
        b"</gx:SimpleArrayData>\n",
    ),
    (
        b'<gx:SimpleArrayData name="climb_mps">\n',
        b"</gx:SimpleArrayData>\n</SchemaData></ExtendedData>\n",
    ),
)
