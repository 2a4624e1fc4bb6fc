"""Health, payloads, flights, receipts, sent and kept, the live stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import msgspec
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from overflight_contract.times import iso
from overflight_ground.feed import Listener, batch_json, sse
from overflight_ground.http.names import FlightName, PayloadName
from overflight_ground.http.negotiation import HEAD
from overflight_ground.http.replies import ProblemError, json_reply, plain_json
from overflight_ground.ingest.stored import StoredMessages
from overflight_ground.live import payload_json
from overflight_ground.sessions.shelf import Shelf
from overflight_ground.station import Station
from overflight_ground.store import reading

router = APIRouter()
CATCH_UP: Final = 20_000
CATCH_UP_STEP: Final = 2_000
BEAT_S: Final = 15.0


def station_of(request: Request) -> Station:
    """Return the station that a request is about: the ground's own, or an open session's."""
    session = request.path_params.get("session")
    if session is not None:
        opened = shelf_of(request).open.get(session)
        if opened is None:
            raise ProblemError(404, "No such session is open", "upload it, or open it first")
        return opened.station
    found = request.app.state.station
    assert isinstance(found, Station)
    return found


def shelf_of(request: Request) -> Shelf:
    """Return the shelf of sessions."""
    found = request.app.state.shelf
    if found is None:
        raise ProblemError(404, "No sessions here")
    assert isinstance(found, Shelf)
    return found


@router.get("/health", tags=["health"])
async def health(request: Request) -> Response:
    """Say whether the ground is well, and its counters."""
    body = station_of(request).health()
    return plain_json(body)


@router.get("/ready", tags=["health"])
async def ready(request: Request) -> Response:
    """Say by the status whether the ground takes messages: 200, or 503 while it can't."""
    body = station_of(request).health()
    reply = plain_json(
        {"ready": body["status"] == "ok", "store": body["store"], "broker": body["broker"]}
    )
    reply.status_code = 200 if body["status"] == "ok" else 503
    return reply


@router.get("/payloads", tags=["payloads"])
async def payloads(request: Request) -> Response:
    """List the payloads with last fix, phase, age and counters."""
    station = station_of(request)
    now_ns = station.now_ns()
    listed = sorted(station.live.payloads.values(), key=lambda live: live.payload)
    troubled = station.troubled()
    body = [payload_json(live, now_ns, alert=live.payload in troubled) for live in listed]
    return plain_json({"payloads": body})


@router.get("/flights", tags=["payloads"])
async def flights(request: Request, payload: PayloadName = None) -> Response:
    """List the flights, oldest first."""
    rows = sorted(station_of(request).live.rows.values(), key=lambda row: (row.flight, row.payload))
    listed = [
        {
            "payload": row.payload,
            "flight": row.flight,
            "first_at": None if row.first_at_ns is None else iso(row.first_at_ns),
            "last_at": None if row.last_at_ns is None else iso(row.last_at_ns),
            "messages": row.messages,
            "bytes": row.bytes,
            "duplicates": row.duplicates,
            "quarantined": row.quarantined,
            "conflicts": row.conflicts,
            "through": row.through,
            "given_up": row.given_up,
            "simulated": row.simulated,
        }
        for row in rows
        if payload is None or row.payload == payload
    ]
    return json_reply(request, {"flights": listed})


@router.get("/receipts", tags=["payloads"])
async def receipts(request: Request, payload: PayloadName = None) -> Response:
    """List the watermark of each flight: what the payload may let go."""
    rows = sorted(station_of(request).live.rows.values(), key=lambda row: (row.payload, row.flight))
    listed = [
        {
            "payload": row.payload,
            "flight": row.flight,
            "through": row.through,
            "held_from": row.held_from,
            "given_up": row.given_up,
        }
        for row in rows
        if payload is None or row.payload == payload
    ]
    return json_reply(request, {"receipts": listed})


@router.get("/split", tags=["audit"])
async def split(
    request: Request, payload: PayloadName = None, flight: FlightName = None
) -> Response:
    """Hold what crossed against what was kept, as far as that may be known."""
    station = station_of(request)
    return plain_json(await run_in_threadpool(_split, station, payload, flight))


def _split(station: Station, payload: str | None, flight: str | None) -> dict[str, Any]:
    rows = [
        row
        for row in list(station.live.rows.values())
        if payload in (None, row.payload) and flight in (None, row.flight)
    ]
    kept, audit = station.kept.claim(), None
    with station.store.reading() as connection:
        recovered = []
        for row in rows:
            recovery = reading.last_recovery(connection, row.payload, row.flight)
            if recovery is not None:
                recovered.append(recovery)
            newest = reading.last_audit(connection, row.payload, row.flight)
            if newest is not None:
                audit = {
                    "verdict": newest.verdict,
                    "made_at": iso(newest.made_at_ns),
                    **_object(newest.report),
                }
    if recovered:
        kept = {
            "state": "recovered",
            "bytes": sum(item.bytes for item in recovered),
            "images": sum(item.pictures for item in recovered),
            "label": "recovered vault",
        }
    return {
        "crossed_bytes": sum(row.bytes for row in rows),
        "crossed_messages": sum(row.messages for row in rows),
        "kept": kept,
        "audit": audit,
    }


def _object(text: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}


@router.get("/stream", tags=["live"])
async def stream(
    request: Request,
    last_event_id: Annotated[str | None, Header()] = None,
    after: Annotated[int | None, Query(ge=0, lt=2**63)] = None,
) -> Response:
    """Follow live: server-sent events ``batch``, ``alert``, ``provider``, ``kept``.

    The id of an event is that of the newest message it covers; ``Last-Event-ID`` (or ``after``)
    sends first what was stored since. One that the store has not come to is of another store, and
    starts from now.
    """
    station = station_of(request)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if HEAD in request.scope:
        return Response(media_type="text/event-stream", headers=headers)
    known = after
    if last_event_id is not None and last_event_id.isascii() and last_event_id.isdigit():
        known = min(int(last_event_id), 2**63 - 1)
    listener = station.hub.join()
    return StreamingResponse(
        _events(station, listener, known),
        media_type="text/event-stream",
        headers=headers,
    )


async def _events(station: Station, listener: Listener, known: int | None) -> AsyncIterator[bytes]:
    try:
        yield b"retry: 1000\n\n"
        if known is not None and known > station.live.last_id:
            known = None
        last = station.collector.told_id if known is None else known
        if known is not None:
            while last < station.live.last_id:
                data, newest = await run_in_threadpool(_catch_up, station, last)
                if newest <= last:
                    break
                last = newest
                yield sse("batch", data, last)
        yield sse("batch", station.greeting(), max(last, 0))
        while True:
            try:
                async with asyncio.timeout(BEAT_S):
                    item = await listener.queue.get()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if item is None:
                return
            event_id, block = item
            if event_id is None or event_id > last:
                yield block
    finally:
        station.hub.leave(listener)


def _catch_up(station: Station, after: int) -> tuple[dict[str, Any], int]:
    """Return the next batch of what was stored after `after`, and its last id."""
    with station.store.reading() as connection:
        stored = reading.stored_after(connection, after, CATCH_UP_STEP)
    if not stored:
        return {}, after
    data = batch_json(StoredMessages(stored), station.live.totals())
    return {**data, "wire": [], "wire_missed": len(stored)}, stored[-1].id
