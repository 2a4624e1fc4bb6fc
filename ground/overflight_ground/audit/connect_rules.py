"""CONNECT and SUBSCRIBE: what a payload may say of itself and ask for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from overflight_contract.identity import is_payload
from overflight_contract.topics import Kind, topic_for
from overflight_ground.audit import walk
from overflight_ground.audit.judging import common, explained, fixed, text, unexplained
from overflight_ground.audit.sessions import Client, Link
from overflight_ground.audit.tally import Judged
from overflight_ground.audit.traffic import Crossing, Packet
from overflight_ground.audit.walk import Field

if TYPE_CHECKING:
    from overflight_ground.audit.explain import Explainer

NAME_BITS: Final = 16 * math.log2(37) + 4
"""A name of 1 to 16 characters out of 37, where nothing says which names are in use."""
_CONFIGURED: Final = frozenset(
    walk.PROPERTY_PREFIX + name
    for name in (
        "session_expiry_interval",
        "receive_maximum",
        "maximum_packet_size",
        "topic_alias_maximum",
        "request_problem_information",
        "request_response_information",
    )
)
_PROTOCOLS: Final = {3: b"MQIsdp", 4: b"MQTT", 5: b"MQTT"}


def connect(state: Explainer, link: Link, data: bytes, packet: Packet) -> list[Judged]:
    """Judge a CONNECT; takes in who the client says it is."""
    version = walk.connect_version(data)
    if version is None:
        field = Field("whole packet", 0, len(data))
        return unexplained(field, "names no version of MQTT that is known")
    link.version = version
    fields = walk.walk(data, version)
    _identify(state, link, data, fields)
    if packet.crossed:
        link.connected = True
        link.client.connections += 1
        link.ids = link.client.ids = link.client.ids.reconnected()
    judged: list[Judged] = []
    seen: set[str] = set()
    for field in fields:
        if field.name in _CONFIGURED and field.name in seen:
            judged += unexplained(field, "comes twice")
        elif field.name == walk.PROPERTY_PREFIX + "length":
            judged += fixed(field, _properties_bits(fields))
        else:
            judged += _connect_field(state, link, data, packet, field)
        seen.add(field.name)
    return judged


def _properties_bits(fields: list[Field]) -> float:
    """Which of the properties are there, and in which order."""
    there = len({field.name for field in fields} & _CONFIGURED)
    return len(_CONFIGURED) + math.log2(math.factorial(there))


def _identify(state: Explainer, link: Link, data: bytes, fields: list[Field]) -> None:
    by_name = {field.name: field for field in fields}
    if (keep := by_name.get("keep alive")) is not None:
        link.keep_alive_s = int.from_bytes(data[keep.start : keep.end], "big")
    if (field := by_name.get("client id")) is None:
        return
    link.client_id = data[field.start + 2 : field.end].decode("utf-8", "replace")
    accepted = state.payloads
    known = accepted is None or link.client_id in accepted | state.others
    if known and is_payload(link.client_id):
        link.payload = link.client_id
    link.client = state.clients.setdefault(link.client_id, Client())


def _connect_field(
    state: Explainer, link: Link, data: bytes, packet: Packet, field: Field
) -> list[Judged]:
    name, value = field.name, data[field.start : field.end]
    if (judged := common(field)) is not None:
        return judged
    if name == walk.HEADER:
        return fixed(field) if value == b"\x10" else unexplained(field, "reserved flags are set")
    if name == "protocol name":
        known = value[2:] == _PROTOCOLS[link.version]
        return fixed(field) if known else unexplained(field, "is no protocol name of MQTT")
    if name == "protocol level":
        bridge = value[0] & 0x80
        return unexplained(field, "the bridge bit") if bridge else fixed(field, math.log2(3))
    if name == "connect flags":
        return _flags(field, value[0])
    if name == "keep alive":
        return _keep_alive(link, packet, field, value)
    if name == "client id":
        return _client_id(state, link, field, value)
    if name in _CONFIGURED:
        return _property(link, packet, field, value)
    if name in ("user name", "password"):
        return _credential(state, link, packet, field, value)
    return unexplained(field, f"a payload sends no {name.removeprefix(walk.PROPERTY_PREFIX)}")


def _keep_alive(link: Link, packet: Packet, field: Field, value: bytes) -> list[Judged]:
    known = link.client.keep_alive
    if known is None:
        if packet.crossed:
            link.client.keep_alive = value
        return explained(field, 16.0)
    if known == value:
        return explained(field)
    return unexplained(field, "differs from the payload's first CONNECT")


def _flags(field: Field, flags: int) -> list[Judged]:
    if flags & 0x01:
        return unexplained(field, "the reserved flag is set")
    if flags & 0x3C:
        return unexplained(field, "flags of a will; a payload has none")
    return explained(field, 3.0)


def _client_id(state: Explainer, link: Link, field: Field, value: bytes) -> list[Judged]:
    if link.payload is None:
        shown = value[2:66].decode("utf-8", "replace")
        return unexplained(field, f"{shown!r} is no payload of this audit")
    names = state.payloads
    return text(field, NAME_BITS if names is None else math.log2(max(1, len(names))))


def _property(link: Link, packet: Packet, field: Field, value: bytes) -> list[Judged]:
    known = link.client.properties.get(field.name)
    if known is None:
        if packet.crossed:
            link.client.properties[field.name] = value
        return explained(field, 8.0 * (len(value) - 1))
    if known == value:
        return explained(field)
    return unexplained(field, "differs from the payload's first CONNECT")


def _credential(
    state: Explainer, link: Link, packet: Packet, field: Field, value: bytes
) -> list[Judged]:
    own = link.payload.encode() if link.payload is not None else None
    if field.name == "user name" and value[2:] == own:
        return text(field)
    matched = packet.file in state.checked_files and packet.crossing is Crossing.CROSSED
    if matched and own is not None:
        return text(field)
    return unexplained(field, "the relay does not say that this is the configured one")


def subscribe(_state: Explainer, link: Link, data: bytes, _packet: Packet) -> list[Judged]:
    """Judge a SUBSCRIBE: once a connection, and for the payload's own receipts."""
    fields = walk.walk(data, link.version)
    if link.subscriptions_left <= 0:
        return unexplained(Field("whole packet", 0, len(data)), "subscribes again")
    link.subscriptions_left -= 1
    judged: list[Judged] = []
    filters = 0
    fits = False
    own = topic_for(link.payload, Kind.RECEIPT).encode() if link.payload else b""
    for field in fields:
        value = data[field.start : field.end]
        if field.name == "topic filter":
            filters += 1
            fits = filters == 1 and bool(own) and value[2:] == own
        judged += _subscribe_field(link, field, value, fits=fits)
    return judged


def _subscribe_field(link: Link, field: Field, value: bytes, *, fits: bool) -> list[Judged]:
    if (judged := common(field)) is not None:
        return judged
    if field.name == walk.HEADER:
        return fixed(field) if value == b"\x82" else unexplained(field, "reserved flags are set")
    if field.name == "packet id":
        return packet_id(link, field, value, None)
    if field.name == "topic filter":
        why = "is not the filter of the payload's own receipts"
        return text(field) if fits else unexplained(field, why)
    if field.name == "subscription options" and fits and value[0] <= 2:
        return explained(field, math.log2(3))
    return unexplained(field, "a payload asks for no such thing")


def packet_id(link: Link, field: Field, value: bytes, sent: bytes | None) -> list[Judged]:
    """Judge the packet id of something that the client sends of its own accord."""
    number = int.from_bytes(value, "big")
    fits, bits = link.ids.accepts(number)
    if not fits:
        return unexplained(field, f"{number} does not follow the ids before it")
    link.ids.take(number, sent)
    return explained(field, bits)
