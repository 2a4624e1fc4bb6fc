"""Reading and writing the data types of the standard (MQTT 5.0 §1.5)."""

from __future__ import annotations

import re
from typing import Final

from overflight_contract.mqtt.errors import RemoteProtocolError
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.vocabulary import MAX_REMAINING_LENGTH, Version

_NONCHARACTERS = "".join(
    chr(plane << 16 | 0xFFFE) + chr(plane << 16 | 0xFFFF) for plane in range(17)
)
_DISALLOWED: Final = re.compile(f"[\x01-\x1f\x7f-\x9f\ufdd0-\ufdef{_NONCHARACTERS}]")


class Reader:
    """Reads one packet from `pos` to `end`; every shortage is a `RemoteProtocolError`."""

    __slots__ = ("data", "end", "pos", "version")

    def __init__(self, data: bytes, pos: int, end: int, version: Version | None) -> None:
        self.data = data
        self.pos = pos
        self.end = end
        self.version = version

    @property
    def left(self) -> int:
        """Bytes still to read."""
        return self.end - self.pos

    def window(self, length: int) -> Reader:
        """Return a reader of the next `length` bytes, and go past them."""
        start = self.pos
        self.pos += length
        return Reader(self.data, start, self.pos, self.version)

    def rest(self, what: str) -> bytes:
        """Read all that is left."""
        return self.take(self.left, what)

    def error(self, rule: Rule, detail: str) -> RemoteProtocolError:
        """Return the error that breaking `rule` here is."""
        return RemoteProtocolError(rule, self.version, detail)

    def take(self, count: int, what: str) -> bytes:
        """Read `count` bytes."""
        start = self.pos
        if start + count > self.end:
            raise self.error(Rule.TRUNCATED, f"the packet ends within its {what}")
        self.pos = start + count
        return self.data[start : self.pos]

    def u8(self, what: str) -> int:
        """Read a byte."""
        return self.take(1, what)[0]

    def u16(self, what: str) -> int:
        """Read a two byte integer."""
        return int.from_bytes(self.take(2, what))

    def u32(self, what: str) -> int:
        """Read a four byte integer."""
        return int.from_bytes(self.take(4, what))

    def varint(self, what: str, *, minimal: bool = True) -> int:
        """Read a variable byte integer; over-long spellings are malformed (MQTT 5.0 §1.5.5)."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.take(1, what)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                if minimal and shift and byte == 0:
                    raise self.error(Rule.VARINT_MINIMAL, f"the {what} is over-long")
                return value
        rule = Rule.VARINT if minimal else Rule.REMAINING_LENGTH
        raise self.error(rule, f"the {what} has over four bytes")

    def binary(self, what: str) -> bytes:
        """Read binary data with its two byte length."""
        return self.take(int.from_bytes(self.take(2, what)), what)

    def text(self, what: str) -> str:
        """Read a UTF-8 string.

        Well formed, without U+0000. The other control characters and the non-characters, which a
        receiver may refuse (MQTT 5.0 §1.5.4), are refused, as the common brokers do.
        """
        raw = self.take(int.from_bytes(self.take(2, what)), what)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            detail = f"the {what} is not well-formed UTF-8 at byte {error.start}"
            raise self.error(Rule.UTF8, detail) from None
        if "\0" in text:
            raise self.error(Rule.UTF8_NULL, f"the {what} has U+0000 in it")
        bad = _DISALLOWED.search(text)
        if bad is not None:
            detail = f"the {what} has U+{ord(bad.group()):04X} in it"
            raise self.error(Rule.UTF8_CONTROL, detail)
        return text

    def done(self) -> None:
        """Check that nothing trails."""
        if self.pos != self.end:
            raise self.error(Rule.TRAILING, f"{self.left} bytes trail after the packet's fields")


def varint(value: int) -> bytes:
    """Write a variable byte integer; raises `ValueError` outside 0 to 268,435,455."""
    if not 0 <= value <= MAX_REMAINING_LENGTH:
        raise ValueError(f"{value} does not fit in a variable byte integer")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(data: bytes) -> bytes:
    """Write binary data with its two byte length; raises `OverflowError` above 65,535 bytes."""
    return len(data).to_bytes(2) + data


def text(value: str) -> bytes:
    """Write a UTF-8 string; raises `UnicodeEncodeError` for surrogates."""
    return binary(value.encode("utf-8"))
