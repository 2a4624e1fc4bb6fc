"""Who may do what: anyone reads on loopback; all else needs the token.

"On loopback" means that the connection comes from this machine, that the request names this
machine as its host (else a page elsewhere could read through a name that it points here), and that
no proxy says that it passes on somebody else's request.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from overflight_contract.addresses import is_loopback, is_origin, named_host
from overflight_contract.errors import InputError
from overflight_ground.http.replies import problem

COOKIE: Final = "overflight_token"
_SAFE: Final = ("GET", "HEAD", "OPTIONS")
_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


class Access:
    """Lets requests through or answers 401 and 403."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._answer(scope)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [""])[0]
        if given and scope["method"] == "GET" and scope["path"] == "/" and self._is(given):
            return self._remember()
        reading = scope["method"] in _SAFE
        local = is_local(scope, headers)
        if reading and local:
            return None
        if self._is(bearer(headers)):
            return None
        if self._is(cookie(headers)):
            if reading or same_origin(headers):
                return None
            return problem(403, "Not from this page", "the request comes from another site")
        if scope["path"].startswith("/api/") or not reading:
            reply = problem(401, "A token is needed", "send it as 'Authorization: Bearer TOKEN'")
            reply.headers["WWW-Authenticate"] = "Bearer"
            return reply
        text = "This ground station wants its token: open /?token=TOKEN\n"
        return PlainTextResponse(text, 401, {"WWW-Authenticate": "Bearer"})

    def _is(self, given: str | None) -> bool:
        return given is not None and hmac.compare_digest(given.encode(), self._token.encode())

    def _remember(self) -> Response:
        reply = RedirectResponse("./", 303)
        reply.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", path="/")
        return reply


def is_local(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Tell whether a request comes from this machine and means this machine."""
    client = scope.get("client")
    if client is None or any(name in headers for name in _FORWARDED):
        return False
    host = named_host(headers.get("host", ""))
    return (
        is_loopback(client[0]) and host is not None and (host == "localhost" or is_loopback(host))
    )


def bearer(headers: Mapping[str, str]) -> str | None:
    """Return the token of an ``Authorization: Bearer`` header."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def cookie(headers: Mapping[str, str]) -> str | None:
    """Return the token of the cookie."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return None if found is None else found.value


def same_origin(headers: Mapping[str, str]) -> bool:
    """Tell whether a request that changes something comes from the ground's own page."""
    origin = headers.get("origin")
    if origin is None:
        return headers.get("sec-fetch-site") in ("same-origin", "none")
    return is_origin(origin, headers.get("host", ""))


def keep_token(file: Path) -> str:
    """Return the token in `file`, made up and written (for its owner only) where there is none."""
    try:
        known = file.read_text("ascii").strip()
    except FileNotFoundError:
        known = ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"can't read the token in {file}") from error
    if known:
        return known
    token = secrets.token_urlsafe(18)
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as out:
        out.write(token + "\n")
    return token
