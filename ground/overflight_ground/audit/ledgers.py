"""The three ledgers against each other: the payload's record, what crossed, what the ground stored.

A pure core over plain values. Every message is named by (flight, seq). A ledger that was not given
is ``None``; nothing is said then that needs it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from overflight_ground.audit.findings import Evidence, Finding, Weight
from overflight_ground.audit.report import FlightCounts

Key = tuple[str, int]
"""(flight, seq)"""


class Recorded(NamedTuple):
    """A message of the payload's record."""

    flight: str
    seq: int
    kind: str
    body: bytes
    line: int
    source: str = "record"


class Crossed(NamedTuple):
    """A message that a PUBLISH carried past the relay (or tried to)."""

    payload: str
    flight: str
    seq: int
    kind: str
    body: bytes
    where: Callable[[], Evidence]


class Stored(NamedTuple):
    """A message in the ground's store. `disagrees` names columns that differ from `body`."""

    payload: str
    flight: str
    seq: int
    kind: str
    body: bytes
    row: int
    disagrees: tuple[str, ...] = ()


@dataclass(slots=True)
class Ledgers:
    """What was given. `held_from` is the highest that the payload claimed, by flight."""

    record: Sequence[Recorded] | None
    crossed: Sequence[Crossed] | None
    stored: Sequence[Stored] | None
    quarantined: frozenset[bytes] = frozenset()
    """Bodies in the store's quarantine."""
    refused: Sequence[Crossed] = ()
    damaged_lines: frozenset[tuple[str, int]] = frozenset()
    """(record, line) that its chain does not vouch for."""
    held_from: Mapping[str, int] = field(default_factory=dict)
    traffic_is_whole: bool = True
    """False where sessions have gaps, so that an absence proves nothing."""


@dataclass(slots=True)
class Reconciled:
    """Counts of distinct messages, and what is wrong."""

    sent: int | None
    crossed: int | None
    stored: int | None
    lost: int | None
    given_up: int = 0
    duplicates: int = 0
    resent: int = 0
    late: int = 0
    in_all: int = 0
    by_flight: list[FlightCounts] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def reconcile(ledgers: Ledgers) -> Reconciled:
    """Hold the ledgers against each other."""
    record, record_clashes = _index(ledgers.record)
    crossed, crossed_clashes = _index(ledgers.crossed)
    stored, _ = _index(ledgers.stored)
    result = Reconciled(
        sent=None if ledgers.record is None else len(record),
        crossed=None if ledgers.crossed is None else len(crossed),
        stored=None if ledgers.stored is None else len(stored),
        lost=None,
        duplicates=len(ledgers.stored or ()) - len(stored),
        resent=len(ledgers.crossed or ()) - len(crossed),
    )
    result.findings += record_clashes + crossed_clashes
    given = [ledgers.record is not None, ledgers.crossed is not None, ledgers.stored is not None]
    refused = {(m.flight, m.seq) for m in ledgers.refused}
    cases = [
        Case(key, record.get(key), crossed.get(key), stored.get(key))
        for key in sorted({*record, *crossed, *stored})
    ]
    for case in cases:
        result.findings += _one(case, ledgers, refused=case.key in refused)
    result.by_flight = list(_by_flight(cases, given))
    result.in_all = sum(flight.in_all for flight in result.by_flight)
    _losses(result, ledgers, record, stored)
    counted = [record, crossed] if ledgers.record or ledgers.crossed else [stored]
    result.findings += _gaps(ledgers, *counted)
    _order(result, ledgers)
    return result


_M = TypeVar("_M", Recorded, Crossed, Stored)


def _index(messages: Sequence[_M] | None) -> tuple[dict[Key, _M], list[Finding]]:
    by_key: dict[Key, _M] = {}
    clashes: list[Finding] = []
    for message in messages or ():
        first = by_key.setdefault((message.flight, message.seq), message)
        if first is not message and first.body != message.body:
            clashes.append(
                Finding(
                    kind="conflict",
                    weight=Weight.DOUBT if isinstance(message, Recorded) else Weight.BREAKS,
                    text=f"seq {message.seq} stands twice with different bytes"
                    f" in {_ledger(message)}",
                    flight=message.flight,
                    seq=message.seq,
                    evidence=(_where(first), _where(message)),
                )
            )
    return by_key, clashes


