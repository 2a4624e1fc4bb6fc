"""The track of a payload: as columns for the page, and in every format of the contract."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain, groupby
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from overflight_contract.errors import OverflightError
from overflight_contract.formats import FORMATS, TrackPoint
from overflight_contract.times import bounded_ns
from overflight_ground.http.columns import track_of
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import FlightName, PayloadPath
from overflight_ground.http.replies import (
    Moment,
    ProblemError,
    etag_reply,
    json_reply,
)
from overflight_ground.simplify import inside, simplify
from overflight_ground.store import reading
from overflight_ground.store.reading import MessageFilter
from overflight_ground.track import COLUMNS, merge

router = APIRouter()
Box = tuple[float, float, float, float]
LINES: Final = ("geojson", "gpx", "kml")
"""Formats whose lines can be cut."""
FormatName = Literal["json", "geojson", "gpx", "kml", "czml", "csv", "jsonl", "parquet", "sondehub"]
BBox = Annotated[
    str | None,
    Query(
        max_length=100,
        examples=["-125,24,-66,50"],
        description="west,south,east,north in degrees; a west above the east spans ±180°",
    ),
]


@router.get("/payloads/{payload}/track", tags=["payloads"])
def track(
    request: Request,
    payload: PayloadPath,
    flight: FlightName = None,
    since: Moment = None,
    until: Moment = None,
    bbox: BBox = None,
    simplify_m: Annotated[
        float,
        Query(alias="simplify", ge=0, le=1e7, description="largest error in metres; 0: none"),
    ] = 0.0,
    format: Annotated[FormatName, Query(description="what to answer in")] = "json",  # noqa: A002
    suspect: Annotated[
        bool, Query(description="also positions marked zero, leap or future")
    ] = False,
) -> Response:
    """Return the track of one flight: the last one unless named."""
    box = parse_bbox(bbox)
    with station_of(request).store.reading() as connection:
        chosen = flight or reading.last_flight(connection, payload)
        if chosen is None:
            raise ProblemError(404, "No such payload", f"nothing was heard from {payload}")
        row = reading.flight_row(connection, payload, chosen)
        if row is None:
            raise ProblemError(404, "No such flight", f"nothing of it was heard from {payload}")
        wanted = MessageFilter(
            payload=payload,
            flight=chosen,
            since_ns=bounded_ns(since),
            until_ns=bounded_ns(until),
            believable=not suspect,
        )
        rows = chain(_before(connection, wanted), reading.track_rows(connection, wanted))
        points = list(merge(rows, arrival_times=format == "sondehub"))
    if box is not None:
        points = passes(points, box, simplify_m, format)
    elif simplify_m:
        points = simplify(points, simplify_m)
    if format == "json":
        return json_reply(request, track_of(payload, chosen, points))
    return _formatted(request, format, points, f"{payload}_{chosen}", simulated=row.simulated)


def _before(connection: Connection, wanted: MessageFilter) -> Iterable[Any]:
    """Return the navigation message that still holds when the span of `wanted` begins."""
    if wanted.since_ns is None:
        return ()
    earlier = replace(wanted, kind="navigation", since_ns=None, until_ns=wanted.since_ns)
    found = reading.messages_of_payload(connection, earlier, before=None, limit=1)
    return [tuple(row._mapping[name] for name in COLUMNS) for row in found]  # noqa: SLF001


def passes(
    points: Iterable[TrackPoint], box: Box, simplify_m: float, name: str
) -> list[TrackPoint]:
    """Return the points in `box`, each pass through it simplified by itself.

    A pass ends where the track leaves the box or a point has no place. For the formats in `LINES`
    a point without a place stands after it, so that they begin a new line.
    """
    found: list[TrackPoint] = []
    for is_in, run in groupby(points, key=lambda point: _in(point, box)):
        if is_in:
            found += simplify(list(run), simplify_m)
        elif found and name in LINES:
            found.append(_gap(next(run), name))
    return found


def _gap(point: TrackPoint, name: str) -> TrackPoint:
    gap = point._replace(lat_deg=None, lon_deg=None, alt_msl_m=None, alt_hae_m=None)
    # GeoJSON leaves such points out; as a flight of its own it ends the feature and makes none.
    return gap._replace(payload="", flight="") if name == "geojson" else gap


def _in(point: TrackPoint, box: Box) -> bool:
    return (
        point.lat_deg is not None
        and point.lon_deg is not None
        and inside(point.lat_deg, point.lon_deg, box)
    )


def parse_bbox(text: str | None) -> Box | None:
    """Read ``west,south,east,north``; 422 where it does not fit."""
    if text is None:
        return None
    parts = text.split(",")
    if len(parts) != 4 or not all(re.fullmatch(r"\s*-?\d{1,3}(\.\d+)?\s*", part) for part in parts):
        raise ProblemError(422, "The request does not fit", "bbox: west,south,east,north")
    west, south, east, north = map(float, parts)
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= north <= 90):
        raise ProblemError(422, "The request does not fit", "bbox: out of range or upside down")
    return west, south, east, north


def _formatted(
    request: Request, name: str, points: Sequence[TrackPoint], stem: str, *, simulated: bool
) -> Response:
    chosen = FORMATS[name]
    out = io.BytesIO()
    try:
        chosen.write(points, out, simulated=simulated)
    except OverflightError as error:
        raise ProblemError(501, "This format is not available", str(error)) from error
    headers = {"Content-Disposition": f'inline; filename="{stem}{chosen.suffix}"'}
    return etag_reply(request, out.getvalue(), chosen.media_type, **headers)
