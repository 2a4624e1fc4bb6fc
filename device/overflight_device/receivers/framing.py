"""Cut the byte stream of a receiver into NMEA sentences, UBX messages and what is neither.

A receiver's stream is a mixture: sentences, binary messages of its maker, corrections for others
(RTCM), ship reports (AIS), noise of a loose cable. Frames are recognised by their own structure
and checksum, never by where they stand, so one damaged frame costs no other. What can't be used is
counted by reason, in bytes and in pieces.

Bounds: a sentence is at most `MAX_SENTENCE` bytes (NMEA 0183 §5.3.1 says 82; makers say more), a
binary frame `MAX_BINARY` (the largest UBX message in use, RXM-RAWX with 64 signals, has 2,072), so
no more than `MAX_BINARY` bytes are ever held back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, reduce
from itertools import accumulate
from operator import xor
from typing import Final

MAX_SENTENCE: Final = 1024
MAX_BINARY: Final = 4096

_HEX: Final = frozenset(b"0123456789ABCDEFabcdef")
_RTCM3_NUMBERS: Final = (range(1001, 1400), range(4001, 4096))
_ADDRESS: Final = re.compile(rb"[$!][A-Z]{1,2}[A-Za-z0-9 ]{1,12},")


@dataclass(frozen=True, slots=True)
class Sentence:
    """An NMEA sentence whose checksum is right, or absent (`checked` is False).

    `fields[0]` is the address (``GNRMC``); there is no ``$`` and no checksum.
    """

    fields: tuple[str, ...]
    checked: bool


@dataclass(frozen=True, slots=True)
class Ubx:
    """A u-blox message whose checksum is right."""

    message_class: int
    message_id: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Comment:
    """A line of notes at the head of a log, without the ``#``."""

    text: str


Frame = Sentence | Ubx | Comment


@dataclass(slots=True)
class Skipped:
    """What was not used: pieces and bytes, by reason."""

    pieces: Counter[str] = field(default_factory=Counter)
    octets: Counter[str] = field(default_factory=Counter)

    def add(self, reason: str, size: int) -> None:
        """Count one piece of `size` bytes."""
        self.pieces[reason] += 1
        self.octets[reason] += size


class _NeedMore(Exception):  # noqa: N818 - a signal, no error
    """The frame that begins here is not complete yet."""


class Framer:
    """Bytes in, frames out; what is skipped is counted in `skipped`."""

    def __init__(self) -> None:
        self.skipped = Skipped()
        self._buffer = bytearray()
        self._noise = 0
        self._line_start = True

    @property
    def pending(self) -> int:
        """Bytes held back because their frame is not complete."""
        return len(self._buffer)

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Take bytes as they come, cut anywhere; return the frames that are complete now."""
        self._buffer += data
        return list(self._frames(final=False))

    def finish(self) -> list[Frame]:
        """Return what is left at the end of the stream: a last line may lack its line end."""
        frames = list(self._frames(final=True))
        self._flush_noise()
        return frames

    def _frames(self, *, final: bool) -> Iterator[Frame]:
        buffer = self._buffer
        done = 0
        while (start := self._next_start(done)) < len(buffer):
            try:
                end, frame = self._frame_at(start, final=final)
            except _NeedMore:
                done = start
                if not final:
                    break
                end, frame = start + 1, None  # torn: look for frames within it
                self._noise += 1
            if frame is not None:
                yield frame
            self._line_start = buffer[end - 1] in b"\r\n"
            done = end
        else:
            done = len(buffer)
        del buffer[:done]

    def _next_start(self, done: int) -> int:
        """Return where a frame could begin next; what lies before it is noise."""
        match = _START.search(self._buffer, done)
        start = len(self._buffer) if match is None else match.start()
        if start > done:
            between = self._buffer[done:start]
            self._noise += len(between) - between.count(b"\r") - between.count(b"\n")
            self._line_start = between[-1] in b"\r\n"
        return start

    def _frame_at(self, start: int, *, final: bool) -> tuple[int, Frame | None]:
        """Return where the frame (or noise) that begins at `start` ends, and the frame."""
        first = self._buffer[start]
        if first in _TEXT and (first != _HASH or self._line_start):
            return self._line(start, final=final)
        binary = _BINARY.get(first)
        end = None if binary is None else binary(self._buffer, start)
        if end is not None:
            return end, self._binary(start, end)
        self._noise += 1
        return start + 1, None

    def _line(self, start: int, *, final: bool) -> tuple[int, Frame | None]:
        buffer = self._buffer
        match = _LINE_END.search(buffer, start + 1, start + MAX_SENTENCE)
        if match is None and len(buffer) - start < MAX_SENTENCE and not final:
            raise _NeedMore
        end = min(len(buffer), start + MAX_SENTENCE) if match is None else match.start()
        line = bytes(buffer[start:end])
        if line[0] == _HASH:
            self._flush_noise()
            return end, Comment(line[1:].decode("ascii", "replace").strip())
        ended = end < len(buffer) and buffer[end] in b"\r\n"
        frame = self._sentence(line, ended=ended)
        if frame is None and _ADDRESS.match(line) is None:
            self._noise += 1
            return start + 1, None
        return end, frame

    def _sentence(self, line: bytes, *, ended: bool) -> Sentence | None:
        if _ADDRESS.match(line) is None:
            return None
        self._flush_noise()
        body, star, checksum = line[1:].partition(b"*")
        stated = checksum[:2]
        if star:
            if len(stated) < 2 or not _HEX.issuperset(stated):
                self.skipped.add("NMEA: torn sentence", len(line))
                return None
            if int(stated, 16) != _xor(body):
                self.skipped.add("NMEA: wrong checksum", len(line))
                return None
        elif not ended:
            self.skipped.add("NMEA: torn sentence", len(line))
            return None
        if line[:1] == b"!":
            self.skipped.add(f"AIS: {body[:5].decode('ascii')}", len(line))
            return None
        fields = tuple(body.decode("ascii", "replace").rstrip().split(","))
        return Sentence(fields, bool(star))

    def _binary(self, start: int, end: int) -> Frame | None:
        self._flush_noise()
        frame = bytes(self._buffer[start:end])
        if frame[0] == 0xB5:
            return Ubx(frame[2], frame[3], frame[6:-2])
        name = _BINARY_NAMES[frame[0]]
        self.skipped.add(f"{name}: not supported", len(frame))
        return None

    def _flush_noise(self) -> None:
        if self._noise:
            self.skipped.add("noise", self._noise)
            self._noise = 0


def _xor(body: bytes | bytearray) -> int:
    return reduce(xor, body, 0)


def fletcher8(data: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Return the two checksum bytes of a UBX message (u-blox interface description §3.4)."""
    return sum(data) & 0xFF, sum(accumulate(data)) & 0xFF


