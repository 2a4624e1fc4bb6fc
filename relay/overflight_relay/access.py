"""Who may speak to the control port: no web page of somebody else's.

A page elsewhere can let a name of its own point at this machine (DNS rebinding), and ask in its
visitor's browser. Its requests name that host, or that origin; they are refused before they are
read. Who shows the token is no such page.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from overflight_contract.addresses import ip_address, is_loopback, is_origin, named_host


class Access:
    """Lets requests through, or answers 403."""

    def __init__(self, app: ASGIApp, *, token: str, host: str) -> None:
        """`host` is what the port was opened on, as configured."""
        self._app = app
        self._token = token
        self._host = host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await refusal(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if shows_token(headers, self._token):
            return None
        host = headers.get("host", "")
        if not names_relay(host, self._host):
            detail = f"the host {host[:80]!r} is not this relay; ask by its address, as 127.0.0.1"
            return JSONResponse({"detail": detail}, 403)
        origin = headers.get("origin")
        if origin is not None and not is_origin(origin, host):
            detail = f"a page of {origin[:80]!r} may not ask the relay"
            return JSONResponse({"detail": detail}, 403)
        return None


def shows_token(headers: Mapping[str, str], token: str) -> bool:
    """Tell whether a request carries the control token."""
    given = headers.get("authorization", "")
    return hmac.compare_digest(given.encode(), f"Bearer {token}".encode())


def names_relay(host: str, configured: str) -> bool:
    """Tell whether the ``Host`` of a request is a relay whose control port is at `configured`.

    On loopback that is a loopback address, ``localhost`` or `configured` itself. A port that was
    opened to a network is also asked by other addresses, and by names without a dot, which no
    stranger can own.
    """
    name = named_host(host)
    if name is None:
        return False
    if name in ("localhost", configured.lower()):
        return True
    if is_loopback(configured) or configured.lower() == "localhost":
        return is_loopback(name)
    return ip_address(name) is not None or "." not in name
