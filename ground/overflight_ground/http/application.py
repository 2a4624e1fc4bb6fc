"""Puts the routes, the page and the rules of the house together into one ASGI application."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any, Final

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from overflight_contract.version import __version__
from overflight_ground.audit import api as audit_api
from overflight_ground.http import (
    alert_routes,
    data_routes,
    live_routes,
    metrics,
    overview_routes,
    prediction_routes,
    session_routes,
    track_routes,
    wire_routes,
)
from overflight_ground.http.access import Access
from overflight_ground.http.examples import with_examples
from overflight_ground.http.names import refuse_unknown
from overflight_ground.http.negotiation import Negotiation
from overflight_ground.http.page_files import PageFiles
from overflight_ground.http.replies import ProblemError, problem
from overflight_ground.sessions.shelf import Shelf
from overflight_ground.station import Station
from overflight_ground.store import StoreUnavailableError

log = logging.getLogger(__name__)

PAGE: Final = Path(__file__).parent.parent / "page"
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none';"
    " frame-ancestors 'none'; form-action 'self'"
)
ROUTERS: Final = (
    live_routes.router,
    track_routes.router,
    overview_routes.router,
    data_routes.router,
    alert_routes.router,
    wire_routes.router,
    prediction_routes.router,
    audit_api.router,
)
_HEADERS: Final = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
)


def create_app(station: Station, token: str, shelf: Shelf | None = None) -> FastAPI:
    """Return the application that serves `station`; `token` is what changes something."""
    app = _Described(
        title="Overflight ground station",
        version=__version__,
        description="Every message that crossed, committed, and at hand in every form.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.station = station
    app.state.shelf = shelf
    app.state.now_s = time.monotonic
    known_only = [Depends(refuse_unknown)]
    for router in (*ROUTERS, session_routes.router):
        app.include_router(router, prefix="/api/v1", dependencies=known_only)
    for router in ROUTERS:
        prefix = "/api/v1/sessions/{session}"
        app.include_router(router, prefix=prefix, include_in_schema=False, dependencies=known_only)
    app.include_router(metrics.router)
    app.add_exception_handler(ProblemError, _problem)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(StoreUnavailableError, _unavailable)
    app.mount("/", PageFiles(PAGE), name="page")
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)
    app.add_middleware(Negotiation)
    app.add_middleware(Access, token=token)
    app.add_middleware(SafeHeaders)
    return app


class _Described(FastAPI):
    """Has examples in its OpenAPI description."""

    def openapi(self) -> dict[str, Any]:
        """Return the description, made once."""
        if not self.openapi_schema:
            self.openapi_schema = with_examples(super().openapi())
        return self.openapi_schema


class SafeHeaders:
    """Adds the headers that keep the page from loading or leaking anything elsewhere."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_HEADERS]
            await send(message)

        await self._app(scope, receive, with_headers)


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, ProblemError)
    return error.response()


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong: list[dict[str, Any]] = [
        {"where": ".".join(map(str, item["loc"])), "what": item["msg"]} for item in error.errors()
    ]
    detail = "; ".join(f"{item['where']}: {item['what']}" for item in wrong)
    return problem(422, "The request does not fit", detail, errors=wrong)


async def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reply = problem(error.status_code, str(error.detail))
    reply.headers.update(error.headers or {})
    return reply


async def _unavailable(_request: Request, error: Exception) -> Response:
    return problem(503, "The store is not available", str(error))
