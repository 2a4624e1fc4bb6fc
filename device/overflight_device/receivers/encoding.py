"""The bytes of a sentence or a message, with its checksum: for what is sent to a receiver."""

from __future__ import annotations

from functools import reduce
from operator import xor

from overflight_device.receivers.framing import fletcher8


def sentence(body: str) -> bytes:
    """Return an NMEA sentence of `body` (``GPRMC,…``), with ``$``, checksum and line end."""
    value = reduce(xor, body.encode("ascii"), 0)
    return f"${body}*{value:02X}\r\n".encode("ascii")


def message(message_class: int, message_id: int, payload: bytes = b"") -> bytes:
    """Return a UBX message."""
    inner = bytes((message_class, message_id)) + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + inner + bytes(fletcher8(inner))
