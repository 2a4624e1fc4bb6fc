"""The end of a session that was not closed: what stands in the journal, in chunks, or in both.

Every source is a run of message records that begins at a sequence number. Runs are taken in
order, and what an earlier run held is left out, so nothing is lost or doubled whichever step of
the writer a kill or a power cut came between.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from overflight_contract.session import journal, layout
from overflight_contract.session.catalogue import Catalogue
from overflight_contract.session.chunktable import ChunkTable
from overflight_contract.session.journal import SegmentHeader
from overflight_contract.session.mcap import ChunkEntry, McapError


class Run(NamedTuple):
    """Message records of consecutive sequence numbers."""

    first_sequence: int
    total: int
    records: bytes


class Tail(NamedTuple):
    """How a file that is not closed goes on."""

    final: ChunkTable
    """The chunks that no journal repeats."""
    end: int
    """Offset where they end."""
    runs: list[Run]
    """What comes after them, in order, each item once."""
    headers: list[SegmentHeader]
    damage: list[str]


class Segment(NamedTuple):
    """One segment of the journal as it was read."""

    name: str
    header: SegmentHeader | None
    runs: list[Run]
    bytes: int


def read_segments(path: Path) -> list[Segment]:
    """Read the journal of the session file `path`; call it before reading the file's catalogue.

    The current segment is read before the sealed ones are listed, and all before the chunks: one
    that is sealed or removed meanwhile is then met again further on, so a reader beside a writer
    misses nothing.
    """
    found = _read_segment(journal.current(path))
    sealed = [
        _read_segment(segment, int(segment.name.rpartition(".")[2]))
        for segment in journal.sealed_segments(path)
    ]
    return [segment for segment in (*sealed, found) if segment is not None]


def join_tail(catalogue: Catalogue, segments: Iterable[Segment]) -> Tail:
    """Put together the journal and the chunks that it may repeat."""
    damage: list[str] = []
    mine = [segment for segment in segments if _is_of(segment, catalogue.session_id, damage)]
    headers = [segment.header for segment in mine if segment.header is not None]
    if not headers:
        return Tail(catalogue.entries, catalogue.data_end, [], [], damage)
    oldest = min(headers, key=lambda header: header.number)
    base = catalogue.first_sequence
    final = ChunkTable()
    runs = [run for segment in mine for run in segment.runs]
    end = catalogue.first_chunk
    for entry in catalogue.entries:
        run = None
        if entry.offset >= oldest.floor:
            run = _chunk_run(catalogue, entry, base, damage)
        if entry.offset < oldest.floor or (run and run.first_sequence < oldest.first_sequence):
            final.append(entry)
            end = entry.offset + entry.length + entry.index_bytes
        elif run:
            runs.append(run)
    return Tail(final, end, list(each_once(runs, oldest.first_sequence)), headers, damage)


def _read_segment(path: Path, number: int | None = None) -> Segment | None:
    """Read a segment, which `number` is known of unless it is the current one."""
    data = journal.read(path)
    if data is None:
        return None
    header = journal.parse_header(data)
    if header is not None and number not in (None, header.number):
        return None  # its chunk is on disk, and the file is in use again
    first = 0 if header is None else header.first_sequence
    batches = journal.parse_batches(data)
    runs = [Run(*batch[:3]) for batch in batches if batch.first_sequence >= first]
    return Segment(path.name, header, runs, len(data))


def _is_of(segment: Segment, session_id: bytes, damage: list[str]) -> bool:
    if segment.header is None:
        if segment.bytes > journal.HEADER_BYTES:
            damage.append(f"the journal {segment.name} has a damaged header")
        return False
    if segment.header.session_id != session_id:
        damage.append(f"the journal {segment.name} is of another session")
        return False
    return True


def _chunk_run(catalogue: Catalogue, entry: ChunkEntry, base: int, damage: list[str]) -> Run | None:
    try:
        records = catalogue.content(entry)
        found = list(layout.walk(records))
    except McapError as error:
        damage.append(str(error))
        return None
    if not found:
        return None
    return Run(layout.widen(found[0].low_sequence, base), len(found), records)


def each_once(runs: Iterable[Run], following: int) -> Iterator[Run]:
    """Order runs by sequence number and leave out what is before `following` or met already."""
    for run in sorted(runs, key=lambda run: (run.first_sequence, -run.total)):
        extra = following - run.first_sequence
        if extra >= run.total:
            continue
        if extra > 0:
            cut = _offset_of(run.records, extra)
            run = Run(following, run.total - extra, run.records[cut:])
        yield run
        following = run.first_sequence + run.total


def _offset_of(records: bytes, number: int) -> int:
    for index, found in enumerate(layout.walk(records)):
        if index == number:
            return found.offset
    raise McapError("a batch holds fewer records than it says")
