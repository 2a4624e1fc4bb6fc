"""What an MCAP file of a session holds, without its content: from its summary, or by a scan."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from typing import Final

import zstandard

from overflight_contract.session import layout, mcap
from overflight_contract.session.chunktable import ChunkTable
from overflight_contract.session.mcap import ChunkEntry, McapError, Op, Statistics

_PREFIX_BYTES: Final = 1 << 20
_CHUNK_MARK: Final = b"\x04\x00\x00\x00zstd"
_MARK_OFFSET: Final = mcap.RECORD_HEADER.size + 28
_SEARCH_BYTES: Final = 1 << 20
_MAX_CHUNK_BYTES: Final = 1 << 31


class Catalogue:
    """Chunks and metadata of one file."""

    def __init__(self, fd: int, *, salvage: bool = False) -> None:
        """Read it; raise `McapError` where the file does not begin as an MCAP file does.

        With `salvage` neither beginning nor summary are needed: chunks are looked for by how they
        begin, and all that was passed over is named in `damage`.
        """
        self._fd = fd
        self.profile = ""
        self.library = ""
        self.metadata: dict[str, dict[str, str]] = {}
        self.metadata_at: list[tuple[int, int, str]] = []
        """Offset, length and name of the metadata records at the beginning."""
        self.entries = ChunkTable()
        self.statistics: Statistics | None = None
        """Only of a closed file."""
        self.data_end = 0
        """Offset of the first byte after the last whole chunk and its indexes."""
        self.closed = False
        self.damage: list[str] = []
        size = os.fstat(fd).st_size
        try:
            self.first_chunk = self._read_prefix(min(size, _PREFIX_BYTES))
        except McapError as error:
            if not salvage:
                raise
            self.damage.append(f"the beginning of the file is damaged: it {error}")
            self.first_chunk = 0
        self.data_end = self.first_chunk
        if salvage or not self._read_summary(size):
            for entry, end in self._scan(self.data_end, size):
                self.entries.append(entry)
                self.data_end = end

    @property
    def first_sequence(self) -> int:
        """The sequence number that the file begins with."""
        return _number(self.metadata.get("overflight", {}).get("first_sequence")) or 0

    @property
    def first_connection(self) -> int:
        """The lowest connection number that the file may use for a new connection."""
        return _number(self.metadata.get("overflight", {}).get("first_connection")) or 1

    @property
    def session_id(self) -> bytes:
        """What the file and its journal have in common."""
        try:
            return bytes.fromhex(self.metadata.get("overflight", {}).get("session_id", ""))
        except ValueError:
            return b""

    def told_at_end(self, name: str) -> int | None:
        """Return what a closed file says: ``next_sequence`` or ``next_connection``."""
        if not self.closed:
            return None
        return _number(self.metadata.get(layout.CLOSED_RECORD, {}).get(name))

    def counts(self, entry: ChunkEntry) -> dict[int, int]:
        """Count a chunk's messages by channel, from its message indexes."""
        head = struct.Struct("<BQHI")
        found = {}
        for channel_id, offset in entry.indexes.items():
            data = os.pread(self._fd, head.size, offset)
            if len(data) == head.size:
                found[channel_id] = head.unpack(data)[3] // 16
        return found

    def content(self, entry: ChunkEntry) -> bytes:
        """Return the records of a chunk; raise `McapError` where they are not what was written."""
        data = os.pread(self._fd, entry.length, entry.offset)
        if len(data) != entry.length:
            raise McapError(f"the chunk at byte {entry.offset} is cut off")
        return chunk_content(data, entry.offset)

    def chunk_head(self, entry: ChunkEntry) -> mcap.ChunkHead:
        """Return what a chunk says of itself."""
        data = os.pread(self._fd, min(entry.length, 128), entry.offset)
        return mcap.parse_chunk_head(data[mcap.RECORD_HEADER.size :])

    def message_indexes(self, entry: ChunkEntry) -> dict[int, tuple[int, ...]]:
        """Return time, offset, time, offset, … of each channel, as a chunk's indexes have them."""
        data = os.pread(self._fd, entry.index_bytes, entry.offset + entry.length)
        found = {}
        for op, content in _records(memoryview(data)):
            if op != Op.MESSAGE_INDEX:
                raise McapError("another record stands among them")
            channel_id, pairs = mcap.parse_message_index(content)
            found[channel_id] = pairs
        return found

    def entries_from_start(self) -> list[ChunkEntry]:
        """Look for all chunks of the file, whatever its summary says."""
        return self.entries_from(self.first_chunk)

    def entries_from(self, position: int) -> list[ChunkEntry]:
        """Look for the chunks from the offset `position` on, as the file is now."""
        return [entry for entry, _ in self._scan(position, os.fstat(self._fd).st_size)]

    def is_closed(self) -> bool:
        """Tell whether the file ends as a closed one now."""
        size = os.fstat(self._fd).st_size
        tail = os.pread(self._fd, mcap.FOOTER_BYTES, max(size - mcap.FOOTER_BYTES, 0))
        return mcap.parse_footer(tail) is not None

    def _read_prefix(self, size: int) -> int:
        data = os.pread(self._fd, size, 0)
        if not data:
            raise McapError("is empty")
        if not data.startswith(mcap.MAGIC):
            raise McapError("does not begin as an MCAP file does")
        position = len(mcap.MAGIC)
        while position + mcap.RECORD_HEADER.size <= size:
            op, length = mcap.RECORD_HEADER.unpack_from(data, position)
            start = position + mcap.RECORD_HEADER.size
            if op not in _PREFIX_OPS or start + length > size:
                break
            content = data[start : start + length]
            if op == Op.HEADER:
                cursor = mcap.Cursor(content)
                self.profile, self.library = cursor.string(), cursor.string()
            elif op == Op.METADATA:
                name, pairs = mcap.parse_metadata(content)
                if name == layout.CLOSED_RECORD:
                    break
                self.metadata[name] = pairs
                self.metadata_at.append((position, start + length - position, name))
            position = start + length
        return position

    def _read_summary(self, size: int) -> bool:
        """Take chunks and counts from the summary of a closed file; False where there is none."""
        tail_at = size - mcap.FOOTER_BYTES
        tail = os.pread(self._fd, mcap.FOOTER_BYTES, max(tail_at, 0))
        footer = mcap.parse_footer(tail)
        if footer is None or not 0 < footer.summary_start <= tail_at:
            return False
        data = os.pread(self._fd, tail_at - footer.summary_start, footer.summary_start)
        if footer.crc and zlib.crc32(tail[: mcap.RECORD_HEADER.size + 16], zlib.crc32(data)) != (
            footer.crc
        ):
            self.damage.append("the summary does not fit its checksum; the file was scanned")
            return False
        try:
            self._parse_summary(memoryview(data))
        except McapError as error:
            self.damage.append(f"the summary is malformed ({error}); the file was scanned")
            self.entries = ChunkTable()
            return False
        self.data_end = max(self.data_end, self.entries.data_end)
        self.closed = True
        return True

    def _parse_summary(self, data: memoryview) -> None:
        for op, content in _records(data):
            if op == Op.CHUNK_INDEX:
                self.entries.append_record(content)
            elif op == Op.STATISTICS:
                self.statistics = mcap.parse_statistics(bytes(content))
            elif op == Op.METADATA_INDEX:
                self._read_metadata(bytes(content))

    def _read_metadata(self, content: bytes) -> None:
        cursor = mcap.Cursor(content)
        offset, length = cursor.take(struct.Struct("<QQ"))
        if any(offset == at for at, _, _ in self.metadata_at):
            return
        data = os.pread(self._fd, length, offset)
        if len(data) == length > mcap.RECORD_HEADER.size:
            name, pairs = mcap.parse_metadata(data[mcap.RECORD_HEADER.size :])
            self.metadata[name] = pairs

    def _scan(self, position: int, size: int) -> Iterator[tuple[ChunkEntry, int]]:
        """Yield the whole chunks from `position` on, each with the offset where it ends."""
        while position + mcap.RECORD_HEADER.size <= size:
            head = os.pread(self._fd, 64, position)
            op, length = mcap.RECORD_HEADER.unpack_from(head)
            end = position + mcap.RECORD_HEADER.size + length
            if op == Op.CHUNK and end <= size and head[_MARK_OFFSET:][:8] == _CHUNK_MARK:
                entry, position = self._with_indexes(position, end, head, size)
                yield entry, position
            elif op in _BETWEEN_OPS and end <= size:
                position = end
            elif op == Op.DATA_END:
                return
            else:
                found = self._search(position + 1, size)
                if found is None:
                    self.damage.append(f"the file is cut off or damaged at byte {position}")
                    return
                self.damage.append(f"bytes {position} to {found} are no MCAP records")
                position = found

    def _with_indexes(
        self, position: int, end: int, head: bytes, size: int
    ) -> tuple[ChunkEntry, int]:
        chunk = mcap.parse_chunk_head(head[mcap.RECORD_HEADER.size :])
        indexes: dict[int, int] = {}
        at = end
        while at + 15 <= size:
            data = os.pread(self._fd, 15, at)
            op, length = mcap.RECORD_HEADER.unpack_from(data)
            if op != Op.MESSAGE_INDEX or at + mcap.RECORD_HEADER.size + length > size:
                break
            indexes[int.from_bytes(data[9:11], "little")] = at
            at += mcap.RECORD_HEADER.size + length
        entry = ChunkEntry(
            chunk.start_ns,
            chunk.end_ns,
            position,
            end - position,
            indexes,
            at - end,
            chunk.compressed_bytes,
            chunk.uncompressed_bytes,
        )
        return entry, at

    def _search(self, position: int, size: int) -> int | None:
        """Find the next chunk after damage, by how chunk records begin."""
        while position < size:
            window = os.pread(self._fd, _SEARCH_BYTES + _MARK_OFFSET + 8, position)
            mark = window.find(_CHUNK_MARK, _MARK_OFFSET)
            while mark >= 0:
                at = mark - _MARK_OFFSET
                op, length = mcap.RECORD_HEADER.unpack_from(window, at)
                if op == Op.CHUNK and position + at + length + 9 <= size:
                    return position + at
                mark = window.find(_CHUNK_MARK, mark + 1)
            position += _SEARCH_BYTES
        return None


