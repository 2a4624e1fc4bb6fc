"""Where each field of an MQTT packet lies, for packets that a client sends (3.1, 3.1.1 and 5).

The audit walks packets with a reader of its own: it shares none with the relay whose word it
checks, so that a fault in one does not hide bytes from the other. It never fails: what does not
parse is a field of its own (``malformed``), and the fields always cover the packet, in order and
without a gap. Source: MQTT 3.1.1 §2 and §3, MQTT 5.0 §2 and §3.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Field(NamedTuple):
    """Bytes ``start`` to ``end`` of a packet; a string's field begins with its length prefix."""

    name: str
    start: int
    end: int


CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = range(1, 8)
SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH = range(8, 16)
TYPE_NAMES: Final = [
    "RESERVED",
    "CONNECT",
    "CONNACK",
    "PUBLISH",
    "PUBACK",
    "PUBREC",
    "PUBREL",
    "PUBCOMP",
    "SUBSCRIBE",
    "SUBACK",
    "UNSUBSCRIBE",
    "UNSUBACK",
    "PINGREQ",
    "PINGRESP",
    "DISCONNECT",
    "AUTH",
]

HEADER: Final = "type and flags"
LENGTH: Final = "remaining length"
PADDING: Final = "length padding"
MALFORMED: Final = "malformed"
TRAILING: Final = "trailing bytes"

_BYTE, _TWO, _FOUR, _VARINT, _STRING, _BINARY, _PAIR = range(7)
_PROPERTIES: Final[dict[int, tuple[str, int]]] = {
    0x01: ("payload_format_indicator", _BYTE),
    0x02: ("message_expiry_interval", _FOUR),
    0x03: ("content_type", _STRING),
    0x08: ("response_topic", _STRING),
    0x09: ("correlation_data", _BINARY),
    0x0B: ("subscription_identifier", _VARINT),
    0x11: ("session_expiry_interval", _FOUR),
    0x12: ("assigned_client_identifier", _STRING),
    0x13: ("server_keep_alive", _TWO),
    0x15: ("authentication_method", _STRING),
    0x16: ("authentication_data", _BINARY),
    0x17: ("request_problem_information", _BYTE),
    0x18: ("will_delay_interval", _FOUR),
    0x19: ("request_response_information", _BYTE),
    0x1A: ("response_information", _STRING),
    0x1C: ("server_reference", _STRING),
    0x1F: ("reason_string", _STRING),
    0x21: ("receive_maximum", _TWO),
    0x22: ("topic_alias_maximum", _TWO),
    0x23: ("topic_alias", _TWO),
    0x24: ("maximum_qos", _BYTE),
    0x25: ("retain_available", _BYTE),
    0x26: ("user_property", _PAIR),
    0x27: ("maximum_packet_size", _FOUR),
    0x28: ("wildcard_subscription_available", _BYTE),
    0x29: ("subscription_identifier_available", _BYTE),
    0x2A: ("shared_subscription_available", _BYTE),
}
PROPERTY_PREFIX: Final = "property "


class _EndError(Exception):
    """The packet ends within a field."""


class _Cursor:
    """Cuts fields off the front of a packet."""

    def __init__(self, packet: bytes) -> None:
        self.packet = packet
        self.at = 0
        self.end = len(packet)
        self.fields: list[Field] = []

    def take(self, name: str, size: int) -> int:
        """Cut off `size` bytes as field `name`; return where it starts."""
        start = self.at
        if start + size > self.end:
            raise _EndError
        self.at = start + size
        self.fields.append(Field(name, start, self.at))
        return start

    def string(self, name: str) -> bytes:
        """Cut off a two-byte length and as many bytes; return these."""
        start = self.at
        if start + 2 > self.end:
            raise _EndError
        size = int.from_bytes(self.packet[start : start + 2], "big")
        self.take(name, 2 + size)
        return self.packet[start + 2 : self.at]

    def varint(self, name: str) -> int:
        """Cut off a variable byte integer, what pads it apart; return its value."""
        value, size, padded = read_varint(self.packet, self.at, self.end)
        self.take(name, size - padded)
        if padded:
            self.take(PADDING, padded)
        return value

    def properties(self, prefix: str = PROPERTY_PREFIX) -> None:
        """Cut off the properties of MQTT 5, one field each, and their length."""
        size = self.varint(f"{prefix}length")
        stop = self.at + size
        if stop > self.end:
            raise _EndError
        while self.at < stop:
            name, kind = _PROPERTIES.get(self.packet[self.at], ("", -1))
            if kind < 0:
                raise _EndError
            length = self._property_length(kind)
            if self.at + length > stop:
                raise _EndError
            self.take(prefix + name, length)

    def _property_length(self, kind: int) -> int:
        at = self.at + 1
        if kind == _VARINT:
            return 1 + read_varint(self.packet, at, self.end)[1]
        if kind in (_STRING, _BINARY, _PAIR):
            for _ in range(2 if kind == _PAIR else 1):
                if at + 2 > self.end:
                    raise _EndError
                at += 2 + int.from_bytes(self.packet[at : at + 2], "big")
            return at - self.at
        return 1 + {_BYTE: 1, _TWO: 2, _FOUR: 4}[kind]