def _ledger(message: Recorded | Crossed | Stored) -> str:
    if isinstance(message, Recorded):
        return "the payload's record"
    return "the traffic" if isinstance(message, Crossed) else "the store"


def _where(message: Recorded | Crossed | Stored) -> Evidence:
    if isinstance(message, Crossed):
        return message.where()
    sample = message.body[:64].hex()
    if isinstance(message, Recorded):
        return Evidence(source=message.source, place=f"line {message.line}", hex=sample)
    return Evidence(source="store", place=f"messages.id {message.row}", hex=sample)


class Case(NamedTuple):
    """One message as each ledger has it."""

    key: Key
    recorded: Recorded | None
    crossed: Crossed | None
    stored: Stored | None

    def present(self) -> list[Recorded | Crossed | Stored]:
        """Return those that there are."""
        return [m for m in (self.recorded, self.crossed, self.stored) if m is not None]

    def in_all(self, given: Sequence[bool]) -> bool:
        """Tell whether it is in all ledgers that were given."""
        return all(m is not None for m, g in zip(self[1:], given, strict=True) if g)

    def finding(self, kind: str, weight: Weight, text: str) -> Finding:
        """Name this message in a finding."""
        return Finding(
            kind=kind,
            weight=weight,
            text=f"seq {self.key[1]} {text}",
            flight=self.key[0],
            seq=self.key[1],
            evidence=tuple(_where(m) for m in self.present()),
        )


def _by_flight(cases: Sequence[Case], given: Sequence[bool]) -> Iterator[FlightCounts]:
    for flight, group in itertools.groupby(cases, key=lambda case: case.key[0]):
        members = list(group)
        names = (m.payload for case in members for m in (case.crossed, case.stored) if m)
        counts = [
            sum(case[n] is not None for case in members) if there else None
            for n, there in enumerate(given, 1)
        ]
        yield FlightCounts(
            payload=next(names, None),
            flight=flight,
            sent=counts[0],
            crossed=counts[1],
            stored=counts[2],
            in_all=sum(case.in_all(given) for case in members),
        )


def _one(case: Case, ledgers: Ledgers, *, refused: bool) -> Iterator[Finding]:
    if case.recorded is None and ledgers.record is not None:
        yield _not_recorded(case)
    elif case.crossed is None and case.stored is not None and ledgers.crossed is not None:
        why = "" if ledgers.traffic_is_whole else ", and the sessions have gaps"
        yield case.finding(
            "missing-in-traffic", Weight.DOUBT, f"reached the store but stands in no session{why}"
        )
    if case.stored is None and ledgers.stored is not None:
        yield from _not_stored(case, ledgers, refused=refused)
    if len({(m.kind, m.body) for m in case.present()}) > 1:
        yield _altered(case, ledgers)
    if case.crossed and case.stored and case.crossed.payload != case.stored.payload:
        name = case.stored.payload
        yield case.finding("altered", Weight.DOUBT, f"is in the store in the name of {name}")
    if case.stored is not None and case.stored.disagrees:
        columns = ", ".join(case.stored.disagrees)
        yield case.finding(
            "altered", Weight.DOUBT, f"in the store: {columns} differ from its bytes"
        )


def _not_recorded(case: Case) -> Finding:
    if case.crossed is not None:
        return case.finding("extra", Weight.BREAKS, "crossed but is not in the payload's record")
    return case.finding(
        "forged", Weight.DOUBT, "is in the store alone: neither in the payload's record nor crossed"
    )


def _not_stored(case: Case, ledgers: Ledgers, *, refused: bool) -> Iterator[Finding]:
    flight, seq = case.key
    passed = seq < ledgers.held_from.get(flight, 0)
    if case.crossed is not None:
        if case.crossed.body in ledgers.quarantined:
            yield case.finding("quarantined", Weight.NOTE, "is in the ground's quarantine")
        else:
            yield case.finding("missing-in-store", Weight.DOUBT, "crossed but is not in the store")
    elif refused:
        yield case.finding("refused", Weight.NOTE, "was refused by the relay and did not cross")
    elif passed:
        yield case.finding("given-up", Weight.NOTE, "was given up by the payload, as it said")
    elif case.recorded is not None:
        yield case.finding("not-sent", Weight.NOTE, "is in the payload's record alone: not sent")


