"""The control packets as typed values; fields are named as the standard names them.

`properties` is `None` where the packet has none at all: before version 5, and in the short forms
of acknowledgements, DISCONNECT and AUTH (MQTT 5.0 §3.4.2.1).
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from overflight_contract.mqtt.properties import Properties
from overflight_contract.mqtt.vocabulary import PacketType, Version


class Will(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The message that the server publishes when the client is gone."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties | None = None


class Connect(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The first packet of a client; `clean_start` was Clean Session before version 5."""

    type: ClassVar[PacketType] = PacketType.CONNECT
    client_id: str
    clean_start: bool = True
    keep_alive: int = 0
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    version: Version = Version.V5
    protocol_name: str = "MQTT"
    properties: Properties | None = None


class ConnAck(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The server's answer to CONNECT."""

    type: ClassVar[PacketType] = PacketType.CONNACK
    session_present: bool = False
    reason_code: int = 0
    properties: Properties | None = None


class Publish(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A message."""

    type: ClassVar[PacketType] = PacketType.PUBLISH
    topic: str
    payload: bytes = b""
    qos: int = 0
    dup: bool = False
    retain: bool = False
    packet_id: int | None = None
    properties: Properties | None = None


class _Ack(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    packet_id: int
    reason_code: int = 0
    properties: Properties | None = None


class PubAck(_Ack, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Acknowledges a PUBLISH of QoS 1."""

    type: ClassVar[PacketType] = PacketType.PUBACK


class PubRec(_Ack, frozen=True, kw_only=True, repr_omit_defaults=True):
    """First answer to a PUBLISH of QoS 2."""

    type: ClassVar[PacketType] = PacketType.PUBREC


class PubRel(_Ack, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Answers PUBREC. `dup` exists in 3.1 only."""

    type: ClassVar[PacketType] = PacketType.PUBREL
    dup: bool = False


class PubComp(_Ack, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Answers PUBREL: the message of QoS 2 is done."""

    type: ClassVar[PacketType] = PacketType.PUBCOMP


class Subscription(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """One topic filter of a SUBSCRIBE with its options; all but `qos` are of version 5."""

    topic_filter: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


class Subscribe(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Asks for messages. `dup` exists in 3.1 only."""

    type: ClassVar[PacketType] = PacketType.SUBSCRIBE
    packet_id: int
    subscriptions: tuple[Subscription, ...]
    properties: Properties | None = None
    dup: bool = False


class SubAck(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Answers SUBSCRIBE, one reason code for each topic filter."""

    type: ClassVar[PacketType] = PacketType.SUBACK
    packet_id: int
    reason_codes: tuple[int, ...]
    properties: Properties | None = None


class Unsubscribe(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Takes subscriptions back. `dup` exists in 3.1 only."""

    type: ClassVar[PacketType] = PacketType.UNSUBSCRIBE
    packet_id: int
    topic_filters: tuple[str, ...]
    properties: Properties | None = None
    dup: bool = False


class UnsubAck(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """Answers UNSUBSCRIBE; reason codes are of version 5."""

    type: ClassVar[PacketType] = PacketType.UNSUBACK
    packet_id: int
    reason_codes: tuple[int, ...] = ()
    properties: Properties | None = None


class PingReq(msgspec.Struct, frozen=True):
    """Says that the client is there."""

    type: ClassVar[PacketType] = PacketType.PINGREQ


class PingResp(msgspec.Struct, frozen=True):
    """Answers PINGREQ."""

    type: ClassVar[PacketType] = PacketType.PINGRESP


class Disconnect(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The last packet; before version 5 only a client sends it."""

    type: ClassVar[PacketType] = PacketType.DISCONNECT
    reason_code: int = 0
    properties: Properties | None = None


class Auth(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """A step of enhanced authentication (version 5)."""

    type: ClassVar[PacketType] = PacketType.AUTH
    reason_code: int = 0
    properties: Properties | None = None


Acknowledgement = PubAck | PubRec | PubRel | PubComp
Packet = (
    Connect
    | ConnAck
    | Publish
    | PubAck
    | PubRec
    | PubRel
    | PubComp
    | Subscribe
    | SubAck
    | Unsubscribe
    | UnsubAck
    | PingReq
    | PingResp
    | Disconnect
    | Auth
)
