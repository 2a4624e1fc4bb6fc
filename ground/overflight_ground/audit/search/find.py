"""Search of the kept pictures in the traffic: as they are, and in every form of `alphabets`.

`Finder` indexes the pictures once, in shards of bounded size, and scans streams against each.
Forms are undone up to `DEPTH` times (base64 of gzip of base64). What is found is compared byte by
byte, so a finding is never an accident; what is missed is said in docs/audit.md.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np

from overflight_ground.audit.search import alphabets, packings
from overflight_ground.audit.search.fingerprints import SMALLEST_RUN, Bytes, Index, Run, as_bytes
from overflight_ground.audit.search.signatures import find_signatures
from overflight_ground.audit.search.streams import Collected, Stream
from overflight_ground.audit.traffic import Packet

DEPTH: Final = 3
SHARD_BYTES: Final = 1 << 27
BUDGET_BYTES: Final = 1 << 32
"""Decoded bytes that are searched at the most; beyond it the search says that it is incomplete."""
_GROUP_BYTES: Final = 1 << 26
_COMPARED: Final = 32


class Picture(NamedTuple):
    """A kept picture: its name in reports, and its bytes when asked for."""

    name: str
    sha256: str
    size: int
    load: Callable[[], bytes]


class Hit(NamedTuple):
    """Bytes of a picture found: `length` of them from `offset` of the picture on."""

    picture: int
    offset: int
    length: int
    form: str
    stream: str
    first: Packet
    last: Packet


class Found(NamedTuple):
    """One picture found in one form: how many of its bytes, and where it begins and ends."""

    picture: Picture
    form: str
    stream: str
    matched_bytes: int
    longest_run: int
    first: Packet
    last: Packet


class Beginning(NamedTuple):
    """The signature of an image file."""

    name: str
    form: str
    stream: str
    first: Packet
    last: Packet


@dataclass(slots=True)
class SearchResult:
    """What a search found, and how much it looked at."""

    found: list[Found] = field(default_factory=list)
    beginnings: list[Beginning] = field(default_factory=list)
    pictures: int = 0
    picture_bytes: int = 0
    scanned_bytes: int = 0
    decoded_bytes: int = 0
    complete: bool = True


@dataclass(slots=True)
class _Shard:
    first_picture: int
    starts: list[int]
    index: Index
    veiled: dict[str, Index] = field(default_factory=dict)
    """Of what each byte is to the next, by veil."""


class Finder:
    """Looks for pictures in streams."""

    def __init__(self, pictures: Iterable[Picture], *, disguises: bool = True) -> None:
        """`disguises`: also look for bytes in reverse, veiled with a constant and so on."""
        self.pictures = list(pictures)
        self._disguises = disguises

    def search(self, collected: Collected) -> SearchResult:
        """Search what was collected."""
        result = SearchResult(
            pictures=len(self.pictures), picture_bytes=sum(p.size for p in self.pictures)
        )
        hits: list[Hit] = []
        raw = list(_raw(collected))
        result.scanned_bytes = sum(len(stream.data) for stream in raw)
        plain = {stream.name for stream in raw}
        beginnings: list[Beginning] = []
        for number, shard in enumerate(self._shards()):
            # Forms are undone anew for each shard: together they may be too large to keep.
            counted = result if number == 0 else SearchResult()
            for form, stream in self._forms(collected, raw, counted):
                if number == 0:
                    beginnings += _beginnings(form, stream)
                hits += self._hits(shard, form, stream)
                if self._disguises and stream.name not in plain and not _disguised(form):
                    hits += self._veiled(shard, form, stream)
        result.beginnings = _first_of_each(beginnings)
        result.found = _merge(self.pictures, self._own(hits))
        return result

    def _own(self, hits: list[Hit]) -> list[Hit]:
        """Leave out what a picture shares with one of which more was found.

        Pictures have headers, tables and skies in common; only the one that crossed is meant.
        """
        matched: dict[int, int] = {}
        for (picture, _, _), group in _groups(hits).items():
            matched[picture] = max(matched.get(picture, 0), _union(group))
        order = sorted(matched, key=lambda n: (-matched[n] / self.pictures[n].size, n))
        bodies: list[bytes] = []
        kept: list[Hit] = []
        for picture in order:
            body = self.pictures[picture].load()
            own = [
                hit
                for hit in hits
                if hit.picture == picture
                and not any(body[hit.offset : hit.offset + hit.length] in b for b in bodies)
            ]
            kept += own
            if own and len(bodies) < 8 * _COMPARED:
                bodies += _shifted(body)
        return kept

    def _forms(
        self, collected: Collected, raw: list[Stream], result: SearchResult
    ) -> Iterator[tuple[str, Stream]]:
        for stream in raw:
            yield "as it is", stream
        seen: set[int] = set()
        for stream in collected.streams():
            yield from self._undone("", stream, DEPTH, seen, result)

    def _undone(
        self, form: str, stream: Stream, depth: int, seen: set[int], result: SearchResult
    ) -> Iterator[tuple[str, Stream]]:
        key = hash(stream.data)
        if key in seen or len(stream.data) < SMALLEST_RUN:
            return
        seen.add(key)
        result.decoded_bytes += len(stream.data)
        if result.decoded_bytes > BUDGET_BYTES:
            result.complete = False
            return
        yield form or "as it is", stream
        if self._disguises and depth >= DEPTH - 1:
            for name, disguise in _DISGUISES.items():
                yield _chain(form, name), stream._replace(data=disguise(stream.data))
        if not depth:
            return
        for name, data in _inner(stream.data):
            inner = stream._replace(data=data)
            yield from self._undone(_chain(form, name), inner, depth - 1, seen, result)

    def _shards(self) -> Iterator[_Shard]:
        """Yield the pictures' indexes; an empty one where there is no picture."""
        start = 0
        while start < len(self.pictures) or start == 0:
            bodies: list[bytes] = []
            starts, total = [], 0
            while start + len(bodies) < len(self.pictures) and total < SHARD_BYTES:
                body = self.pictures[start + len(bodies)].load()
                starts.append(total)
                total += len(body)
                bodies.append(body)
            yield _Shard(start, starts, Index.of(b"".join(bodies)))
            start += len(bodies)
            if not bodies:
                return

    def _hits(self, shard: _Shard, form: str, stream: Stream) -> Iterator[Hit]:
        body = as_bytes(stream.data)
        for run in shard.index.scan(body):
            yield from self._hit(shard, run, form, stream)

    def _veiled(self, shard: _Shard, form: str, stream: Stream) -> Iterator[Hit]:
        for name, step in _VEILS.items():
            if name not in shard.veiled:
                shard.veiled[name] = Index.of(step(shard.index.data))
            veiled = _chain("" if form == "as it is" else form, name)
            for run in shard.veiled[name].scan(step(as_bytes(stream.data))):
                if stream.data[run.here] != int(shard.index.data[run.there]):
                    yield from self._hit(shard, run, veiled, stream)

    def _hit(self, shard: _Shard, run: Run, form: str, stream: Stream) -> Iterator[Hit]:
        at = bisect.bisect_right(shard.starts, run.there) - 1
        offset = run.there - shard.starts[at]
        picture = shard.first_picture + at
        length = min(run.length, self.pictures[picture].size - offset)
        if length < SMALLEST_RUN:
            return
        first, last = _ends(stream, run) if form == "as it is" else _ends(stream)
        yield Hit(picture, offset, length, form, stream.name, first, last)


