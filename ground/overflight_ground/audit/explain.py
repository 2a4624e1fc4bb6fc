"""Every byte from the device, classed: fixed by the standard, explained by the contract, or not.

`Explainer` is fed with the packets of all sessions in order of time and keeps the sums. What was
refused did not cross; it is judged in the same way and summed apart, as what was tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from overflight_contract.messages import Telemetry, kind_of
from overflight_contract.session.model import Part
from overflight_contract.times import iso
from overflight_ground.audit import connect_rules, publish_rules, small_rules, walk
from overflight_ground.audit.findings import Evidence
from overflight_ground.audit.ledgers import Crossed
from overflight_ground.audit.room import choice, gap_bits, universal
from overflight_ground.audit.sessions import Client, FlightState, Link
from overflight_ground.audit.tally import SAMPLE_BYTES, ByteClass, Judged, Tally, Unexplained
from overflight_ground.audit.traffic import Connection, Crossing, Packet
from overflight_ground.audit.walk import Field

FIRST_TIME_BITS: Final = 49.0
"""Any millisecond of ten thousand years."""
MADE_BY_RELAY: Final = "made by the relay"
"""The reason that the relay gives a packet of its own, as an acknowledgement of what it refused."""
Rule = Callable[["Explainer", Link, bytes, Packet], list[Judged]]
PACKET_KINDS: Final = 13
"""What may come next: two kinds of message, one sent again, CONNECT, SUBSCRIBE, PINGREQ,
DISCONNECT, four acknowledgements, the end of the connection, the end of all."""


@dataclass(slots=True)
class Explainer:
    """Reads traffic and keeps, by class, every byte from the device.

    `payloads`: names that may cross (None: any name that the contract allows, and its room is
    counted). `others`: payloads that share the relay and have audits of their own; what crossed on
    their connections is summed apart. `checked_files`: sessions whose relay compared credentials
    with its configuration, so that a CONNECT that it did not mark has the configured ones.
    """

    payloads: frozenset[str] | None = None
    others: frozenset[str] = frozenset()
    checked_files: frozenset[int] = frozenset()
    crossed: Tally = field(default_factory=Tally)
    tried: Tally = field(default_factory=Tally)
    other: Tally = field(default_factory=Tally)
    relay_bytes: int = 0
    """Bytes that the relay itself sent to the broker."""
    down_bytes: int = 0
    down_packets: int = 0
    timing_bits: float = 0.0
    order_bits: float = 0.0
    opaque: frozenset[tuple[int, int]] = frozenset()
    opened: set[tuple[int, int]] = field(default_factory=set)
    links: dict[tuple[int, int], Link] = field(default_factory=dict)
    clients: dict[str, Client] = field(default_factory=dict)
    flights: dict[tuple[str, str], FlightState] = field(default_factory=dict)
    last_at_ns: int | None = None
    names: Sequence[str] = ("session",)
    """What the session files are called in evidence."""
    messages: list[Crossed] = field(default_factory=list)
    refused_messages: list[Crossed] = field(default_factory=list)
    attempts: list[tuple[Packet, str]] = field(default_factory=list)
    disputed: list[tuple[Packet, str]] = field(default_factory=list)
    """Packets that the relay marked and that these rules explain."""
    on_unexplained: Callable[[Packet, Judged, str, int], None] | None = None

    def open(self, connections: Iterable[Connection]) -> None:
        """Take in which connections the session saw begin, and which are opaque."""
        connections = list(connections)
        self.opened |= {(link.file, link.connection) for link in connections}
        self.opaque = self.opaque | {
            (link.file, link.connection) for link in connections if link.tls == "passthrough"
        }

    def link(self, packet: Packet) -> Link:
        """Return the state of the packet's connection."""
        key = (packet.file, packet.connection)
        link = self.links.get(key)
        if link is None:
            link = self.links[key] = Link(packet.connection)
        return link

    def evidence(
        self, packet: Packet, start: int | None = None, end: int | None = None
    ) -> Evidence:
        """Say where a packet (or some of its bytes) lies."""
        sample = packet.data[start or 0 : end][:SAMPLE_BYTES]
        return Evidence(
            source=self.names[packet.file],
            at=iso(packet.crossed_at_ns),
            connection=packet.connection,
            packet=packet.sequence,
            start=start,
            end=end,
            hex=sample.hex(),
        )

    def carried(
        self, packet: Packet, payload: str, message: Telemetry, data: bytes, place: Field
    ) -> None:
        """Note that a packet carries a valid message."""
        found = Crossed(
            payload,
            message.flight,
            message.seq,
            str(kind_of(message)),
            data[place.start : place.end],
            partial(self.evidence, packet, place.start, place.end),
        )
        if self.link(packet).payload in self.others:
            return
        (self.messages if packet.crossed else self.refused_messages).append(found)

    def feed(self, packet: Packet) -> int:
        """Judge one packet; returns how many of its bytes are unexplained."""
        link = self.link(packet)
        if not packet.up:
            self.down_bytes += len(packet.data)
            self.down_packets += 1
            if packet.part is Part.WHOLE and packet.crossed and packet.data:
                small_rules.from_broker(link, packet.data)
            return 0
        if packet.reason == MADE_BY_RELAY:
            self.relay_bytes += len(packet.data)
            return 0
        name, judged = self._judge(link, packet)
        if link.payload in self.others:
            for found in judged:
                self.other.add(name, found.field, found.byte_class, found.end - found.start)
            return 0
        tally = self.crossed if packet.crossed else self.tried
        tally.packets += 1
        for found in judged:
            self._count(tally, packet, name, found)
        left = sum(
            found.end - found.start for found in judged if found.byte_class is ByteClass.UNEXPLAINED
        )
        if packet.crossing is Crossing.MARKED and not left:
            self.disputed.append((packet, name))
        if packet.crossed:
            self._time(link, packet)
        elif packet.part in (Part.WHOLE, Part.FIRST):
            self.attempts.append((packet, name))
        return left

    def _judge(self, link: Link, packet: Packet) -> tuple[str, list[Judged]]:
        data = packet.data
        if (packet.file, packet.connection) in self.opaque:
            return "TLS", [Judged("records", 0, len(data), ByteClass.OPAQUE, 8.0 * len(data))]
        if packet.part is not Part.WHOLE or not data:
            kind = "piece" if packet.part is not Part.FIRST else walk.TYPE_NAMES[data[0] >> 4]
            why = "larger than any message of the contract"
            return kind, [Judged("piece", 0, len(data), ByteClass.UNEXPLAINED, 0, why)]
        number = data[0] >> 4
        name = walk.TYPE_NAMES[number]
        if link.ended:
            publish_rules.note_message(self, packet)
            return name, whole(data, "comes after DISCONNECT")
        if not link.connected and number != walk.CONNECT and self._began_before(packet):
            publish_rules.join_midstream(self, link, data)
        if link.connected is (number == walk.CONNECT):
            publish_rules.note_message(self, packet)
            why = "a second CONNECT" if link.connected else "comes before CONNECT"
            return name, whole(data, why)
        rule = _RULES.get(number)
        if rule is None:
            return name, whole(data, "a payload sends no such packet")
        judged = rule(self, link, data, packet)
        if any(found.field == walk.MALFORMED for found in judged):
            return name, whole(data, "does not parse")
        return name, judged

    def _began_before(self, packet: Packet) -> bool:
        return (packet.file, packet.connection) not in self.opened

    def _count(self, tally: Tally, packet: Packet, name: str, found: Judged) -> None:
        size = found.end - found.start
        free = found.byte_class in (ByteClass.UNEXPLAINED, ByteClass.OPAQUE)
        bits = found.bits + (universal(size) if free and size else 0.0)
        tally.add(name, found.field, found.byte_class, size, bits)
        if found.byte_class is not ByteClass.UNEXPLAINED or size == 0:
            return
        tally.witness(
            Unexplained(
                packet.file, packet.sequence, packet.connection, packet.crossed_at_ns, name,
                found.field, found.start, found.end, found.why,
                packet.data[found.start : found.end][:SAMPLE_BYTES],
            )
        )  # fmt: skip
        if self.on_unexplained is not None:
            self.on_unexplained(packet, found, name, self.link(packet).version)

    def _time(self, link: Link, packet: Packet) -> None:
        """When a packet crosses, and which kind it is, says something too."""
        self.order_bits += choice(PACKET_KINDS) + choice(len(self.links))
        before = link.last_up_ns if link.last_up_ns is not None else self.last_at_ns
        if before is None:
            self.timing_bits += FIRST_TIME_BITS
        else:
            self._pause(link, packet.crossed_at_ns - before)
        link.last_up_ns = self.last_at_ns = packet.crossed_at_ns
        link.client.ids = link.ids

    def _pause(self, link: Link, gap_ns: int) -> None:
        self.timing_bits += gap_bits(max(0, gap_ns // 1_000_000), 1500 * link.keep_alive_s)

    def close(self, connections: Iterable[Connection]) -> None:
        """Count the ends of connections, whoever brought them about: the provider sees them.

        Connections of which nothing crossed have none: the relay calls no broker for them.
        """
        for ended in connections:
            link = self.links.get((ended.file, ended.connection))
            if link is None or link.last_up_ns is None or ended.closed_at_ns is None:
                continue
            self.order_bits += choice(PACKET_KINDS) + choice(len(self.links))
            self._pause(link, ended.closed_at_ns - link.last_up_ns)


def whole(data: bytes, why: str) -> list[Judged]:
    """Judge a whole packet as unexplained."""
    return [Judged("whole packet", 0, len(data), ByteClass.UNEXPLAINED, 0.0, why)]


_RULES: dict[int, Rule] = {
    walk.CONNECT: connect_rules.connect,
    walk.PUBLISH: publish_rules.publish,
    walk.SUBSCRIBE: connect_rules.subscribe,
    walk.PUBACK: small_rules.acknowledgement,
    walk.PUBREC: small_rules.acknowledgement,
    walk.PUBREL: small_rules.acknowledgement,
    walk.PUBCOMP: small_rules.acknowledgement,
    walk.PINGREQ: small_rules.ping,
    walk.DISCONNECT: small_rules.disconnect,
}
