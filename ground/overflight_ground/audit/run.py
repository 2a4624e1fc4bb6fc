"""Runs an audit: reads the inputs, feeds the cores, puts the report together."""

from __future__ import annotations

from collections.abc import Sequence

from overflight_contract.vault import VaultReport
from overflight_ground.audit.assemble import assemble, search_section
from overflight_ground.audit.gathering import gather
from overflight_ground.audit.inputs import AuditInputs
from overflight_ground.audit.ledgers import Ledgers, Reconciled, reconcile
from overflight_ground.audit.reading import Reading, Traffic, read_inputs, read_traffic
from overflight_ground.audit.report import AuditReport
from overflight_ground.audit.search.find import Finder, Picture


def run_audit(inputs: AuditInputs) -> AuditReport:
    """Audit `inputs`; raises `InputError` and `UnavailableError` as reading them does."""
    read = read_inputs(inputs)
    try:
        traffic = read_traffic(read)
        reconciled = _reconcile(inputs, read, traffic)
        findings = gather(read, traffic, reconciled)
    finally:
        for session in read.sessions:
            session.reader.close()
    search = tried = None
    if read.vaults:
        finder = Finder(_pictures(read.vaults))
        search = search_section(traffic.explainer, finder.search(traffic.crossed))
        if traffic.refused:
            tried = search_section(traffic.explainer, finder.search(traffic.tried))
    return assemble(read, traffic, reconciled, findings, search, tried)


def _reconcile(inputs: AuditInputs, read: Reading, traffic: Traffic) -> Reconciled:
    wanted = set(inputs.flights)
    crossed = [m for m in traffic.explainer.messages if not wanted or m.flight in wanted]
    held: dict[str, int] = {}
    for source in (read.record.messages if read.record else ()), crossed:
        for message in source:
            found = _held_from(message.body)
            held[message.flight] = max(held.get(message.flight, 0), found)
    return reconcile(
        Ledgers(
            record=read.record.messages or None if read.record else None,
            crossed=crossed if read.sessions else None,
            stored=read.store.messages if read.store else None,
            quarantined=frozenset(read.store.quarantined) if read.store else frozenset(),
            refused=traffic.explainer.refused_messages,
            damaged_lines=_damaged(read),
            held_from=held,
            traffic_is_whole=not any(session.gaps for session in read.sessions),
        )
    )


def _damaged(read: Reading) -> frozenset[tuple[str, int]]:
    if read.record is None:
        return frozenset()
    return frozenset((name, damage.line) for name, damage in read.record.damage)


def _held_from(body: bytes) -> int:
    """Read ``held_from`` out of a message without decoding it (it is canonical, or damaged)."""
    at = body.find(b'"held_from":')
    digits = body[at + 12 : at + 30].partition(b",")[0] if at >= 0 else b""
    return int(digits) if digits.isdigit() else 0


def _pictures(vaults: Sequence[VaultReport]) -> list[Picture]:
    pictures: list[Picture] = []
    for vault in vaults:
        names = {entry.file: entry.sha256 for entry in vault.entries}
        names |= dict.fromkeys(vault.extra, "")
        for name, sha256 in sorted(names.items()):
            path = vault.folder / name
            if path.is_file():
                size = path.stat().st_size
                pictures.append(Picture(name, sha256, size, path.read_bytes))
    return pictures
