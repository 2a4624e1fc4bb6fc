"""Puts the report together from what was read and found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, TypedDict

from overflight_contract.vault import VaultReport
from overflight_ground.audit import walk
from overflight_ground.audit.explain import Explainer
from overflight_ground.audit.findings import Finding, Weight
from overflight_ground.audit.learned import learned
from overflight_ground.audit.ledgers import Reconciled
from overflight_ground.audit.reading import Reading, Traffic
from overflight_ground.audit.report import (
    Attempt,
    AuditReport,
    Bound,
    ClassRow,
    FlightCounts,
    FoundBeginning,
    FoundPicture,
    PictureState,
    Search,
    Tried,
)
from overflight_ground.audit.search.find import SearchResult
from overflight_ground.audit.search.fingerprints import SMALLEST_RUN
from overflight_ground.audit.statistic_tests import statistics_of
from overflight_ground.audit.tally import ByteClass, Row
from overflight_ground.audit.traffic import Packet
from overflight_ground.audit.verdict import NOT_COVERED, Given, judge

PER_KIND: Final = 200
"""Findings of one kind that are listed; the rest are counted."""
ATTEMPTS: Final = 200


def search_section(explainer: Explainer, result: SearchResult) -> Search:
    """Put what a search found into words of the report."""
    return Search(
        pictures=result.pictures,
        picture_bytes=result.picture_bytes,
        scanned_bytes=result.scanned_bytes,
        decoded_bytes=result.decoded_bytes,
        smallest_run_bytes=SMALLEST_RUN,
        complete=result.complete,
        found=tuple(
            FoundPicture(
                picture=item.picture.name,
                sha256=item.picture.sha256,
                picture_bytes=item.picture.size,
                matched_bytes=item.matched_bytes,
                longest_run=item.longest_run,
                form=item.form,
                stream=item.stream,
                first=explainer.evidence(item.first),
                last=explainer.evidence(item.last),
            )
            for item in result.found
        ),
        beginnings=tuple(
            FoundBeginning(
                name=item.name,
                form=item.form,
                stream=item.stream,
                first=explainer.evidence(item.first),
            )
            for item in result.beginnings
        ),
    )


def _bound(explainer: Explainer, kept_bytes: int | None) -> Bound:
    unexplained = 8.0 * explainer.crossed.bytes_of(ByteClass.UNEXPLAINED)
    opaque = 8.0 * explainer.crossed.bytes_of(ByteClass.OPAQUE)
    fields = explainer.crossed.bits() - opaque
    total = unexplained + opaque + fields + explainer.timing_bits + explainer.order_bits
    return Bound(
        unexplained_bits=unexplained,
        opaque_bits=opaque,
        field_bits=round(fields, 3),
        timing_bits=round(explainer.timing_bits, 3),
        order_bits=round(explainer.order_bits, 3),
        total_bits=round(total, 3),
        total_bytes=-int(-total // 8),
        share_of_vault=round(total / 8 / kept_bytes, 9) if kept_bytes else None,
    )


class _Findings(TypedDict):
    """The report's findings: those that are listed, and how many there are."""

    findings: tuple[Finding, ...]
    findings_left_out: dict[str, int]
    finding_counts: dict[str, int]


def _findings(findings: Sequence[Finding]) -> _Findings:
    kept: list[Finding] = []
    seen: Counter[str] = Counter()
    order = {Weight.BREAKS: 0, Weight.DOUBT: 1, Weight.NOTE: 2}
    for finding in sorted(findings, key=lambda f: order[f.weight]):
        seen[finding.kind] += 1
        if seen[finding.kind] <= PER_KIND:
            kept.append(finding)
    left = {kind: n - PER_KIND for kind, n in sorted(seen.items()) if n > PER_KIND}
    return {
        "findings": tuple(kept),
        "findings_left_out": left,
        "finding_counts": dict(sorted(seen.items())),
    }


def _tried(traffic: Traffic, search: Search | None) -> Tried:
    explainer = traffic.explainer
    attempts = [
        Attempt(
            packet=name,
            bytes=len(packet.data),
            reason=packet.reason,
            topic=_topic(packet, name),
            evidence=explainer.evidence(packet),
        )
        for packet, name in explainer.attempts[:ATTEMPTS]
    ]
    return Tried(
        packets=traffic.refused,
        bytes=explainer.tried.bytes_of(),
        unexplained_bytes=explainer.tried.bytes_of(ByteClass.UNEXPLAINED),
        attempts=tuple(attempts),
        search=search,
    )


def _topic(packet: Packet, name: str) -> str | None:
    if name != "PUBLISH":
        return None
    for found in walk.walk(packet.data, 4):
        if found.name == "topic":
            return packet.data[found.start + 2 : found.end].decode("utf-8", "replace")[:128]
    return None


