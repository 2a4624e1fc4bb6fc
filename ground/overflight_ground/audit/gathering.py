"""Puts findings of all cores together under names, with where to look."""

from __future__ import annotations

from overflight_contract.times import iso
from overflight_contract.vault import VaultReport
from overflight_ground.audit.findings import Evidence, Finding, Weight
from overflight_ground.audit.ledgers import Reconciled
from overflight_ground.audit.reading import Reading, Traffic


def gather(read: Reading, traffic: Traffic, reconciled: Reconciled) -> list[Finding]:
    """Return what all cores found, and what is wrong with the inputs themselves."""
    findings = list(reconciled.findings)
    findings += [
        Finding(
            kind="unexplained",
            weight=Weight.BREAKS,
            text=f"{found.packet} packet {found.sequence}: {found.field}: {found.why}",
            evidence=(
                Evidence(
                    source=traffic.explainer.names[found.file],
                    at=iso(found.crossed_at_ns),
                    connection=found.connection,
                    packet=found.sequence,
                    start=found.start,
                    end=found.end,
                    hex=found.data.hex(),
                ),
            ),
        )
        for found in traffic.explainer.crossed.evidence
    ]
    findings += [
        Finding(
            kind="marked",
            weight=Weight.DOUBT,
            text=f"{name} packet {packet.sequence} is explained, but the relay marked it: "
            f"{packet.reason}",
            evidence=(traffic.explainer.evidence(packet),),
        )
        for packet, name in traffic.explainer.disputed
    ]
    findings += [
        Finding(
            kind="session-gap",
            weight=Weight.DOUBT,
            text=f"{traffic.explainer.names[file]}: connection {number} began before the session",
            evidence=(Evidence(source=traffic.explainer.names[file], connection=number),),
        )
        for (file, number), link in sorted(traffic.explainer.links.items())
        if link.midstream
    ]
    for session in read.sessions:
        findings += [
            Finding(
                kind="session-gap",
                weight=Weight.DOUBT,
                text=f"{session.path.name}: {gap.what}",
                evidence=(Evidence(source=session.path.name),),
            )
            for gap in session.gaps
        ]
    if read.record:
        findings += [
            Finding(
                kind="record-damage",
                weight=Weight.DOUBT,
                text=f"line {damage.line} of the payload's {name} {damage.reason}",
                evidence=(Evidence(source=name, place=f"line {damage.line}"),),
            )
            for name, damage in read.record.damage
        ]
    for vault in read.vaults:
        findings += _vault_findings(vault)
    return findings


def _vault_findings(vault: VaultReport) -> list[Finding]:
    def finding(kind: str, text: str, place: str = "", weight: Weight = Weight.DOUBT) -> Finding:
        return Finding(
            kind=kind, weight=weight, text=text, picture=place or None,
            evidence=(Evidence(source="vault", place=place),),
        )  # fmt: skip

    found = [
        finding("picture-missing", f"the picture {e.file} is missing from the vault", e.file)
        for e in vault.missing
    ]
    found += [
        finding("picture-changed", f"the picture {e.file} is not what was kept", e.file)
        for e in vault.changed
    ]
    found += [
        finding("picture-swapped", f"the picture {e.file} has the content of {o.file}", e.file)
        for e, o in vault.swapped
    ]
    found += [
        finding("picture-extra", f"the vault's manifest does not name {name}", name)
        for name in vault.extra
    ]
    if not vault.bare:
        found += [finding("manifest-damage", text) for text in vault.damage]
    return found
