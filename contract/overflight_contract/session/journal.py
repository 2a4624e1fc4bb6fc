"""The journal: what a session file does not hold yet, in segments beside it.

A segment is the journal of exactly one chunk to come. The one being written is ``X.mcap.journal``;
full ones that wait for their chunk to be on disk are ``X.mcap.journal.000042``. A segment is::

    header   magic "OVFJRNL1", session id (16 bytes), boot id (16), number (u64),
             first_sequence (u64), floor (u64), next_connection (u32), CRC-32 of all that (u32)
    batch    length of the records (u32), count (u32), first sequence (u64),
             CRC-32 over those 16 bytes and the records (u32), the MCAP message records
    batch …

One batch is one ``writev``. A segment ends at the first batch that is cut off. `floor` is an
offset in the MCAP file below which everything is final.

A segment whose chunk is on disk is kept as ``X.mcap.journal.free.000042`` and becomes the next
current one: to write over a file takes an eighth of the time that a new one takes. So after the
last batch of the current segment there may be batches of an older one.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

MAGIC: Final = b"OVFJRNL1"
SUFFIX: Final = ".journal"
_HEADER: Final = struct.Struct("<8s16s16sQQQI")
HEADER_BYTES: Final = _HEADER.size + 4
_BATCH: Final = struct.Struct("<IIQ")
_CRC: Final = struct.Struct("<I")
BATCH_BYTES: Final = _BATCH.size + 4
_COPIED: Final = 4096
"""Up to so many bytes a copy takes less time than a list of pieces does."""


class SegmentHeader(NamedTuple):
    """What a segment says of itself."""

    session_id: bytes
    boot_id: bytes
    """The machine's boot, so that a later reader can tell a kill from a power cut."""
    number: int
    first_sequence: int
    floor: int
    next_connection: int

    def encode(self) -> bytes:
        """Return the header's bytes."""
        body = _HEADER.pack(MAGIC, *self)
        return body + _CRC.pack(zlib.crc32(body))


class Batch(NamedTuple):
    """The records of one write."""

    first_sequence: int
    total: int
    records: bytes
    end: int
    """Offset in the segment of the byte after it."""


def parse_header(data: bytes) -> SegmentHeader | None:
    """Parse a segment's header; None where it is cut off or damaged."""
    if len(data) < HEADER_BYTES or not data.startswith(MAGIC):
        return None
    body = data[: _HEADER.size]
    if _CRC.unpack_from(data, _HEADER.size) != (zlib.crc32(body),):
        return None
    return SegmentHeader(*_HEADER.unpack(body)[1:])


def parse_batches(data: bytes, position: int = HEADER_BYTES) -> Iterator[Batch]:
    """Yield the whole batches from `position` on; a damaged one is passed over by its length."""
    end = len(data)
    while position + BATCH_BYTES <= end:
        length, count, first = _BATCH.unpack_from(data, position)
        start = position + BATCH_BYTES
        stop = start + length
        if stop > end or length == 0:
            return
        crc = zlib.crc32(data[position : position + _BATCH.size])
        records = data[start:stop]
        if _CRC.unpack_from(data, position + _BATCH.size) == (zlib.crc32(records, crc),):
            yield Batch(first, count, records, stop)
        position = stop


def read(path: Path) -> bytes | None:
    """Read a segment; None where there is none (its chunk came to be on disk in the meantime).

    A writer may begin to use the file again while it is read: the header tells.
    """
    with contextlib.suppress(FileNotFoundError), path.open("rb", buffering=0) as file:
        while True:
            data = file.read()
            file.seek(0)
            if data.startswith(file.read(HEADER_BYTES)):
                return data
            file.seek(0)
    return None


def append(fd: int, first_sequence: int, count: int, records: bytes) -> int:
    """Append a batch in one write and return its size.

    Raises `OSError` where not all of it could be written; the caller cuts the rest off.
    """
    head = _BATCH.pack(len(records), count, first_sequence)
    crc = _CRC.pack(zlib.crc32(records, zlib.crc32(head)))
    size = BATCH_BYTES + len(records)
    if size <= _COPIED:
        written = os.write(fd, b"".join((head, crc, records)))
    else:
        written = os.writev(fd, (head, crc, records))
    if written != size:
        raise OSError(28, "no space left for the journal")
    return size


def sealed_segments(path: Path) -> list[Path]:
    """List the full segments beside the session file `path`, oldest first."""
    name = re.compile(re.escape(path.name + SUFFIX) + r"\.(\d+)\Z")
    numbered = sorted(
        (int(match.group(1)), entry)
        for entry in path.parent.iterdir()
        if (match := name.match(entry.name))
    )
    return [entry for _, entry in numbered]


def has_journal(path: Path) -> bool:
    """Tell whether the session file `path` has a journal: it is being written, or was killed."""
    return current(path).exists() or bool(sealed_segments(path))


def current(path: Path) -> Path:
    """Name the segment being written beside the session file `path`."""
    return path.with_name(path.name + SUFFIX)


def sealed(path: Path, number: int) -> Path:
    """Name a full segment."""
    return path.with_name(f"{path.name}{SUFFIX}.{number:06d}")


def free(path: Path, number: int) -> Path:
    """Name a segment that is no longer needed."""
    return path.with_name(f"{path.name}{SUFFIX}.free.{number:06d}")


def free_segments(path: Path) -> list[Path]:
    """List the segments beside the session file `path` that are no longer needed."""
    start = f"{path.name}{SUFFIX}.free."
    return [entry for entry in path.parent.iterdir() if entry.name.startswith(start)]


@functools.cache
def boot_id() -> bytes:
    """Return the machine's boot id, zeros where the system has none."""
    try:
        text = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii")
        return bytes.fromhex(text.strip().replace("-", ""))[:16].ljust(16, b"\0")
    except (OSError, ValueError):
        return bytes(16)


def create(path: Path, header: SegmentHeader) -> int:
    """Begin a segment and return a descriptor to append to it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    _begin(fd, header)
    return fd


def reuse(free: Path, path: Path, header: SegmentHeader) -> int:
    """Begin a segment in a file that was one, and return a descriptor to append to it."""
    fd = os.open(free, os.O_WRONLY | os.O_CLOEXEC)
    _begin(fd, header)
    free.rename(path)
    return fd


def _begin(fd: int, header: SegmentHeader) -> None:
    data = header.encode()
    try:
        if os.write(fd, data) != len(data):
            raise OSError(28, "no space left for the journal")
    except OSError:
        os.close(fd)
        raise


def replace(path: Path, header: SegmentHeader, runs: Iterable[tuple[int, int, bytes]] = ()) -> int:
    """Begin a new current segment of the session file `path` in place of what is there.

    It holds `runs` (first sequence, count, records) from the start, and is on disk.
    """
    new = path.with_name(path.name + SUFFIX + ".new")
    fd = create(new, header)
    for run in runs:
        append(fd, *run)
    os.fsync(fd)
    new.replace(current(path))
    return fd
