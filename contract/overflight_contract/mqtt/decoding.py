"""From the bytes of one packet to a typed packet, exactly as strict as the standard is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple, TypeVar

from overflight_contract.mqtt import packets as p
from overflight_contract.mqtt.connect_packet import read_connect
from overflight_contract.mqtt.framing import FIRST_BYTE, bad_first_byte
from overflight_contract.mqtt.properties import Properties, read_properties
from overflight_contract.mqtt.reasons import RETURN_CODES, is_code, suback_codes
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.topic_names import check_filter, check_name
from overflight_contract.mqtt.vocabulary import (
    CLIENT_ONLY,
    PROTOCOL_NAMES,
    SERVER_ONLY,
    PacketType,
    Version,
)
from overflight_contract.mqtt.wire import Reader, text

_A = TypeVar("_A", p.PubAck, p.PubRec, p.PubRel, p.PubComp)


class Header(NamedTuple):
    """The fixed header of a packet."""

    type: PacketType
    flags: int
    body_offset: int


def decode(packet: bytes, version: Version | None, *, from_client: bool | None = None) -> p.Packet:
    """Decode exactly one whole packet.

    `version` is that of the connection's CONNECT; a CONNECT itself tells its own, and may come
    with `None`. `from_client` says who sent it, `None` that it is not known; then nothing is
    refused for its sender. Raises `RemoteProtocolError` and nothing else.
    """
    return decode_from(Reader(packet, 0, len(packet), version), from_client=from_client)


def decode_from(reader: Reader, *, from_client: bool | None = None) -> p.Packet:
    """Decode the one packet that `reader` stands before; as `decode`."""
    header = _header(reader)
    if header.type is PacketType.CONNECT:
        _check_sender(reader, header, from_client)
        return read_connect(reader)
    if reader.version is None:
        raise reader.error(Rule.CONNECT_FIRST, f"{header.type.name} comes before a CONNECT")
    _check_sender(reader, header, from_client)
    result = _READERS[header.type](reader, header.flags, from_client)
    reader.done()
    return result


def read_header(packet: bytes, version: Version | None) -> Header:
    """Read and check the fixed header of one whole packet."""
    return _header(Reader(packet, 0, len(packet), version))


def _header(reader: Reader) -> Header:
    version = reader.version
    first = reader.u8("packet type and flags")
    if FIRST_BYTE[first] is not None:
        raise bad_first_byte(first, version)
    kind = PacketType(first >> 4)
    if first & 8 and kind in _DUP_IN_3_1 and version is not Version.V31:
        raise bad_first_byte(first, version)
    if kind is PacketType.AUTH and version not in (None, Version.V5):
        raise reader.error(Rule.TYPE, "packet type 15 is reserved before version 5")
    length = _remaining_length(reader)
    if first & 15 and kind is PacketType.CONNECT and not _claims(reader, Version.V31):
        raise bad_first_byte(first, version)
    if length != reader.left:
        rule = Rule.TRUNCATED if length > reader.left else Rule.TRAILING
        detail = f"the remaining length says {length}, but {reader.left} bytes follow"
        raise reader.error(rule, detail)
    return Header(kind, first & 15, reader.pos)


_DUP_IN_3_1: Final = (PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE)


def _remaining_length(reader: Reader) -> int:
    """Read the remaining length; over-long spellings are legal before version 5."""
    start = reader.pos
    length = reader.varint("remaining length", minimal=False)
    spelt = reader.pos - start
    if spelt > 1 and length < 1 << 7 * (spelt - 1) and _is_five(reader):
        raise reader.error(Rule.VARINT_MINIMAL, "the remaining length is over-long")
    return length


def _is_five(reader: Reader) -> bool:
    """Tell whether the packet is of version 5; a CONNECT says so itself behind its name."""
    if reader.data[0] >> 4 != PacketType.CONNECT:
        return reader.version is Version.V5
    return _claims(reader, Version.V5)


def _claims(reader: Reader, version: Version) -> bool:
    """Tell whether the CONNECT whose body `reader` stands before is of `version`."""
    return reader.data.startswith(text(PROTOCOL_NAMES[version]) + bytes((version,)), reader.pos)


def _check_sender(reader: Reader, header: Header, from_client: bool | None) -> None:
    if from_client is None:
        return
    kind = header.type
    client_only = kind in CLIENT_ONLY or (
        kind is PacketType.DISCONNECT and reader.version is not Version.V5
    )
    if (kind in SERVER_ONLY) if from_client else client_only:
        sender = "client" if from_client else "server"
        raise reader.error(Rule.SENDER, f"a {sender} never sends {kind.name}")


def _properties(reader: Reader, kind: PacketType, from_client: bool | None) -> Properties | None:
    if reader.version is not Version.V5:
        return None
    return read_properties(reader, kind, from_client=from_client)


def _packet_id(reader: Reader, kind: PacketType) -> int:
    packet_id = reader.u16("packet id")
    if packet_id == 0:
        raise reader.error(Rule.PACKET_ID, f"{kind.name} has packet id 0")
    return packet_id


def _connack(reader: Reader, _flags: int, from_client: bool | None) -> p.ConnAck:
    flags = reader.u8("acknowledge flags")
    if flags > 1:
        raise reader.error(Rule.CONNACK_FLAGS, f"reserved acknowledge flags are set: {flags:#04x}")
    code = reader.u8("reason code")
    if reader.version is Version.V5 and reader.left == 0 and flags == 0 and code == 1:
        # A server that does not know version 5 answers as its own version has it (3.1.1 §3.1.2.2).
        return p.ConnAck(reason_code=code)
    known = (
        is_code(PacketType.CONNACK, code, from_client=from_client)
        if reader.version is Version.V5
        else code in RETURN_CODES
    )
    if not known:
        raise reader.error(Rule.CONNACK_CODE, f"CONNACK can't have the code {code:#04x}")
    if flags and code:
        raise reader.error(Rule.SESSION_PRESENT, "a refusing CONNACK has session present set")
    properties = _properties(reader, PacketType.CONNACK, from_client)
    return p.ConnAck(session_present=bool(flags), reason_code=code, properties=properties)


def _publish(reader: Reader, flags: int, from_client: bool | None) -> p.Publish:
    qos = flags >> 1 & 3
    topic = reader.text("topic")
    if topic or reader.version is not Version.V5:
        check_name(reader, topic, "topic", Rule.TOPIC_WILDCARD)
    packet_id = _packet_id(reader, PacketType.PUBLISH) if qos else None
    properties = _properties(reader, PacketType.PUBLISH, from_client)
    if not topic and (properties is None or properties.topic_alias is None):
        raise reader.error(Rule.NO_TOPIC_NO_ALIAS, "a PUBLISH has neither topic nor alias")
    return p.Publish(
        topic=topic,
        payload=reader.rest("payload"),
        qos=qos,
        dup=bool(flags & 8),
        retain=bool(flags & 1),
        packet_id=packet_id,
        properties=properties,
    )


_ACK_RULES: Final = {
    PacketType.PUBACK: Rule.PUBACK_CODE,
    PacketType.PUBREC: Rule.PUBREC_CODE,
    PacketType.PUBREL: Rule.PUBREL_CODE,
    PacketType.PUBCOMP: Rule.PUBCOMP_CODE,
}


def _ack(
    kind: PacketType, reader: Reader, from_client: bool | None
) -> tuple[int, int, Properties | None]:
    """Read what PUBACK, PUBREC, PUBREL and PUBCOMP have in common."""
    packet_id = _packet_id(reader, kind)
    if reader.version is not Version.V5 or reader.left == 0:
        return packet_id, 0, None
    code = reader.u8("reason code")
    if not is_code(kind, code, from_client=from_client):
        raise reader.error(_ACK_RULES[kind], f"{kind.name} can't have the code {code:#04x}")
    return packet_id, code, _properties(reader, kind, from_client) if reader.left else None


def _read_ack(make: type[_A]) -> Callable[[Reader, int, bool | None], _A]:
    def read(reader: Reader, flags: int, from_client: bool | None) -> _A:
        packet_id, code, properties = _ack(make.type, reader, from_client)
        dup = {"dup": True} if flags & 8 else {}
        return make(packet_id=packet_id, reason_code=code, properties=properties, **dup)

    return read


def _subscribe(reader: Reader, flags: int, from_client: bool | None) -> p.Subscribe:
    packet_id = _packet_id(reader, PacketType.SUBSCRIBE)
    properties = _properties(reader, PacketType.SUBSCRIBE, from_client)
    subscriptions = []
    while reader.left:
        topic_filter = reader.text("topic filter")
        check_filter(reader, topic_filter)
        subscriptions.append(_subscription(reader, topic_filter, reader.u8("options")))
    if not subscriptions:
        raise reader.error(Rule.SUBSCRIBE_EMPTY, "SUBSCRIBE has no topic filter")
    return p.Subscribe(
        packet_id=packet_id,
        subscriptions=tuple(subscriptions),
        properties=properties,
        dup=bool(flags & 8),
    )


def _subscription(reader: Reader, topic_filter: str, options: int) -> p.Subscription:
    five = reader.version is Version.V5
    if options & (0xC0 if five else 0xFC):
        raise reader.error(
            Rule.SUBSCRIBE_RESERVED, f"reserved subscription options are set: {options:#04x}"
        )
    if options & 3 == 3:
        raise reader.error(Rule.SUBSCRIBE_QOS, "a subscription asks for QoS 3")
    if options & 0x30 == 0x30:
        raise reader.error(Rule.RETAIN_HANDLING, "a subscription has retain handling 3")
    no_local = bool(options & 4)
    if no_local and topic_filter.startswith("$share/"):
        raise reader.error(Rule.NO_LOCAL_SHARED, "a shared subscription has no local set")
    return p.Subscription(
        topic_filter=topic_filter,
        qos=options & 3,
        no_local=no_local,
        retain_as_published=bool(options & 8),
        retain_handling=options >> 4,
    )


def _suback(reader: Reader, _flags: int, from_client: bool | None) -> p.SubAck:
    packet_id = _packet_id(reader, PacketType.SUBACK)
    properties = _properties(reader, PacketType.SUBACK, from_client)
    codes = tuple(reader.rest("reason codes"))
    if not codes:
        raise reader.error(Rule.SUBACK_EMPTY, "SUBACK has no reason code")
    assert reader.version is not None
    known = suback_codes(reader.version)
    for code in codes:
        if code not in known:
            raise reader.error(Rule.SUBACK_CODE, f"SUBACK can't have the code {code:#04x}")
    return p.SubAck(packet_id=packet_id, reason_codes=codes, properties=properties)


def _unsubscribe(reader: Reader, flags: int, from_client: bool | None) -> p.Unsubscribe:
    packet_id = _packet_id(reader, PacketType.UNSUBSCRIBE)
    properties = _properties(reader, PacketType.UNSUBSCRIBE, from_client)
    filters = []
    while reader.left:
        filters.append(reader.text("topic filter"))
        check_filter(reader, filters[-1])
    if not filters:
        raise reader.error(Rule.UNSUBSCRIBE_EMPTY, "UNSUBSCRIBE has no topic filter")
    return p.Unsubscribe(
        packet_id=packet_id,
        topic_filters=tuple(filters),
        properties=properties,
        dup=bool(flags & 8),
    )


def _unsuback(reader: Reader, _flags: int, from_client: bool | None) -> p.UnsubAck:
    packet_id = _packet_id(reader, PacketType.UNSUBACK)
    if reader.version is not Version.V5:
        return p.UnsubAck(packet_id=packet_id)
    properties = _properties(reader, PacketType.UNSUBACK, from_client)
    codes = tuple(reader.rest("reason codes"))
    if not codes:
        raise reader.error(Rule.UNSUBACK_EMPTY, "UNSUBACK has no reason code")
    for code in codes:
        if not is_code(PacketType.UNSUBACK, code, from_client=from_client):
            raise reader.error(Rule.UNSUBACK_CODE, f"UNSUBACK can't have the code {code:#04x}")
    return p.UnsubAck(packet_id=packet_id, reason_codes=codes, properties=properties)


def _disconnect(reader: Reader, _flags: int, from_client: bool | None) -> p.Disconnect:
    if reader.version is not Version.V5:
        return p.Disconnect()
    code = reader.u8("reason code") if reader.left else 0
    if not is_code(PacketType.DISCONNECT, code, from_client=from_client):
        raise reader.error(Rule.DISCONNECT_CODE, f"DISCONNECT can't have the code {code:#04x}")
    properties = _properties(reader, PacketType.DISCONNECT, from_client) if reader.left else None
    return p.Disconnect(reason_code=code, properties=properties)


def _auth(reader: Reader, _flags: int, from_client: bool | None) -> p.Auth:
    short = reader.left == 0
    code = 0 if short else reader.u8("reason code")
    if not is_code(PacketType.AUTH, code, from_client=from_client):
        raise reader.error(Rule.AUTH_CODE, f"AUTH can't have the code {code:#04x}")
    if short:
        return p.Auth()
    properties = _properties(reader, PacketType.AUTH, from_client)
    if properties is None or properties.authentication_method is None:
        raise reader.error(Rule.AUTH_METHOD, "AUTH names no authentication method")
    return p.Auth(reason_code=code, properties=properties)


def _pingreq(_reader: Reader, _flags: int, _from_client: bool | None) -> p.PingReq:
    return p.PingReq()


def _pingresp(_reader: Reader, _flags: int, _from_client: bool | None) -> p.PingResp:
    return p.PingResp()


_READERS: Final[dict[PacketType, Callable[[Reader, int, bool | None], p.Packet]]] = {
    PacketType.CONNACK: _connack,
    PacketType.PUBLISH: _publish,
    PacketType.PUBACK: _read_ack(p.PubAck),
    PacketType.PUBREC: _read_ack(p.PubRec),
    PacketType.PUBREL: _read_ack(p.PubRel),
    PacketType.PUBCOMP: _read_ack(p.PubComp),
    PacketType.SUBSCRIBE: _subscribe,
    PacketType.SUBACK: _suback,
    PacketType.UNSUBSCRIBE: _unsubscribe,
    PacketType.UNSUBACK: _unsuback,
    PacketType.PINGREQ: _pingreq,
    PacketType.PINGRESP: _pingresp,
    PacketType.DISCONNECT: _disconnect,
    PacketType.AUTH: _auth,
}