def _need(buffer: bytearray, start: int, size: int) -> None:
    if len(buffer) - start < size:
        raise _NeedMore


def _ubx_end(buffer: bytearray, start: int) -> int | None:
    """B5 62, class, id, length (little-endian), payload, two checksum bytes."""
    _need(buffer, start, 2)
    if buffer[start + 1] != 0x62:
        return None
    _need(buffer, start, 6)
    size = int.from_bytes(buffer[start + 4 : start + 6], "little") + 8
    if size > MAX_BINARY:
        return None
    _need(buffer, start, size)
    end = start + size
    good = fletcher8(buffer[start + 2 : end - 2]) == (buffer[end - 2], buffer[end - 1])
    return end if good else None


def _rtcm3_end(buffer: bytearray, start: int) -> int | None:
    """D3, six zero bits, ten bits of length, payload, CRC-24Q (RTCM 10403.3 §4)."""
    _need(buffer, start, 3)
    if buffer[start + 1] & 0xFC:
        return None
    length = (buffer[start + 1] & 3) << 8 | buffer[start + 2]
    if length:  # an empty one is a filler
        _need(buffer, start, 5)
        number = buffer[start + 3] << 4 | buffer[start + 4] >> 4
        if not any(number in numbers for numbers in _RTCM3_NUMBERS):
            return None
    size = length + 6
    _need(buffer, start, size)
    crc = int.from_bytes(buffer[start + size - 3 : start + size], "big")
    return start + size if crc == _crc24q(buffer[start : start + size - 3]) else None


def _crc24q(data: bytearray) -> int:
    table = _crc24q_table()
    crc = 0
    for octet in data:
        crc = (crc << 8 & 0xFFFFFF) ^ table[crc >> 16 ^ octet]
    return crc


@cache
def _crc24q_table() -> list[int]:
    table = list(range(0, 256 << 16, 1 << 16))
    for _ in range(8):
        table = [crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0) for crc in table]
    return table


def _sirf_end(buffer: bytearray, start: int) -> int | None:
    """A0 A2 … B0 B3 (SiRF) with a 15-bit sum, or A0 A1 … 0D 0A (SkyTraq) with an XOR."""
    _need(buffer, start, 4)
    second = buffer[start + 1]
    if second not in (0xA1, 0xA2):
        return None
    length = buffer[start + 2] << 8 | buffer[start + 3]
    sirf = second == 0xA2
    size = length + (8 if sirf else 7)
    if size > MAX_BINARY:
        return None
    _need(buffer, start, size)
    if not buffer.endswith(b"\xb0\xb3" if sirf else b"\r\n", start, start + size):
        return None
    payload = buffer[start + 4 : start + 4 + length]
    tail = buffer[start + 4 + length : start + size]
    good = sum(payload) & 0x7FFF == tail[0] << 8 | tail[1] if sirf else _xor(payload) == tail[0]
    return start + size if good else None


_START: Final = re.compile(rb"[$!#\xb5\xd3\xa0]")
_LINE_END: Final = re.compile(rb"[^\t\x20-\x7e]|\$")  # or the next sentence, where one is torn
_HASH: Final = ord("#")
_TEXT: Final = frozenset(b"$!#")
_BINARY: Final[dict[int, Callable[[bytearray, int], int | None]]] = {
    0xB5: _ubx_end,
    0xD3: _rtcm3_end,
    0xA0: _sirf_end,
}
_BINARY_NAMES: Final = {0xD3: "RTCM 3", 0xA0: "SiRF or SkyTraq binary"}
