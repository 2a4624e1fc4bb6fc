"""Messages, quarantine, pictures, the timeline."""

from __future__ import annotations

import io
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from PIL import Image
from sqlalchemy import Row

from overflight_contract.times import bounded_ns, iso
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import Cursor, FlightName, Limit, PayloadName
from overflight_ground.http.replies import (
    Moment,
    ProblemError,
    cursor_of,
    etag_reply,
    json_reply,
    page_of,
    parse_cursor,
    parse_place,
    place_cursor,
)
from overflight_ground.store import reading
from overflight_ground.store.reading import MessageFilter

router = APIRouter()
THUMB_PX = 320
Kinds = Annotated[Literal["position", "navigation"] | None, Query(description="kind of message")]
RowId = Annotated[int, Path(ge=1, lt=2**63)]
Digest = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]


@router.get("/messages", tags=["messages"])
def messages(
    request: Request,
    payload: PayloadName = None,
    flight: FlightName = None,
    kind: Kinds = None,
    since: Moment = None,
    until: Moment = None,
    suspect: bool | None = None,
    cursor: Cursor = None,
    limit: Limit = 100,
) -> Response:
    """List messages; `next` is the cursor of the next page.

    Newest stored first; of one payload, newest flight first and in it newest measured first.
    """
    wanted = MessageFilter(
        payload=payload,
        flight=flight,
        kind=kind,
        since_ns=bounded_ns(since),
        until_ns=bounded_ns(until),
        suspect=suspect,
    )
    with station_of(request).store.reading() as connection:
        if payload is None:
            rows, more = page_of(
                reading.messages_page(
                    connection, wanted, before_id=parse_cursor(cursor), limit=limit + 1
                ),
                limit,
            )
            following = cursor_of(rows[-1].id) if more else None
        else:
            before = parse_place(cursor)
            rows, more = page_of(
                reading.messages_of_payload(connection, wanted, before=before, limit=limit + 1),
                limit,
            )
            last = rows[-1] if more else None
            following = last and place_cursor((last.flight, last.measured_at_ns, last.seq))
    return json_reply(request, {"messages": [_message(row) for row in rows], "next": following})


@router.get("/messages/{message_id}", tags=["messages"])
def one_message(request: Request, message_id: RowId) -> Response:
    """Return one message with its raw bytes in hex."""
    with station_of(request).store.reading() as connection:
        row = reading.message(connection, message_id)
    if row is None:
        raise ProblemError(404, "No such message")
    raw = bytes(row.raw)
    return json_reply(request, {**_message(row), "raw": raw.hex(), "text": raw.decode("ascii")})


@router.get("/quarantine", tags=["messages"])
def quarantined(
    request: Request, payload: PayloadName = None, cursor: Cursor = None, limit: Limit = 100
) -> Response:
    """List what did not fit, with its first bytes and the reason."""
    with station_of(request).store.reading() as connection:
        found = reading.quarantine_page(
            connection, payload=payload, before_id=parse_cursor(cursor), limit=limit + 1
        )
    rows, more = page_of(found, limit)
    following = cursor_of(rows[-1].id) if more else None
    return json_reply(
        request, {"quarantine": [_quarantined(row) for row in rows], "next": following}
    )


@router.get("/timeline", tags=["messages"])
def timeline(
    request: Request,
    payload: PayloadName = None,
    flight: FlightName = None,
    bins: Annotated[int, Query(ge=1, le=2000)] = 200,
) -> Response:
    """Count messages over time, by when they were measured."""
    station = station_of(request)
    rows = [
        row
        for row in list(station.live.rows.values())
        if payload in (None, row.payload) and flight in (None, row.flight)
    ]
    starts = [row.first_at_ns for row in rows if row.first_at_ns is not None]
    ends = [row.last_at_ns for row in rows if row.last_at_ns is not None]
    if not starts:
        return json_reply(request, {"start": None, "end": None, "bins": []})
    bounds = (min(starts), max(ends) + 1)
    wanted = MessageFilter(payload=payload, flight=flight)
    with station.store.reading() as connection:
        counts = reading.density(connection, wanted, bounds, bins)
    body = {"start": iso(bounds[0]), "end": iso(bounds[1]), "bins": counts}
    return json_reply(request, body)


