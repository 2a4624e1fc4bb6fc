"""Turns committed batches into the events of the live stream. Pure but for the hub's queues.

An event's id is the id of the newest message it covers, so that ``Last-Event-ID`` closes a gap
from the store, also after the ground was started again.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from overflight_contract.messages import Navigation, Position
from overflight_contract.topics import Kind
from overflight_ground.ingest.intake import Outcome
from overflight_ground.ingest.judge import Accepted, Rejected
from overflight_ground.ingest.plausible import believable
from overflight_ground.ingest.stored import Stored, StoredMessages, StoredRun, thinned

INTERVAL_S: Final = 0.1
POSITIONS: Final = 2_000
WIRE: Final = 200
QUEUE: Final = 64

_encode = msgspec.json.Encoder().encode


def sse(event: str, data: Any, event_id: int | None = None) -> bytes:
    """Write one server-sent event (HTML standard, 9.2)."""
    head = b"" if event_id is None else b"id: %d\n" % event_id
    return b"%sevent: %s\ndata: %s\n\n" % (head, event.encode(), _encode(data))


def position_json(item: Accepted) -> dict[str, Any]:
    """Return a position as the stream has it."""
    message = item.message
    assert isinstance(message, Position)
    return {
        "payload": item.payload,
        "flight": message.flight,
        "seq": message.seq,
        "measured_at_ms": item.measured_at_ns // 1_000_000,
        "lat_deg": message.lat_deg,
        "lon_deg": message.lon_deg,
        "alt_msl_m": message.alt_msl_m,
        "fix": message.fix.value,
        "sats": message.sats,
    }


def navigation_json(item: Accepted) -> dict[str, Any]:
    """Return a navigation message as the stream has it."""
    message = item.message
    assert isinstance(message, Navigation)
    return {
        "payload": item.payload,
        "flight": message.flight,
        "seq": message.seq,
        "measured_at_ms": item.measured_at_ns // 1_000_000,
        "track_deg": message.track_deg,
        "speed_mps": message.speed_mps,
        "climb_mps": message.climb_mps,
        "phase": message.phase.value,
        "waypoint": message.waypoint.number if message.waypoint is not None else None,
        "cross_track_m": message.cross_track_m,
    }


def summary(message: Position | Navigation) -> str:
    """Say in a few words what a message says."""
    if isinstance(message, Position):
        if message.lat_deg is None or message.lon_deg is None:
            return f"#{message.seq} no fix"
        height = "" if message.alt_msl_m is None else f" {message.alt_msl_m:.0f} m"
        return f"#{message.seq} {message.lat_deg:.4f} {message.lon_deg:.4f}{height}"
    parts = [f"#{message.seq} {message.phase.value}"]
    if message.track_deg is not None and message.speed_mps is not None:
        parts.append(f"{message.track_deg:03.0f}° {message.speed_mps:.1f} m/s")
    if message.climb_mps is not None:
        parts.append(f"{message.climb_mps:+.1f} m/s up")
    return " ".join(parts)


class Collector:
    """Gathers outcomes until the next event."""

    def __init__(self) -> None:
        self._stored = StoredMessages()
        self._wire: deque[Sequence[Stored] | Sequence[Rejected]] = deque(maxlen=WIRE)
        self._wired = 0
        self.last_id = 0
        self.told_id = 0
        """The newest message of the last event; what came since will be in the next."""

    def add(self, outcome: Outcome) -> None:
        """Take in a committed batch."""
        self._stored.add(outcome.stored)
        self._wire.extend(outcome.stored.parts)
        if outcome.quarantined:
            self._wire.append(outcome.quarantined)
        self._wired += len(outcome.stored) + len(outcome.quarantined)
        if outcome.stored:
            self.last_id = outcome.stored[-1].id

    @property
    def empty(self) -> bool:
        """Whether there is nothing to tell."""
        return not self._wired

    def take(self, counters: dict[str, int]) -> dict[str, Any]:
        """Return the data of the next ``batch`` event and begin anew."""
        data = batch_json(self._stored, counters)
        wire = self._newest()
        data["wire"] = [wire_json(item) for item in wire]
        data["wire_missed"] = self._wired - len(wire)
        self.forget()
        return data

    def _newest(self) -> list[Stored | Rejected]:
        """Return the last `WIRE` arrivals, oldest first."""
        found: list[Stored | Rejected] = []
        for part in reversed(self._wire):
            if len(found) == WIRE:
                break
            found += part[len(found) - WIRE :][::-1]
        return found[::-1]

    def forget(self) -> None:
        """Begin anew: nobody listens."""
        self._stored, self._wired = StoredMessages(), 0
        self._wire.clear()
        self.told_id = self.last_id


def batch_json(stored: StoredMessages, counters: dict[str, int]) -> dict[str, Any]:
    """Return positions and navigation of a batch; too many are thinned evenly, the last kept."""
    positions, navigation = StoredMessages(), StoredMessages()
    for part in stored.parts:
        if isinstance(part, StoredRun):
            positions.add(part.of_kind(Kind.POSITION))
            navigation.add(part.of_kind(Kind.NAVIGATION))
        else:
            positions.add([s for s in part if s.accepted.kind is Kind.POSITION
                           and believable(s.suspect)])  # fmt: skip
            navigation.add([s for s in part if s.accepted.kind is Kind.NAVIGATION])
    thin = max(1, -(-max(len(positions), len(navigation)) // POSITIONS))
    return {
        "positions": [position_json(s.accepted) for s in thinned(positions, thin)],
        "navigation": [navigation_json(s.accepted) for s in thinned(navigation, thin)],
        "thinned": thin,
        "counters": counters,
    }


def wire_json(item: Stored | Rejected) -> dict[str, Any]:
    """Return a line of the wire."""
    if isinstance(item, Stored):
        accepted = item.accepted
        return {
            "at_ms": accepted.arrival.received_at_ns // 1_000_000,
            "payload": accepted.payload,
            "topic": accepted.topic,
            "size": len(accepted.arrival.raw),
            "summary": summary(accepted.message),
            "quarantined": False,
            "suspect": item.suspect,
            "id": item.id,
        }
    return {
        "at_ms": item.arrival.received_at_ns // 1_000_000,
        "payload": item.payload,
        "topic": item.topic,
        "size": max(item.arrival.size, len(item.arrival.raw)),
        "summary": f"{item.reason}: {item.detail}"[:300],
        "quarantined": True,
        "suspect": None,
        "id": None,
    }


class Listener:
    """One open stream. Who is too slow is closed, and comes back with its last id."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[tuple[int | None, bytes] | None] = asyncio.Queue(QUEUE)
        self.open = True

    def put(self, event_id: int | None, event: bytes) -> None:
        """Queue an event; close the stream where there is no room."""
        if not self.open:
            return
        try:
            self.queue.put_nowait((event_id, event))
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """End the stream after what is queued."""
        self.open = False
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


class Hub:
    """Hands events to all open streams."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()

    @property
    def listeners(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    def join(self) -> Listener:
        """Open a stream."""
        listener = Listener()
        self._listeners.add(listener)
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a stream."""
        self._listeners.discard(listener)

    def send(self, event: str, data: Any, event_id: int | None = None) -> None:
        """Send an event to all."""
        if self._listeners:
            block = sse(event, data, event_id)
            for listener in tuple(self._listeners):
                listener.put(event_id, block)

    def close(self) -> None:
        """End all streams."""
        for listener in tuple(self._listeners):
            listener.close()
