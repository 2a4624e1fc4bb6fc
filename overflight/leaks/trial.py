"""Runs the gallery: each leak past the relay's rules and the audit, and who notices.

The relay looks on (``observe``), so that the audit sees what crosses; whether its policy would have
refused it is a column of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from overflight.leaks.gallery import GALLERY, Attempt, attempt_of
from overflight.leaks.scene import (
    Scene,
    clean_traffic,
    flight_messages,
    items_of,
    picture,
    write_scene,
)
from overflight_contract import messages as m
from overflight_contract.session import Direction, Item, SessionPacket, Verdict
from overflight_ground.audit import AuditInputs, AuditReport, run_audit
from overflight_relay.judge import Judge
from overflight_relay.known import Known
from overflight_relay.ruleset import RuleSet

LAYERS: Final = ("relay", "bytes", "ledgers", "search", "statistics", "bound only", "not at all")
MESSAGES: Final = 240
PICTURE_SIZE: Final = 64


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """What was noticed of one leak. Sizes in bytes."""

    name: str
    what: str
    carried: int
    verdict: str
    unexplained: int
    bound: int
    layers: tuple[str, ...]


def run_leak(name: str, folder: Path, clean: AuditReport) -> tuple[Row, AuditReport]:
    """Run one leak of the gallery in `folder`; `clean` is the audit of the same flight without."""
    pictures, messages = material()
    attempt = attempt_of(pictures[2], messages, name)
    scene = Scene(folder, attempt.messages, pictures)
    scene.items, marked = judged(_traffic(attempt))
    write_scene(scene)
    report = _audit(scene)
    row = Row(
        name=name,
        what=GALLERY[name].what,
        carried=attempt.carried,
        verdict=str(report.verdict),
        unexplained=report.unexplained_bytes,
        bound=report.bound.total_bytes,
        layers=_layers(name, report, clean, marked=marked),
    )
    return row, report


def material() -> tuple[list[bytes], list[m.Telemetry]]:
    """Return the pictures on board and the messages of the flight."""
    return [picture(seed, PICTURE_SIZE) for seed in range(4)], flight_messages(MESSAGES // 2)


def run_clean(folder: Path) -> AuditReport:
    """Audit the flight without a leak."""
    pictures, messages = material()
    scene = Scene(folder, messages, pictures)
    scene.items = list(clean_traffic(messages))
    write_scene(scene)
    return _audit(scene)


def _audit(scene: Scene) -> AuditReport:
    return run_audit(
        AuditInputs(sessions=[scene.session], store=str(scene.store), vaults=[scene.vault],
                    payloads=["HAB-01"])
    )  # fmt: skip


def _traffic(attempt: Attempt) -> list[Item]:
    items: list[Item] = list(
        clean_traffic(
            attempt.messages,
            version=attempt.version,
            delays_ns=attempt.delays_ns,
            again=attempt.again,
        )
    )
    return items + list(items_of(attempt.extra))


def judged(items: list[Item]) -> tuple[list[Item], bool]:
    """Put every packet before the relay's rules; returns them with verdicts, and if any was marked.

    As ``--policy observe`` does: what the rules refuse is marked, and crosses.
    """
    rules = RuleSet()
    judges: dict[int, Judge] = {}
    out: list[Item] = []
    marked = False
    for item in sorted(items, key=_time):
        if not isinstance(item, SessionPacket):
            out.append(item)
            continue
        if item.connection not in judges:
            judges[item.connection] = Judge(rules, Known(), enforce=False)
        judge = judges[item.connection]
        up = item.direction is Direction.UP
        ruling = (judge.up if up else judge.down)(item.data)
        bad = up and ruling.verdict is not Verdict.OK
        marked = marked or bad
        verdict = Verdict.MARKED if bad else Verdict.OK
        out.append(item._replace(verdict=verdict, reason=ruling.reason if bad else ""))
    return out, marked


def _time(item: Item) -> int:
    return item.crossed_at_ns if isinstance(item, SessionPacket) else item.at_ns


def _layers(name: str, report: AuditReport, clean: AuditReport, *, marked: bool) -> tuple[str, ...]:
    found: list[str] = ["relay"] if marked else []
    if report.unexplained_bytes:
        found.append("bytes")
    ledgers = {"gap", "altered", "extra", "conflict", "forged", "missing-in-traffic"}
    if ledgers & set(report.finding_counts):
        found.append("ledgers")
    if report.search is not None and (report.search.found or report.search.beginnings):
        found.append("search")
    usual = {(s.test, s.field) for s in clean.statistics if s.flagged}
    if any(s.flagged and (s.test, s.field) not in usual for s in report.statistics):
        found.append("statistics")
    if not found:
        found.append("not at all" if GALLERY[name].covers else "bound only")
    return tuple(found)


def run_gallery(folder: Path, names: Iterable[str] = GALLERY) -> Iterator[Row]:
    """Run leaks, each in a folder of its own with its number in the gallery."""
    clean = run_clean(folder / "clean")
    for name in names:
        place = folder / f"{list(GALLERY).index(name) + 1:02}"
        yield run_leak(name, place, clean)[0]


def table(rows: list[Row]) -> str:
    """Return the rows as a table in Markdown."""
    head = ["leak", "carries", *LAYERS, "verdict"]
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    for row in rows:
        marks = ["●" if layer in row.layers else "" for layer in LAYERS]
        lines.append(" | ".join([row.name, f"{row.carried:,}", *marks, row.verdict]))
    return "\n".join(f"| {line} |" for line in lines) + "\n"
