"""Reads the inputs of an audit once: opens them, and feeds the traffic to the cores."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from overflight_contract.session.model import Part
from overflight_contract.vault import VaultReport
from overflight_ground.audit import inputs as opening
from overflight_ground.audit.explain import Explainer
from overflight_ground.audit.inputs import AuditInputs, RecordContent, SessionContent, StoreContent
from overflight_ground.audit.learned import Metadata
from overflight_ground.audit.report import Input
from overflight_ground.audit.search.streams import Collected
from overflight_ground.audit.tally import Judged
from overflight_ground.audit.traffic import Crossing, Packet


@dataclass(slots=True)
class Reading:
    """Everything that was read, before anything is said about it."""

    sessions: list[SessionContent] = field(default_factory=list)
    record: RecordContent | None = None
    store: StoreContent | None = None
    vaults: list[VaultReport] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    payloads: frozenset[str] | None = None
    others: frozenset[str] = frozenset()


@dataclass(slots=True)
class Traffic:
    """What reading the sessions gave."""

    explainer: Explainer
    crossed: Collected = field(default_factory=Collected)
    tried: Collected = field(default_factory=Collected)
    metadata: Metadata = field(default_factory=Metadata)
    refused: int = 0
    marked: int = 0
    total_bytes: int = 0


def read_inputs(inputs: AuditInputs) -> Reading:
    """Open and read all but the traffic."""
    read = Reading(sessions=opening.open_sessions(inputs.sessions))
    read.inputs += [opening.session_input(path) for path in inputs.sessions]
    records = opening.default_records(inputs)
    if records:
        read.record, made = opening.read_records(records)
        read.inputs += made
    flights = set(inputs.flights)
    if not flights and read.record is not None:
        flights = {message.flight for message in read.record.messages}
    names = opening.known_payloads(inputs, records)
    if inputs.store is not None:
        read.store, found = opening.read_store(inputs.store, flights or None)
        read.inputs.append(found)
        if not names and flights:
            names = opening.payloads_of(inputs.store, flights)
    for path in inputs.vaults:
        vault, found = opening.read_vault(path)
        read.vaults.append(vault)
        read.inputs.append(found)
    read.payloads = frozenset(names) or None
    read.others = frozenset(inputs.others) - names
    return read


def read_traffic(read: Reading) -> Traffic:
    """Read the sessions once, in order of time."""
    explainer = Explainer(
        payloads=read.payloads,
        others=read.others,
        checked_files=frozenset(s.number for s in read.sessions if s.checks_credentials),
        names=[session.path.name for session in read.sessions],
    )
    traffic = Traffic(explainer)

    def unexplained(packet: Packet, found: Judged, kind: str, version: int) -> None:
        place = traffic.crossed if packet.crossed else traffic.tried
        place.unexplained(packet, found, kind, version)

    explainer.on_unexplained = unexplained
    for session in read.sessions:
        explainer.open(session.connections)
    for packet in _in_time(read.sessions):
        traffic.total_bytes += len(packet.data)
        left = explainer.feed(packet)
        if not packet.up:
            continue
        if packet.part in (Part.WHOLE, Part.FIRST):
            traffic.refused += packet.crossing is Crossing.REFUSED
            traffic.marked += packet.crossing is Crossing.MARKED
        traffic.metadata.packet(packet, left)
        (traffic.crossed if packet.crossed else traffic.tried).packet(packet)
    for session in read.sessions:
        explainer.close(session.connections)
    return traffic


def _in_time(sessions: Sequence[SessionContent]) -> Iterable[Packet]:
    if len(sessions) == 1:
        return sessions[0].packets()
    return heapq.merge(
        *(session.packets() for session in sessions), key=lambda packet: packet.crossed_at_ns
    )
