"""The control port: what the relay does, for people and programs, over HTTP on loopback.

Reading is free to who reaches the port and is no page of somebody else's; whoever changes
something shows the token.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from importlib.metadata import version
from typing import Annotated, Any

import msgspec
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Query
from fastapi.responses import PlainTextResponse, StreamingResponse

from overflight_contract.commandline import HostPort
from overflight_contract.errors import InputError
from overflight_contract.filters import compile_filter
from overflight_contract.times import iso
from overflight_relay.access import Access, shows_token
from overflight_relay.hub import Hub
from overflight_relay.link.model import Profile
from overflight_relay.link.profiles import load_profile, named_profiles, profile_from
from overflight_relay.metrics import render
from overflight_relay.notable import MOST_KEPT
from overflight_relay.rules import all_rules
from overflight_relay.server import RelayServer

VERSION = version("overflight")
DEFAULT_CONTROL = HostPort("127.0.0.1", 18830)
_MOST_TAIL = 1000


def build_app(
    relay: RelayServer, hub: Hub, *, session: str, token: str, host: str = DEFAULT_CONTROL.host
) -> FastAPI:
    """Return the HTTP application of a relay; `host` is what its port was opened on."""
    app = FastAPI(
        title="Overflight relay",
        version=VERSION,
        description="What a provider in the path sees and does.",
        docs_url=None,
        redoc_url=None,
    )

    app.add_middleware(Access, token=token, host=host)

    def changes(authorization: Annotated[str, Header()] = "") -> None:
        if not shows_token({"authorization": authorization}, token):
            raise HTTPException(401, "changing something needs the relay's control token")

    _reading(app, relay, hub, session)
    _link(app, relay, changes)
    _tap(app, hub)
    return app


def status_of(relay: RelayServer, session: str) -> dict[str, Any]:
    """Return the numbers of a relay."""
    total = relay.total()
    up, down = total.up, total.down
    return {
        "connections": len(relay.crossings),
        "packets_up": up.packets,
        "packets_down": down.packets,
        "bytes_up": up.bytes,
        "bytes_down": down.bytes,
        "messages_crossed": up.messages,
        "messages_down": down.messages,
        "refused": up.refused + down.refused,
        "marked": up.marked + down.marked,
        "turned_away": relay.guard.turned_away,
        "policy": "enforce" if relay.enforce else "observe",
        "rules": relay.rules.name,
        "link": relay.link.profile.name,
        "seed": relay.link.seed,
        "session": session,
        "version": VERSION,
    }


def _reading(app: FastAPI, relay: RelayServer, hub: Hub, session: str) -> None:
    @app.get("/health")
    async def health() -> dict[str, str]:
        """Say that the relay serves."""
        return {"status": "ok" if relay.failure is None else "failed"}

    @app.get("/api/v1/status")
    async def status() -> dict[str, Any]:
        """Return the relay's numbers."""
        return status_of(relay, session)

    @app.get("/api/v1/connections")
    async def connections() -> dict[str, Any]:
        """Return the open connections."""
        return {"connections": list(_connections(relay))}

    @app.get("/api/v1/usage")
    async def usage() -> dict[str, Any]:
        """Return bytes, packets and messages by customer and direction."""
        return {"customers": msgspec.to_builtins(relay.usage())}

    @app.get("/api/v1/rules")
    async def rules() -> dict[str, Any]:
        """Return the rule set in force."""
        settings = relay.rules.describe()
        return {
            "name": relay.rules.name,
            "policy": "enforce" if relay.enforce else "observe",
            "max_packet": relay.rules.max_packet,
            "rules": [
                {"name": rule.name, "summary": rule.summary, "settings": settings[rule.name]}
                for rule in all_rules().values()
            ],
        }

    @app.get("/metrics", response_class=PlainTextResponse)
    async def metrics() -> PlainTextResponse:
        """Return the numbers for Prometheus."""
        return PlainTextResponse(render(relay, hub), media_type="text/plain; version=0.0.4")


