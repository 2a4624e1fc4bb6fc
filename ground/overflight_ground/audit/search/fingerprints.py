"""Content-defined fingerprints: find runs of bytes that two bodies of data share, in linear time.

Winnowing (Schleimer, Wilkerson and Aiken, SIGMOD 2003): every window of `GRAM` bytes is hashed, and
of every `SPAN` neighbouring hashes the least is kept. Both sides choose by content alone, so any
run of at least `SMALLEST_RUN` bytes that both have keeps the same fingerprint on both sides: such a
run is found wherever it lies, unless its fingerprint stands more than `ALIKE` times in the index.
What the fingerprints point at is compared byte by byte, so nothing is found that is not there. All
in numpy; no loop over bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

GRAM: Final = 8
SPAN: Final = 17
SMALLEST_RUN: Final = GRAM + SPAN - 1
"""Any shared run of as many bytes is found; shorter ones are not reported."""

VARIETY: Final = 12
"""A run with fewer different byte values is not counted: flat sky and padding repeat themselves."""

ALIKE: Final = 16
"""How many places of the same fingerprint are compared; flat areas have more, and say nothing."""

_MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
_BLOCK: Final = 1 << 18
_BITMAP_BITS: Final = 28
"""Of the largest bitmaps; a small index has small ones."""
_EDGE: Final = 1 << 12

Bytes = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint32]
Places = npt.NDArray[np.int64]


class Run(NamedTuple):
    """The same `length` bytes at `here` in what was scanned and at `there` in the index."""

    here: int
    there: int
    length: int


def as_bytes(data: bytes | bytearray | memoryview | Bytes) -> Bytes:
    """View data as an array of bytes."""
    return data if isinstance(data, np.ndarray) else np.frombuffer(data, dtype=np.uint8)


def grams(data: Bytes) -> npt.NDArray[np.uint64]:
    """Return every window of `GRAM` bytes as one number, without a copy."""
    count = max(0, data.size - GRAM + 1)
    return np.ndarray((count,), dtype="<u8", buffer=data.data, strides=(1,))


def fingerprints(data: Bytes) -> Iterator[tuple[Hashes, Places]]:
    """Yield (hashes, places) of the chosen windows of `data`, block by block, in order."""
    total = max(0, data.size - SMALLEST_RUN + 1)
    for start in range(0, total, _BLOCK):
        end = min(total, start + _BLOCK)
        windows = grams(data[start : end + SMALLEST_RUN - 1])
        hashes = ((windows * _MULTIPLIER) >> np.uint64(32)).astype(np.uint32)
        least = _least_of_span(hashes, end - start)
        kept = np.flatnonzero(least[1:] != least[:-1]) + 1
        kept = np.concatenate((np.zeros(1, dtype=kept.dtype), kept))
        yield least[kept], kept.astype(np.int64) + start


def _least_of_span(hashes: Hashes, count: int) -> Hashes:
    """Return, for each place, the least of the `SPAN` hashes from there on."""
    least, width = hashes, 1
    while width * 2 <= SPAN:
        least = np.minimum(least[:-width], least[width:])
        width *= 2
    if width < SPAN:
        rest = SPAN - width
        least = np.minimum(least[:-rest], least[rest:])
    return least[:count]


@dataclass(slots=True)
class Index:
    """Fingerprints of one body of data, to scan others against."""

    data: Bytes
    hashes: Hashes
    places: Places
    high: Bytes
    """A bit for each value that the high bits of a fingerprint have; `low`, of its low bits."""
    low: Bytes
    bits: int
    """How many bits these are."""

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview | Bytes) -> Index:
        """Index `data`."""
        body = as_bytes(data)
        chosen = list(fingerprints(body))
        if not chosen:
            empty = np.zeros(0, dtype=np.uint32)
            nothing = np.zeros(1, dtype=np.uint8)
            return cls(body, empty, np.zeros(0, dtype=np.int64), nothing, nothing, 3)
        hashes = np.concatenate([part[0] for part in chosen])
        places = np.concatenate([part[1] for part in chosen])
        order = np.argsort(hashes, kind="stable")
        hashes, places = hashes[order], places[order]
        bits = min(_BITMAP_BITS, hashes.size.bit_length() + 4)
        high = _bitmap(_high(hashes, bits), bits)
        return cls(body, hashes, places, high, _bitmap(_low(hashes, bits), bits), bits)

    def scan(self, data: bytes | bytearray | memoryview | Bytes) -> list[Run]:
        """Return the runs of at least `SMALLEST_RUN` bytes that `data` shares with the index."""
        body = as_bytes(data)
        runs: list[Run] = []
        if not self.hashes.size:
            return runs
        covered: dict[int, int] = {}
        for hashes, places in fingerprints(body):
            here, there = self._candidates(body, hashes, places)
            for at, other in zip(here.tolist(), there.tolist(), strict=True):
                if covered.get(at - other, -1) > at:
                    continue
                run = self._extend(body, at, other)
                covered[at - other] = run.here + run.length
                if run.length >= SMALLEST_RUN and self._varied(run):
                    runs.append(run)
        return runs

    def _varied(self, run: Run) -> bool:
        return np.unique(self.data[run.there : run.there + run.length]).size >= VARIETY

    def _candidates(self, body: Bytes, hashes: Hashes, places: Places) -> tuple[Places, Places]:
        """Return (here, there) of windows that are equal in both, of those that were chosen."""
        chosen = np.flatnonzero(_lookup(self.high, _high(hashes, self.bits)))
        chosen = chosen[_lookup(self.low, _low(hashes[chosen], self.bits)) != 0]
        wanted = hashes[chosen]
        first = np.minimum(np.searchsorted(self.hashes, wanted), self.hashes.size - 1)
        same = self.hashes[first] == wanted
        chosen, first, wanted = chosen[same], first[same], wanted[same]
        last = np.searchsorted(self.hashes, wanted, side="right")
        times = np.minimum(last - first, ALIKE)
        ends = np.cumsum(times)
        step = np.arange(int(ends[-1]) if ends.size else 0) - np.repeat(ends - times, times)
        here = _least_places(body, np.repeat(places[chosen], times))
        there = _least_places(self.data, self.places[np.repeat(first, times) + step])
        equal = grams(body)[here] == grams(self.data)[there]
        return here[equal], there[equal]

    def _extend(self, body: Bytes, here: int, there: int) -> Run:
        """Compare byte by byte around two equal windows."""
        left = _same_backwards(body, here, self.data, there)
        right = _same_forwards(body, here, self.data, there)
        return Run(here - left, there - left, left + right)


def _high(hashes: Hashes, bits: int) -> Hashes:
    return hashes >> np.uint32(32 - bits)


def _low(hashes: Hashes, bits: int) -> Hashes:
    return hashes & np.uint32((1 << bits) - 1)


def _bitmap(slots: Hashes, bits: int) -> Bytes:
    made = np.zeros(1 << (bits - 3), dtype=np.uint8)
    np.bitwise_or.at(made, slots >> 3, np.left_shift(1, slots & 7).astype(np.uint8))
    return made


def _lookup(bitmap: Bytes, slots: Hashes) -> Bytes:
    found: Bytes = (bitmap[slots >> 3] >> (slots & 7).astype(np.uint8)) & 1
    return found


def _least_places(data: Bytes, spans: Places) -> Places:
    """Return, for each span, where the window lies whose hash is the least."""
    places = spans[:, None] + np.arange(SPAN)
    hashes = (grams(data)[places] * _MULTIPLIER) >> np.uint64(32)
    least: Places = spans + np.argmin(hashes, axis=1)
    return least


def _same_forwards(one: Bytes, at: int, other: Bytes, there: int) -> int:
    length, step = 0, _EDGE
    while True:
        size = min(step, one.size - at - length, other.size - there - length)
        if size <= 0:
            return length
        here, beyond = at + length, there + length
        differ = np.flatnonzero(one[here : here + size] != other[beyond : beyond + size])
        if differ.size:
            return length + int(differ[0])
        length += size


def _same_backwards(one: Bytes, at: int, other: Bytes, there: int) -> int:
    length, step = 0, _EDGE
    while True:
        size = min(step, at - length, there - length)
        if size <= 0:
            return length
        here, beyond = at - length, there - length
        differ = np.flatnonzero(one[here - size : here] != other[beyond - size : beyond])
        if differ.size:
            return length + size - 1 - int(differ[-1])
        length += size
