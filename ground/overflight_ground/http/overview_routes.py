"""A track at a glance, for the page's first look at a long flight."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import FlightName, PayloadPath
from overflight_ground.http.replies import ProblemError, json_reply
from overflight_ground.http.track_routes import COLUMNS
from overflight_ground.store import reading
from overflight_ground.store.overview import overview_rows
from overflight_ground.track import merge

router = APIRouter()


@router.get("/payloads/{payload}/overview", tags=["payloads"])
def overview(
    request: Request,
    payload: PayloadPath,
    flight: FlightName = None,
    points: Annotated[int, Query(ge=2, le=20_000, description="about so many positions")] = 1500,
) -> Response:
    """Return some positions of one flight, evenly over its messages; columns as of the track."""
    station = station_of(request)
    with station.store.reading() as connection:
        chosen = flight or reading.last_flight(connection, payload)
        row = station.live.rows.get((payload, chosen or ""))
        if chosen is None or row is None:
            raise ProblemError(404, "No such flight", f"nothing was heard from {payload}")
        rows = overview_rows(connection, payload, chosen, count=row.messages, points=points)
        body = [
            (
                point.measured_at_ns // 1_000_000,
                point.lat_deg,
                point.lon_deg,
                point.alt_msl_m,
                point.speed_mps,
                point.climb_mps,
                point.phase,
                point.seq,
            )
            for point in merge(rows)
        ]
    return json_reply(
        request, {"payload": payload, "flight": chosen, "columns": COLUMNS, "rows": body}
    )
