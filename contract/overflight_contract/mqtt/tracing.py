"""Decoding that notes where each field lies, for a view of bytes and fields side by side."""

from __future__ import annotations

from typing import NamedTuple

from overflight_contract.mqtt.decoding import decode_from
from overflight_contract.mqtt.errors import RemoteProtocolError
from overflight_contract.mqtt.vocabulary import Version
from overflight_contract.mqtt.wire import Reader

Value = int | str | bytes


class Field(NamedTuple):
    """One field of a packet: `length` bytes from `offset`, both from the packet's first byte."""

    name: str
    value: Value
    offset: int
    length: int


class TracingReader(Reader):
    """A reader that notes what it read where."""

    __slots__ = ("fields",)

    def __init__(
        self,
        data: bytes,
        pos: int,
        end: int,
        version: Version | None,
        fields: list[Field] | None = None,
    ) -> None:
        super().__init__(data, pos, end, version)
        self.fields = [] if fields is None else fields

    def _note(self, name: str, value: Value, start: int) -> None:
        self.fields.append(Field(name, value, start, self.pos - start))

    def u8(self, what: str) -> int:
        """Read a byte."""
        start, value = self.pos, super().u8(what)
        self._note(what, value, start)
        return value

    def u16(self, what: str) -> int:
        """Read a two byte integer."""
        start, value = self.pos, super().u16(what)
        self._note(what, value, start)
        return value

    def u32(self, what: str) -> int:
        """Read a four byte integer."""
        start, value = self.pos, super().u32(what)
        self._note(what, value, start)
        return value

    def varint(self, what: str, *, minimal: bool = True) -> int:
        """Read a variable byte integer."""
        start, value = self.pos, super().varint(what, minimal=minimal)
        self._note(what, value, start)
        return value

    def binary(self, what: str) -> bytes:
        """Read binary data with its length."""
        start, value = self.pos, super().binary(what)
        self._note(what, value, start)
        return value

    def text(self, what: str) -> str:
        """Read a UTF-8 string with its length."""
        start, value = self.pos, super().text(what)
        self._note(what, value, start)
        return value

    def rest(self, what: str) -> bytes:
        """Read all that is left."""
        start, value = self.pos, super().rest(what)
        self._note(what, value, start)
        return value

    def window(self, length: int) -> Reader:
        """Return a reader of the next `length` bytes that notes into the same list."""
        start = self.pos
        self.pos += length
        return TracingReader(self.data, start, self.pos, self.version, self.fields)


def trace(packet: bytes, version: Version | None) -> list[Field]:
    """Return the fields of `packet` in order of their bytes.

    Of a malformed packet those that could be read, then one named ``malformed`` over the rest,
    whose value says what is wrong.
    """
    reader = TracingReader(packet, 0, len(packet), version)
    try:
        decode_from(reader)
    except RemoteProtocolError as error:
        last = reader.fields[-1] if reader.fields else Field("", 0, 0, 0)
        end = last.offset + last.length
        reader.fields.append(Field("malformed", str(error), end, len(packet) - end))
    return reader.fields