_VEILS: Final[dict[str, Callable[[Bytes], Bytes]]] = {
    "XOR with one byte": lambda data: data[1:] ^ data[:-1],
    "one number added": lambda data: data[1:] - data[:-1],
}
"""What each byte is to the next: the same whatever constant all bytes were veiled with."""

_MIRRORED: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_SWAPPED: Final = bytes(byte >> 4 | byte << 4 & 0xFF for byte in range(256))
_DISGUISES: Final[dict[str, Callable[[bytes], bytes]]] = {
    "reversed": lambda data: data[::-1],
    "bits of each byte reversed": lambda data: data.translate(_MIRRORED),
    "halves of each byte swapped": lambda data: data.translate(_SWAPPED),
    "running sums": lambda data: np.cumsum(as_bytes(data), dtype=np.uint8).tobytes(),
    "every second byte": lambda data: data[::2],
    "every second byte, from the second on": lambda data: data[1::2],
}


def _chain(form: str, name: str) -> str:
    return f"{form}, then {name}" if form else name


def _inner(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield from alphabets.decoded(data)
    yield from packings.unpacked(data)


def _raw(collected: Collected) -> Iterator[Stream]:
    """Yield the traffic connection by connection, in bodies of bounded size that overlap."""
    for (_, number), packets in sorted(collected.raw.items()):
        group: list[Packet] = []
        size = 0
        for packet in packets:
            group.append(packet)
            size += len(packet.data)
            if size >= _GROUP_BYTES:
                yield Stream(f"connection {number}", b"".join(p.data for p in group), tuple(group))
                group, size = group[-2:], sum(len(p.data) for p in group[-2:])
        yield Stream(f"connection {number}", b"".join(p.data for p in group), tuple(group))


def _ends(stream: Stream, run: Run | None = None) -> tuple[Packet, Packet]:
    if run is None or sum(len(p.data) for p in stream.packets) != len(stream.data):
        return stream.packets[0], stream.packets[-1]
    ends = np.cumsum([len(p.data) for p in stream.packets])
    first = int(np.searchsorted(ends, run.here, side="right"))
    last = int(np.searchsorted(ends, run.here + run.length - 1, side="right"))
    return stream.packets[first], stream.packets[last]


def _disguised(form: str) -> bool:
    return form.rpartition(", then ")[2] in _DISGUISES


def _beginnings(form: str, stream: Stream) -> Iterator[Beginning]:
    for found in find_signatures(stream.data):
        at = Run(found.offset, 0, 1) if form == "as it is" else None
        first, last = _ends(stream, at)
        yield Beginning(found.name, form, stream.name, first, last)


def _first_of_each(beginnings: Iterable[Beginning]) -> list[Beginning]:
    kept: dict[tuple[str, int, int], Beginning] = {}
    for found in beginnings:
        kept.setdefault((found.name, found.first.file, found.first.sequence), found)
    return list(kept.values())


def _merge(pictures: list[Picture], hits: list[Hit]) -> list[Found]:
    """Put the runs of a picture in one form together; keep its fullest form."""
    found = [
        Found(
            pictures[picture],
            form,
            stream,
            _union(group),
            max(hit.length for hit in group),
            min((hit.first for hit in group), key=_order),
            max((hit.last for hit in group), key=_order),
        )
        for (picture, form, stream), group in _groups(hits).items()
    ]
    best: dict[str, Found] = {}
    for item in sorted(found, key=_plainest):
        best.setdefault(item.picture.name, item)
    return sorted(best.values(), key=lambda f: (-f.matched_bytes, f.picture.name))


def _plainest(found: Found) -> tuple[int, int, int, str, str]:
    steps = 0 if found.form == "as it is" else 1 + found.form.count(", then ")
    return -found.matched_bytes, steps, found.stream.startswith("all"), found.stream, found.form


def _shifted(body: bytes) -> list[bytes]:
    """Return `body` as it reads from each bit of its first byte on.

    A picture's codes are not aligned to bytes, nor are texts that are decoded from the wrong place.
    """
    bits = np.unpackbits(as_bytes(body))
    return [body, *(np.packbits(bits[shift:]).tobytes() for shift in range(1, 8))]


def _groups(hits: list[Hit]) -> dict[tuple[int, str, str], list[Hit]]:
    groups: dict[tuple[int, str, str], list[Hit]] = {}
    for hit in hits:
        groups.setdefault((hit.picture, hit.form, hit.stream), []).append(hit)
    return groups


def _order(packet: Packet) -> tuple[int, int]:
    return packet.file, packet.sequence


def _union(hits: list[Hit]) -> int:
    total, reached = 0, 0
    for hit in sorted(hits, key=lambda h: h.offset):
        end = hit.offset + hit.length
        total += max(0, end - max(reached, hit.offset))
        reached = max(reached, end)
    return total


__all__ = ["Bytes", "Finder", "Found", "Picture", "SearchResult"]
