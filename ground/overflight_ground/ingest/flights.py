"""What the ingest remembers of each flight between batches: counters, watermark, believed track."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from overflight_ground.ingest.plausible import Place, Track
from overflight_ground.ingest.watermark import Watermark
from overflight_ground.store.writing import BatchWriter

FlightKey = tuple[str, str]
"""(payload, flight)."""


def began(flight: str) -> str:
    """Return the part of a flight's id that says when it began; it sorts by time."""
    return flight[:16]


def order(flight: str, first_received_ns: int) -> tuple[str, int]:
    """Return what flights sort by: when they began; where two say the same, who was heard first.

    Each run of a simulation says the same.
    """
    return began(flight), first_received_ns


class FlightRow(NamedTuple):
    """A row of ``flights``: what is committed of a flight."""

    payload: str
    flight: str
    first_at_ns: int | None
    last_at_ns: int | None
    first_received_at_ns: int
    last_received_at_ns: int
    messages: int
    bytes: int
    duplicates: int
    quarantined: int
    conflicts: int
    through: int
    held_from: int
    given_up: int
    simulated: bool


@dataclass(slots=True)
class FlightState:
    """One flight as ingest has it in hand; ahead of the store while a batch is under way."""

    payload: str
    flight: str
    simulated: bool
    first_received_at_ns: int
    last_received_at_ns: int
    first_at_ns: int | None = None
    last_at_ns: int | None = None
    messages: int = 0
    bytes: int = 0
    duplicates: int = 0
    quarantined: int = 0
    conflicts: int = 0
    watermark: Watermark = field(default_factory=Watermark)
    track: Track = field(default_factory=Track)

    def count(self, measured_at_ns: Sequence[int], messages: int, size: int) -> None:
        """Take new messages into the counters; `size` is the bytes of all their payloads.

        `measured_at_ns` holds the times of those that are not ahead of the clock.
        """
        if measured_at_ns:
            first, last = min(measured_at_ns), max(measured_at_ns)
            self.first_at_ns = first if self.first_at_ns is None else min(first, self.first_at_ns)
            self.last_at_ns = last if self.last_at_ns is None else max(last, self.last_at_ns)
        self.messages += messages
        self.bytes += size

    def row(self) -> FlightRow:
        """Return the row of ``flights`` as it is now."""
        mark = self.watermark
        return FlightRow(
            self.payload,
            self.flight,
            self.first_at_ns,
            self.last_at_ns,
            self.first_received_at_ns,
            self.last_received_at_ns,
            self.messages,
            self.bytes,
            self.duplicates,
            self.quarantined,
            self.conflicts,
            mark.through,
            mark.held_from,
            mark.given_up,
            self.simulated,
        )


class FlightBook:
    """All flights of the store; exact as long as this ingest is the only one that writes."""

    def __init__(self) -> None:
        self.flights: dict[FlightKey, FlightState] = {}
        self.next_id = 0
        """The id of the next message; 0 where it must be looked up."""

    def load(self, writer: BatchWriter) -> None:
        """Read everything anew."""
        self.flights.clear()
        self.next_id = 0
        for values in writer.load_flights():
            row = FlightRow(*values)
            state = FlightState(
                payload=row.payload,
                flight=row.flight,
                simulated=bool(row.simulated),
                first_received_at_ns=row.first_received_at_ns,
                last_received_at_ns=row.last_received_at_ns,
                first_at_ns=row.first_at_ns,
                last_at_ns=row.last_at_ns,
                messages=row.messages,
                bytes=row.bytes,
                duplicates=row.duplicates,
                quarantined=row.quarantined,
                conflicts=row.conflicts,
                watermark=Watermark(
                    row.through,
                    row.held_from,
                    row.given_up,
                    writer.pending(row.payload, row.flight, row.through),
                ),
                track=_track(writer, row.payload, row.flight),
            )
            self.flights[state.payload, state.flight] = state


def _track(writer: BatchWriter, payload: str, flight: str) -> Track:
    newest = writer.newest_position(payload, flight)
    if newest is None:
        return Track()
    at_ns, lat_deg, lon_deg = newest
    place = Place(at_ns, lat_deg, lon_deg)
    return Track(newest=place, latest_arrived=place)
