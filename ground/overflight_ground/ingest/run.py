"""Canonical telemetry that comes in a row, taken apart column by column.

A broker hands on what it holds packet after packet. One regular expression goes over a whole socket
read: it finds the PUBLISH packets that are good in every respect that the contract knows, and their
values, at a fifth of what it costs to take each apart by itself. What is left to do goes over
columns, in calls that loop in C. Whatever is not good, or not usual (a duplicate, a retained
message, another QoS, a message without a fix), is left to `judge`.

Pure. Runs of one flight each come out; `Taken` says what of a read went into them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain, compress
from operator import gt
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from overflight_contract import fastpath
from overflight_contract.mqtt import Version
from overflight_contract.topics import Kind
from overflight_ground.ingest.judge import Accepted, Arrival, Way, short_way

LEAST_BYTES: Final = 1024
"""In fewer bytes it is not worth while: a handful of messages."""

LONGEST: Final = 1024
"""No packet that is taken here has as many bytes."""


class Run(NamedTuple):
    """Messages of one flight in the order in which they came, all canonical, as columns."""

    payload: str
    flight: str
    received_at_ns: list[int]
    seqs: list[int]
    held_froms: list[int]
    measured_at_ns: list[int]
    ways: list[Way]
    raws: list[str]
    places: Sequence[list[Any]]
    """What each kind has of its own, in `fastpath.PLACES` columns; see `fastpath.columns`."""

    @property
    def messages(self) -> int:
        """How many messages."""
        return len(self.seqs)

    @property
    def size(self) -> int:
        """How many bytes of payload."""
        return sum(map(len, self.raws))

    def accepted(self, place: int) -> Accepted:
        """Return one message as `judge` would."""
        way, raw = self.ways[place], self.raws[place].encode()
        received_at_ns, at_ns = self.received_at_ns[place], self.measured_at_ns[place]
        arrival = Arrival(way.topic.encode(), raw, 1, False, False, received_at_ns)
        return Accepted(arrival, way.payload, way.kind, way.topic, way.decode(raw), at_ns)

    def all_accepted(self) -> list[Accepted]:
        """Return all messages as `judge` would."""
        return [self.accepted(place) for place in range(len(self.seqs))]

    def of_kind(self, kind: Kind, *columns: Sequence[Any]) -> list[list[Any]]:
        """Return the values in `columns` of the messages of `kind`."""
        wanted = [way.kind is kind for way in self.ways]
        return [list(compress(column, wanted)) for column in columns]

    def pick(self, payload: str, flight: str, places: Sequence[int]) -> Run:
        """Return the run of some of these messages, which are of one flight."""
        columns = [[column[place] for place in places] for column in self[2:-1]]
        own = [[column[place] for place in places] for column in self.places]
        return Run._make((payload, flight, *columns, own))

    def parts(self, most: int) -> Iterator[tuple[int, Run]]:
        """Cut the run into runs of at most so many messages; yield each with its first place."""
        if self.messages <= most:
            yield 0, self
            return
        for first in range(0, self.messages, most):
            columns = [column[first : first + most] for column in self[2:-1]]
            own = [column[first : first + most] for column in self.places]
            yield first, Run._make((self.payload, self.flight, *columns, own))


def joined(runs: Sequence[Run]) -> Run:
    """Return the one run that `runs` of one flight, one after the other, are."""
    first = runs[0]
    if len(runs) == 1:
        return first
    columns = [r[2:-1] for r in runs], [r.places for r in runs]
    joint, own = (
        [list(chain.from_iterable(parts)) for parts in zip(*each, strict=True)] for each in columns
    )
    return Run._make((first.payload, first.flight, *joint, own))


class Taken(NamedTuple):
    """Canonical messages of a read, in runs by flight or `singles` where those would be too short.

    With their acknowledgements, how many they are, and the bytes of their payloads.
    """

    runs: list[Run]
    singles: list[Accepted]
    pubacks: bytes
    messages: int
    size: int


class Piece(NamedTuple):
    """A part of a read: bytes before it that are no run, then a run and its bytes.

    `taken` counts only where a packet ends with `before`; it is `None` where the bytes turn out to
    be no run after all.
    """

    before: bytes
    taken: Taken | None
    text: str
    start: int
    end: int

    @property
    def data(self) -> bytes:
        """The run's own bytes."""
        return self.text[self.start : self.end].encode("latin-1")


def pieces(data: bytes, version: Version, received_at_ns: int) -> Iterator[Piece] | None:
    """Take `data` apart into runs and what lies between; `None` where it begins with no run."""
    text = data.decode("latin-1")
    pattern = _pattern(version)
    if pattern.match(text) is None:
        return None
    return _pieces(text, pattern, version, received_at_ns)


_GROUPS: Final = 3 + 4 + fastpath.PLACES + 2
_STRIDE: Final = _GROUPS + 1
_KIND: Final = 3


