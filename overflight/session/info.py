"""``overflight session info``: what a session holds, at a glance, however large it is."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from overflight.session.views import Selection, selected
from overflight_contract.messages import Position
from overflight_contract.session import SessionPacket, SessionReader, layout
from overflight_contract.times import iso

WHOLE_UP_TO: Final = 50_000
"""Sessions of up to so many packets are read through without being asked."""
MAX_CLIENTS: Final = 1000
"""Clients, topics and reasons that are counted by name; what a session has more is not listed."""
NOTES: Final = 100
"""Notes that are told without reading the session through."""
_GAP_FACTOR: Final = 10
_GAP_LEAST_NS: Final = 10_000_000_000


def summarise(session: SessionReader) -> dict[str, Any]:
    """Return what index and counts say: no packet is read."""
    counts = session.counts
    start, end = session.start_ns, session.end_ns
    packets = session.packet_count
    duration_s = (end - start) / 1e9 if start is not None and end is not None else 0.0
    size = session.bytes_on_disk
    return {
        "session": str(session.path),
        "format_version": layout.FORMAT_VERSION,
        "files": len(session.files),
        "bytes": size,
        "closed": session.closed,
        "journal_items": sum(run.total for file in session.files for run in file.tail.runs),
        "start": None if start is None else iso(start),
        "end": None if end is None else iso(end),
        "duration_s": round(duration_s, 3),
        "packets": packets,
        "packets_up": sum(counts[number] for number in (1, 3, 5)),
        "packets_down": sum(counts[number] for number in (2, 4, 6)),
        "verdicts": {
            "ok": counts[1] + counts[2],
            "marked": counts[3] + counts[4],
            "refused": counts[5] + counts[6],
        },
        "connections": max(counts[7], 0),
        "notes": counts[9],
        "packets_per_s": round(packets / duration_s, 3) if duration_s else None,
        "bytes_per_packet": round(size / packets, 1) if packets else None,
        "chunks": sum(len(file.tail.final) for file in session.files),
        "metadata": dict(session.metadata),
        "damage": list(session.damage),
    }


def notes(session: SessionReader, limit: int | None) -> list[dict[str, Any]]:
    """Return the notes of a session (policy, link changes, gaps), or the first `limit`."""
    found = session.notes(limit)
    return [{"at": iso(n.at_ns), "kind": n.kind, "detail": n.detail} for n in found]


class Reading:
    """What only reading every packet tells."""

    def __init__(self, session: SessionReader) -> None:
        """Read the session through."""
        self.types: Counter[str] = Counter()
        self.topics: Counter[str] = Counter()
        self.reasons: Counter[str] = Counter()
        self.payloads: Counter[str] = Counter()
        self.packet_bytes = 0
        self.clients: dict[str, Counter[str]] = {}
        self.track: list[tuple[float, float]] = []
        """Longitudes and latitudes, thinned to some thousands."""
        self.per_bin: list[int] = [0] * 60
        self.gaps: list[dict[str, Any]] = []
        self._every = 1
        self._positions = 0
        self._last_ns: int | None = None
        self._start = session.start_ns or 0
        self._length = max((session.end_ns or 0) - self._start, 1)
        typical = self._length / max(session.packet_count, 1)
        self._gap_ns = max(_GAP_LEAST_NS, int(typical * _GAP_FACTOR))
        for entry in selected(session, Selection()):
            if isinstance(entry, tuple):
                self._packet(*entry)

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {
            "packet_bytes": self.packet_bytes,
            "types": dict(self.types.most_common()),
            "topics": dict(self.topics.most_common(50)),
            "payloads": dict(self.payloads.most_common()),
            "reasons": dict(self.reasons.most_common(50)),
            "clients": {name: dict(kinds) for name, kinds in self.clients.items()},
            "gaps": self.gaps[:100],
            "positions": self._positions,
        }

    def _packet(self, packet: SessionPacket, view: Any) -> None:
        self.types[view.type] += 1
        self.packet_bytes += len(packet.data)
        if view.topic is not None and (view.topic in self.topics or len(self.topics) < MAX_CLIENTS):
            self.topics[view.topic] += 1
        if view.payload is not None:
            self.payloads[view.payload] += 1
        if packet.reason and (packet.reason in self.reasons or len(self.reasons) < MAX_CLIENTS):
            self.reasons[packet.reason] += 1
        if view.client_id in self.clients or len(self.clients) < MAX_CLIENTS:
            kinds = self.clients.setdefault(view.client_id, Counter())
            kinds["connections"] += view.type == "connect"
            kinds["packets"] += 1
        place = (packet.crossed_at_ns - self._start) * len(self.per_bin) // (self._length + 1)
        self.per_bin[min(max(place, 0), len(self.per_bin) - 1)] += 1
        self._gap(packet.crossed_at_ns)
        if view.type == "publish" and isinstance(view.message, Position):
            self._position(view.message)

    def _position(self, message: Position) -> None:
        if message.lat_deg is None or message.lon_deg is None:
            return
        self._positions += 1
        if self._positions % self._every == 0:
            self.track.append((message.lon_deg, message.lat_deg))
        if len(self.track) > 8000:
            self.track = self.track[::2]
            self._every *= 2

    def _gap(self, at_ns: int) -> None:
        last, self._last_ns = self._last_ns, at_ns
        if last is not None and at_ns - last > self._gap_ns:
            self.gaps.append(
                {"from": iso(last), "until": iso(at_ns), "seconds": round((at_ns - last) / 1e9, 3)}
            )
