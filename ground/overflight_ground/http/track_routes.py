"""The track of a payload: as columns for the page, and in every format of the contract."""

from __future__ import annotations

import io
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from overflight_contract.errors import OverflightError
from overflight_contract.formats import FORMATS, TrackPoint
from overflight_ground.http.columns import track_of
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import FlightName, PayloadPath
from overflight_ground.http.replies import (
    Moment,
    ProblemError,
    etag_reply,
    json_reply,
    moment_ns,
)
from overflight_ground.simplify import inside, simplify
from overflight_ground.station import Station
from overflight_ground.store import reading
from overflight_ground.store.reading import MessageFilter
from overflight_ground.track import merge

router = APIRouter()
Box = tuple[float, float, float, float]
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
    station = station_of(request)
    box = parse_bbox(bbox)
    with station.store.reading() as connection:
        chosen = flight or reading.last_flight(connection, payload)
        if chosen is None:
            raise ProblemError(404, "No such payload", f"nothing was heard from {payload}")
        wanted = MessageFilter(
            payload=payload,
            flight=chosen,
            since_ns=moment_ns(since),
            until_ns=moment_ns(until),
            believable=not suspect,
        )
        rows = reading.track_rows(connection, wanted)
        points = list(merge(rows, arrival_times=format == "sondehub"))
    if box is not None:
        points = [p for p in points if _in(p, box)]
    if simplify_m:
        points = simplify(points, simplify_m)
    if format == "json":
        return json_reply(request, track_of(payload, chosen, points))
    return _formatted(request, station, format, points, f"{payload}_{chosen}")


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
    request: Request, station: Station, name: str, points: list[TrackPoint], stem: str
) -> Response:
    chosen = FORMATS[name]
    simulated = any(
        row.simulated
        for row in list(station.live.rows.values())
        if points and (row.payload, row.flight) == (points[0].payload, points[0].flight)
    )
    out = io.BytesIO()
    try:
        chosen.write(points, out, simulated=simulated or station.simulated)
    except OverflightError as error:
        raise ProblemError(501, "This format is not available", str(error)) from error
    headers = {"Content-Disposition": f'inline; filename="{stem}{chosen.suffix}"'}
    return etag_reply(request, out.getvalue(), chosen.media_type, **headers)
