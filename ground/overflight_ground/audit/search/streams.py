"""The bodies of data that are searched: whole connections, and unexplained bytes put together.

An image may be cut into pieces that are each too short to know, over messages and over fields. So
what the contract does not explain is put together again in every way that a receiver could: by
packet type and field, by key of a JSON text, all in order of time; each as it is, and without what
the pieces have in common at their ends (a topic's first levels, a running number's separator).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from overflight_ground.audit import walk
from overflight_ground.audit.tally import Judged
from overflight_ground.audit.traffic import Packet

_STRINGS: Final = frozenset(
    ("topic", "client id", "user name", "password", "will topic", "will payload", "topic filter")
)
_TEXTS: Final = ("content_type", "response_topic", "correlation_data", "authentication_method")
_MORE_TEXTS: Final = ("authentication_data", "reason_string", "response_information")
_TOKEN: Final = re.compile(rb"[^/:;,|#\s]+")
_SHORT: Final = 4096
_WHOLE: Final = frozenset(("whole packet", walk.MALFORMED))


class Piece(NamedTuple):
    """Some bytes and the packet that carried them."""

    data: bytes
    packet: Packet


class Stream(NamedTuple):
    """Bytes to search, and the packets they came from, in order."""

    name: str
    data: bytes
    packets: tuple[Packet, ...]


@dataclass(slots=True)
class Collected:
    """What has to be searched, gathered while the traffic is read."""

    raw: dict[tuple[int, int], list[Packet]] = field(default_factory=dict)
    pieces: dict[str, list[Piece]] = field(default_factory=dict)

    def packet(self, packet: Packet) -> None:
        """Take in a packet as it is."""
        self.raw.setdefault((packet.file, packet.connection), []).append(packet)

    def unexplained(self, packet: Packet, found: Judged, kind: str, version: int) -> None:
        """Take in bytes that the contract does not explain."""
        data = packet.data[found.start : found.end]
        for name, content in _contents(found.field, data, version):
            if content:
                self.pieces.setdefault(f"{kind} {name}", []).append(Piece(content, packet))
                self.pieces.setdefault("all", []).append(Piece(content, packet))

    def streams(self) -> Iterator[Stream]:
        """Yield unexplained bytes put together, in each of the ways."""
        for name, pieces in sorted(self.pieces.items()):
            yield from _joined(name, pieces)
            links = {(p.packet.file, p.packet.connection) for p in pieces}
            if 1 < len(links) <= 64:
                for file, link in sorted(links):
                    own = [
                        p for p in pieces if (p.packet.file, p.packet.connection) == (file, link)
                    ]
                    yield from _joined(f"{name}, connection {link}", own)


def _joined(name: str, pieces: list[Piece]) -> Iterator[Stream]:
    packets = tuple(piece.packet for piece in pieces)
    bodies = [piece.data for piece in pieces]
    yield Stream(name, b"".join(bodies), packets)
    if len(bodies) < 2 or max(map(len, bodies)) > _SHORT:
        return
    yield Stream(f"{name}, last first", b"".join(bodies[::-1]), packets[::-1])
    stripped = _without_ends(bodies)
    if stripped != bodies:
        yield Stream(f"{name}, without common ends", b"".join(stripped), packets)
    words = [max(_TOKEN.findall(body), key=len, default=b"") for body in bodies]
    if words != bodies:
        yield Stream(f"{name}, longest words", b"".join(words), packets)
    last = [body.rpartition(b"/")[2] for body in bodies]
    if last not in (bodies, words):
        yield Stream(f"{name}, last levels", b"".join(last), packets)


def _without_ends(bodies: list[bytes]) -> list[bytes]:
    low, high = min(bodies), max(bodies)
    head = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    tails = sorted(body[:head:-1] for body in bodies)
    first, last = tails[0], tails[-1]
    tail = next(
        (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first)
    )
    return [body[head : len(body) - tail] for body in bodies]


def _contents(name: str, data: bytes, version: int) -> Iterator[tuple[str, bytes]]:
    """Yield the contents of a field without its lengths; of a packet, those of its fields."""
    if name in _WHOLE and data and data[0] >> 4:
        yield name, data
        for inner in walk.walk(data, version):
            if inner.name not in _WHOLE:
                yield from _contents(inner.name, data[inner.start : inner.end], version)
    elif name in _STRINGS:
        yield name, data[2:]
    elif name.startswith((walk.PROPERTY_PREFIX, "will property ")):
        yield from _property(name, data)
    elif name == "message":
        yield name, data
        yield from _json(data)
    else:
        yield name, data


def _property(name: str, data: bytes) -> Iterator[tuple[str, bytes]]:
    if name.endswith("user_property"):
        middle = 3 + int.from_bytes(data[1:3], "big")
        yield f"{name} name", data[3:middle]
        yield f"{name} value", data[middle + 2 :]
    elif name.endswith((*_TEXTS, *_MORE_TEXTS)):
        yield name, data[3:]
    else:
        yield name, data[1:]


def _json(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield the texts of a JSON text by key, doubled keys included, and the unknown keys."""
    try:
        parsed = json.loads(data, object_pairs_hook=list)
    except (ValueError, RecursionError):
        return
    yield from _values("message", parsed, 0)


def _values(path: str, value: object, depth: int) -> Iterator[tuple[str, bytes]]:
    if depth > 8:
        return
    if isinstance(value, str):
        yield f"{path} (text)", value.encode("utf-8", "surrogatepass")
    elif isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str):
        yield "message keys", value[0].encode("utf-8", "surrogatepass")
        yield from _values(f"{path} {value[0][:32]}", value[1], depth + 1)
    elif isinstance(value, list):
        if value and all(isinstance(item, int) and 0 <= item < 256 for item in value):
            yield f"{path} (numbers)", bytes(value)
        else:
            for item in value:
                yield from _values(path, item, depth + 1)
