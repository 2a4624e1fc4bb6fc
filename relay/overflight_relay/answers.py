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
    PubAck,
    Publish,
    PubRec,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    Version,
    encode,
)
from overflight_relay.known import Known
from overflight_relay.rule import Refusal

PROTOCOL: Final = "protocol"
"""Stands for a rule where a packet comes at a time when the standard has no place for it."""

_IDENTIFIER_REJECTED: Final = 2
_UNAVAILABLE_311: Final = 3
_NOT_AUTHORIZED_311: Final = 5
_SUBACK_FAILURE_311: Final = 0x80
_CLIENT_ID_INVALID: Final = 0x85
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


def unavailable(known: Known) -> Answer:
    """Answer the CONNECT of a client whose broker can't be reached."""
    if known.version is None:
        return Answer(ends=True)
    code = _UNAVAILABLE if known.version is Version.V5 else _UNAVAILABLE_311
    return Answer(encode(ConnAck(reason_code=code), known.version), ends=True)
