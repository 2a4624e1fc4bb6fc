"""From findings and sums to a verdict, its reasons, and what would have changed it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from overflight_ground.audit.findings import Finding, Weight
from overflight_ground.audit.report import Search, Verdict


@dataclass(frozen=True, kw_only=True)
class Given:
    """Which inputs there were."""

    session: bool
    record: bool
    store: bool
    vault: bool
    pictures: int
    bare_vault: bool


@dataclass(slots=True)
class Judgement:
    """The verdict with its words."""

    verdict: Verdict
    reasons: list[str] = field(default_factory=list)
    unproved: list[str] = field(default_factory=list)
    would_change: list[str] = field(default_factory=list)


NOT_COVERED = (
    "what TCP and IP carry beside the packets: sizes of segments, port and sequence numbers",
    "times finer than one millisecond",
    "any way out of the device that does not go through this relay",
    "a device that rewrote its own record and vault in whole before they were recovered",
    "pictures made smaller or changed (thumbnails) are not searched for; the bounds cover them",
)


def judge(
    given: Given,
    findings: Sequence[Finding],
    search: Search | None,
    *,
    unexplained_bytes: int,
    opaque_bytes: int,
) -> Judgement:
    """Say whether the split held."""
    broken = _broken(findings, search, unexplained_bytes)
    doubts = _doubts(given, findings, search, opaque_bytes)
    unproved = _unproved(given)
    if broken:
        verdict, reasons = Verdict.BROKEN, broken
    elif doubts:
        verdict, reasons = Verdict.UNTOLD, doubts
    else:
        verdict, reasons = Verdict.HELD, [_held(given)]
    if broken and doubts:
        unproved = doubts + unproved
    return Judgement(verdict, reasons, unproved, _would_change(verdict, given))


def _broken(findings: Sequence[Finding], search: Search | None, unexplained: int) -> list[str]:
    reasons: list[str] = []
    if search is not None:
        reasons += [
            f"{item.matched_bytes:,} of {item.picture_bytes:,} bytes of the picture "
            f"{short(item.picture)} crossed, {item.form}"
            for item in search.found[:5]
        ]
        if len(search.found) > 5:
            reasons.append(f"and bytes of {len(search.found) - 5} more pictures")
        reasons += [
            f"{sum(b.name == name for b in search.beginnings)} × the beginning of a {name} file"
            for name in sorted({b.name for b in search.beginnings})
        ]
    if unexplained:
        reasons.append(f"{unexplained:,} bytes crossed that the contract does not explain")
    return reasons + _grouped(findings, Weight.BREAKS)


def _doubts(
    given: Given, findings: Sequence[Finding], search: Search | None, opaque: int
) -> list[str]:
    doubts: list[str] = []
    if not given.session:
        doubts.append("there is no session: nothing says what crossed")
    if not given.vault:
        doubts.append("there is no vault: nothing says what stayed")
    elif not given.pictures and given.bare_vault:
        doubts.append("the vault has neither pictures nor a manifest that says so")
    if opaque:
        doubts.append(f"{opaque:,} bytes crossed encrypted and can't be read")
    if search is not None and not search.complete:
        doubts.append("the search had to leave decoded data out")
    return doubts + _grouped(findings, Weight.DOUBT)


def short(name: str) -> str:
    """Shorten the name of a picture that is named by its hash."""
    folder, slash, file = name.rpartition("/")
    stem, dot, suffix = file.partition(".")
    return f"{folder}{slash}{stem[:12]}….{suffix}" if len(stem) == 64 and dot else name


def _grouped(findings: Sequence[Finding], weight: Weight) -> list[str]:
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        if finding.weight is weight:
            groups.setdefault(finding.kind, []).append(finding)
    lines: list[str] = []
    for kind, members in sorted(groups.items()):
        if len(members) <= 3:
            lines += [member.text for member in members]
        else:
            lines.append(f"{len(members):,} × {kind}; the first: {members[0].text}")
    return lines


def _unproved(given: Given) -> list[str]:
    lines: list[str] = []
    if not given.record:
        lines.append("without the payload's record: that the payload itself wrote what crossed")
    if not given.store:
        lines.append("without the ground's store: that nothing reached the ground by another way")
    if not given.session:
        lines.append("without a session: everything about what crossed")
    if not given.vault:
        lines.append("without the vault: that what stayed is not what crossed")
    elif given.bare_vault:
        lines.append("without a manifest: that these are all the pictures, unchanged")
    return lines


def _held(given: Given) -> str:
    ledgers = [name for name, there in (("record", given.record), ("store", given.store)) if there]
    held = f" and agrees with the {' and the '.join(ledgers)}" if ledgers else ""
    return (
        "every byte that crossed is fixed by the standard or explained by the contract"
        f"{held}, and nothing of {given.pictures:,} pictures was found in it"
    )


def _would_change(verdict: Verdict, given: Given) -> list[str]:
    if verdict is Verdict.BROKEN:
        return ["a session without the bytes named above"]
    if verdict is Verdict.UNTOLD:
        return ["what is named above, supplied or mended", "or any sign of a break, which outranks"]
    lines = ["one byte that the contract does not explain", "24 bytes in a row of any kept picture"]
    if given.record:
        lines.append("one message that the payload did not record, or recorded otherwise")
    return lines