@router.get("/pictures", tags=["audit"])
def pictures(request: Request, payload: PayloadName = None, flight: FlightName = None) -> Response:
    """List the recovered pictures by time."""
    with station_of(request).store.reading() as connection:
        rows = reading.picture_rows(connection, payload, flight)
    return json_reply(request, {"pictures": [_picture(row) for row in rows]})


@router.get("/pictures/{sha256}", tags=["audit"])
def picture(request: Request, sha256: Digest) -> Response:
    """Return a recovered picture."""
    return etag_reply(request, _picture_bytes(request, sha256), "image/jpeg", cache="max-age=3600")


@router.get("/pictures/{sha256}/thumb", tags=["audit"])
def thumb(request: Request, sha256: Digest) -> Response:
    """Return a small form of a recovered picture."""
    content = _picture_bytes(request, sha256)
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.draft("RGB", (THUMB_PX, THUMB_PX))
            small = image.convert("RGB")
            small.thumbnail((THUMB_PX, THUMB_PX))
            out = io.BytesIO()
            small.save(out, "JPEG", quality=78)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise ProblemError(404, "Not a picture", str(error)) from error
    return etag_reply(request, out.getvalue(), "image/jpeg", cache="max-age=3600")


def _picture_bytes(request: Request, sha256: str) -> bytes:
    with station_of(request).store.reading() as connection:
        row = reading.picture(connection, sha256)
    if row is None or row.path_on_disk is None:
        raise ProblemError(404, "No such picture")
    try:
        return FilePath(row.path_on_disk).read_bytes()
    except OSError as error:
        raise ProblemError(404, "The picture is gone", str(error.strerror)) from error


def _message(row: Row[Any]) -> dict[str, Any]:
    decoded = {name: getattr(row, name) for name in reading.DECODED[row.kind]}
    return {
        "id": row.id,
        "payload": row.payload,
        "flight": row.flight,
        "seq": row.seq,
        "kind": row.kind,
        "held_from": row.held_from,
        "measured_at": iso(row.measured_at_ns),
        "received_at": iso(row.received_at_ns),
        "stored_at": iso(row.stored_at_ns),
        "topic": row.topic,
        "qos": row.qos,
        "retained": bool(row.retained),
        "dup": bool(row.dup),
        "bytes": len(row.raw),
        "suspect": row.suspect.split(",") if row.suspect else [],
        **decoded,
    }


def _quarantined(row: Row[Any]) -> dict[str, Any]:
    raw = bytes(row.raw)
    return {
        "id": row.id,
        "received_at": iso(row.received_at_ns),
        "last_at": iso(row.last_at_ns),
        "times": row.times,
        "topic": row.topic,
        "payload": row.payload,
        "flight": row.flight,
        "seq": row.seq,
        "reason": row.reason,
        "detail": row.detail,
        "qos": row.qos,
        "retained": bool(row.retained),
        "dup": bool(row.dup),
        "bytes": row.bytes,
        "raw": raw[:4096].hex(),
        "raw_is_whole": len(raw) <= 4096 and len(raw) == row.bytes,
    }


def _picture(row: Row[Any]) -> dict[str, Any]:
    return {
        "sha256": row.sha256,
        "payload": row.payload,
        "flight": row.flight,
        "file": row.file,
        "taken_at": None if row.taken_at_ns is None else iso(row.taken_at_ns),
        "lat_deg": row.lat_deg,
        "lon_deg": row.lon_deg,
        "alt_msl_m": row.alt_msl_m,
        "serial": row.serial,
        "bytes": row.bytes,
        "match": row.match,
        "verdict": row.verdict,
        "thumb": f"/api/v1/pictures/{row.sha256}/thumb",
        "image": f"/api/v1/pictures/{row.sha256}",
    }
