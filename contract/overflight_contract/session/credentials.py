"""Masks the password of a CONNECT packet, so that it is never written."""

from __future__ import annotations

import struct


def mask_credentials(connect_packet: bytes, version: int | None = None) -> bytes:
    """Return a CONNECT packet of equal length whose password is asterisks.

    `version` is the MQTT protocol level (3, 4, 5; 0x80 added by a bridge is ignored); without it
    the packet says. MQTT 5.0 §3.1, MQTT 3.1.1 §3.1. A packet without a password, one that is no
    CONNECT, or one that is malformed before its password comes back unchanged; `!=` tells whether
    anything was masked (a password of asterisks needs none).
    """
    place = password_at(connect_packet, version)
    if place is None:
        return connect_packet
    start, end = place
    return connect_packet[:start] + b"*" * (end - start) + connect_packet[end:]


def password_at(packet: bytes, version: int | None = None) -> tuple[int, int] | None:
    """Return where the password's bytes begin and end; None where there is none.

    Where the packet is cut off inside its password, the password is what is there of it.
    """
    if not packet or packet[0] >> 4 != 1:
        return None
    try:
        at = _after_length(packet, 1)
        at = _after_field(packet, at)
        level, flags = packet[at], packet[at + 1]
        at += 4
        if not flags & 0x40:
            return None
        five = ((version if version is not None else level) & 0x7F) == 5
        at = _after_properties(packet, at, five)
        at = _after_field(packet, at)  # client id
        if flags & 0x04:
            at = _after_properties(packet, at, five)
            at = _after_field(packet, at)  # will topic
            at = _after_field(packet, at)  # will payload
        if flags & 0x80:
            at = _after_field(packet, at)  # user name
        (size,) = struct.unpack_from(">H", packet, at)
    except (IndexError, struct.error):
        return None
    start = at + 2
    end = min(start + size, len(packet))
    return (start, end) if end > start else None


def _after_length(packet: bytes, at: int) -> int:
    """Return the position after a variable byte integer."""
    return _variable(packet, at)[1]


def _variable(packet: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in (0, 7, 14, 21):
        byte = packet[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError("a length has more than four bytes")


def _after_field(packet: bytes, at: int) -> int:
    (size,) = struct.unpack_from(">H", packet, at)
    return at + 2 + int(size)


def _after_properties(packet: bytes, at: int, five: bool) -> int:
    if not five:
        return at
    size, at = _variable(packet, at)
    return at + size
