"""`open_session`: reads a session in order, whatever state its files are in."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import NamedTuple, Self

from overflight_contract.errors import InputError
from overflight_contract.session import layout
from overflight_contract.session.capture import session_files
from overflight_contract.session.catalogue import Catalogue
from overflight_contract.session.follow import Follower
from overflight_contract.session.mcap import ChunkEntry, McapError
from overflight_contract.session.model import (
    ConnectionClosed,
    ConnectionOpened,
    Item,
    Note,
    SessionPacket,
)
from overflight_contract.session.resume import read_catalogue
from overflight_contract.session.tail import join_tail, read_segments
from overflight_contract.session.unpacking import unpack

_OPENED, _CLOSED, _NOTES = 7, 8, 9


class Connection(NamedTuple):
    """A connection of a session; what the session does not hold is None."""

    number: int
    opened: ConnectionOpened | None
    closed: ConnectionClosed | None


class SessionFile:
    """One file of a session, with its journal as it is now."""

    def __init__(self, path: Path, *, salvage: bool = False) -> None:
        """Open `path`; raises `InputError` where it is no session file.

        With `salvage` it may be damaged anywhere: what can be read is (see `Catalogue`).
        """
        self.path = path
        segments = read_segments(path)
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"can't read the session {path}: {error.strerror}") from error
        try:
            self.catalogue = (
                Catalogue(self._fd, salvage=True) if salvage else read_catalogue(path, self._fd)
            )
            self.tail = join_tail(self.catalogue, segments)
        except BaseException:
            os.close(self._fd)
            raise
        self.bytes_on_disk = os.fstat(self._fd).st_size + sum(part.bytes for part in segments)
        self.damage = [*self.catalogue.damage, *self.tail.damage]
        self.closed = self.catalogue.closed and not self.tail.headers
        """Ended by its writer: index and counts are at hand, and nothing will be added."""

    @property
    def counts(self) -> dict[int, int]:
        """Count the messages by channel."""
        statistics = self.catalogue.statistics
        if self.closed and statistics is not None:
            return dict(statistics.by_channel)
        found = dict.fromkeys(layout.CHANNELS, 0)
        for entry in self.tail.final:
            for channel_id, number in self.catalogue.counts(entry).items():
                found[channel_id] = found.get(channel_id, 0) + number
        for run in self.tail.runs:
            for record in layout.walk(run.records):
                found[record.channel_id] = found.get(record.channel_id, 0) + 1
        return found

    @functools.cached_property
    def times(self) -> tuple[int, int] | None:
        """First and last time in nanoseconds; None where the file holds nothing."""
        final = self.tail.final.times
        starts, ends = ([], []) if final is None else ([final[0]], [final[1]])
        for run in self.tail.runs:
            found = [record.log_time_ns for record in layout.walk(run.records)]
            starts.append(min(found))
            ends.append(max(found))
        return (min(starts), max(ends)) if starts else None

    def batches(self, chosen: Iterable[ChunkEntry] | None = None) -> Iterator[list[Item]]:
        """Yield the items of the `chosen` chunks, or all, in order, then those of the journal."""
        following = self.catalogue.first_sequence
        strict = chosen is None
        for entry in self.tail.final if chosen is None else chosen:
            try:
                for items in unpack(self.catalogue.content(entry), following):
                    following = self._follow(items, following, strict)
                    yield items
            except McapError as error:
                self._damaged(str(error))
        for run in self.tail.runs:
            if strict and run.first_sequence > following:
                self._miss(following, run.first_sequence)
            following = run.first_sequence + run.total
            yield from unpack(run.records, run.first_sequence)

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _follow(self, items: list[Item], following: int, strict: bool) -> int:
        """Return the sequence number after `items`; note the gap before them."""
        for index, item in enumerate(items):
            if isinstance(item, SessionPacket):
                first = item.sequence - index
                if strict and first > following:
                    self._miss(following, first)
                return first + len(items)
        return following + len(items)

    def _miss(self, following: int, first: int) -> None:
        self._damaged(f"{first - following} items are missing from number {following} on")

    def _damaged(self, text: str) -> None:
        """Name damage, once however often the file is read."""
        named = f"{self.path.name}: {text}"
        if named not in self.damage:
            self.damage.append(named)


class SessionReader:
    """A session as a whole: iterate for its items in order of sequence.

    A kill of the writer is no damage: what its journal holds is read with the rest. `damage`
    says what could not be read; it grows while the session is read through.
    """

    def __init__(
        self, path: Path, *, follow: bool = False, poll_s: float = 0.05, salvage: bool = False
    ) -> None:
        """Open a file or a folder; `follow` goes on with what is written, until it is closed.

        `salvage` reads what is left of files that are damaged anywhere.
        """
        self.path = path
        self._follow = follow
        self._poll_s = poll_s
        self.files = [SessionFile(file, salvage=salvage) for file in _files_of(path)]
        self._between = list(_gaps_between(self.files))

    def __iter__(self) -> Iterator[Item]:
        if self._follow:
            return self._live()
        return chain.from_iterable(self.batches())

    def batches(
        self, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[list[Item]]:
        """Yield items in lists, with times in [start_ns, end_ns)."""
        if start_ns is None and end_ns is None:
            yield from chain.from_iterable(file.batches() for file in self.files)
            return
        start, end = start_ns or 0, end_ns if end_ns is not None else 1 << 64
        for file in self.files:
            for items in file.batches(file.tail.final.overlapping(start, end)):
                found = [item for item in items if start <= _time(item) < end]
                if found:
                    yield found

    def packets(
        self, start_ns: int | None = None, end_ns: int | None = None
    ) -> Iterator[SessionPacket]:
        """Yield the packets, with times in [start_ns, end_ns)."""
        return chain.from_iterable(map(_packets_of, self.batches(start_ns, end_ns)))

    def connections(self) -> list[Connection]:
        """List the connections by number; reads only the chunks that tell of any."""
        opened: dict[int, ConnectionOpened] = {}
        closed: dict[int, ConnectionClosed] = {}
        for item in self._of_channels(_OPENED, _CLOSED):
            if isinstance(item, ConnectionOpened):
                opened.setdefault(item.connection, item)
            elif isinstance(item, ConnectionClosed):
                closed[item.connection] = item
        numbers = sorted(opened.keys() | closed.keys())
        return [Connection(number, opened.get(number), closed.get(number)) for number in numbers]

    def notes(self, limit: int | None = None) -> list[Note]:
        """List the notes, or the first `limit`; reads only the chunks that hold any."""
        found = (item for item in self._of_channels(_NOTES) if isinstance(item, Note))
        return list(islice(found, limit))

    @property
    def metadata(self) -> Mapping[str, str]:
        """What the writer said of the session as a whole (of its first file)."""
        return self.files[0].catalogue.metadata.get("overflight.session", {})

    @property
    def start_ns(self) -> int | None:
        """Time of the earliest item; None where there is none."""
        return min((file.times[0] for file in self.files if file.times), default=None)

    @property
    def end_ns(self) -> int | None:
        """Time of the latest item; None where there is none."""
        return max((file.times[1] for file in self.files if file.times), default=None)

    @property
    def counts(self) -> dict[int, int]:
        """Count the messages by channel of `layout`."""
        found: dict[int, int] = dict.fromkeys(layout.CHANNELS, 0)
        for file in self.files:
            for channel_id, number in file.counts.items():
                found[channel_id] = found.get(channel_id, 0) + number
        return found

    @property
    def packet_count(self) -> int:
        """Count the packets (and pieces)."""
        return sum(n for channel, n in self.counts.items() if channel in layout.PACKET_CHANNELS)

    @property
    def bytes_on_disk(self) -> int:
        """Size of the files and their journals."""
        return sum(file.bytes_on_disk for file in self.files)

    @property
    def closed(self) -> bool:
        """Whether the writer ended the session."""
        return all(file.closed for file in self.files)

    @property
    def damage(self) -> list[str]:
        """What could not be read, and what is missing."""
        return self._between + [text for file in self.files for text in file.damage]

    def close(self) -> None:
        """Close the files."""
        for file in self.files:
            file.close()
        self.files = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _of_channels(self, *channels: int) -> Iterator[Item]:
        for file in self.files:
            yield from chain.from_iterable(file.batches(file.tail.final.having(*channels)))

    def _live(self) -> Iterator[Item]:
        follower = Follower(self.path)
        while not follower.ended:
            items = follower.poll()
            yield from items
            if not items and not follower.ended:
                time.sleep(self._poll_s)


def open_session(path: Path, *, follow: bool = False) -> SessionReader:
    """Open a session: a file (closed, being written, cut off) or a folder of them.

    Raises `InputError` where there is none. With `follow`, iterating waits for what is still to
    come and ends when the writer closes the session.
    """
    return SessionReader(Path(path), follow=follow)


def _files_of(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = session_files(path)
    if not files:
        raise InputError(f"there is no session in {path}")
    return files


def _gaps_between(files: list[SessionFile]) -> Iterator[str]:
    """Name the files of a folder that do not go on where the one before ended."""
    for before, after in pairwise(files):
        ended = before.catalogue.told_at_end("next_sequence")
        begins = after.catalogue.first_sequence
        if ended is not None and begins != ended:
            yield f"{after.path.name} begins with number {begins}, not {ended}: a file is missing"


def _packets_of(items: list[Item]) -> list[SessionPacket]:
    return [item for item in items if type(item) is SessionPacket]


def _time(item: Item) -> int:
    return item.crossed_at_ns if isinstance(item, SessionPacket) else item.at_ns
