"""What the network learned: the track by content, and contacts, volume and rhythm by metadata."""

from __future__ import annotations

import functools
import itertools
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from overflight_contract.errors import ContractError
from overflight_contract.messages import Position, decode
from overflight_contract.times import iso, to_ns
from overflight_contract.topics import Kind
from overflight_ground.areas import AreaMap, countries
from overflight_ground.audit.ledgers import Crossed, Recorded
from overflight_ground.audit.report import Bin, FlightSeen, Learned, Stay
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


class Fix(NamedTuple):
    """A fix that a message told, in degrees."""

    at_ns: int
    lat_deg: float
    lon_deg: float


def _fixes(messages: Iterable[Crossed | Recorded]) -> list[Fix]:
    fixes: dict[int, Fix] = {}
    for message in messages:
        if message.kind != Kind.POSITION:
            continue
        try:
            found = decode(Kind.POSITION, message.body)
        except ContractError:
            continue
        if isinstance(found, Position) and found.lat_deg is not None and found.lon_deg is not None:
            fix = Fix(to_ns(found.measured_at), found.lat_deg, found.lon_deg)
            fixes.setdefault(message.seq, fix)
    return sorted(fixes.values())


def learned(
    crossed: Sequence[Crossed],
    recorded: Sequence[Recorded] | None,
    metadata: Metadata,
    opaque_bytes: int,
) -> Learned:
    """Say what whoever carried the traffic knows by now."""
    written: dict[str, list[Recorded]] = {}
    for message in recorded or ():
        written.setdefault(message.flight, []).append(message)
    told: dict[tuple[str, str], list[Crossed]] = {}
    for told_one in crossed:
        told.setdefault((told_one.payload, told_one.flight), []).append(told_one)
    flights = [
        flight
        for (payload, name), messages in sorted(told.items())
        if (flight := _flight(payload, name, _fixes(messages), _fixes(written.get(name, ()))))
    ]
    gaps = metadata.gaps_in_order
    return Learned(
        fixes=sum(flight.fixes for flight in flights),
        flights=tuple(flights),
        contacts=metadata.contacts,
        contact_s=round(metadata.contact_ns / 1e9, 3),
        busiest_hour_bytes=max(metadata.by_hour.values(), default=0),
        median_gap_s=statistics.median(gaps) / 1000 if gaps else None,
        packet_sizes=len(metadata.sizes),
        opaque_bytes=opaque_bytes,
    )


def _flight(
    payload: str, flight: str, fixes: Sequence[Fix], truth: Sequence[Fix]
) -> FlightSeen | None:
    if not fixes:
        return None
    step = max(1, -(-len(fixes) // TRACK_POINTS))
    return FlightSeen(
        payload=payload,
        flight=flight,
        fixes=len(fixes),
        first_fix_at=iso(fixes[0].at_ns),
        last_fix_at=iso(fixes[-1].at_ns),
        track_error_km=_error_km(fixes, truth),
        track=tuple((fix.lat_deg, fix.lon_deg) for fix in fixes[::step]),
        countries=_countries(fixes),
    )


@functools.cache
def _borders() -> AreaMap:
    return AreaMap(countries())


def _countries(fixes: Sequence[Fix]) -> tuple[Stay, ...]:
    """Return the countries in the order in which they were crossed, by Natural Earth's outlines."""
    runs = itertools.groupby(
        fixes, key=lambda fix: [area.name for area in _borders().at(fix.lat_deg, fix.lon_deg)][:1]
    )
    stays: list[Stay] = []
    for names, group in runs:
        within = list(group)
        stays += [
            Stay(
                country=name,
                from_at=iso(within[0].at_ns),
                to_at=iso(within[-1].at_ns),
                fixes=len(within),
            )
            for name in names
        ]
    return tuple(stays)


def _error_km(seen: Sequence[Fix], truth: Sequence[Fix]) -> float | None:
    """Return the greatest distance of a recorded fix from the nearest fix in time that crossed."""
    if not seen or not truth:
        return None
    worst, at = 0.0, 0
    for when, lat, lon in truth:
        while at + 1 < len(seen) and abs(seen[at + 1][0] - when) <= abs(seen[at][0] - when):
            at += 1
        worst = max(worst, distance_m(lat, lon, seen[at][1], seen[at][2]))
    return round(worst / 1000 + 0.0008, 3)
