"""The bytes of a sentence or a message, with its checksum: for what is sent to a receiver."""

from __future__ import annotations

from overflight_device.receivers.binary_frames import fletcher8, xor_of


def sentence(body: str) -> bytes:
    """Return an NMEA sentence of `body` (``GPRMC,…``), with ``$``, checksum and line end."""
    value = xor_of(body.encode("ascii"))
    return f"${body}*{value:02X}\r\n".encode("ascii")


def message(message_class: int, message_id: int, payload: bytes = b"") -> bytes:
    """Return a UBX message."""
    inner = bytes((message_class, message_id)) + len(payload).to_bytes(2, "little") + payload
    return b"\xb5\x62" + inner + bytes(fletcher8(inner))
