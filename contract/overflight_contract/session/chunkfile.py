"""The MCAP file as its writer sees it: final chunks, then provisional ones, then the end.

A provisional chunk is there so that any MCAP reader sees the last second of a session being
written; the segment of the journal that holds the same items stays until the final chunk, which
takes the place of the provisional ones, is on disk.
"""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import zstandard

from overflight_contract.session import layout, mcap
from overflight_contract.session.catalogue import Catalogue
from overflight_contract.session.mcap import ChunkEntry
from overflight_contract.session.packing import Block, moved

_COMPRESSION: Final = zstandard.ZstdCompressionParameters(
    strategy=zstandard.STRATEGY_FAST,
    window_log=20,
    hash_log=12,
    chain_log=12,
    search_log=1,
    min_match=7,
    target_length=0,
)
"""Level 1 but for a hash table of 16 KiB, which stays in the processor's nearest cache, and matches
of seven bytes at least: telemetry repeats itself in long pieces. An eighth faster, and smaller."""
_MAX_PROVISIONAL: Final = 32


def prefix(identity: Mapping[str, str], metadata: Mapping[str, str]) -> bytes:
    """Return what every session file begins with."""
    return b"".join(
        (
            mcap.MAGIC,
            mcap.header(layout.PROFILE, f"{layout.LIBRARY}/{layout.FORMAT_VERSION}"),
            mcap.metadata("overflight", identity),
            mcap.metadata("overflight.session", metadata),
            layout.preamble(),
        )
    )


class ChunkFile:
    """Appends chunks to a session's MCAP file; not for more than one thread at a time."""

    def __init__(self, fd: int, catalogue: Catalogue, keep: Sequence[ChunkEntry], end: int) -> None:
        """Go on after the chunks in `keep`, at the offset `end`; what is beyond stays for now."""
        self._fd = fd
        self._compressor = zstandard.ZstdCompressor(compression_params=_COMPRESSION)
        self._metadata = list(catalogue.metadata_at)
        self._counts: Counter[int] = Counter()
        self._index = bytearray()
        self._chunks = 0
        self._start_ns: int | None = None
        self._end_ns = 0
        self.final_end = end
        """Offset of the end of the last final chunk."""
        self._file_end = os.fstat(fd).st_size
        self._provisional = 0
        for entry in keep:
            self._count(entry, catalogue.counts(entry))

    def append(self, blocks: Sequence[Block]) -> None:
        """Append a final chunk in place of the provisional ones.

        Raises `OSError`; the file is then as it was, but for the provisional chunks.
        """
        self.cut()
        data, entry, counts = self._build(blocks, self.final_end)
        self._write(data, self.final_end)
        self.final_end += len(data)
        self._count(entry, counts)

    def append_provisional(self, blocks: Sequence[Block], since: int) -> None:
        """Append a chunk of the blocks from `since` on, or of all in place of many small ones."""
        if self._provisional >= _MAX_PROVISIONAL:
            self.cut()
            since = 0
        data, _, _ = self._build(blocks[since:], self._file_end)
        self._write(data, self._file_end)
        self._provisional += 1

    def sync(self) -> None:
        """Put on disk what was written."""
        os.fsync(self._fd)

    def finish(self, closing: Mapping[str, str]) -> None:
        """Write summary and footer, and put all on disk."""
        self.cut()
        closed = mcap.metadata(layout.CLOSED_RECORD, closing)
        metadata = [*self._metadata, (self.final_end, len(closed), layout.CLOSED_RECORD)]
        data = closed + mcap.data_end()
        channels = layout.channels()
        statistics = mcap.Statistics(
            messages=sum(self._counts.values()),
            schemas=len(layout.SCHEMAS),
            channels=len(channels),
            attachments=0,
            metadata=len(metadata),
            chunks=self._chunks,
            start_ns=self._start_ns or 0,
            end_ns=self._end_ns,
            by_channel=dict(sorted(self._counts.items())),
        )
        groups = (
            b"".join(map(mcap.schema, layout.SCHEMAS)),
            b"".join(map(mcap.channel, channels)),
            mcap.statistics(statistics),
            bytes(self._index),
            b"".join(mcap.metadata_index(*entry) for entry in metadata),
        )
        data += mcap.summary(groups, self.final_end + len(data))
        self._write(data, self.final_end)
        self.sync()

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)

    def _build(
        self, blocks: Sequence[Block], offset: int
    ) -> tuple[bytes, ChunkEntry, Mapping[int, int]]:
        """Return the bytes of a chunk and its indexes, its entry, and its counts by channel."""
        records = b"".join([block.records for block in blocks])
        compressed = self._compressor.compress(records)
        start = min([block.start_ns for block in blocks])
        end = max([block.end_ns for block in blocks])
        parts = [mcap.chunk(start, end, records, compressed)]
        length = position = len(parts[0])
        indexes, counts = {}, {}
        for channel_id, pairs in _joined(blocks).items():
            indexes[channel_id] = offset + position
            counts[channel_id] = len(pairs) // 16
            parts.append(mcap.message_index(channel_id, pairs))
            position += len(parts[-1])
        entry = ChunkEntry(
            start, end, offset, length, indexes, position - length, len(compressed), len(records)
        )
        return b"".join(parts), entry, counts

    def _count(self, entry: ChunkEntry, counts: Mapping[int, int]) -> None:
        self._counts.update(counts)
        self._index += mcap.chunk_index(entry)
        self._chunks += 1
        start = entry.start_ns if self._start_ns is None else self._start_ns
        self._start_ns = min(start, entry.start_ns)
        self._end_ns = max(self._end_ns, entry.end_ns)

    def cut(self) -> None:
        """Cut off what is beyond the last final chunk."""
        if self._file_end != self.final_end:
            os.ftruncate(self._fd, self.final_end)
            self._file_end = self.final_end
        self._provisional = 0

    def _write(self, data: bytes, offset: int) -> None:
        try:
            if os.pwrite(self._fd, data, offset) != len(data):
                raise OSError(28, "no space left for the session file")
        except OSError:
            os.ftruncate(self._fd, offset)
            self._file_end = offset
            raise
        self._file_end = offset + len(data)


def _joined(blocks: Sequence[Block]) -> dict[int, bytes]:
    """Join the indexes of blocks into one of their chunk, by channel."""
    found: dict[int, list[bytes]] = {}
    for block in blocks:
        for channel_id, pairs in block.pairs:
            found.setdefault(channel_id, []).append(pairs)
    joined = {channel_id: b"".join(found[channel_id]) for channel_id in sorted(found)}
    by = blocks[0].at
    return {number: moved(pairs, by) for number, pairs in joined.items()} if by else joined


def create(path: Path, identity: Mapping[str, str], metadata: Mapping[str, str]) -> None:
    """Make an empty session file, whole or not at all; one that is there already stays."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(prefix(identity, metadata))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(new, path)
        new.unlink()
    except FileExistsError:
        new.unlink()
    except OSError:  # a file system without hard links
        new.replace(path)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Put on disk which files a directory has."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that has nothing to do for that
            raise
    finally:
        os.close(fd)
