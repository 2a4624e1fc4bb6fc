"""The MCAP container: its records as bytes, both ways (https://mcap.dev/spec, version 0).

Only what a session needs: no attachments are written, and chunks are compressed with zstd.
Integers are little-endian; a string is a 32-bit length and UTF-8; a map is its length in bytes
and pairs of strings.
"""

from __future__ import annotations

import enum
import functools
import struct
import sys
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from overflight_contract.errors import InputError

MAGIC: Final = b"\x89MCAP0\r\n"
RECORD_HEADER: Final = struct.Struct("<BQ")
MESSAGE_HEADER: Final = struct.Struct("<HIQQ")
_CHUNK_HEADER: Final = struct.Struct("<QQQI")
_U32: Final = struct.Struct("<I")
_U64: Final = struct.Struct("<Q")


class Op(enum.IntEnum):
    """Opcodes of records."""

    HEADER = 0x01
    FOOTER = 0x02
    SCHEMA = 0x03
    CHANNEL = 0x04
    MESSAGE = 0x05
    CHUNK = 0x06
    MESSAGE_INDEX = 0x07
    CHUNK_INDEX = 0x08
    ATTACHMENT = 0x09
    ATTACHMENT_INDEX = 0x0A
    STATISTICS = 0x0B
    METADATA = 0x0C
    METADATA_INDEX = 0x0D
    SUMMARY_OFFSET = 0x0E
    DATA_END = 0x0F


FOOTER_BYTES: Final = RECORD_HEADER.size + 20 + len(MAGIC)
"""What a closed file ends with: the footer record and the magic."""


class McapError(InputError):
    """Bytes that are no MCAP record."""


class Schema(NamedTuple):
    """How the messages of a channel are built."""

    id: int
    name: str
    encoding: str
    data: bytes


class Channel(NamedTuple):
    """A stream of messages."""

    id: int
    schema_id: int
    topic: str
    message_encoding: str
    metadata: Mapping[str, str]


class ChunkHead(NamedTuple):
    """The fields of a chunk before its compressed records."""

    start_ns: int
    end_ns: int
    uncompressed_bytes: int
    crc: int
    compression: str
    compressed_bytes: int
    body_offset: int
    """Where the compressed records begin, counted from the content of the chunk record."""


class ChunkEntry(NamedTuple):
    """Where a chunk stands in the file, and what it holds."""

    start_ns: int
    end_ns: int
    offset: int
    length: int
    """Of the chunk record, its header included; the message indexes follow it."""
    indexes: Mapping[int, int]
    """Offset of the message index record by channel."""
    index_bytes: int
    compressed_bytes: int
    uncompressed_bytes: int
    compression: str = "zstd"


class Statistics(NamedTuple):
    """The summary's counts."""

    messages: int
    schemas: int
    channels: int
    attachments: int
    metadata: int
    chunks: int
    start_ns: int
    end_ns: int
    by_channel: Mapping[int, int]


class Footer(NamedTuple):
    """Where the summary is."""

    summary_start: int
    summary_offset_start: int
    crc: int


def record(op: int, content: bytes) -> bytes:
    """Frame the content of a record."""
    return RECORD_HEADER.pack(op, len(content)) + content


def string(text: str) -> bytes:
    """Encode a string."""
    raw = text.encode("utf-8")
    return _U32.pack(len(raw)) + raw


def string_map(pairs: Mapping[str, str]) -> bytes:
    """Encode a map of strings."""
    body = b"".join(string(key) + string(value) for key, value in pairs.items())
    return _U32.pack(len(body)) + body


def header(profile: str, library: str) -> bytes:
    """Return a header record."""
    return record(Op.HEADER, string(profile) + string(library))


def schema(value: Schema) -> bytes:
    """Return a schema record."""
    body = string(value.name) + string(value.encoding) + _U32.pack(len(value.data)) + value.data
    return record(Op.SCHEMA, struct.pack("<H", value.id) + body)


def channel(value: Channel) -> bytes:
    """Return a channel record."""
    body = string(value.topic) + string(value.message_encoding) + string_map(value.metadata)
    return record(Op.CHANNEL, struct.pack("<HH", value.id, value.schema_id) + body)