def _connections(relay: RelayServer) -> Iterator[dict[str, Any]]:
    for number, crossing in relay.crossings.items():
        info = crossing.info
        yield {
            "connection": number,
            "client_id": crossing.talk.client_id,
            "opened_at": iso(info.at_ns),
            "peer": info.peer,
            "listener": info.listener,
            "upstream": crossing.upstream or info.upstream,
            "tls": info.tls,
            "sni": info.sni,
            "usage": msgspec.to_builtins(crossing.usage),
        }


def _link(app: FastAPI, relay: RelayServer, changes: Any) -> None:
    @app.get("/api/v1/link")
    async def get_link() -> dict[str, Any]:
        """Return the link in force, and what others there are."""
        return _described(relay)

    @app.put("/api/v1/link", dependencies=[Depends(changes)])
    async def put_link(change: dict[str, Any]) -> dict[str, Any]:
        """Put another link in force: a profile by name, with values of its own over it."""
        try:
            profile = changed(relay.link.profile, change)
        except InputError as error:
            raise HTTPException(422, str(error)) from error
        relay.link.set(profile)
        relay.note("link", profile=msgspec.json.encode(profile).decode())
        return _described(relay)


def _described(relay: RelayServer) -> dict[str, Any]:
    return {
        "link": msgspec.to_builtins(relay.link.profile),
        "seed": relay.link.seed,
        "profiles": sorted(named_profiles()),
    }


def changed(profile: Profile, change: dict[str, Any]) -> Profile:
    """Apply a change: ``profile`` names a base, ``both``, ``up`` and ``down`` replace values.

    Raises `InputError`.
    """
    unknown = set(change) - {"profile", "both", "up", "down", "outages", "name", "source"}
    if unknown:
        raise InputError(f"the link has no {sorted(unknown)[0]!r}")
    if "profile" in change:
        if change["profile"] not in named_profiles():
            raise InputError(f"no link profile is called {change['profile']!r}")
        profile = load_profile(change["profile"])
    table = msgspec.to_builtins(profile)
    for direction in ("up", "down"):
        for source in ("both", direction):
            values = change.get(source, {})
            if not isinstance(values, dict):
                raise InputError(f"{source!r} of a link is a table")
            table[direction] |= values
    if set(change) - {"profile"}:
        table["name"] = change.get("name", f"{profile.name.removesuffix(', changed')}, changed")
    table |= {key: change[key] for key in ("outages", "source") if key in change}
    return profile_from(table, "link")


def _tap(app: FastAPI, hub: Hub) -> None:
    @app.get("/api/v1/tap", response_class=StreamingResponse)
    async def tap(
        filter: Annotated[str, Query(description="as of overflight watch")] = "",  # noqa: A002
        tail: Annotated[int, Query(ge=0, le=_MOST_TAIL)] = 0,
        whole: Annotated[bool, Query(description="all bytes of each packet, not 4096")] = False,
        notable: Annotated[
            int, Query(ge=0, le=MOST_KEPT, description="earlier ones, refused or marked")
        ] = 0,
    ) -> StreamingResponse:
        """Stream the packets as they cross (server-sent events)."""
        try:
            wanted = compile_filter(filter) if filter.strip() else None
        except InputError as error:
            raise HTTPException(422, str(error)) from error
        watcher = hub.subscribe(wanted, tail, whole=whole, notable=notable)

        async def stream() -> AsyncIterator[bytes]:
            try:
                yield b"retry: 2000\n\n"
                async for name, data in watcher.events():
                    if name == "idle":
                        yield b": idle\n\n"
                    else:
                        yield b"event: %b\ndata: %b\n\n" % (name.encode(), data)
            finally:
                hub.unsubscribe(watcher)

        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(stream(), media_type="text/event-stream", headers=headers)


class ControlServer(uvicorn.Server):
    """uvicorn in the relay's own loop; signals stay the relay's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


def control_server(app: FastAPI) -> ControlServer:
    """Return a server for `app`, to be given its socket."""
    config = uvicorn.Config(
        app, log_level="critical", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    return ControlServer(config)


async def started(server: ControlServer, task: asyncio.Task[None]) -> None:
    """Wait until the server answers."""
    while not server.started and not task.done():  # noqa: ASYNC110 - uvicorn has no event
        await asyncio.sleep(0.005)
