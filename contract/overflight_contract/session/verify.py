"""Checks a session: every chunk and checksum, the index against the content, the numbering."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from overflight_contract.session import layout
from overflight_contract.session.layout import Found
from overflight_contract.session.mcap import ChunkEntry, McapError
from overflight_contract.session.reader import SessionFile, SessionReader
from overflight_contract.session.unpacking import unpack_all


class Problem(NamedTuple):
    """Something that is not as its writer left it."""

    file: str
    kind: str
    """``damage``, ``checksum``, ``index``, ``gap``, ``content`` or ``summary``."""
    text: str


class Report(NamedTuple):
    """What was checked, and what was found."""

    files: int
    chunks: int
    items: int
    closed: bool
    journal_items: int
    """Items that stand in the journal only: the writer goes on, or was killed."""
    problems: list[Problem]


def verify_session(session: SessionReader) -> Report:
    """Read all of a session and check it."""
    problems: list[Problem] = []
    chunks = items = in_journal = 0
    following: int | None = None
    for file in session.files:
        check = _FileCheck(file)
        problems += [Problem(file.path.name, "damage", text) for text in file.damage]
        if following is not None and file.catalogue.first_sequence != following:
            text = f"begins with number {file.catalogue.first_sequence}, not {following}"
            problems.append(Problem(file.path.name, "gap", text))
        problems += check.problems()
        following = check.following
        chunks += len(file.tail.final)
        in_journal += sum(run.total for run in file.tail.runs)
        items += check.counts.total()
    return Report(len(session.files), chunks, items, session.closed, in_journal, problems)


class _FileCheck:
    """Goes through one file once."""

    def __init__(self, file: SessionFile) -> None:
        self._file = file
        self._name = file.path.name
        self.following = file.catalogue.first_sequence
        self.counts: Counter[int] = Counter()

    def problems(self) -> Iterator[Problem]:
        for entry in self._file.tail.final:
            yield from self._chunk(entry)
        for run in self._file.tail.runs:
            yield from self._content("the journal", run.records)
        told = self._file.catalogue.told_at_end("next_sequence")
        if self._file.closed and told != self.following:
            text = f"ends after number {self.following - 1}, but was closed before number {told}"
            yield Problem(self._name, "gap", text)
        yield from self._summary()

    def _chunk(self, entry: ChunkEntry) -> Iterator[Problem]:
        where = f"the chunk at byte {entry.offset}"
        catalogue = self._file.catalogue
        try:
            records = catalogue.content(entry)
            head = catalogue.chunk_head(entry)
        except McapError as error:
            yield Problem(self._name, "checksum", str(error))
            return
        told = (entry.start_ns, entry.end_ns, entry.uncompressed_bytes, entry.compressed_bytes)
        if told != (head.start_ns, head.end_ns, head.uncompressed_bytes, head.compressed_bytes):
            yield Problem(self._name, "index", f"{where} is not as the index has it")
        found = list(layout.walk(records))
        times = [record.log_time_ns for record in found]
        if times and (min(times), max(times)) != (head.start_ns, head.end_ns):
            yield Problem(self._name, "index", f"the times of {where} are not those it holds")
        yield from self._indexes(entry, where, found)
        yield from self._content(where, records)

    def _indexes(self, entry: ChunkEntry, where: str, found: list[Found]) -> Iterator[Problem]:
        expected: dict[int, list[int]] = {}
        for record in found:
            pairs = expected.setdefault(record.channel_id, [])
            pairs += (record.log_time_ns, record.offset)
        try:
            actual = self._file.catalogue.message_indexes(entry)
        except McapError as error:
            yield Problem(self._name, "index", f"an index of {where} is malformed: {error}")
            return
        if {number: tuple(pairs) for number, pairs in expected.items()} != actual:
            yield Problem(self._name, "index", f"the index of {where} does not fit its content")

    def _content(self, where: str, records: bytes) -> Iterator[Problem]:
        try:
            found = list(layout.walk(records))
            unpack_all(records, self.following)
        except McapError as error:
            yield Problem(self._name, "content", f"{where}: {error}")
            return
        numbers = [layout.widen(record.low_sequence, self.following) for record in found]
        for last, number in pairwise([self.following - 1, *numbers]):
            if number != last + 1:
                text = f"{where}: after number {last} comes {number}"
                yield Problem(self._name, "gap", text)
        if numbers:
            self.following = numbers[-1] + 1
        self.counts.update(record.channel_id for record in found)

    def _summary(self) -> Iterator[Problem]:
        statistics = self._file.catalogue.statistics
        if not self._file.closed or statistics is None:
            return
        counts = {number: n for number, n in statistics.by_channel.items() if n}
        if counts != dict(self.counts) or statistics.messages != self.counts.total():
            yield Problem(self._name, "summary", "the counts in the summary are not those found")
        scanned = [entry.offset for entry in self._file.catalogue.entries_from_start()]
        if scanned != [entry.offset for entry in self._file.catalogue.entries]:
            yield Problem(self._name, "summary", "the summary does not list the file's chunks")
