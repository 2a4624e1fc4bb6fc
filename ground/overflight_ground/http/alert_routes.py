"""Alerts and areas."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from overflight_ground.alerts import storing
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import Cursor, FlightName, Limit, PayloadName
from overflight_ground.http.replies import (
    ProblemError,
    cursor_of,
    etag_reply,
    json_reply,
    page_of,
    parse_cursor,
    plain_json,
)
from overflight_ground.station import Station

router = APIRouter()
AlertId = Annotated[int, Path(ge=1, lt=2**63)]


@router.get("/alerts", tags=["alerts"])
def alerts(
    request: Request,
    payload: PayloadName = None,
    flight: FlightName = None,
    kind: Annotated[str | None, Query(max_length=32, pattern="^[a-z-]+$")] = None,
    open: Annotated[bool | None, Query(description="only open or only ended ones")] = None,  # noqa: A002
    cursor: Cursor = None,
    limit: Limit = 500,
) -> Response:
    """List alerts, newest first."""
    with station_of(request).store.reading() as connection:
        found = storing.page(
            connection,
            payload=payload,
            flight=flight,
            kind=kind,
            is_open=open,
            before_id=parse_cursor(cursor),
            limit=limit + 1,
        )
    found, more = page_of(found, limit)
    following = cursor_of(found[-1].id) if more else None
    body = {"alerts": [storing.alert_json(alert) for alert in found], "next": following}
    return json_reply(request, body)


@router.post("/alerts/{alert_id}/ack", tags=["alerts"])
async def acknowledge(
    request: Request,
    alert_id: AlertId,
    by: Annotated[str | None, Query(max_length=80, pattern=r"^[^\x00-\x1f]*$")] = None,
) -> Response:
    """Note that a person saw an alert; again changes nothing."""
    station = station_of(request)
    body = await run_in_threadpool(_acknowledge, station, alert_id, by)
    if body is None:
        raise ProblemError(404, "No such alert")
    station.hub.send("alert", body)
    return plain_json(body)


def _acknowledge(station: Station, alert_id: int, by: str | None) -> dict[str, object] | None:
    with station.store.writing() as connection:
        if not storing.acknowledge(connection, alert_id, station.now_ns(), by):
            return None
        alert = storing.read(connection, alert_id)
    return None if alert is None else storing.alert_json(alert)


@router.get("/areas", tags=["alerts"])
def areas(
    request: Request,
    countries: Annotated[bool, Query(description="country outlines as well")] = False,
) -> Response:
    """Return the areas that are watched, as GeoJSON."""
    import msgspec

    engine = station_of(request).alert_engine()
    watched = engine.areas.areas if engine is not None and engine.areas is not None else ()
    features = [
        {
            "type": "Feature",
            "properties": {
                "name": area.name,
                "kind": area.kind,
                "floor_m": area.floor_m,
                "ceiling_m": area.ceiling_m,
            },
            "geometry": area.geometry,
        }
        for area in watched
        if countries or area.kind != "country"
    ]
    content = msgspec.json.encode({"type": "FeatureCollection", "features": features})
    return etag_reply(request, content, "application/geo+json")
