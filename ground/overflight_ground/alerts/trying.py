"""Runs rules over an old store: what would have been raised? Nothing is stored or sent.

Messages are looked at in the order of their commit, those that arrived together as one batch. What
a batch changed apart from its messages (gaps, given up, conflicts) is worked out anew as ingest
did, and the clock is that of the arrivals.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, func, select

from overflight_ground.alerts.engine import Alert, AlertEngine
from overflight_ground.alerts.rules import Rules
from overflight_ground.alerts.service import seen_of
from overflight_ground.ingest.flights import FlightKey, FlightRow
from overflight_ground.ingest.intake import Outcome
from overflight_ground.ingest.judge import Arrival, Rejected
from overflight_ground.ingest.plausible import ahead
from overflight_ground.ingest.watermark import Watermark
from overflight_ground.store import Store, reading
from overflight_ground.store.reading import MessageFilter
from overflight_ground.store.tables import messages, quarantine

log = logging.getLogger(__name__)

STEP: Final = 2_000

_Together = tuple[list[Row[Any]], list[Rejected]]
"""Messages that arrived together, and what went to quarantine beside them."""


def try_rules(store: Store, rules: Rules, base: Path, wanted: MessageFilter) -> list[Alert]:
    """Return the alerts that `rules` make of the stored messages, in the order of their begin.

    Gaps and what was given up are left out, with a warning, for flights that `retention` has taken
    messages from.
    """
    with store.reading() as connection:
        rows = {(row.payload, row.flight): row for row in reading.flight_rows(connection)}
        end_ns = _end_ns(connection, wanted, rows.values())
        trial = _Trial(AlertEngine(rules, base), wanted, rows, end_ns)
        trial.cut = _cut(connection, wanted, rows)
        for batch, rejected in _in_order(connection, wanted):
            trial.look(batch, rejected)
        trial.end()
    return sorted(
        trial.raised.values(), key=lambda alert: (alert.begin_at_ns, alert.payload, alert.kind)
    )


class _Trial:
    """The engine, and what ingest knew of each flight at the time."""

    def __init__(
        self,
        engine: AlertEngine,
        wanted: MessageFilter,
        rows: dict[FlightKey, FlightRow],
        end_ns: int,
    ) -> None:
        self.raised: dict[int, Alert] = {}
        self.cut: set[FlightKey] = set()
        """Flights whose gaps are not known."""
        self._engine = engine
        self._wanted = wanted
        self._end_ns = end_ns
        self._rows = {
            key: row._replace(last_at_ns=None, last_received_at_ns=row.first_received_at_ns)
            for key, row in rows.items()
        }
        self._marks: dict[FlightKey, Watermark] = {}
        self._newest: dict[str, str] = {}

    def look(self, batch: list[Row[Any]], rejected: list[Rejected]) -> None:
        """Look at what arrived together: messages, and what went to quarantine."""
        if any(self._begins(row) for row in batch):
            self._keep(self._engine.tick(batch[0].received_at_ns))
        fitting = [row for row in batch if self._fits(row.measured_at_ns)]
        self._keep(self._engine.see(seen_of(reading.stored_of(row)) for row in fitting))
        outcome = Outcome(quarantined=[item for item in rejected if item.reason == "conflict"])
        self._count(batch, rejected, outcome)
        now_ns = max(
            [row.received_at_ns for row in batch]
            + [item.arrival.received_at_ns for item in rejected],
            default=0,
        )
        changed = self._engine.about(outcome, now_ns)
        self._keep(alert for alert in changed if self._fits(alert.begin_at_ns))

    def end(self) -> None:
        """Look at the clock once more: who never came back is late."""
        self._keep(self._engine.tick(self._end_ns))

    def _begins(self, row: Row[Any]) -> bool:
        """Tell whether a payload that is known begins another flight."""
        known = self._newest.get(row.payload)
        if known is None or known < row.flight:
            self._newest[row.payload] = row.flight
        return known is not None and known < row.flight

    def _fits(self, at_ns: int) -> bool:
        since_ns, until_ns = self._wanted.since_ns, self._wanted.until_ns
        return (since_ns is None or at_ns >= since_ns) and (until_ns is None or at_ns < until_ns)

    def _keep(self, changed: Iterable[Alert]) -> None:
        self.raised |= {id(alert): alert for alert in changed}

    def _count(self, batch: list[Row[Any]], rejected: list[Rejected], outcome: Outcome) -> None:
        """Do for each flight what ingest did, and put it into `outcome`."""
        held: dict[FlightKey, int] = {}
        for row in batch:
            key = row.payload, row.flight
            mark = self._mark(key)
            if not mark.take(row.seq):
                mark.found()
            held[key] = max(held.get(key, 0), row.held_from)
            self._heard(key, row.received_at_ns)
            if not ahead(row.suspect):
                known = self._rows[key]
                last_at_ns = max(known.last_at_ns or 0, row.measured_at_ns)
                self._rows[key] = known._replace(last_at_ns=last_at_ns)
        for item in rejected:
            assert item.payload is not None
            assert item.flight is not None
            assert item.seq is not None
            key = item.payload, item.flight
            held.setdefault(key, 0)
            self._mark(key).add(item.seq)
            self._heard(key, item.arrival.received_at_ns)
        for key, held_from in held.items():
            mark = self._mark(key)
            lost, awaited = mark.hold(held_from), mark.awaited
            outcome.flights[key] = self._rows[key]._replace(
                through=mark.through, held_from=mark.held_from, given_up=mark.given_up
            )
            if key in self.cut:
                continue
            if lost:
                outcome.given_up[key] = lost
            if awaited:
                outcome.awaited[key] = awaited

    def _heard(self, key: FlightKey, at_ns: int) -> None:
        """Note an arrival; what comes after the end of the trial does not end a silence."""
        row = self._rows[key]
        if row.last_received_at_ns < at_ns <= self._end_ns:
            self._rows[key] = row._replace(last_received_at_ns=at_ns)

    def _mark(self, key: FlightKey) -> Watermark:
        return self._marks.setdefault(key, Watermark())


def _in_order(connection: Connection, wanted: MessageFilter) -> Iterator[_Together]:
    rejected = _rejected(connection, wanted)
    item = next(rejected, None)
    for batch in _batches(connection, wanted):
        at_ns = batch[0].received_at_ns
        beside: list[Rejected] = []
        while item is not None and item.arrival.received_at_ns <= at_ns:
            if item.arrival.received_at_ns < at_ns:
                yield [], [item]
            else:
                beside.append(item)
            item = next(rejected, None)
        yield batch, beside
    while item is not None:
        yield [], [item]
        item = next(rejected, None)


def _batches(connection: Connection, wanted: MessageFilter) -> Iterator[list[Row[Any]]]:
    """Yield the messages at all times, those that arrived at one time together."""
    query = replace(wanted, since_ns=None, until_ns=None).apply(select(messages))
    batch: list[Row[Any]] = []
    stream = connection.execution_options(yield_per=STEP).execute(query.order_by(messages.c.id))
    for row in stream:
        together = not batch or row.received_at_ns == batch[0].received_at_ns
        if not together or len(batch) >= STEP:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _rejected(connection: Connection, wanted: MessageFilter) -> Iterator[Rejected]:
    """Yield what is in quarantine and says which message of which flight it is."""
    table = quarantine.c
    query = select(quarantine).where(*_whose(quarantine, wanted), table.seq.is_not(None))
    query = query.order_by(table.received_at_ns, table.id)
    for row in connection.execution_options(yield_per=STEP).execute(query):
        topic, raw, flags = row.topic, bytes(row.raw), (bool(row.retained), bool(row.dup))
        arrival = Arrival(topic.encode(), raw, row.qos, *flags, row.received_at_ns)
        yield Rejected(arrival, topic, row.reason, row.detail, row.payload, row.flight, row.seq)


def _whose(table: Table, wanted: MessageFilter) -> list[ColumnElement[bool]]:
    """Return the conditions for rows of a flight, of the payload and the flight that are wanted."""
    payload, flight = table.c.payload, table.c.flight
    return [
        payload.is_not(None) if wanted.payload is None else payload == wanted.payload,
        flight.is_not(None) if wanted.flight is None else flight == wanted.flight,
    ]


def _cut(
    connection: Connection, wanted: MessageFilter, rows: dict[FlightKey, FlightRow]
) -> set[FlightKey]:
    """Return the flights that more was stored of than there is."""
    there: dict[FlightKey, int] = defaultdict(int)
    for table in (messages, quarantine):
        query = select(table.c.payload, table.c.flight, func.count(table.c.seq))
        query = query.where(*_whose(table, wanted)).group_by(table.c.payload, table.c.flight)
        for payload, flight, count in connection.execute(query):
            there[payload, flight] += count
    found = {
        key for key, count in there.items() if count < rows[key].messages + rows[key].quarantined
    }
    if found:
        log.warning(
            "retention took messages from %d flights: gap and given-up are not tried on them",
            len(found),
        )
    return found


def _end_ns(connection: Connection, wanted: MessageFilter, rows: Iterable[FlightRow]) -> int:
    """Return when the last message of all arrived, or the next flight of the payload began."""
    times = replace(wanted, payload=None, flight=None)
    query = times.apply(select(func.max(messages.c.received_at_ns)))
    end_ns = int(connection.execute(query).scalar_one_or_none() or 0)
    if wanted.flight is None:
        return end_ns
    flying = {row.payload for row in rows if row.flight == wanted.flight}
    later = [
        row.first_received_at_ns
        for row in rows
        if row.flight > wanted.flight and row.payload in flying
    ]
    return min([end_ns, *later])