@lru_cache(maxsize=4)
def _pattern(version: Version) -> re.Pattern[str]:
    """Return the pattern of a PUBLISH packet with QoS 1, sent once and not retained."""
    # groups: remaining length, topic with its length, (position), packet id, payload, its values
    pattern = (
        rb"2([\x80-\xff].)(\x00.overflight/1/[A-Z0-9][A-Z0-9-]{0,15}+/(?:position()|navigation))"
        rb"((?!\x00\x00)..)"
        + (rb"\x00" if version is Version.V5 else rb"")
        + rb"(\{"
        + fastpath.columns(_KIND).removeprefix(rb"\{")
        + rb")"
    )
    return re.compile(pattern.decode(), re.DOTALL | re.ASCII)


def _pieces(
    text: str, pattern: re.Pattern[str], version: Version, received_at_ns: int
) -> Iterator[Piece]:
    # what lies between matches, then the groups of a match, and so on; last, what is left over
    flat = pattern.split(text)
    gaps = flat[::_STRIDE]
    overhead = 6 if version is Version.V5 else 5  # first byte, length, packet id, properties
    sizes = [
        overhead + head + body
        for head, body in zip(map(len, flat[2::_STRIDE]), map(len, flat[5::_STRIDE]), strict=True)
    ]
    start = 0
    for first, last in _segments(gaps):
        begin = start + len(gaps[first])
        end = begin + sum(sizes[first:last])
        cut = flat[first * _STRIDE : last * _STRIDE]
        taken = _take(cut, sizes[first:last], received_at_ns)
        yield Piece(gaps[first].encode("latin-1"), taken, text, begin, end)
        start = end
    if gaps[-1]:
        yield Piece(gaps[-1].encode("latin-1"), None, text, 0, 0)


def _segments(gaps: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the ranges of matches that have nothing between them."""
    starts = [place for place, gap in enumerate(gaps[:-1]) if gap or not place]
    yield from zip(starts, [*starts[1:], len(gaps) - 1], strict=True)


_LENGTHS: Final = [
    chr((size - 3) & 127 | 128) + chr((size - 3) >> 7) if size > 130 else ""
    for size in range(LONGEST)
]
"""The remaining length, as it must be written, of a packet of so many bytes."""

_length_of = _LENGTHS.__getitem__
_columns_of: Final = msgspec.json.Decoder(list[list[Any]]).decode
_WAYPOINT: Final = range(4, 7)


def _take(flat: list[Any], sizes: list[int], received_at_ns: int) -> Taken | None:
    """Make runs of matches side by side; `None` where one of them is not what it looks like."""
    lengths, heads, _, packet_ids, raws, flights, seqs, held, times, *own = (
        flat[place::_STRIDE] for place in range(1, _STRIDE)
    )
    if lengths != list(map(_length_of, sizes)):
        return None
    ways = {head: _way(head) for head in set(heads)}
    if None in ways.values():
        return None
    columns = _decoded(seqs, held, own)
    if any(map(gt, columns[1], columns[0])):
        return None
    run = Run(
        "",
        "",
        [received_at_ns] * len(seqs),
        columns[0],
        columns[1],
        _nanoseconds(times),
        list(map(ways.__getitem__, heads)),  # type: ignore[arg-type]
        raws,
        columns[2:],
    )
    pubacks = ("@\2" + "@\2".join(packet_ids)).encode("latin-1")
    payloads = {way.payload for way in ways.values() if way is not None}
    runs, singles = _by_flight(run, payloads, flights)
    return Taken(runs, singles, pubacks, len(seqs), run.size)


def _decoded(seqs: list[str], held: list[str], own: list[list[str | None]]) -> list[list[Any]]:
    """Turn columns of values as they stand in JSON into Python's, all in one go.

    What no waypoint leaves out becomes ``None``, and the last place of a position 0.
    """
    for place in _WAYPOINT:
        if None in own[place]:
            own[place] = ["null" if text is None else text for text in own[place]]
    own[-1] = [text or "0" for text in own[-1]]
    texts = [",".join(column) for column in (seqs, held, *own)]  # type: ignore[arg-type]
    return _columns_of(f"[[{'],['.join(texts)}]]")


def _nanoseconds(times: list[str]) -> list[int]:
    moments = np.array([time[:-1] for time in times], dtype="datetime64[ns]")
    found: list[int] = moments.view(np.int64).tolist()
    return found


@lru_cache(maxsize=4096)
def _way(head: str) -> Way | None:
    """Return how messages under a topic (behind its length in two bytes) are judged."""
    topic = head[2:].encode()
    return short_way(topic) if ord(head[1]) == len(topic) else None


def _by_flight(
    run: Run, payloads: set[str], flights: list[str]
) -> tuple[list[Run], list[Accepted]]:
    """Sort messages by flight; where nearly each is of another, leave them single."""
    if len(payloads) == 1 and len(set(flights)) == 1:
        return [run._replace(payload=payloads.pop(), flight=flights[0])], []
    places: dict[tuple[str, str], list[int]] = {}
    for place, (way, flight) in enumerate(zip(run.ways, flights, strict=True)):
        places.setdefault((way.payload, flight), []).append(place)
    if len(places) * 2 > len(flights):
        return [], run.all_accepted()
    return [run.pick(*key, some) for key, some in places.items()], []
