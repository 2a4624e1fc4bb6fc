"""Classes of bytes, and where their sums are kept."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple


class ByteClass(enum.StrEnum):
    """What the audit says of a byte from the device."""

    FIXED = "fixed"
    """The MQTT standard leaves no other value: type bits, lengths, protocol name."""
    EXPLAINED = "explained"
    """The contract accepts it; how many other values it would have accepted is its room."""
    UNEXPLAINED = "unexplained"
    OPAQUE = "opaque"
    """Encrypted for another: nothing can be said, so all of it counts."""


class Judged(NamedTuple):
    """One field's class; `bits` is its room, `why` says what is wrong with unexplained bytes."""

    field: str
    start: int
    end: int
    byte_class: ByteClass
    bits: float = 0.0
    why: str = ""


class Unexplained(NamedTuple):
    """Evidence: bytes that the contract does not explain."""

    file: int
    sequence: int
    connection: int
    crossed_at_ns: int
    packet: str
    field: str
    start: int
    end: int
    why: str
    data: bytes


class Row(NamedTuple):
    """One line of the table of classes."""

    packet: str
    field: str
    byte_class: ByteClass
    times: int
    size: int
    bits: float


EVIDENCE_LIMIT: Final = 1000
SAMPLE_BYTES: Final = 64


@dataclass(slots=True)
class Tally:
    """Sums of bytes and room by (packet type, field, class), with evidence for the unexplained."""

    sums: dict[tuple[str, str, ByteClass], list[float]] = field(default_factory=dict)
    evidence: list[Unexplained] = field(default_factory=list)
    evidence_left_out: int = 0
    packets: int = 0

    def add(
        self, packet: str, name: str, byte_class: ByteClass, size: int, bits: float = 0.0
    ) -> None:
        """Count `size` bytes and `bits` of room."""
        row = self.sums.get((packet, name, byte_class))
        if row is None:
            self.sums[packet, name, byte_class] = [1, size, bits]
        else:
            row[0] += 1
            row[1] += size
            row[2] += bits

    def witness(self, found: Unexplained) -> None:
        """Keep evidence, up to a limit; beyond it only counted."""
        if len(self.evidence) < EVIDENCE_LIMIT:
            self.evidence.append(found)
        else:
            self.evidence_left_out += 1

    def bytes_of(self, *classes: ByteClass) -> int:
        """Sum the bytes of `classes` (all where none is named)."""
        return sum(
            int(row[1]) for key, row in self.sums.items() if not classes or key[2] in classes
        )

    def bits(self) -> float:
        """Sum the room."""
        return sum(row[2] for _, row in sorted(self.sums.items()))

    def rows(self) -> Iterator[Row]:
        """Yield the table, ordered."""
        for (packet, name, byte_class), (count, size, bits) in sorted(self.sums.items()):
            yield Row(packet, name, byte_class, int(count), int(size), bits)