def read_varint(packet: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Return (value, bytes, of which mere padding) of the variable byte integer at `at`."""
    value, shift, size = 0, 0, 0
    while True:
        if at + size >= end or size == 4:
            raise _EndError
        byte = packet[at + size]
        value |= (byte & 0x7F) << shift
        size += 1
        shift += 7
        if not byte & 0x80:
            break
    needed = 1 if value < 128 else 2 if value < 16_384 else 3 if value < 2_097_152 else 4
    return value, size, size - needed


def connect_version(packet: bytes) -> int | None:
    """Return the protocol level that a CONNECT names (3, 4 or 5), or None."""
    try:
        _, size, _ = read_varint(packet, 1, len(packet))
    except _EndError:
        return None
    at = 1 + size
    at += 2 + int.from_bytes(packet[at : at + 2], "big")
    level = packet[at] & 0x7F if at < len(packet) else 0
    return level if level in (3, 4, 5) else None


def walk(packet: bytes, version: int) -> list[Field]:
    """Return the fields of a packet that a client of protocol `version` sent."""
    cursor = _Cursor(packet)
    try:
        cursor.take(HEADER, 1)
        length = cursor.varint(LENGTH)
        if cursor.at + length != len(packet):
            raise _EndError
        _BODIES.get(packet[0] >> 4, _nothing)(cursor, version)
        if cursor.at < cursor.end:
            cursor.take(TRAILING, cursor.end - cursor.at)
    except _EndError:
        cursor.take(MALFORMED, cursor.end - cursor.at)
    return cursor.fields


def _connect(cursor: _Cursor, version: int) -> None:
    cursor.string("protocol name")
    cursor.take("protocol level", 1)
    flags = cursor.packet[cursor.take("connect flags", 1)]
    cursor.take("keep alive", 2)
    if version == 5:
        cursor.properties()
    cursor.string("client id")
    if flags & 0x04:
        if version == 5:
            cursor.properties("will property ")
        cursor.string("will topic")
        cursor.string("will payload")
    if flags & 0x80:
        cursor.string("user name")
    if flags & 0x40:
        cursor.string("password")


def _publish(cursor: _Cursor, version: int) -> None:
    cursor.string("topic")
    if cursor.packet[0] & 0x06:
        cursor.take("packet id", 2)
    if version == 5:
        cursor.properties()
    cursor.take("message", cursor.end - cursor.at)


def _acknowledgement(cursor: _Cursor, version: int) -> None:
    cursor.take("packet id", 2)
    _reason(cursor, version)


def _reason(cursor: _Cursor, version: int) -> None:
    if version == 5 and cursor.at < cursor.end:
        cursor.take("reason code", 1)
        if cursor.at < cursor.end:
            cursor.properties()


def _subscribe(cursor: _Cursor, version: int) -> None:
    cursor.take("packet id", 2)
    if version == 5:
        cursor.properties()
    while cursor.at < cursor.end:
        cursor.string("topic filter")
        cursor.take("subscription options", 1)


def _unsubscribe(cursor: _Cursor, version: int) -> None:
    cursor.take("packet id", 2)
    if version == 5:
        cursor.properties()
    while cursor.at < cursor.end:
        cursor.string("topic filter")


def _nothing(cursor: _Cursor, version: int) -> None:
    pass


_BODIES: Final = {
    CONNECT: _connect,
    PUBLISH: _publish,
    PUBACK: _acknowledgement,
    PUBREC: _acknowledgement,
    PUBREL: _acknowledgement,
    PUBCOMP: _acknowledgement,
    SUBSCRIBE: _subscribe,
    UNSUBSCRIBE: _unsubscribe,
    DISCONNECT: _reason,
    AUTH: _reason,
}
