"""From a typed packet to its canonical bytes.

Canonical: lengths as short as they go, acknowledgements in their shortest form, properties in
ascending order of their identifiers unless `Properties.order` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from overflight_contract.mqtt import packets as p
from overflight_contract.mqtt import wire
from overflight_contract.mqtt.connect_packet import (
    CLEAN_START,
    PASSWORD_FLAG,
    USERNAME_FLAG,
    WILL_FLAG,
    WILL_RETAIN,
)
from overflight_contract.mqtt.decoding import decode
from overflight_contract.mqtt.errors import LocalProtocolError, RemoteProtocolError
from overflight_contract.mqtt.properties import Properties, write_properties
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.vocabulary import FIXED_FLAGS, Version

_DUP: Final = 8


def encode(packet: p.Packet, version: Version) -> bytes:
    """Return the bytes of `packet` in `version`; of a CONNECT, its own version is what counts.

    The result is checked as a received packet would be. Raises `LocalProtocolError`.
    """
    if isinstance(packet, p.Connect):
        version = packet.version
    try:
        body = b"".join(_body(packet, version))
        written = bytes((_first_byte(packet),)) + wire.varint(len(body)) + body
    except (ValueError, OverflowError) as error:
        detail = f"{packet.type.name} can't be written: {error}"
        raise LocalProtocolError(Rule.FIELD, version, detail) from error
    try:
        back = decode(written, version)
    except RemoteProtocolError as error:
        raise LocalProtocolError(error.rule, version, error.detail) from error
    if back != packet and _plain(back) != _plain(packet):
        detail = f"{packet.type.name} has fields that version {version.label} can't carry"
        raise LocalProtocolError(Rule.FIELD, version, detail)
    return written


def encode_publish(
    topic: bytes, payload: bytes, *, qos: int, packet_id: int | None, version: int
) -> bytes:
    """Write a PUBLISH without properties, retain or dup, unchecked: the fast path of senders."""
    middle = topic if packet_id is None else topic + packet_id.to_bytes(2)
    if version == Version.V5:
        middle += b"\0"
    length = wire.varint(2 + len(middle) + len(payload))
    return b"".join((bytes((0x30 | qos << 1,)), length, len(topic).to_bytes(2), middle, payload))


def _plain(packet: p.Packet) -> p.Packet:
    """Return `packet` with properties in the form in which they are decoded."""
    changes: dict[str, object] = {}
    properties = getattr(packet, "properties", None)
    if properties is not None:
        changes["properties"] = _plain_properties(properties)
    if isinstance(packet, p.Connect) and packet.will and packet.will.properties is not None:
        will = _plain_properties(packet.will.properties)
        changes["will"] = msgspec.structs.replace(packet.will, properties=will)
    return msgspec.structs.replace(packet, **changes) if changes else packet


def _plain_properties(properties: Properties) -> Properties | None:
    """Return none for empty ones, and no order where it is the ascending one."""
    if properties.order == tuple(sorted(properties.order)):
        properties = msgspec.structs.replace(properties, order=())
    return None if properties == Properties() else properties


def _first_byte(packet: p.Packet) -> int:
    flags = FIXED_FLAGS.get(packet.type, 0)
    if isinstance(packet, p.Publish):
        flags = packet.qos << 1 | packet.retain
    return packet.type << 4 | flags | _DUP * getattr(packet, "dup", False)


def _body(packet: p.Packet, version: Version) -> Iterable[bytes]:
    five = version is Version.V5
    match packet:
        case p.Connect():
            return _connect(packet)
        case p.ConnAck():
            return _connack(packet, five=five)
        case p.Publish():
            return _publish(packet, five=five)
        case p.PubAck() | p.PubRec() | p.PubRel() | p.PubComp():
            return _ack(packet, five=five)
        case p.Subscribe():
            options = (_subscription(each) for each in packet.subscriptions)
            return _numbered(packet.packet_id, packet.properties, b"".join(options), five=five)
        case p.SubAck():
            codes = bytes(packet.reason_codes)
            return _numbered(packet.packet_id, packet.properties, codes, five=five)
        case p.Unsubscribe():
            filters = b"".join(wire.text(each) for each in packet.topic_filters)
            return _numbered(packet.packet_id, packet.properties, filters, five=five)
        case p.UnsubAck():
            codes = bytes(packet.reason_codes)
            return _numbered(packet.packet_id, packet.properties, codes, five=five)
        case p.Disconnect() | p.Auth():
            return _short_form(packet.reason_code, packet.properties)
        case p.PingReq() | p.PingResp():
            return ()


def _connect(packet: p.Connect) -> Iterable[bytes]:
    will, five = packet.will, packet.version is Version.V5
    flags = CLEAN_START * packet.clean_start
    if will is not None:
        flags |= WILL_FLAG | will.qos << 3 | WILL_RETAIN * will.retain
    flags |= USERNAME_FLAG * (packet.username is not None)
    flags |= PASSWORD_FLAG * (packet.password is not None)
    yield wire.text(packet.protocol_name) + bytes((packet.version, flags))
    yield packet.keep_alive.to_bytes(2)
    if five:
        yield write_properties(packet.properties)
    yield wire.text(packet.client_id)
    if will is not None:
        if five:
            yield write_properties(will.properties)
        yield wire.text(will.topic) + wire.binary(will.payload)
    if packet.username is not None:
        yield wire.text(packet.username)
    if packet.password is not None:
        yield wire.binary(packet.password)


def _connack(packet: p.ConnAck, *, five: bool) -> Iterable[bytes]:
    yield bytes((packet.session_present, packet.reason_code))
    if five and (packet.properties is not None or packet.reason_code != 1):
        yield write_properties(packet.properties)


def _publish(packet: p.Publish, *, five: bool) -> Iterable[bytes]:
    if not 0 <= packet.qos <= 2 or (packet.packet_id is None) != (packet.qos == 0):
        raise ValueError("a packet id goes with QoS 1 and 2, and only with them")
    yield wire.text(packet.topic)
    if packet.packet_id is not None:
        yield packet.packet_id.to_bytes(2)
    if five:
        yield write_properties(packet.properties)
    yield packet.payload


def _ack(packet: p.Acknowledgement, *, five: bool) -> Iterable[bytes]:
    yield packet.packet_id.to_bytes(2)
    if five:
        yield from _short_form(packet.reason_code, packet.properties)


def _short_form(reason_code: int, properties: Properties | None) -> Iterable[bytes]:
    if reason_code or properties is not None:
        yield bytes((reason_code,))
    if properties is not None:
        yield write_properties(properties)


def _numbered(
    packet_id: int, properties: Properties | None, rest: bytes, *, five: bool
) -> Iterable[bytes]:
    yield packet_id.to_bytes(2)
    if five:
        yield write_properties(properties)
    yield rest


def _subscription(wanted: p.Subscription) -> bytes:
    options = (
        wanted.qos
        | wanted.no_local << 2
        | wanted.retain_as_published << 3
        | wanted.retain_handling << 4
    )
    return wire.text(wanted.topic_filter) + bytes((options,))
