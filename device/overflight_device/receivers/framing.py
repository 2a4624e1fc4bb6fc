"""Cut the byte stream of a receiver into NMEA sentences, UBX messages and what is neither.

A receiver's stream is a mixture: sentences, binary messages of its maker, corrections for others
(RTCM), ship reports (AIS), noise of a loose cable. Frames are recognised by their own structure
and checksum, never by where they stand, so one damaged frame costs no other. What can't be used is
counted by reason, in bytes and in pieces.

Bounds: a sentence is at most `MAX_SENTENCE` bytes (NMEA 0183 §5.3.1 says 82; makers say more), a
binary message `MAX_BINARY`, so no more than `MAX_BINARY` bytes are ever held back.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from overflight_device.receivers.binary_frames import (
    FIRST_BYTES,
    UBX,
    NeedMoreError,
    message_at,
    xor_of,
)

MAX_SENTENCE: Final = 1024

_HEX: Final = frozenset(b"0123456789ABCDEFabcdef")
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
            except NeedMoreError:
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
        found = message_at(self._buffer, start)
        if found is not None:
            name, message = found
            return start + len(message), self._binary(name, message)
        self._noise += 1
        return start + 1, None

    def _line(self, start: int, *, final: bool) -> tuple[int, Frame | None]:
        buffer = self._buffer
        match = _LINE_END.search(buffer, start + 1, start + MAX_SENTENCE)
        if match is None and len(buffer) - start < MAX_SENTENCE and not final:
            raise NeedMoreError
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
            if int(stated, 16) != xor_of(body):
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

    def _binary(self, name: str, message: bytes) -> Frame | None:
        self._flush_noise()
        if name == UBX:
            return Ubx(message[2], message[3], message[6:-2])
        self.skipped.add(f"{name}: not supported", len(message))
        return None

    def _flush_noise(self) -> None:
        if self._noise:
            self.skipped.add("noise", self._noise)
            self._noise = 0


_START: Final = re.compile(b"[$!#" + re.escape(FIRST_BYTES) + b"]")
_LINE_END: Final = re.compile(rb"[^\t\x20-\x7e]|\$")  # or the next sentence, where one is torn
_HASH: Final = ord("#")
_TEXT: Final = frozenset(b"$!#")
