"""The fields that a filter can name: one table, for compiling, completion and docs."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, NamedTuple

from overflight_contract.dissect import DIRECTIONS, TYPES, VERDICTS, PacketView
from overflight_contract.messages import Fix, Navigation, Phase, Position
from overflight_contract.topics import Kind

Value = str | int | float | bool


class Shape(enum.Enum):
    """What a field holds, and so what it can be compared with."""

    WORD = "one of a few words"
    TEXT = "text"
    NUMBER = "number"
    SIZE = "bytes, as 512, 64k, 1.5M"
    TIME = "time, as 2023-02-01T12:00:00Z"
    FLAG = "true or false"


class FilterField(NamedTuple):
    """One row: what it is called, what it holds, how it is had."""

    shape: Shape
    description: str
    get: Callable[[PacketView], Value | None]
    words: tuple[str, ...] = ()


def _of_message(name: str) -> Callable[[PacketView], Value | None]:
    def get(view: PacketView) -> Value | None:
        value: Value | None = getattr(view.message, name, None)
        return value

    return get


def _kind(view: PacketView) -> Value | None:
    message = view.message
    if message is None:
        return None
    if isinstance(message, Position):
        return Kind.POSITION
    return Kind.NAVIGATION if isinstance(message, Navigation) else Kind.RECEIPT


def _kinds_version(view: PacketView) -> Value | None:
    return None if view.version is None else view.version.label


_W, _T, _N = Shape.WORD, Shape.TEXT, Shape.NUMBER
FIELDS: Final[dict[str, FilterField]] = {
    "time": FilterField(Shape.TIME, "when it crossed, UTC", lambda v: v.at_ns),
    "direction": FilterField(
        _W, "up is from the client, down is to it", lambda v: v.direction, DIRECTIONS
    ),
    "connection": FilterField(_N, "number of the connection", lambda v: v.connection),
    "client_id": FilterField(_T, "client id of the connection", lambda v: v.client_id),
    "payload": FilterField(
        _T, "name of the payload, by topic, else by connection", lambda v: v.payload
    ),
    "version": FilterField(_W, "MQTT version", _kinds_version, ("3.1", "3.1.1", "5")),
    "type": FilterField(
        _W, "type of packet; opaque is TLS unread", lambda v: v.type, (*TYPES, "opaque")
    ),
    "qos": FilterField(_N, "quality of service of a publish", lambda v: v.qos),
    "dup": FilterField(Shape.FLAG, "a publish sent again", lambda v: v.dup),
    "retain": FilterField(Shape.FLAG, "a retained publish", lambda v: v.retain),
    "packet_id": FilterField(_N, "packet identifier", lambda v: v.packet_id),
    "size": FilterField(Shape.SIZE, "size of the packet, all of it", lambda v: v.size),
    "topic": FilterField(_T, "topic of a publish, aliases resolved", lambda v: v.topic),
    "verdict": FilterField(_W, "what the relay decided", lambda v: v.verdict, VERDICTS),
    "reason": FilterField(_T, "why it was refused or marked", lambda v: v.reason),
    "summary": FilterField(_T, "the line that the packet is shown as", lambda v: v.summary),
    "malformed": FilterField(Shape.FLAG, "breaks the standard", lambda v: bool(v.malformed)),
    "sequence": FilterField(_N, "number of the packet in its session", lambda v: v.sequence),
    "kind": FilterField(_W, "kind of a message of the contract", _kind, tuple(map(str, Kind))),
    "flight": FilterField(_T, "flight id of a message", _of_message("flight")),
    "seq": FilterField(_N, "seq of a message", _of_message("seq")),
    "lat_deg": FilterField(_N, "latitude of a position", _of_message("lat_deg")),
    "lon_deg": FilterField(_N, "longitude of a position", _of_message("lon_deg")),
    "alt_msl_m": FilterField(_N, "altitude of a position, metres", _of_message("alt_msl_m")),
    "fix": FilterField(_W, "fix of a position", _of_message("fix"), tuple(map(str, Fix))),
    "sats": FilterField(_N, "satellites of a position", _of_message("sats")),
    "speed_mps": FilterField(_N, "speed over ground, m/s", _of_message("speed_mps")),
    "climb_mps": FilterField(_N, "climb, m/s", _of_message("climb_mps")),
    "phase": FilterField(_W, "phase of the flight", _of_message("phase"), tuple(map(str, Phase))),
}
"""Every field, in the order in which people are shown them."""
