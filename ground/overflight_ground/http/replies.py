"""Replies of the API: JSON with an ETag, problems (RFC 9457), cursors, times in and out."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import Query, Request, Response
from pydantic import AfterValidator

from overflight_contract.identity import FLIGHT_PATTERN
from overflight_ground.http.negotiation import is_known

T = TypeVar("T")


class _Place(msgspec.Struct, array_like=True):
    flight: Annotated[str, msgspec.Meta(pattern=FLIGHT_PATTERN)]
    measured_at_ns: Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
    seq: Annotated[int, msgspec.Meta(ge=0, le=2**62)]


_decode_place = msgspec.json.Decoder(_Place)
_encode = msgspec.json.Encoder().encode


class ProblemError(Exception):
    """An error that the caller is told as ``application/problem+json``."""

    def __init__(self, status: int, title: str, detail: str = "", **extra: Any) -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.detail = detail
        self.extra = extra

    def response(self) -> Response:
        """Return the reply."""
        return problem(self.status, self.title, self.detail, **self.extra)


def problem(status: int, title: str, detail: str = "", **extra: Any) -> Response:
    """Return a problem reply (RFC 9457)."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, **extra}
    return Response(_encode(body), status, media_type="application/problem+json")


def json_reply(request: Request, body: Any, *, cache: str = "no-cache") -> Response:
    """Return `body` as JSON with an ETag; 304 where the caller has it already."""
    return etag_reply(request, _encode(body), "application/json", cache=cache)


def page_of(rows: Sequence[T], limit: int) -> tuple[Sequence[T], bool]:
    """Return the rows of a page, and whether more were found than it holds."""
    return rows[:limit], len(rows) > limit


def etag_reply(
    request: Request, content: bytes, media_type: str, *, cache: str = "no-cache", **headers: str
) -> Response:
    """Return `content` with an ETag; 304 where the caller has it already.

    The tag is weak: compressed or not, it is the same.
    """
    tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": cache, **headers}
    if is_known(request.headers.get("if-none-match", ""), tag):
        return Response(status_code=304, headers={**headers, "Vary": "Accept-Encoding"})
    return Response(content, media_type=media_type, headers=headers)


def plain_json(body: Any) -> Response:
    """Return `body` as JSON that changes all the time."""
    return Response(
        _encode(body), media_type="application/json", headers={"Cache-Control": "no-store"}
    )


def cursor_of(row_id: int) -> str:
    """Return an opaque cursor that goes on after `row_id`."""
    return base64.urlsafe_b64encode(b"%d" % row_id).decode().rstrip("=")


def parse_cursor(text: str | None) -> int | None:
    """Read a cursor; 400 where it is none of ours."""
    if text is None:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        value = int(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, UnicodeEncodeError) as error:
        raise ProblemError(400, "Not a cursor", "use the cursor of the page before") from error
    if not 0 <= value < 2**63:
        raise ProblemError(400, "Not a cursor", "use the cursor of the page before")
    return value


def place_cursor(place: tuple[str, int, int]) -> str:
    """Return an opaque cursor of where a page of a payload's messages ended."""
    return base64.urlsafe_b64encode(_encode(place)).decode().rstrip("=")


def parse_place(text: str | None) -> tuple[str, int, int] | None:
    """Read a cursor of `place_cursor`; 400 where it is none."""
    if text is None:
        return None
    try:
        padded = text.encode("ascii") + b"=" * (-len(text) % 4)
        place = _decode_place.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, UnicodeError, msgspec.MsgspecError) as error:
        raise ProblemError(400, "Not a cursor", "use the cursor of the page before") from error
    return place.flight, place.measured_at_ns, place.seq


def _utc(moment: dt.datetime) -> dt.datetime:
    utc = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    try:
        return utc.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError("is out of range") from error


Moment = Annotated[
    dt.datetime | None,
    AfterValidator(lambda moment: None if moment is None else _utc(moment)),
    Query(examples=["2023-02-01T12:00:00Z"]),
]
