"""Reason codes: which packet may carry which, and who may send it (MQTT 5.0 §2.4)."""

from __future__ import annotations

from typing import Final

from overflight_contract.mqtt.vocabulary import PacketType as T
from overflight_contract.mqtt.vocabulary import Version

NAMES: Final[dict[int, str]] = {
    0x00: "success",
    0x01: "granted QoS 1",
    0x02: "granted QoS 2",
    0x04: "disconnect with will message",
    0x10: "no matching subscribers",
    0x11: "no subscription existed",
    0x18: "continue authentication",
    0x19: "re-authenticate",
    0x80: "unspecified error",
    0x81: "malformed packet",
    0x82: "protocol error",
    0x83: "implementation specific error",
    0x84: "unsupported protocol version",
    0x85: "client identifier not valid",
    0x86: "bad user name or password",
    0x87: "not authorized",
    0x88: "server unavailable",
    0x89: "server busy",
    0x8A: "banned",
    0x8B: "server shutting down",
    0x8C: "bad authentication method",
    0x8D: "keep alive timeout",
    0x8E: "session taken over",
    0x8F: "topic filter invalid",
    0x90: "topic name invalid",
    0x91: "packet identifier in use",
    0x92: "packet identifier not found",
    0x93: "receive maximum exceeded",
    0x94: "topic alias invalid",
    0x95: "packet too large",
    0x96: "message rate too high",
    0x97: "quota exceeded",
    0x98: "administrative action",
    0x99: "payload format invalid",
    0x9A: "retain not supported",
    0x9B: "QoS not supported",
    0x9C: "use another server",
    0x9D: "server moved",
    0x9E: "shared subscriptions not supported",
    0x9F: "connection rate exceeded",
    0xA0: "maximum connect time",
    0xA1: "subscription identifiers not supported",
    0xA2: "wildcard subscriptions not supported",
}

RETURN_CODES: Final[dict[int, str]] = {
    0: "connection accepted",
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}
"""What CONNACK carries before version 5 (MQTT 3.1.1 §3.2.2.3)."""

_PUBLISHED = frozenset({0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99})
_RELEASED = frozenset({0x00, 0x92})

CODES: Final[dict[T, frozenset[int]]] = {
    T.CONNACK: frozenset({0x00, *range(0x80, 0x8B), 0x8C, 0x90, 0x95, 0x97, *range(0x99, 0xA0)})
    - {0x9E},
    T.PUBACK: _PUBLISHED,
    T.PUBREC: _PUBLISHED,
    T.PUBREL: _RELEASED,
    T.PUBCOMP: _RELEASED,
    T.SUBACK: frozenset({0, 1, 2, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2}),
    T.UNSUBACK: frozenset({0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91}),
    T.DISCONNECT: frozenset(
        {0x00, 0x04, 0x87, 0x89, 0x8B, *range(0x80, 0x84), *range(0x8D, 0x91), *range(0x93, 0xA3)}
    ),
    T.AUTH: frozenset({0x00, 0x18, 0x19}),
}
"""Version 5: the reason codes that each type may carry."""

SERVER_CODES: Final[dict[T, frozenset[int]]] = {
    T.PUBACK: frozenset({0x10}),
    T.PUBREC: frozenset({0x10}),
    T.DISCONNECT: frozenset(
        {0x87, 0x89, 0x8B, 0x8D, 0x8E, 0x8F, *range(0x9A, 0xA3)},
    ),
    T.AUTH: frozenset({0x00}),
}
"""Of these, what only a server sends."""

CLIENT_CODES: Final[dict[T, frozenset[int]]] = {
    T.DISCONNECT: frozenset({0x00, 0x04}),
    T.AUTH: frozenset({0x19}),
}
"""Of these, what only a client sends."""


def is_code(kind: T, code: int, *, from_client: bool | None) -> bool:
    """Tell whether a version 5 packet of type `kind` may carry `code` from that sender."""
    if code not in CODES[kind]:
        return False
    if from_client is None:
        return True
    other = SERVER_CODES if from_client else CLIENT_CODES
    return code not in other.get(kind, ())


def suback_codes(version: Version) -> frozenset[int]:
    """Return the codes of SUBACK; 3.1 knows no refusal."""
    if version is Version.V5:
        return CODES[T.SUBACK]
    return frozenset({0, 1, 2} if version is Version.V31 else {0, 1, 2, 0x80})


def reason_name(code: int, kind: T | None = None) -> str:
    """Name a version 5 reason code as the standard does; an unknown one by its number."""
    if code == 0 and kind is T.DISCONNECT:
        return "normal disconnection"
    if code == 0 and kind is T.SUBACK:
        return "granted QoS 0"
    return NAMES.get(code, f"{code:#04x}")
