"""Opens a session file for writing: a new one, a closed one, or one whose writer was killed."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.session import chunkfile, journal, layout
from overflight_contract.session.catalogue import Catalogue
from overflight_contract.session.chunkfile import ChunkFile
from overflight_contract.session.mcap import McapError
from overflight_contract.session.model import Note
from overflight_contract.session.packing import Block, block
from overflight_contract.session.tail import Run, Tail, join_tail, read_segments
from overflight_contract.session.unpacking import unpack_all


class Resumed(NamedTuple):
    """A session file that is ready to go on."""

    path: Path
    session_id: bytes
    file: ChunkFile
    number: int
    """Of the current segment of the journal."""
    journal_fd: int
    first_sequence: int
    """Of the file."""
    sequence: int
    next_connection: int
    note: Note | None
    """What was put back, where the writer before ended without closing."""


def resume(
    path: Path,
    *,
    metadata: Mapping[str, str],
    first_sequence: int,
    next_connection: int,
    chunk_bytes: int,
    step: Callable[[str], None],
) -> Resumed:
    """Open `path` for writing; what only the journal holds is turned into chunks first.

    Raises `InputError` for a file that is no session, `UnavailableError` where another program
    writes it, and `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.stat().st_size == 0:
        path.unlink(missing_ok=True)
        identity = {
            "format_version": str(layout.FORMAT_VERSION),
            "session_id": secrets.token_hex(16),
            "first_sequence": str(first_sequence),
            "first_connection": str(next_connection),
        }
        chunkfile.create(path, identity, metadata)
        step("created")
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        return _go_on(path, fd, next_connection, chunk_bytes, step)
    except BaseException:
        os.close(fd)
        raise


def _go_on(
    path: Path, fd: int, next_connection: int, chunk_bytes: int, step: Callable[[str], None]
) -> Resumed:
    _lock(path, fd)
    catalogue = read_catalogue(path, fd)
    tail = join_tail(catalogue, read_segments(path))
    sequence, connection = _numbers(catalogue, tail)
    number = max((header.number for header in tail.headers), default=0) + 1
    file = ChunkFile(fd, catalogue, tail.final, tail.end)
    note = None
    if tail.runs:
        note, top = _put_back(path, catalogue, tail, file, chunk_bytes, step)
        connection = max(connection, top + 1)
        number += 1
    next_connection = max(next_connection, connection)
    header = journal.SegmentHeader(
        catalogue.session_id, journal.boot_id(), number, sequence, file.final_end, next_connection
    )
    journal_fd = journal.replace(path, header)
    chunkfile.sync_directory(path.parent)
    step("journal replaced")
    _remove_sealed(path, step)
    file.cut()
    return Resumed(
        path,
        catalogue.session_id,
        file,
        number,
        journal_fd,
        catalogue.first_sequence,
        sequence,
        next_connection,
        note,
    )


def _put_back(
    path: Path,
    catalogue: Catalogue,
    tail: Tail,
    file: ChunkFile,
    chunk_bytes: int,
    step: Callable[[str], None],
) -> tuple[Note, int]:
    """Turn the tail into chunks; returns what happened and the highest connection in it.

    All of it is first put into one segment of the journal: some may be in a chunk alone, and that
    chunk is about to be written anew.
    """
    header = journal.SegmentHeader(
        catalogue.session_id,
        tail.headers[-1].boot_id,
        max(header.number for header in tail.headers) + 1,
        tail.runs[0].first_sequence,
        tail.end,
        max(header.next_connection for header in tail.headers),
    )
    os.close(journal.replace(path, header, tail.runs))
    chunkfile.sync_directory(path.parent)
    step("journals joined")
    _remove_sealed(path, step)
    top, last_ns = 0, 0
    for blocks in _chunks(tail.runs, chunk_bytes):
        file.append(blocks)
        step("recovered chunk")
        top = max(top, *(block.top_connection for block in blocks))
        last_ns = max(last_ns, *(block.end_ns for block in blocks))
    file.sync()
    step("recovered")
    return _note(tail, last_ns), top


def _remove_sealed(path: Path, step: Callable[[str], None]) -> None:
    for old in (*journal.sealed_segments(path), *journal.free_segments(path)):
        old.unlink()
        step("old segment removed")


def read_catalogue(path: Path, fd: int) -> Catalogue:
    """Read what the session file `path` holds; raise `InputError` where it is none."""
    try:
        catalogue = Catalogue(fd)
    except McapError as error:
        raise InputError(f"{path} is no session file: it {error}") from error
    if catalogue.profile != layout.PROFILE:
        raise InputError(
            f"{path} is an MCAP file of another program; 'overflight session convert' may take it"
        )
    version = catalogue.metadata.get("overflight", {}).get("format_version", "")
    if version != str(layout.FORMAT_VERSION):
        raise InputError(
            f"{path} has version {version!r} of the session format, which is not known"
        )
    return catalogue


def _lock(path: Path, fd: int) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise UnavailableError(f"another program is writing the session {path}") from error


def _numbers(catalogue: Catalogue, tail: Tail) -> tuple[int, int]:
    """Return the next sequence number and the next connection."""
    sequence = catalogue.first_sequence
    told = catalogue.told_at_end("next_sequence"), catalogue.told_at_end("next_connection")
    connections = [header.next_connection for header in tail.headers]
    connections.append(catalogue.first_connection)
    if tail.headers:
        sequence = max(sequence, *(header.first_sequence for header in tail.headers))
    elif told[0] is not None and told[1] is not None:
        sequence = told[0]
        connections.append(told[1])
    elif tail.final:
        sequence, connection = _last_of(catalogue)
        connections.append(connection)
    if tail.runs:
        sequence = max(sequence, tail.runs[-1].first_sequence + tail.runs[-1].total)
    return sequence, max(connections, default=1)


def _last_of(catalogue: Catalogue) -> tuple[int, int]:
    """Return the next sequence number and connection of a file that lost its end and journal."""
    sequence, connection = catalogue.first_sequence, 0
    for entry in catalogue.entries:
        try:
            records = catalogue.content(entry)
            items = unpack_all(records, sequence)
        except McapError:
            continue
        for found in layout.walk(records):
            sequence = layout.widen(found.low_sequence, sequence) + 1
        connection = max(connection, *(getattr(item, "connection", 0) for item in items), 0)
    return sequence, connection + 1


def _chunks(runs: list[Run], chunk_bytes: int) -> Iterator[list[Block]]:
    """Group runs into chunks; where sequence numbers are missing a new one begins."""
    blocks: list[Block] = []
    size, following = 0, None
    for run in runs:
        if blocks and (size >= chunk_bytes or run.first_sequence != following):
            yield blocks
            blocks, size = [], 0
        blocks.append(_block(run, size))
        size += len(run.records)
        following = run.first_sequence + run.total
    if blocks:
        yield blocks


def _block(run: Run, at: int) -> Block:
    found = list(layout.walk(run.records))
    items = unpack_all(run.records, run.first_sequence)
    return block(
        run.records,
        at,
        [record.log_time_ns for record in found],
        bytes(record.channel_id for record in found),
        [record.size for record in found],
        max((getattr(item, "connection", 0) for item in items), default=0),
    )


def _note(tail: Tail, last_ns: int) -> Note:
    """Say what happened: a kill loses nothing, a power cut (another boot) may."""
    same_boot = all(header.boot_id == journal.boot_id() for header in tail.headers)
    detail = {
        "cause": "the writer before ended without closing the session",
        "recovered": str(sum(run.total for run in tail.runs)),
        "lost": "nothing" if same_boot else "at the most what crossed in the last second",
    }
    return Note(last_ns, "resumed" if same_boot else "gap", detail)
