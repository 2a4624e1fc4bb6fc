"""Puts findings of all cores together under names, with where to look."""

from __future__ import annotations

from collections.abc import Iterator

from overflight_contract.times import iso
from overflight_contract.vault import VaultReport
from overflight_ground.audit.explain import Explainer
from overflight_ground.audit.findings import Evidence, Finding, Weight
from overflight_ground.audit.ledgers import Reconciled
from overflight_ground.audit.reading import Reading, Traffic


def gather(read: Reading, traffic: Traffic, reconciled: Reconciled) -> list[Finding]:
    """Return what all cores found, and what is wrong with the inputs themselves."""
    findings = [
        *reconciled.findings,
        *_unexplained(traffic.explainer),
        *_disputed(traffic.explainer),
        *_gaps(read, traffic.explainer),
        *_record_damage(read, traffic.explainer),
    ]
    for vault in read.vaults:
        findings += _vault_findings(vault)
    return findings


def _unexplained(explainer: Explainer) -> Iterator[Finding]:
    for found in explainer.crossed.evidence:
        yield Finding(
            kind="unexplained",
            weight=Weight.BREAKS,
            text=f"{found.packet} packet {found.sequence}: {found.field}: {found.why}",
            evidence=(
                Evidence(
                    source=explainer.names[found.file],
                    at=iso(found.crossed_at_ns),
                    connection=found.connection,
                    packet=found.sequence,
                    start=found.start,
                    end=found.end,
                    hex=found.data.hex(),
                ),
            ),
        )


def _disputed(explainer: Explainer) -> Iterator[Finding]:
    for packet, name in explainer.disputed:
        what = f"{name} packet {packet.sequence} is explained, but the relay marked it"
        yield Finding(
            kind="marked",
            weight=Weight.DOUBT,
            text=f"{what}: {packet.reason}",
            evidence=(explainer.evidence(packet),),
        )


def _gaps(read: Reading, explainer: Explainer) -> Iterator[Finding]:
    found = [
        (session.path.name, None, gap.what) for session in read.sessions for gap in session.gaps
    ]
    midstream = [
        (explainer.names[file], number, f"connection {number} began before the session")
        for (file, number), link in sorted(explainer.links.items())
        if link.midstream
    ]
    for name, number, what in [*midstream, *found]:
        yield Finding(
            kind="session-gap",
            weight=Weight.DOUBT,
            text=f"{name}: {what}",
            evidence=(Evidence(source=name, connection=number),),
        )


def _record_damage(read: Reading, explainer: Explainer) -> Iterator[Finding]:
    if read.record and not read.record.messages and explainer.messages:
        yield Finding(
            kind="record-damage",
            weight=Weight.DOUBT,
            text="the payload's record is empty, although messages crossed",
            evidence=(Evidence(source="record"),),
        )
    for name, damage in read.record.damage if read.record else ():
        yield Finding(
            kind="record-damage",
            weight=Weight.DOUBT,
            text=f"line {damage.line} of the payload's {name} {damage.reason}",
            evidence=(Evidence(source=name, place=f"line {damage.line}"),),
        )


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
