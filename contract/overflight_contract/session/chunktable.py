"""The chunks of a file, in little memory: a session of 10 GB has fifty thousand."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator, Sequence
from itertools import compress
from typing import Final, overload

from overflight_contract.session import mcap
from overflight_contract.session.mcap import ChunkEntry, McapError

_TIMES: Final = struct.Struct("<QQQQI")
_LEAST: Final = _TIMES.size + 8 + 4 + 16
_PAIR_BYTES: Final = 10


class ChunkTable(Sequence[ChunkEntry]):
    """Entries in the order of the file, kept as their chunk index records and made when asked for.

    What is looked through for every question (times, channels, where a chunk ends) is in columns.
    """

    def __init__(self) -> None:
        self._raw = bytearray()
        self._at = array("Q", [0])
        self._starts = array("Q")
        self._ends = array("Q")
        self._channels = array("H")
        """Bit n for channel n; 0 where the chunk has no index and may hold any."""
        self.data_end = 0
        """Offset of the first byte after the last of the chunks and their indexes."""

    def append(self, entry: ChunkEntry) -> None:
        """Add a chunk."""
        self.append_record(mcap.chunk_index(entry)[mcap.RECORD_HEADER.size :])

    def append_record(self, content: bytes | memoryview) -> None:
        """Add a chunk by the content of its chunk index record; raises `McapError`."""
        if len(content) < _LEAST:
            raise McapError("a chunk index is too short for its fields")
        start, end, offset, length, map_bytes = _TIMES.unpack_from(content)
        pairs_end = _TIMES.size + map_bytes // _PAIR_BYTES * _PAIR_BYTES
        if len(content) < pairs_end + 28:
            raise McapError("a chunk index is too short for its fields")
        (index_bytes,) = struct.unpack_from("<Q", content, pairs_end)
        channels = 0
        for at in range(_TIMES.size, pairs_end, _PAIR_BYTES):
            channels |= 1 << min(content[at] | content[at + 1] << 8, 15)
        self._raw += content
        self._at.append(len(self._raw))
        self._starts.append(start)
        self._ends.append(end)
        self._channels.append(channels)
        self.data_end = max(self.data_end, offset + length + index_bytes)

    def overlapping(self, start_ns: int, end_ns: int) -> Iterator[ChunkEntry]:
        """Yield the chunks that may hold times in [start_ns, end_ns)."""
        for index, (first, last) in enumerate(zip(self._starts, self._ends, strict=True)):
            if first < end_ns and last >= start_ns:
                yield self[index]

    def having(self, *channels: int) -> Iterator[ChunkEntry]:
        """Yield the chunks that hold messages of any of the channels, or may."""
        wanted = sum(1 << channel for channel in channels)
        mine = [not found or bool(found & wanted) for found in self._channels]
        return map(self.__getitem__, compress(range(len(self)), mine))

    @property
    def times(self) -> tuple[int, int] | None:
        """The earliest and the latest time; None where there is no chunk."""
        return (min(self._starts), max(self._ends)) if self._starts else None

    def __len__(self) -> int:
        return len(self._starts)

    @overload
    def __getitem__(self, index: int) -> ChunkEntry: ...
    @overload
    def __getitem__(self, index: slice) -> list[ChunkEntry]: ...
    def __getitem__(self, index: int | slice) -> ChunkEntry | list[ChunkEntry]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return mcap.parse_chunk_index(bytes(self._raw[self._at[index] : self._at[index + 1]]))
