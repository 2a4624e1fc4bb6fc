"""Tracks at a glance, of one payload or the fleet: the page's first look at long flights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from sqlalchemy import Connection

from overflight_contract.formats import TrackPoint
from overflight_ground.http.columns import COLUMNS, rows_of, track_of
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import FlightName, PayloadPath
from overflight_ground.http.replies import ProblemError, json_reply
from overflight_ground.ingest.flights import FlightRow
from overflight_ground.live import LivePayload
from overflight_ground.station import Station
from overflight_ground.store import reading
from overflight_ground.store.overview import overview_rows
from overflight_ground.track import merge

router = APIRouter()
FLEET: Final = 60
"""Payloads of one reply; a page that knows more asks for the others one by one."""
LEAST: Final = 2
MOST: Final = 700


@router.get("/overviews", tags=["payloads"])
def overviews(
    request: Request,
    points: Annotated[int, Query(ge=2, le=20_000, description="so many positions in all")] = 6000,
) -> Response:
    """Return some positions of the newest flight of each payload, the worst off first.

    So that one request shows the whole fleet: each of at most 60 payloads has the same share of
    `points`, from 2 to 700 of them. Columns as of the track.
    """
    station = station_of(request)
    chosen = _worst_first(station)[:FLEET]
    each = max(LEAST, min(MOST, points // max(1, len(chosen))))
    tracks = []
    with station.store.reading() as connection:
        for live in chosen:
            rows = rows_of(_points(connection, live.row, each))
            tracks.append({"payload": live.payload, "flight": live.flight, "rows": rows})
    return json_reply(request, {"columns": COLUMNS, "points": each, "tracks": tracks})


def _worst_first(station: Station) -> list[LivePayload]:
    now_ns, troubled = station.now_ns(), station.troubled()
    order = ("alert", "stale", "late", "ok", "landed")

    def rank(live: LivePayload) -> tuple[int, str]:
        return order.index(live.state(now_ns, alert=live.payload in troubled)), live.payload

    return sorted(station.live.payloads.values(), key=rank)


@router.get("/payloads/{payload}/overview", tags=["payloads"])
def overview(
    request: Request,
    payload: PayloadPath,
    flight: FlightName = None,
    points: Annotated[int, Query(ge=2, le=20_000, description="at most so many positions")] = 1500,
) -> Response:
    """Return some positions of one flight, evenly over its messages; columns as of the track."""
    station = station_of(request)
    with station.store.reading() as connection:
        chosen = flight or reading.last_flight(connection, payload)
        row = station.live.rows.get((payload, chosen or ""))
        if chosen is None or row is None:
            raise ProblemError(404, "No such flight", f"nothing was heard from {payload}")
        found = track_of(payload, chosen, _points(connection, row, points))
    return json_reply(request, found)


def _points(connection: Connection, row: FlightRow, points: int) -> Sequence[TrackPoint]:
    rows = overview_rows(connection, row.payload, row.flight, count=row.messages, points=points)
    return evenly(list(merge(rows)), points)


def evenly(found: Sequence[TrackPoint], most: int) -> Sequence[TrackPoint]:
    """Return at most `most` (2 or more) of `found`, evenly, the first and the last among them."""
    if len(found) <= most:
        return found
    return [found[n * (len(found) - 1) // (most - 1)] for n in range(most)]
