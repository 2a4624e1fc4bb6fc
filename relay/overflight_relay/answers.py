"""How the relay answers a packet that it refuses, in each version and QoS.

A PUBLISH: QoS 0 is dropped; QoS 1 and 2 get PUBACK or PUBREC with the reason code in version 5,
and end the connection before it ([MQTT-3.3.5-2] of 3.1.1 leaves no other way to say no). One that
sets a topic alias, or whose packet id is in flight upstream, ends the connection: the broker would
lose count. CONNECT gets CONNACK, SUBSCRIBE gets SUBACK, UNSUBSCRIBE gets UNSUBACK where the
version has a code for it. All else ends the connection, in version 5 with a DISCONNECT that says
why.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Packet,
    PacketType,
    PubAck,
    Publish,
    PubRec,
    RemoteProtocolError,
    Rule,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    Version,
    encode,
)
from overflight_contract.mqtt.reasons import CODES, is_code
from overflight_relay.known import Known
from overflight_relay.rule import Refusal

PROTOCOL: Final = "protocol"
"""Stands for a rule where a packet comes at a time when the standard has no place for it."""

_IDENTIFIER_REJECTED: Final = 2
_UNAVAILABLE_311: Final = 3
_NOT_AUTHORIZED_311: Final = 5
_SUBACK_FAILURE_311: Final = 0x80
_UNACCEPTABLE_VERSION_311: Final = 1
_MALFORMED: Final = 0x81
_UNSUPPORTED_VERSION: Final = 0x84
_UNAVAILABLE: Final = 0x88


class Answer(NamedTuple):
    """What goes back to the sender, and whether its connection ends then."""

    packet: bytes = b""
    ends: bool = False


def answer(packet: Packet, refusal: Refusal, known: Known) -> Answer:
    """Return the answer to a packet of the client that was refused."""
    version = known.version or Version.V311
    if refusal.rule == PROTOCOL:
        return farewell(known, refusal.reason_code)
    if isinstance(packet, Publish):
        return _publish(packet, refusal, known, version)
    if isinstance(packet, Connect):
        return _connect(refusal, version)
    if isinstance(packet, Subscribe) and version is not Version.V31:
        five = version is Version.V5
        code = refusal.reason_code if five else _SUBACK_FAILURE_311
        codes = (code,) * len(packet.subscriptions)
        return Answer(encode(SubAck(packet_id=packet.packet_id, reason_codes=codes), version))
    if isinstance(packet, Unsubscribe) and version is Version.V5:
        codes = (refusal.reason_code,) * len(packet.topic_filters)
        return Answer(encode(UnsubAck(packet_id=packet.packet_id, reason_codes=codes), version))
    return farewell(known, refusal.reason_code)


def _publish(packet: Publish, refusal: Refusal, known: Known, version: Version) -> Answer:
    properties = packet.properties
    sets_alias = properties is not None and properties.topic_alias is not None and packet.topic
    if sets_alias:
        return farewell(known, refusal.reason_code)
    if packet.packet_id is None:
        return Answer()
    if version is not Version.V5 or known.in_flight(packet.packet_id):
        return farewell(known, refusal.reason_code)
    kind = PubAck if packet.qos == 1 else PubRec
    return Answer(
        encode(kind(packet_id=packet.packet_id, reason_code=refusal.reason_code), version)
    )


def _connect(refusal: Refusal, version: Version) -> Answer:
    if version is Version.V5:
        code = refusal.reason_code
    elif refusal.rule == "identity" and refusal.detail.startswith("client id"):
        code = _IDENTIFIER_REJECTED
    else:
        code = _NOT_AUTHORIZED_311
    return Answer(encode(ConnAck(reason_code=code), version), ends=True)


def answer_down(packet: Publish, refusal: Refusal, known: Known) -> Answer:
    """Return what the broker gets for a message that may not go to the client."""
    if packet.packet_id is None:
        return Answer()
    if known.version is not Version.V5:
        return Answer(ends=True)
    kind = PubAck if packet.qos == 1 else PubRec
    return Answer(
        encode(kind(packet_id=packet.packet_id, reason_code=refusal.reason_code), Version.V5)
    )


def farewell(known: Known, reason_code: int) -> Answer:
    """End the connection, in version 5 with a DISCONNECT that carries `reason_code`."""
    if known.version is Version.V5:
        return Answer(encode(Disconnect(reason_code=reason_code), Version.V5), ends=True)
    return Answer(ends=True)


def misfit(error: RemoteProtocolError, known: Known, reason_code: int) -> Answer:
    """End the connection over a packet that breaks the standard, with its code or `reason_code`."""
    code = error.reason_code or reason_code
    fits = is_code(PacketType.DISCONNECT, code, from_client=False)
    return farewell(known, code if fits else reason_code)


def no_connection(error: RemoteProtocolError, body: bytes) -> Answer:
    """Answer a malformed CONNECT as far as the standard asks for it, in the version it claims.

    The version is unknown: [MQTT-3.1.2-2] of 3.1.1, 5.0 §3.1.2.2. No client id:
    [MQTT-3.1.3-8] of 3.1.1. All else is told why in version 5 only (5.0 §4.13.2).
    """
    if error.rule is Rule.PROTOCOL_VERSION:
        level = body[2 + int.from_bytes(body[:2])]
        if level > Version.V5:
            return _connack(_UNSUPPORTED_VERSION, Version.V5)
        return _connack(_UNACCEPTABLE_VERSION_311, Version.V311)
    if error.version is Version.V5:
        code = error.reason_code or _MALFORMED
        return _connack(code if code in CODES[PacketType.CONNACK] else _MALFORMED, Version.V5)
    if error.rule is Rule.CLIENT_ID_EMPTY and error.version is not None:
        return _connack(_IDENTIFIER_REJECTED, error.version)
    return Answer(ends=True)


def _connack(code: int, version: Version) -> Answer:
    return Answer(encode(ConnAck(reason_code=code), version), ends=True)


def unavailable(known: Known) -> Answer:
    """Answer the CONNECT of a client whose broker can't be reached."""
    if known.version is None:
        return Answer(ends=True)
    code = _UNAVAILABLE if known.version is Version.V5 else _UNAVAILABLE_311
    return Answer(encode(ConnAck(reason_code=code), known.version), ends=True)