_PREFIX_OPS: Final = (Op.HEADER, Op.METADATA, Op.SCHEMA, Op.CHANNEL)
_BETWEEN_OPS: Final = (*_PREFIX_OPS, Op.MESSAGE_INDEX, Op.ATTACHMENT)


def chunk_content(data: bytes, offset: int = 0) -> bytes:
    """Return the records of the chunk record `data`, checked; `offset` is for the error's text."""
    where = f"the chunk at byte {offset}"
    head = mcap.parse_chunk_head(data[mcap.RECORD_HEADER.size :])
    start = mcap.RECORD_HEADER.size + head.body_offset
    body = data[start : start + head.compressed_bytes]
    if head.uncompressed_bytes > _MAX_CHUNK_BYTES:
        raise McapError(f"{where} claims {head.uncompressed_bytes} bytes")
    if head.compression == "zstd":
        try:
            if zstandard.frame_content_size(body) not in (-1, head.uncompressed_bytes):
                raise McapError(f"{where} claims a size that its content does not have")
            content = zstandard.ZstdDecompressor().decompress(
                body, max_output_size=head.uncompressed_bytes
            )
        except zstandard.ZstdError as error:
            raise McapError(f"{where} can't be decompressed: {error}") from error
    elif head.compression:
        raise McapError(f"{where} is compressed by {head.compression}, which no session file is")
    else:
        content = body
    if len(content) != head.uncompressed_bytes or (head.crc and zlib.crc32(content) != head.crc):
        raise McapError(f"{where} does not fit its checksum")
    return content


def _records(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    position, end = 0, len(data)
    while position + mcap.RECORD_HEADER.size <= end:
        op, length = mcap.RECORD_HEADER.unpack_from(data, position)
        position += mcap.RECORD_HEADER.size
        if position + length > end:
            raise McapError("a record of the summary is cut off")
        yield op, data[position : position + length]
        position += length


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
