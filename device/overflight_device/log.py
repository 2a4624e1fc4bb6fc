"""The payload's own log: each message into the record, then into the outbox.

The record is fsynced first. A message's bytes are made once, here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from overflight_contract.messages import Fix as FixMode
from overflight_contract.messages import (
    Navigation,
    Phase,
    Position,
    Telemetry,
    Waypoint,
    decode,
    encode,
    kind_of,
    quantise,
    quantise_angle,
    quantise_longitude,
    whole_milliseconds,
)
from overflight_contract.record import FILE_NAME, RecordDamage, RecordEntry, RecordWriter
from overflight_contract.record import read_record as read_entries
from overflight_contract.times import from_ns, to_ns
from overflight_contract.topics import Kind
from overflight_device.fix import Fix
from overflight_device.navigation import Motion
from overflight_device.outbox import Outbox

MESSAGE_SIZE_BOUND = 640
"""Bytes to make room for before encoding two messages."""


class FlightLog:
    """Writes a flight's messages. One thread writes."""

    def __init__(self, folder: Path, outbox: Outbox) -> None:
        """Open the record beside `outbox` in `folder`; put back what the outbox has lost."""
        self._outbox = outbox
        self._record = RecordWriter(folder / FILE_NAME)
        self.last_measured_at_ns: int | None = None
        self.last_phase: Phase | None = None
        self.written = 0
        self._last: tuple[Fix, Motion] | None = None
        self._last_held_from = 0
        self._recover(folder / FILE_NAME)

    def write(self, fix: Fix, motion: Motion) -> int:
        """Write a position and a navigation message; return how many old ones were given up."""
        given_up = self._outbox.make_room(2 * MESSAGE_SIZE_BOUND)
        flight, seq, held_from = self._outbox.flight, self._outbox.next_seq, self._outbox.held_from
        messages: list[Telemetry] = [
            _position(fix, flight, seq, held_from),
            _navigation(fix, motion, flight, seq + 1, held_from),
        ]
        encoded = [(kind_of(message), message.seq, encode(message)) for message in messages]
        self._record.append((flight, kind, seq, payload) for kind, seq, payload in encoded)
        self._outbox.append(encoded)
        self.last_measured_at_ns = fix.measured_at_ns
        self.written += len(encoded)
        self._last, self._last_held_from = (fix, motion), held_from
        return given_up

    def restate(self) -> bool:
        """Write the last fix once more where the ground can't know yet what was given up.

        Without this, a ground would wait for ever for messages that were given up or set aside
        after the last message of the flight was encoded.
        """
        if self._last is None or self._outbox.held_from <= self._last_held_from:
            return False
        self.write(*self._last)
        return True

    def close(self) -> None:
        """Close the record."""
        self._record.close()

    def _recover(self, path: Path) -> None:
        flight = self._outbox.flight
        missing: list[tuple[Kind, int, bytes]] = []
        for entry in own_entries(path, flight):
            self.written += 1
            message = decode(entry.kind, entry.payload)
            if isinstance(message, Position | Navigation):
                self._last_held_from = max(self._last_held_from, message.held_from)
                self.last_measured_at_ns = to_ns(message.measured_at) + 999_999
            if isinstance(message, Navigation):
                self.last_phase = message.phase
            if entry.seq >= self._outbox.next_seq:
                missing.append((entry.kind, entry.seq, entry.payload))
        self._outbox.recover(missing, self._last_held_from)


def own_entries(path: Path, flight: str) -> Iterator[RecordEntry]:
    """Yield the record's entries of `flight`."""
    for entry in read_entries(path):
        if not isinstance(entry, RecordDamage) and entry.flight == flight:
            yield entry


def _position(fix: Fix, flight: str, seq: int, held_from: int) -> Position:
    has_fix = fix.mode is not FixMode.NONE and fix.lat_deg is not None and fix.lon_deg is not None
    return Position(
        flight=flight,
        seq=seq,
        held_from=held_from,
        measured_at=whole_milliseconds(from_ns(fix.measured_at_ns)),
        lat_deg=quantise(fix.lat_deg, "lat_deg") if has_fix else None,
        lon_deg=quantise_longitude(fix.lon_deg or 0.0) if has_fix else None,
        alt_msl_m=_within(quantise(fix.alt_msl_m, "alt_msl_m"), -1000, 60000) if has_fix else None,
        alt_hae_m=_within(quantise(fix.alt_hae_m, "alt_hae_m"), -1000, 60000) if has_fix else None,
        fix=fix.mode if has_fix else FixMode.NONE,
        sats=None if fix.sats is None else min(max(fix.sats, 0), 99),
        hdop=_within(quantise(fix.hdop, "hdop"), 0, 99.9),
    )


def _navigation(fix: Fix, motion: Motion, flight: str, seq: int, held_from: int) -> Navigation:
    waypoint = motion.waypoint
    return Navigation(
        flight=flight,
        seq=seq,
        held_from=held_from,
        measured_at=whole_milliseconds(from_ns(fix.measured_at_ns)),
        track_deg=quantise_angle(motion.track_deg),
        speed_mps=_within(quantise(motion.speed_mps, "speed_mps"), 0, 500),
        climb_mps=_within(quantise(motion.climb_mps, "climb_mps"), -300, 300),
        phase=motion.phase,
        waypoint=None
        if waypoint is None
        else Waypoint(
            number=waypoint.number,
            distance_m=round(waypoint.distance_m),
            bearing_deg=quantise_angle(waypoint.bearing_deg, "bearing_deg") or 0.0,
        ),
        cross_track_m=None if motion.cross_track_m is None else round(motion.cross_track_m),
    )


def _within(value: float | None, low: float, high: float) -> float | None:
    """Return `value`, or None where it is outside: a receiver's nonsense is no measurement."""
    return value if value is not None and low <= value <= high else None
