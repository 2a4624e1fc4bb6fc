"""Where packets to look at come from: a relay that runs, or a session file."""

from __future__ import annotations

import http.client
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from overflight_contract.dissect import DIRECTIONS, VERDICTS, Dissector, PacketView
from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.mqtt import Connect, LocalProtocolError, Version, encode
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Item,
    SessionPacket,
    Verdict,
    open_session,
)

Predicate = Callable[[PacketView], bool]

_TIMEOUT_S = 40.0
_RETRY_S = 1.0


class Batch(NamedTuple):
    """Packets in the order in which they crossed, and how many were missed before them."""

    views: list[PacketView]
    missed: int = 0
    items: tuple[Item, ...] = ()
    """What the session holds of them, for saving."""
    note: str = ""
    """What happened to the source, for the person who watches."""


# -- a relay that runs ------------------------------------------------------------------------


class Rebuilder:
    """Turns what the tap sends back into views, by connection."""

    def __init__(self) -> None:
        self._dissector = Dissector()
        self._versions: dict[int, str | None] = {}

    def view(self, told: dict[str, Any]) -> tuple[PacketView, SessionPacket]:
        """Return the view of one packet as JSON, and the packet."""
        packet = SessionPacket(
            told["at_ns"],
            told["connection"],
            Direction(DIRECTIONS.index(told["direction"])),
            Verdict(VERDICTS.index(told["verdict"])),
            told["reason"],
            bytes.fromhex(told["hex"]),
            told.get("part", 0),
            told["sequence"],
        )
        self._prime(told)
        view = self._dissector.view(packet)
        view.client_id, view.payload, view.topic = told["client_id"], told["payload"], told["topic"]
        view.type, view.size = told["type"], told["size"]
        view.packet_id, view.qos = told["packet_id"], told["qos"]
        view.summary = told["summary"]
        return view, packet

    def _prime(self, told: dict[str, Any]) -> None:
        """Let the dissector know what the CONNECT said, which may be long gone."""
        number, label = told["connection"], told.get("version")
        if number in self._versions and self._versions[number] == label:
            return
        self._versions[number] = label
        self._dissector.opened(number, opaque=told["type"] == "opaque")
        version = next((entry for entry in Version if entry.label == label), None)
        if version is None:
            return
        name = "MQIsdp" if version is Version.V31 else "MQTT"
        try:
            connect = Connect(
                client_id=told["client_id"] or "-", version=version, protocol_name=name
            )
            data = encode(connect, version)
        except LocalProtocolError:
            return
        self._dissector.view(SessionPacket(0, number, Direction.UP, Verdict.OK, "", data))


def live(
    url: str,
    text: str,
    tail: int,
    *,
    notable: int = 0,
    retry: bool = True,
    patient: bool = False,
) -> Iterator[Batch]:
    """Yield what the relay with control port `url` sees, for ever.

    It begins with the last `tail` packets, and with `notable` earlier ones that were refused or
    marked. Raises `UnavailableError` where no relay answers at first (`patient` waits for one),
    `InputError` where it refuses the filter `text` or `url` is none. With `retry` a relay that
    goes away is waited for.
    """
    query = {"filter": text, "tail": str(tail), "notable": str(notable), "whole": "true"}
    rebuilder, connected, gone = Rebuilder(), False, False
    while True:
        try:
            for batch in _stream(url, query, rebuilder):
                if gone:
                    yield Batch([], note="the relay is back")
                connected, gone = True, False
                yield batch
        except (OSError, http.client.HTTPException) as error:
            if not connected and not patient:
                raise UnavailableError(
                    f"no relay answers at {url}: {error}; "
                    "is this the control port of one that runs?"
                ) from error
        if not retry:
            return
        if not gone:
            query |= {"tail": "0", "notable": "0"} if connected else {}
            which = "the relay is gone" if connected else f"no relay answers at {url}"
            yield Batch([], note=f"{which}; waiting for it")
        gone = True
        time.sleep(_RETRY_S)


def _stream(url: str, query: dict[str, str], rebuilder: Rebuilder) -> Iterator[Batch]:
    connection = _connection(url)
    try:
        connection.request("GET", f"/api/v1/tap?{urllib.parse.urlencode(query)}")
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise InputError(f"the relay refuses: {_detail(response.read())}")
        yield Batch([])
        event = ""
        while line := response.readline():
            key, _, value = line.decode("utf-8").rstrip("\n").partition(": ")
            if key == "event":
                event = value
            elif key == "data" and event == "missed":
                yield Batch([], missed=int(json.loads(value)["missed"]))
            elif key == "data" and event == "packets":
                pairs = [rebuilder.view(told) for told in json.loads(value)]
                yield Batch([view for view, _ in pairs], 0, tuple(item for _, item in pairs))
    finally:
        connection.close()


def _connection(url: str) -> http.client.HTTPConnection:
    try:
        parts = urllib.parse.urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise InputError(f"{url!r} is no address of a relay; as in http://127.0.0.1:18830")
    if parts.scheme == "https":
        return http.client.HTTPSConnection(host, port or 443, timeout=_TIMEOUT_S)
    return http.client.HTTPConnection(host, port or 80, timeout=_TIMEOUT_S)


def _detail(body: bytes) -> str:
    try:
        return str(json.loads(body)["detail"])
    except (ValueError, KeyError, TypeError):
        return body.decode("utf-8", "replace")[:200]


# -- a session file ---------------------------------------------------------------------------

_BATCH = 500


def from_file(path: Path, wanted: Predicate | None, *, follow: bool) -> Iterator[Batch]:
    """Yield what a session file holds; with `follow` also what is added to it, for ever.

    The items of a batch also have the CONNECT of each connection that a chosen packet is of, since
    without it a reader could not tell the version.
    """
    dissector = Dissector()
    views: list[PacketView] = []
    items: list[Item] = []
    unnamed: dict[int, SessionPacket] = {}  # CONNECTs that were not chosen themselves
    with open_session(path, follow=follow) as session:
        for item in session:
            if isinstance(item, SessionPacket):
                view = dissector.view(item)
                if wanted is None or wanted(view):
                    connect = unnamed.pop(item.connection, None)
                    items.extend((item,) if connect is None else (connect, item))
                    views.append(view)
                elif view.type == "connect":
                    unnamed[item.connection] = item
            else:
                items.append(item)
                if isinstance(item, ConnectionOpened):
                    dissector.opened(item.connection, opaque=item.tls == "passthrough")
                elif isinstance(item, ConnectionClosed):
                    dissector.closed(item.connection)
            if len(views) >= _BATCH or (follow and views):
                yield Batch(views, 0, tuple(items))
                views, items = [], []
    yield Batch(views, 0, tuple(items))
