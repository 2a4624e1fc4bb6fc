"""The form of an answer: HEAD or GET, compressed or not, sent again or known already."""

from __future__ import annotations

import re
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEAD: Final = "overflight.head"
"""Set in the scope of a GET that was a HEAD."""
_API: Final = ("/api/", "/metrics")
_ENCODING: Final = b"accept-encoding"


class Negotiation:
    """Says plainly to what is within what the caller takes.

    HEAD of the API comes to be GET, and the body is left out. ``Accept-Encoding`` comes to be
    ``gzip`` or nothing.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = [pair for pair in scope["headers"] if pair[0] != _ENCODING]
        if takes_gzip(", ".join(Headers(scope=scope).getlist("accept-encoding"))):
            headers.append((_ENCODING, b"gzip"))
        asked = {**scope, "headers": headers}
        if scope["method"] != "HEAD" or not scope["path"].startswith(_API):
            await self._app(asked, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self._app({**asked, "method": "GET", HEAD: True}, receive, without_body)


def takes_gzip(accept: str) -> bool:
    """Tell whether an ``Accept-Encoding`` header lets an answer be in gzip (RFC 9110 §12.5.3)."""
    weights = {}
    for part in accept.lower().split(","):
        coding, _, weight = part.partition(";")
        weights[coding.strip()] = weight.strip()
    weight = weights.get("gzip", weights.get("*", "q=0"))
    return re.fullmatch(r"q\s*=\s*0(\.0*)?", weight) is None


def is_known(if_none_match: str, tag: str) -> bool:
    """Tell whether the caller has the version `tag`: the weak comparison of RFC 9110 §13.1.2."""
    if if_none_match.strip() == "*":
        return True
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return tag.removeprefix("W/") in known