def metadata(name: str, pairs: Mapping[str, str]) -> bytes:
    """Return a metadata record."""
    return record(Op.METADATA, string(name) + string_map(pairs))


def message(channel_id: int, sequence: int, log_time_ns: int, data: bytes) -> bytes:
    """Return a message record whose publish time is its log time."""
    head = MESSAGE_HEADER.pack(channel_id, sequence & 0xFFFFFFFF, log_time_ns, log_time_ns)
    return record(Op.MESSAGE, head + data)


def chunk(start_ns: int, end_ns: int, records: bytes, compressed: bytes) -> bytes:
    """Return a chunk record (zstd) of message records."""
    head = _CHUNK_HEADER.pack(start_ns, end_ns, len(records), zlib.crc32(records))
    size = _U64.pack(len(compressed))
    return record(Op.CHUNK, b"".join((head, string("zstd"), size, compressed)))


def message_index(channel_id: int, pairs: bytes) -> bytes:
    """Return a message index record of `index_pairs`."""
    return record(Op.MESSAGE_INDEX, struct.pack("<HI", channel_id, len(pairs)) + pairs)


def index_pairs(times: Sequence[int], offsets: Sequence[int]) -> bytes:
    """Say when each message was logged, and where in its chunk it stands, as an index does."""
    pairs = array("Q", bytes(16 * len(times)))
    pairs[::2], pairs[1::2] = array("Q", times), array("Q", offsets)
    if sys.byteorder == "big":
        pairs.byteswap()
    return pairs.tobytes()


def chunk_index(entry: ChunkEntry) -> bytes:
    """Return a chunk index record."""
    offsets = [number for pair in entry.indexes.items() for number in pair]
    count = len(entry.indexes)
    body = struct.pack(
        f"<QQQQI{'HQ' * count}Q",
        entry.start_ns,
        entry.end_ns,
        entry.offset,
        entry.length,
        count * 10,
        *offsets,
        entry.index_bytes,
    )
    sizes = struct.pack("<QQ", entry.compressed_bytes, entry.uncompressed_bytes)
    return record(Op.CHUNK_INDEX, body + string(entry.compression) + sizes)


def statistics(value: Statistics) -> bytes:
    """Return a statistics record."""
    body = _STATISTICS.pack(*value[:8])
    counts = b"".join(struct.pack("<HQ", *pair) for pair in value.by_channel.items())
    return record(Op.STATISTICS, body + _U32.pack(len(counts)) + counts)


def metadata_index(offset: int, length: int, name: str) -> bytes:
    """Return a metadata index record."""
    return record(Op.METADATA_INDEX, struct.pack("<QQ", offset, length) + string(name))


def data_end() -> bytes:
    """Return a data end record; its checksum is left out (every chunk has its own)."""
    return record(Op.DATA_END, bytes(4))


def summary(groups: Iterable[bytes], summary_start: int) -> bytes:
    """Join the groups of a summary, each of one opcode, and end the file."""
    body, offsets, position = [], [], summary_start
    for group in groups:
        if group:
            offsets.append(
                record(Op.SUMMARY_OFFSET, struct.pack("<BQQ", group[0], position, len(group)))
            )
            body.append(group)
            position += len(group)
    everything = b"".join(body + offsets)
    foot = RECORD_HEADER.pack(Op.FOOTER, 20) + struct.pack("<QQ", summary_start, position)
    crc = zlib.crc32(foot, zlib.crc32(everything))
    return everything + foot + _U32.pack(crc) + MAGIC


class Cursor:
    """Takes values from the content of a record; raises `McapError` where it is too short."""

    def __init__(self, data: bytes | memoryview, position: int = 0) -> None:
        self._data = data
        self.position = position

    def take(self, layout: struct.Struct) -> tuple[int, ...]:
        """Take numbers."""
        try:
            values = layout.unpack_from(self._data, self.position)
        except struct.error as error:
            raise McapError("a record is too short for its fields") from error
        self.position += layout.size
        return values

    def raw(self, size: int) -> bytes:
        """Take `size` bytes."""
        if self.position + size > len(self._data):
            raise McapError("a record is too short for its fields")
        found = bytes(self._data[self.position : self.position + size])
        self.position += size
        return found

    def string(self) -> str:
        """Take a string."""
        (size,) = self.take(_U32)
        try:
            return self.raw(size).decode("utf-8")
        except UnicodeDecodeError as error:
            raise McapError("a string is not UTF-8") from error

    def string_map(self) -> dict[str, str]:
        """Take a map of strings."""
        (size,) = self.take(_U32)
        end, found = self.position + size, {}
        while self.position < end:
            key = self.string()
            found[key] = self.string()
        return found


