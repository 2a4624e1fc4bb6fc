"""What one piece of data leads to: records for the session, bytes that go on, answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, overload

from overflight_contract.session import Direction, Verdict

Record = tuple[int, int, Direction, Verdict, str, bytes, int]
"""As `SessionWriter.write_packets` takes it: crossed_at_ns, connection, direction, verdict,
reason, data, part."""

WHOLE, FIRST, MIDDLE, LAST = 0, 1, 2, 3
MADE_HERE: Final = "made by the relay"
"""The reason that the relay's own answers carry in the session."""


class PlainRun(Sequence[Record]):
    """Records of packets that came together on one connection and pass as they are.

    A payload that catches up sends hundreds at a time: the tuples are made when somebody looks.
    """

    __slots__ = ("at_ns", "bytes", "connection", "direction", "packets")

    def __init__(
        self, at_ns: int, connection: int, direction: Direction, packets: Sequence[bytes], size: int
    ) -> None:
        """`size` is how many bytes the packets have together."""
        self.at_ns = at_ns
        self.connection = connection
        self.direction = direction
        self.packets = packets
        self.bytes = size

    def __len__(self) -> int:
        return len(self.packets)

    def __iter__(self) -> Iterator[Record]:
        return iter(self[:])

    @overload
    def __getitem__(self, index: int) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return [self._record(packet) for packet in self.packets[index]]
        return self._record(self.packets[index])

    def _record(self, packet: bytes) -> Record:
        return (self.at_ns, self.connection, self.direction, Verdict.OK, "", packet, WHOLE)


class Effects:
    """What one piece of data leads to."""

    __slots__ = (
        "bytes",
        "ends",
        "forward",
        "marked",
        "messages",
        "packets",
        "records",
        "refused",
        "replies",
    )

    def __init__(self) -> None:
        self.bytes = self.packets = self.messages = self.refused = self.marked = 0
        self.forward: list[bytes] = []
        """Packets for the other side, in order, as they came."""
        self.replies: list[bytes] = []
        """Answers of the relay for the side that the data came from."""
        self.records: Sequence[Record] = []
        self.ends = ""
        """Why the connection ends; empty where it goes on."""

    def add(self, record: Record) -> None:
        """Add a record after those there are."""
        if not isinstance(self.records, list):
            self.records = list(self.records)
        self.records.append(record)
