"""Sessions: upload, list, open for replay, play, pause, seek, speed, close.

While a session is open, ``/api/v1/sessions/{session}/…`` has the endpoints of the ground (payloads,
track, messages, stream and so on) with the session's data alone.
"""

from __future__ import annotations

import datetime as dt
import os
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.times import to_ns
from overflight_ground.http.live_routes import shelf_of
from overflight_ground.http.replies import Moment, ProblemError, plain_json
from overflight_ground.sessions.shelf import OpenSession, TooLargeError, state_json

router = APIRouter(prefix="/sessions", tags=["sessions"])
SessionId = Annotated[str, Path(pattern="^[0-9a-f]{12}$", examples=["3f9a0c51b2de"])]


@router.get("")
async def sessions(request: Request) -> Response:
    """List the sessions on the shelf."""
    shelf = shelf_of(request)
    listed = []
    for session_id, name in shelf.files().items():
        opened = shelf.open.get(session_id)
        closed = {"session": session_id, "name": name, "state": "closed"}
        listed.append(closed if opened is None else state_json(opened))
    return plain_json({"sessions": listed})


@router.post("", status_code=201)
async def upload(
    request: Request,
    name: Annotated[str, Query(max_length=200, examples=["flight.mcap"])] = "session.mcap",
    base64: Annotated[bool, Query(description="payloads of a CSV are in base64")] = False,
) -> Response:
    """Upload a session file as the body; it is opened for replay at once.

    A pcap or pcapng capture, an MCAP file of another program, or a CSV of mqtt-recorder (by its
    name) is made a session on arrival.
    """
    shelf = shelf_of(request)
    try:
        session_id = await shelf.add(name, request.stream(), base64=base64)
    except TooLargeError as error:
        raise ProblemError(413, "The session is too large", str(error)) from error
    except InputError as error:
        raise ProblemError(422, "This can't be made a session", str(error)) from error
    except (OSError, UnavailableError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise ProblemError(507, "The session can't be kept", why) from error
    try:
        opened = await shelf.open_session(session_id)
    except InputError as error:
        await shelf.close(session_id, remove=True)
        raise ProblemError(422, "This is no session file", str(error)) from error
    reply = plain_json(state_json(opened))
    reply.status_code = 201
    reply.headers["Location"] = f"/api/v1/sessions/{session_id}"
    return reply


@router.get("/{session}")
async def session_state(request: Request, session: SessionId) -> Response:
    """Return an open session: where its replay is, and how fast it goes."""
    return plain_json(state_json(_opened(request, session)))


@router.post("/{session}/open")
async def open_session(request: Request, session: SessionId) -> Response:
    """Open a session that is on the shelf."""
    try:
        opened = await shelf_of(request).open_session(session)
    except InputError as error:
        raise ProblemError(404, "No such session", str(error)) from error
    return plain_json(state_json(opened))


@router.post("/{session}/play")
async def play(request: Request, session: SessionId) -> Response:
    """Go on."""
    opened = _opened(request, session)
    opened.player.play(request.app.state.now_s())
    return plain_json(state_json(opened))


@router.post("/{session}/pause")
async def pause(request: Request, session: SessionId) -> Response:
    """Stop where it is."""
    opened = _opened(request, session)
    opened.player.pause(request.app.state.now_s())
    return plain_json(state_json(opened))


@router.post("/{session}/seek")
async def seek(
    request: Request,
    session: SessionId,
    to: Annotated[Moment, Query(description="time of crossing to go to")] = None,
) -> Response:
    """Go to a time; without one, to the beginning."""
    opened = _opened(request, session)
    at_ns = opened.player.start_ns if to is None else _ns(to)
    opened.player.seek(at_ns, request.app.state.now_s())
    return plain_json(state_json(opened))


@router.post("/{session}/speed")
async def speed(
    request: Request, session: SessionId, factor: Annotated[float, Query(ge=0.01, le=10_000)]
) -> Response:
    """Set the speed: 1 is as it was."""
    opened = _opened(request, session)
    opened.player.set_speed(factor, request.app.state.now_s())
    return plain_json(state_json(opened))


@router.delete("/{session}", status_code=204)
async def close(
    request: Request,
    session: SessionId,
    remove: Annotated[bool, Query(description="take the file off the shelf as well")] = False,
) -> Response:
    """Close a session."""
    if not await shelf_of(request).close(session, remove=remove):
        raise ProblemError(404, "No such session")
    return Response(status_code=204)


def _ns(moment: dt.datetime) -> int:
    return max(0, min(2**62, to_ns(moment)))


def _opened(request: Request, session: str) -> OpenSession:
    opened = shelf_of(request).open.get(session)
    if opened is None:
        raise ProblemError(404, "No such session is open", "upload it, or open it first")
    return opened