def _states(vaults: Sequence[VaultReport], search: Search | None) -> tuple[PictureState, ...]:
    found = {item.picture for item in search.found} if search else set()
    states: list[PictureState] = []
    for vault in vaults:
        wrong = {e.file: "missing" for e in vault.missing}
        wrong |= {e.file: "changed" for e in vault.changed}
        wrong |= {e.file: "swapped" for e, _ in vault.swapped}
        for entry in vault.entries:
            state = wrong.get(entry.file, "not found in the traffic")
            if entry.file in found:
                state = "found in the traffic"
            states.append(
                PictureState(file=entry.file, sha256=entry.sha256, bytes=entry.bytes, state=state)
            )
    return tuple(states)


class _Messages(TypedDict):
    """The report's counts of messages."""

    sent: int | None
    crossed: int | None
    stored: int | None
    lost: int | None
    given_up: int
    duplicates: int
    resent: int
    late: int
    in_all: int
    by_flight: tuple[FlightCounts, ...]
    quarantined: int
    refused: int
    marked: int


def _messages(reconciled: Reconciled, read: Reading, traffic: Traffic) -> _Messages:
    return {
        "sent": reconciled.sent,
        "crossed": reconciled.crossed,
        "stored": reconciled.stored,
        "lost": reconciled.lost,
        "given_up": reconciled.given_up,
        "duplicates": reconciled.duplicates,
        "resent": reconciled.resent,
        "late": reconciled.late,
        "in_all": reconciled.in_all,
        "by_flight": tuple(reconciled.by_flight),
        "quarantined": len(read.store.quarantined) if read.store else 0,
        "refused": traffic.refused,
        "marked": traffic.marked,
    }


class _Bytes(TypedDict):
    """The report's sums of bytes, and what they are made of."""

    bytes_crossed: int
    bytes_down: int
    session_bytes: int
    fixed_bytes: int
    explained_bytes: int
    unexplained_bytes: int
    opaque_bytes: int
    classes: tuple[ClassRow, ...]


def _bytes(traffic: Traffic) -> _Bytes:
    tally = traffic.explainer.crossed
    return {
        "bytes_crossed": tally.bytes_of(),
        "bytes_down": traffic.explainer.down_bytes,
        "session_bytes": traffic.total_bytes,
        "fixed_bytes": tally.bytes_of(ByteClass.FIXED),
        "explained_bytes": tally.bytes_of(ByteClass.EXPLAINED),
        "unexplained_bytes": tally.bytes_of(ByteClass.UNEXPLAINED),
        "opaque_bytes": tally.bytes_of(ByteClass.OPAQUE),
        "classes": tuple(map(_class_row, tally.rows())),
    }


def _class_row(row: Row) -> ClassRow:
    return ClassRow(
        packet=row.packet,
        field=row.field,
        byte_class=str(row.byte_class),
        count=row.times,
        bytes=row.size,
        room_bits=round(row.bits, 3),
    )


def _given(read: Reading) -> Given:
    return Given(
        session=bool(read.sessions),
        record=read.record is not None,
        store=read.store is not None,
        vault=bool(read.vaults),
        pictures=sum(len(vault.entries) for vault in read.vaults),
        bare_vault=any(vault.bare for vault in read.vaults),
    )


def assemble(
    read: Reading,
    traffic: Traffic,
    reconciled: Reconciled,
    findings: list[Finding],
    search: Search | None,
    tried: Search | None,
) -> AuditReport:
    """Return the report."""
    messages = traffic.explainer.messages
    given, sums = _given(read), _bytes(traffic)
    kept = sum(e.bytes for vault in read.vaults for e in vault.entries) if read.vaults else None
    judgement = judge(
        given, findings, search,
        unexplained_bytes=sums["unexplained_bytes"], opaque_bytes=sums["opaque_bytes"],
    )  # fmt: skip
    recorded = read.record.messages if read.record else None
    return AuditReport(
        verdict=judgement.verdict,
        reasons=tuple(judgement.reasons),
        unproved=tuple(judgement.unproved),
        would_change=tuple(judgement.would_change),
        not_covered=NOT_COVERED,
        payloads=tuple(sorted({m.payload for m in messages} | (read.payloads or set()))),
        flights=tuple(sorted({m.flight for m in messages})),
        **_messages(reconciled, read, traffic),
        **sums,
        images_kept=given.pictures if read.vaults else None,
        bytes_kept=kept,
        bound=_bound(traffic.explainer, kept),
        **_findings(findings),
        search=search,
        tried=_tried(traffic, tried),
        statistics=statistics_of(messages, traffic.metadata.publish_gaps_ms),
        learned=learned(messages, recorded, traffic.metadata, sums["opaque_bytes"]),
        volume=traffic.metadata.bins(),
        pictures=_states(read.vaults, search),
        inputs=tuple(read.inputs),
    )
