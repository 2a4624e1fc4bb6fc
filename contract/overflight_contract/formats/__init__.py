"""Formats of tracks that other programs read; `FORMATS` names them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import BinaryIO, Final, NamedTuple, Protocol

from overflight_contract.formats import czml, geojson, gpx, kml, sondehub, tables
from overflight_contract.formats.points import Flight, Simulated, TrackPoint, flights

__all__ = ["FORMATS", "Flight", "Format", "Simulated", "TrackPoint", "flights"]


class Write(Protocol):
    """Writes points, which come flight by flight and in order, to a binary file."""

    def __call__(
        self, points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated
    ) -> None: ...


class Format(NamedTuple):
    """A format of tracks."""

    name: str
    summary: str
    suffix: str
    media_type: str
    write: Write


FORMATS: Final[dict[str, Format]] = {
    format_.name: format_
    for format_ in (
        Format("geojson", "lines for maps (RFC 7946)", ".geojson", geojson.MEDIA_TYPE,
               geojson.write),
        Format("gpx", "track for navigation programs", ".gpx", gpx.MEDIA_TYPE, gpx.write),
        Format("kml", "track for globes", ".kml", kml.MEDIA_TYPE, kml.write),
        Format("czml", "moving point for Cesium", ".czml", czml.MEDIA_TYPE, czml.write),
        Format("csv", "table", ".csv", "text/csv; charset=utf-8", tables.write_csv),
        Format("jsonl", "JSON object a line", ".jsonl", "application/jsonl", tables.write_jsonl),
        Format("parquet", "typed table (extra [parquet])", ".parquet",
               "application/vnd.apache.parquet", tables.write_parquet),
        Format("sondehub", "rows for SondeHub Amateur", ".json", sondehub.MEDIA_TYPE,
               sondehub.write),
    )
}  # fmt: skip
