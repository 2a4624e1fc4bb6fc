"""What the network learned: the track by content, and contacts, volume and rhythm by metadata."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from overflight_contract.errors import ContractError
from overflight_contract.messages import Position, decode
from overflight_contract.times import iso, to_ns
from overflight_contract.topics import Kind
from overflight_ground.audit.ledgers import Crossed, Recorded
from overflight_ground.audit.report import Bin, Learned
from overflight_ground.audit.room import distance_m
from overflight_ground.audit.traffic import Packet
from overflight_ground.audit.walk import PUBLISH

TRACK_POINTS = 500
BINS = 96
_CONTACT_GAP_NS = 60_000_000_000


@dataclass(slots=True)
class Metadata:
    """What can be seen without reading any content; fed with each packet."""

    last_ns: int | None = None
    contacts: int = 0
    contact_ns: int = 0
    by_hour: Counter[int] = field(default_factory=Counter)
    sizes: Counter[int] = field(default_factory=Counter)
    gaps_in_order: list[int] = field(default_factory=list)
    """Milliseconds between packets of one contact."""
    publish_gaps_ms: list[int] = field(default_factory=list)
    """Milliseconds between messages."""
    last_publish_ns: int | None = None
    volume: dict[int, list[int]] = field(default_factory=dict)

    def packet(self, packet: Packet, unexplained: int) -> None:
        """Take in one packet from the device."""
        second = packet.crossed_at_ns // 1_000_000_000
        row = self.volume.setdefault(second, [0, 0, 0])
        if not packet.crossed:
            row[2] += len(packet.data)
            return
        row[0] += len(packet.data)
        row[1] += unexplained
        self.by_hour[second // 3600] += len(packet.data)
        self.sizes[len(packet.data)] += 1
        if self.last_ns is None or packet.crossed_at_ns - self.last_ns > _CONTACT_GAP_NS:
            self.contacts += 1
        else:
            gap = max(0, packet.crossed_at_ns - self.last_ns)
            self.contact_ns += gap
            self.gaps_in_order.append(gap // 1_000_000)
        self.last_ns = packet.crossed_at_ns
        if packet.data[:1] and packet.data[0] >> 4 == PUBLISH:
            if self.last_publish_ns is not None:
                gap_ns = max(0, packet.crossed_at_ns - self.last_publish_ns)
                self.publish_gaps_ms.append(gap_ns // 1_000_000)
            self.last_publish_ns = packet.crossed_at_ns

    def bins(self) -> tuple[Bin, ...]:
        """Return the volume over time in at most `BINS` steps."""
        if not self.volume:
            return ()
        first, last = min(self.volume), max(self.volume)
        step = max(1, -(-(last - first + 1) // BINS))
        sums: dict[int, list[int]] = {n: [0, 0, 0] for n in range((last - first) // step + 1)}
        for second, row in self.volume.items():
            place = sums[(second - first) // step]
            for index, value in enumerate(row):
                place[index] += value
        return tuple(
            Bin(
                at=iso((first + n * step) * 1_000_000_000, milliseconds=False),
                crossed=row[0],
                unexplained=row[1],
                refused=row[2],
            )
            for n, row in sums.items()
        )


def _fixes(messages: Sequence[Crossed] | Sequence[Recorded]) -> list[tuple[int, float, float]]:
    fixes: dict[tuple[str, int], tuple[int, float, float]] = {}
    for message in messages:
        if message.kind != Kind.POSITION:
            continue
        try:
            found = decode(Kind.POSITION, message.body)
        except ContractError:
            continue
        if isinstance(found, Position) and found.lat_deg is not None and found.lon_deg is not None:
            place = (to_ns(found.measured_at), found.lat_deg, found.lon_deg)
            fixes.setdefault((message.flight, message.seq), place)
    return sorted(fixes.values())


def learned(
    crossed: Sequence[Crossed],
    recorded: Sequence[Recorded] | None,
    metadata: Metadata,
    opaque_bytes: int,
) -> Learned:
    """Say what whoever carried the traffic knows by now."""
    fixes = _fixes(crossed)
    truth = _fixes(recorded) if recorded else []
    step = max(1, -(-len(fixes) // TRACK_POINTS))
    gaps = metadata.gaps_in_order
    return Learned(
        fixes=len(fixes),
        track_error_km=_error_km(fixes, truth),
        first_fix_at=iso(fixes[0][0]) if fixes else None,
        last_fix_at=iso(fixes[-1][0]) if fixes else None,
        track=tuple((lat, lon) for _, lat, lon in fixes[::step]),
        contacts=metadata.contacts,
        contact_s=round(metadata.contact_ns / 1e9, 3),
        busiest_hour_bytes=max(metadata.by_hour.values(), default=0),
        median_gap_s=statistics.median(gaps) / 1000 if gaps else None,
        packet_sizes=len(metadata.sizes),
        opaque_bytes=opaque_bytes,
    )


def _error_km(
    seen: Sequence[tuple[int, float, float]], truth: Sequence[tuple[int, float, float]]
) -> float | None:
    """Return the greatest distance of a recorded fix from the nearest fix in time that crossed."""
    if not seen or not truth:
        return None
    worst, at = 0.0, 0
    for when, lat, lon in truth:
        while at + 1 < len(seen) and abs(seen[at + 1][0] - when) <= abs(seen[at][0] - when):
            at += 1
        worst = max(worst, distance_m(lat, lon, seen[at][1], seen[at][2]))
    return round(worst / 1000 + 0.0008, 3)