def parse_schema(content: bytes) -> Schema:
    """Parse the content of a schema record."""
    cursor = Cursor(content)
    (number,) = cursor.take(struct.Struct("<H"))
    name, encoding = cursor.string(), cursor.string()
    (size,) = cursor.take(_U32)
    return Schema(number, name, encoding, cursor.raw(size))


def parse_channel(content: bytes) -> Channel:
    """Parse the content of a channel record."""
    cursor = Cursor(content)
    number, schema_id = cursor.take(struct.Struct("<HH"))
    return Channel(number, schema_id, cursor.string(), cursor.string(), cursor.string_map())


def parse_metadata(content: bytes) -> tuple[str, dict[str, str]]:
    """Parse the content of a metadata record into its name and pairs."""
    cursor = Cursor(content)
    return cursor.string(), cursor.string_map()


def parse_chunk_head(content: bytes) -> ChunkHead:
    """Parse the content of a chunk record up to its compressed records."""
    cursor = Cursor(content)
    start, end, size, crc = cursor.take(_CHUNK_HEADER)
    compression = cursor.string()
    (compressed,) = cursor.take(_U64)
    return ChunkHead(start, end, size, crc, compression, compressed, cursor.position)


def parse_message_index(content: bytes | memoryview) -> tuple[int, tuple[int, ...]]:
    """Parse a message index into its channel and time, offset, time, offset and so on."""
    cursor = Cursor(content)
    channel_id, size = cursor.take(struct.Struct("<HI"))
    return channel_id, cursor.take(struct.Struct(f"<{size // 8}Q"))


def parse_chunk_index(content: bytes | memoryview) -> ChunkEntry:
    """Parse the content of a chunk index record."""
    if len(content) < 36:
        raise McapError("a chunk index is too short for its fields")
    (size,) = _U32.unpack_from(content, 32)
    layout = _chunk_index_layout(size // 10)
    if len(content) < layout.size:
        raise McapError("a chunk index is too short for its fields")
    start, end, offset, length, _, *pairs, index_bytes, name_bytes = layout.unpack_from(content)
    cursor = Cursor(content, layout.size)
    try:
        compression = cursor.raw(name_bytes).decode("utf-8")
    except UnicodeDecodeError as error:
        raise McapError("a string is not UTF-8") from error
    compressed, uncompressed = cursor.take(_TWO_U64)
    indexes = dict(zip(pairs[::2], pairs[1::2], strict=True))
    return ChunkEntry(
        start, end, offset, length, indexes, index_bytes, compressed, uncompressed, compression
    )


@functools.lru_cache(64)
def _chunk_index_layout(channels: int) -> struct.Struct:
    return struct.Struct(f"<QQQQI{'HQ' * channels}QI")


_TWO_U64: Final = struct.Struct("<QQ")


_STATISTICS: Final = struct.Struct("<QHIIIIQQ")


def parse_statistics(content: bytes) -> Statistics:
    """Parse the content of a statistics record."""
    cursor = Cursor(content)
    numbers = cursor.take(_STATISTICS)
    (size,) = cursor.take(_U32)
    pairs = cursor.take(struct.Struct("<" + "HQ" * (size // 10)))
    by_channel = dict(zip(pairs[::2], pairs[1::2], strict=True))
    messages, schemas, channels, attachments, metadata_count, chunks, start, end = numbers
    return Statistics(
        messages, schemas, channels, attachments, metadata_count, chunks, start, end, by_channel
    )


def parse_footer(tail: bytes) -> Footer | None:
    """Parse the last `FOOTER_BYTES` of a file; None where it does not end as a closed one."""
    if len(tail) != FOOTER_BYTES or not tail.endswith(MAGIC):
        return None
    if RECORD_HEADER.unpack_from(tail) != (Op.FOOTER, 20):
        return None
    return Footer(*struct.unpack_from("<QQI", tail, RECORD_HEADER.size))
