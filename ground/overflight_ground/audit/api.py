"""Recovery and audit over ``/api/v1``: what was found, a running total, and doing both."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy import select

from overflight_contract.errors import InputError, OverflightError, UnavailableError
from overflight_ground.audit.html import to_html
from overflight_ground.audit.inputs import AuditInputs
from overflight_ground.audit.keeping import keep
from overflight_ground.audit.live import live_audit
from overflight_ground.audit.report import from_json, to_json
from overflight_ground.audit.run import run_audit
from overflight_ground.http.live_routes import station_of
from overflight_ground.http.names import FlightName, PayloadName, PayloadPath
from overflight_ground.http.replies import ProblemError, etag_reply, json_reply, plain_json
from overflight_ground.recover import RecoverInputs, recover
from overflight_ground.store import Store, tables

router = APIRouter(tags=["audit"])

FlightPath = Annotated[
    str, PathParameter(pattern=r"^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{4}$", description="id of the flight")
]
_File = Annotated[str, Field(min_length=1, max_length=1000)]


class RecoveryRequest(BaseModel):
    """A vault to take in, on the ground's own disk."""

    source: _File = Field(description="folder or archive")
    payload: str | None = Field(default=None, pattern=r"^[A-Z0-9][A-Z0-9-]{0,15}$")
    clock_offset_s: float | None = Field(default=None, ge=-1e9, le=1e9)


class AuditRequest(BaseModel):
    """What to audit beside the ground's own store; paths on the ground's own disk."""

    sessions: list[_File] = Field(default_factory=list, max_length=1000)
    vaults: list[_File] = Field(default_factory=list, max_length=100)
    records: list[_File] = Field(default_factory=list, max_length=100)
    payloads: list[str] = Field(default_factory=list, max_length=1000)


def _address(store: Store) -> str:
    return store.url.render_as_string(hide_password=False)


@router.get("/audit/live")
def running_total(request: Request) -> Response:
    """Return what crossed so far and the room in it, by payload. An audit needs a session."""
    totals, complete = live_audit(station_of(request).store).look(station_of(request).store)
    return plain_json(
        {"totals": [msgspec.to_builtins(total) for total in totals], "complete": complete}
    )


@router.get("/audits")
def audits(request: Request, payload: PayloadName = None, flight: FlightName = None) -> Response:
    """List the newest audit of each flight."""
    table = tables.audits
    query = select(table).order_by(table.c.payload, table.c.flight)
    if payload is not None:
        query = query.where(table.c.payload == payload)
    if flight is not None:
        query = query.where(table.c.flight == flight)
    with station_of(request).store.reading() as connection:
        rows = connection.execute(query).all()
    return json_reply(request, {"audits": [_summary(row) for row in rows]})


_SUMMARY = (
    "sent", "crossed", "stored", "lost", "bytes_crossed", "unexplained_bytes", "opaque_bytes",
    "images_kept", "bytes_kept", "refused", "reasons", "unproved", "bound",
)  # fmt: skip


def _summary(row: Any) -> dict[str, Any]:
    report = msgspec.json.decode(row.report)
    return {
        "payload": row.payload,
        "flight": row.flight,
        "verdict": row.verdict,
        **{name: report.get(name) for name in _SUMMARY},
        "report": f"/api/v1/audits/{row.payload}/{row.flight}",
        "page": f"/api/v1/audits/{row.payload}/{row.flight}/page",
    }


def _report(request: Request, payload: str, flight: str) -> bytes:
    table = tables.audits
    query = select(table.c.report).where(table.c.payload == payload, table.c.flight == flight)
    with station_of(request).store.reading() as connection:
        row = connection.execute(query.limit(1)).first()
    if row is None:
        raise ProblemError(404, "No audit", "this flight was not audited")
    return str(row.report).encode()


@router.get("/audits/{payload}/{flight}")
def audit(request: Request, payload: PayloadPath, flight: FlightPath) -> Response:
    """Return the newest audit of a flight: the whole report, JSON."""
    return etag_reply(request, _report(request, payload, flight), "application/json")


@router.get("/audits/{payload}/{flight}/page")
def audit_page(request: Request, payload: PayloadPath, flight: FlightPath) -> Response:
    """Return the newest audit of a flight as one self-contained page, to be saved."""
    try:
        report = from_json(_report(request, payload, flight))
    except InputError as error:
        raise ProblemError(409, "Made by another version", str(error)) from error
    page = to_html(report).encode()
    name = f'attachment; filename="audit-{payload}-{flight}.html"'
    return etag_reply(request, page, "text/html; charset=utf-8", **{"Content-Disposition": name})


@router.post("/audits", status_code=201)
async def make_audit(request: Request, wanted: AuditRequest) -> Response:
    """Audit files on the ground's disk against its store; keeps and returns the report."""
    store = station_of(request).store
    inputs = AuditInputs(
        sessions=[Path(name) for name in wanted.sessions],
        store=_address(store),
        vaults=[Path(name) for name in wanted.vaults],
        records=[Path(name) for name in wanted.records],
        payloads=wanted.payloads,
    )

    def work() -> bytes:
        report = run_audit(inputs)
        keep(_address(store), report, time.time_ns())
        return to_json(report)

    return Response(await _answered(work), 201, media_type="application/json")


@router.get("/recoveries")
def recoveries(
    request: Request, payload: PayloadName = None, flight: FlightName = None
) -> Response:
    """List what was recovered."""
    table = tables.recoveries
    query = select(table).order_by(table.c.id)
    if payload is not None:
        query = query.where(table.c.payload == payload)
    if flight is not None:
        query = query.where(table.c.flight == flight)
    with station_of(request).store.reading() as connection:
        rows = connection.execute(query).all()
    found = [
        {**msgspec.json.decode(row.report), "flight": row.flight, "chain_ok": bool(row.chain_ok)}
        for row in rows
    ]
    return json_reply(request, {"recoveries": found})


@router.post("/recoveries", status_code=201)
async def make_recovery(request: Request, wanted: RecoveryRequest) -> Response:
    """Take in a vault on the ground's disk."""
    store = station_of(request).store
    file = store.file
    inputs = RecoverInputs(
        source=Path(wanted.source),
        store=_address(store),
        into=(file.parent if file is not None else Path.cwd()) / "recovered",
        now_ns=time.time_ns(),
        payload=wanted.payload,
        clock_offset_s=wanted.clock_offset_s,
    )

    def work() -> bytes:
        return msgspec.json.encode(recover(inputs))

    return Response(await _answered(work), 201, media_type="application/json")


async def _answered(work: Any) -> Any:
    try:
        return await run_in_threadpool(work)
    except UnavailableError as error:
        raise ProblemError(503, "Not available", str(error)) from error
    except (OverflightError, ValueError, OSError) as error:
        raise ProblemError(422, "The request does not fit", str(error)) from error