def _altered(case: Case, ledgers: Ledgers) -> Finding:
    recorded, crossed, stored = case.recorded, case.crossed, case.stored
    if recorded and (recorded.source, recorded.line) in ledgers.damaged_lines:
        text = "is altered in the payload's record, whose chain does not vouch for that line"
        return case.finding("altered", Weight.DOUBT, text)
    if recorded and crossed and stored and _same(recorded, crossed):
        text = "is altered in the store: the record and the traffic agree against it"
        return case.finding("altered", Weight.DOUBT, text)
    if recorded and crossed and stored and _same(recorded, stored):
        text = "is altered in the traffic: the record and the store agree against it"
        return case.finding("altered", Weight.BREAKS, text)
    if recorded and crossed:
        text = "is altered: what crossed is not what the payload recorded"
        return case.finding("altered", Weight.BREAKS, text)
    names = " and ".join(_ledger(m) for m in case.present())
    return case.finding("altered", Weight.DOUBT, f"differs between {names}")


def _same(one: Recorded | Crossed | Stored, other: Recorded | Crossed | Stored) -> bool:
    return (one.kind, one.body) == (other.kind, other.body)


def _losses(
    result: Reconciled,
    ledgers: Ledgers,
    record: Mapping[Key, Recorded],
    stored: Mapping[Key, Stored],
) -> None:
    if ledgers.record is None or ledgers.stored is None:
        return
    absent = [key for key in record if key not in stored]
    given_up = [key for key in absent if key[1] < ledgers.held_from.get(key[0], 0)]
    result.given_up = len(given_up)
    result.lost = len(absent) - len(given_up)


def _gaps(ledgers: Ledgers, *indexes: Mapping[Key, object]) -> Iterator[Finding]:
    """Name numbers that no message of the fullest ledger has."""
    fullest = "record" if ledgers.record is not None else "traffic"
    keys: dict[str, set[int]] = {}
    for index in indexes:
        for flight, seq in index:
            keys.setdefault(flight, set()).add(seq)
    for flight, numbers in sorted(keys.items()):
        before = 0
        for seq in sorted(numbers):
            if seq > before + 1:
                yield _gap(ledgers, flight, before + 1, seq - 1, fullest)
            before = seq


def _gap(ledgers: Ledgers, flight: str, first: int, last: int, fullest: str) -> Finding:
    names = f"seq {first}" if first == last else f"seq {first} to {last}"
    if ledgers.record is not None:
        weight = Weight.DOUBT if ledgers.damaged_lines else Weight.BREAKS
        text = f"{names} stand in no ledger: the payload counts every message that it writes"
    elif last < ledgers.held_from.get(flight, 0):
        weight, text = Weight.NOTE, f"{names} did not cross and are not held any more"
    else:
        weight, text = Weight.DOUBT, f"{names} did not cross; without the record, nothing says why"
    return Finding(kind="gap", weight=weight, text=text, flight=flight, seq=first,
                   evidence=(Evidence(source=fullest),))  # fmt: skip


def _order(result: Reconciled, ledgers: Ledgers) -> None:
    """Count messages that crossed after a later one (a backlog; each is named)."""
    highest: dict[str, int] = {}
    seen: set[Key] = set()
    for message in ledgers.crossed or ():
        key = (message.flight, message.seq)
        if key in seen:
            continue
        seen.add(key)
        if message.seq < highest.get(message.flight, 0):
            result.late += 1
            result.findings.append(
                Finding(
                    kind="late",
                    weight=Weight.NOTE,
                    text=f"seq {message.seq} crossed after seq {highest[message.flight]}",
                    flight=message.flight,
                    seq=message.seq,
                    evidence=(message.where(),),
                )
            )
        highest[message.flight] = max(message.seq, highest.get(message.flight, 0))
