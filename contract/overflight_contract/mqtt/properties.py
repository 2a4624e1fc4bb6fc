"""The properties of version 5 (MQTT 5.0 §2.2.2): one table, and the codec that it drives."""

from __future__ import annotations

import enum
import itertools
from typing import Any, Final, NamedTuple

import msgspec

from overflight_contract.mqtt import wire
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.topic_names import check_name
from overflight_contract.mqtt.vocabulary import PacketType as T
from overflight_contract.mqtt.wire import Reader

WILL: Final = 0
"""Stands for the will of a CONNECT among the packet types that have properties."""


class Properties(msgspec.Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """The properties of one packet; `None` or empty where one is absent.

    `order` holds the identifiers as they stood on the wire where that is not ascending, so that
    encoding gives the same bytes again; leave it empty when you make properties.
    """

    payload_format_indicator: int | None = None
    message_expiry_interval: int | None = None
    content_type: str | None = None
    response_topic: str | None = None
    correlation_data: bytes | None = None
    subscription_identifier: tuple[int, ...] = ()
    session_expiry_interval: int | None = None
    assigned_client_identifier: str | None = None
    server_keep_alive: int | None = None
    authentication_method: str | None = None
    authentication_data: bytes | None = None
    request_problem_information: int | None = None
    will_delay_interval: int | None = None
    request_response_information: int | None = None
    response_information: str | None = None
    server_reference: str | None = None
    reason_string: str | None = None
    receive_maximum: int | None = None
    topic_alias_maximum: int | None = None
    topic_alias: int | None = None
    maximum_qos: int | None = None
    retain_available: int | None = None
    user_property: tuple[tuple[str, str], ...] = ()
    maximum_packet_size: int | None = None
    wildcard_subscription_available: int | None = None
    subscription_identifier_available: int | None = None
    shared_subscription_available: int | None = None
    order: tuple[int, ...] = ()


class Shape(enum.Enum):
    """How a property is written."""

    BYTE = "byte"
    TWO = "two byte integer"
    FOUR = "four byte integer"
    VARINT = "variable byte integer"
    BINARY = "binary data"
    TEXT = "UTF-8 string"
    PAIR = "UTF-8 string pair"


class Property(NamedTuple):
    """One row of the table: MQTT 5.0 §2.2.2.2, table 2-4."""

    name: str
    shape: Shape
    places: frozenset[int]
    lowest: int = 0
    highest: int = 0xFFFFFFFF

    @property
    def label(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")


_ACKS = {T.PUBACK, T.PUBREC, T.PUBREL, T.PUBCOMP, T.SUBACK, T.UNSUBACK}
_ALL = frozenset(set(T) - {T.PINGREQ, T.PINGRESP} | {WILL})


def _row(name: str, shape: Shape, *places: int, low: int = 0, high: int = 0xFFFFFFFF) -> Property:
    return Property(name, shape, frozenset(places), low, high)


_B, _W, _F = Shape.BYTE, Shape.TWO, Shape.FOUR
TABLE: Final[dict[int, Property]] = {
    0x01: _row("payload_format_indicator", _B, T.PUBLISH, WILL, high=1),
    0x02: _row("message_expiry_interval", _F, T.PUBLISH, WILL),
    0x03: _row("content_type", Shape.TEXT, T.PUBLISH, WILL),
    0x08: _row("response_topic", Shape.TEXT, T.PUBLISH, WILL),
    0x09: _row("correlation_data", Shape.BINARY, T.PUBLISH, WILL),
    0x0B: _row("subscription_identifier", Shape.VARINT, T.PUBLISH, T.SUBSCRIBE, low=1),
    0x11: _row("session_expiry_interval", _F, T.CONNECT, T.CONNACK, T.DISCONNECT),
    0x12: _row("assigned_client_identifier", Shape.TEXT, T.CONNACK),
    0x13: _row("server_keep_alive", _W, T.CONNACK),
    0x15: _row("authentication_method", Shape.TEXT, T.CONNECT, T.CONNACK, T.AUTH),
    0x16: _row("authentication_data", Shape.BINARY, T.CONNECT, T.CONNACK, T.AUTH),
    0x17: _row("request_problem_information", _B, T.CONNECT, high=1),
    0x18: _row("will_delay_interval", _F, WILL),
    0x19: _row("request_response_information", _B, T.CONNECT, high=1),
    0x1A: _row("response_information", Shape.TEXT, T.CONNACK),
    0x1C: _row("server_reference", Shape.TEXT, T.CONNACK, T.DISCONNECT),
    0x1F: _row("reason_string", Shape.TEXT, T.CONNACK, T.DISCONNECT, T.AUTH, *_ACKS),
    0x21: _row("receive_maximum", _W, T.CONNECT, T.CONNACK, low=1),
    0x22: _row("topic_alias_maximum", _W, T.CONNECT, T.CONNACK),
    0x23: _row("topic_alias", _W, T.PUBLISH, low=1),
    0x24: _row("maximum_qos", _B, T.CONNACK, high=1),
    0x25: _row("retain_available", _B, T.CONNACK, high=1),
    0x26: _row("user_property", Shape.PAIR, *_ALL),
    0x27: _row("maximum_packet_size", _F, T.CONNECT, T.CONNACK, low=1),
    0x28: _row("wildcard_subscription_available", _B, T.CONNACK, high=1),
    0x29: _row("subscription_identifier_available", _B, T.CONNACK, high=1),
    0x2A: _row("shared_subscription_available", _B, T.CONNACK, high=1),
}
_NUMBERS = {row.name: number for number, row in TABLE.items()}
_USER, _SUBSCRIPTION = 0x26, 0x0B


def read_properties(reader: Reader, place: int, *, from_client: bool | None) -> Properties:
    """Read the properties of a packet of type `place` (or `WILL`)."""
    length = reader.varint("property length")
    if length > reader.left:
        raise reader.error(Rule.PROPERTY_LENGTH, "the properties are longer than the packet")
    if length == 0:
        return _NONE
    inner = reader.window(length)
    values: dict[str, Any] = {}
    order: list[int] = []
    while inner.left:
        order.append(_read_one(inner, place, values))
    _check_sender(inner, place, values, from_client)
    if any(later < former for former, later in itertools.pairwise(order)):
        values["order"] = tuple(order)
    return Properties(**values)


_NONE: Final = Properties()


def _read_one(reader: Reader, place: int, values: dict[str, Any]) -> int:
    number = reader.varint("property identifier")
    row = TABLE.get(number)
    if row is None:
        raise reader.error(Rule.PROPERTY_UNKNOWN, f"no property has the identifier {number:#04x}")
    if place not in row.places:
        where = T(place).name if place else "a will"
        raise reader.error(Rule.PROPERTY_PLACE, f"{row.label} can't stand in {where}")
    value = _read_value(reader, row, place)
    if number == _USER or (number == _SUBSCRIPTION and place == T.PUBLISH):
        values[row.name] = (*values.get(row.name, ()), value)
        return number
    if row.name in values:
        raise reader.error(Rule.PROPERTY_TWICE, f"{row.label} stands there twice")
    values[row.name] = (value,) if number == _SUBSCRIPTION else value
    return number


def _read_value(reader: Reader, row: Property, place: int) -> int | bytes | str | tuple[str, str]:
    match row.shape:
        case Shape.BINARY:
            return reader.binary(row.label)
        case Shape.PAIR:
            return reader.text(f"{row.label} name"), reader.text(f"{row.label} value")
        case Shape.TEXT:
            text = reader.text(row.label)
            if row.name == "response_topic":
                check_name(reader, text, row.label, Rule.RESPONSE_TOPIC)
            return text
        case Shape.BYTE:
            number = reader.u8(row.label)
        case Shape.TWO:
            number = reader.u16(row.label)
        case Shape.FOUR:
            number = reader.u32(row.label)
        case Shape.VARINT:
            number = reader.varint(row.label)
    if row.name == "payload_format_indicator" and place == WILL:
        return number  # of a will, 5.0 §3.1.3.2.3 refuses no value; recorded clients send others
    if not row.lowest <= number <= row.highest:
        rule = Rule.TOPIC_ALIAS if row.name == "topic_alias" else Rule.PROPERTY_RANGE
        raise reader.error(rule, f"{row.label} can't be {number}")
    return number


def _check_sender(
    reader: Reader, place: int, values: dict[str, Any], from_client: bool | None
) -> None:
    """Check what depends on who sends, and what goes together."""
    if place == T.CONNECT:
        alone = "authentication_data" in values and "authentication_method" not in values
        if alone:
            raise reader.error(Rule.AUTH_DATA_ALONE, "authentication data without a method")
    if from_client is None:
        return
    if from_client and place == T.PUBLISH and "subscription_identifier" in values:
        raise reader.error(
            Rule.SUBSCRIPTION_ID_CLIENT, "a client's PUBLISH has a subscription identifier"
        )
    if place == T.DISCONNECT and not from_client and "session_expiry_interval" in values:
        raise reader.error(
            Rule.SESSION_EXPIRY_SERVER, "a server's DISCONNECT has a session expiry interval"
        )


def write_properties(properties: Properties | None) -> bytes:
    """Write properties with their length; raises `ValueError` where `order` does not fit them."""
    if properties is None or properties == _NONE:
        return b"\0"
    values = {
        name: list(value) if isinstance(value, tuple) else [value]
        for name in _NUMBERS
        if (value := getattr(properties, name)) not in (None, ())
    }
    order = properties.order or [
        _NUMBERS[name] for name, several in values.items() for _ in several
    ]
    if sorted(order) != sorted(_NUMBERS[name] for name, many in values.items() for _ in many):
        raise ValueError("the order of the properties does not fit the properties")
    order = order if properties.order else sorted(order)
    body = b"".join(
        bytes((number,)) + _write_value(TABLE[number], values[TABLE[number].name].pop(0))
        for number in order
    )
    return wire.varint(len(body)) + body


def _write_value(row: Property, value: Any) -> bytes:
    match row.shape:
        case Shape.BYTE:
            return int(value).to_bytes(1)
        case Shape.TWO:
            return int(value).to_bytes(2)
        case Shape.FOUR:
            return int(value).to_bytes(4)
        case Shape.VARINT:
            return wire.varint(value)
        case Shape.BINARY:
            return wire.binary(value)
        case Shape.TEXT:
            return wire.text(value)
        case Shape.PAIR:
            return wire.text(value[0]) + wire.text(value[1])
