"""Runs the alert engine beside ingest: what was stored goes in, alerts are stored and told.

Off the path of ingest: where more comes than can be looked at, positions are thinned evenly.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from overflight_ground.alerts import recalling, storing
from overflight_ground.alerts.engine import Alert, AlertEngine
from overflight_ground.alerts.notify import Notifier
from overflight_ground.alerts.rules import Rules
from overflight_ground.alerts.signals import Seen
from overflight_ground.feed import Hub
from overflight_ground.ingest.intake import Outcome
from overflight_ground.ingest.pipeline import Counters
from overflight_ground.ingest.stored import Stored, StoredMessages, thinned
from overflight_ground.store import Store, StoreUnavailableError, reading

log = logging.getLogger(__name__)

INTERVAL_S: Final = 0.3
AT_ONCE: Final = 2_000
WAITING: Final = 40_000
OUTCOMES: Final = 1_000


def seen_of(stored: Stored) -> Seen:
    """Return what a watcher looks at."""
    item = stored.accepted
    return Seen(
        item.payload,
        item.message.flight,
        item.message,
        item.measured_at_ns,
        item.arrival.received_at_ns,
        stored.suspect,
    )


class Committed:
    """Tells until when all that arrived is committed.

    While the store is in trouble, or busy, messages wait: who sent them is not silent.
    """

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._marks = deque([(0, 0)])
        """(received, at_ns): how many had arrived by then."""

    def until_ns(self, now_ns: int) -> int:
        """Return the last time asked about until which nothing waits; 0 where there was none."""
        counters, marks = self._counters, self._marks
        if len(marks) > 1 and marks[-1][0] == counters.received:
            marks.pop()
        marks.append((counters.received, now_ns))
        done = counters.received - counters.waiting_messages
        while len(marks) > 1 and marks[1][0] <= done:
            marks.popleft()
        return marks[0][1]


class AlertService:
    """The engine with its store, stream and notifier; `counters` tell what is not committed yet."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        rules: Rules,
        base: Path,
        now_ns: Callable[[], int],
        counters: Counters | None = None,
    ) -> None:
        self.engine: AlertEngine | None = None
        self.notifier = Notifier(rules.notify, now_ns)
        self._store = store
        self._hub = hub
        self._rules = rules
        self._base = base
        self._now_ns = now_ns
        self._stored = StoredMessages()
        self._outcomes: list[Outcome] = []
        self._unsaved: list[Alert] = []
        self._committed = Committed(counters or Counters())

    def load(self) -> None:
        """Make the engine and take up what was open; takes a second for the outlines."""
        engine = AlertEngine(self._rules, self._base)
        now_ns = self._now_ns()
        with self._store.reading() as connection:
            rows = reading.flight_rows(connection)
            past = recalling.payloads(connection, rows, now_ns)
            engine.recall(past, recalling.raised(connection), now_ns)
            flights = {(row.payload, row.flight) for row in rows}
            self._unsaved = engine.resume(storing.open_alerts(connection), flights)
        self.engine = engine

    def open_alerts(self) -> list[Alert]:
        """Return the alerts that have begun and not ended."""
        return list(self.engine.open.values()) if self.engine is not None else []

    def add(self, outcome: Outcome) -> None:
        """Take in a committed batch."""
        self._stored.add(outcome.stored)
        if len(self._stored) > WAITING:
            self._stored = StoredMessages(at_most(self._stored, AT_ONCE))
        if len(self._outcomes) < OUTCOMES:
            self._outcomes.append(Outcome(
                quarantined=[q for q in outcome.quarantined if q.reason == "conflict"][:20],
                given_up=outcome.given_up,
                awaited=outcome.awaited,
                flights=outcome.flights,
            ))  # fmt: skip

    async def run(self) -> None:
        """Look again and again."""
        await asyncio.to_thread(self.load)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.notifier.run(), name="notifier")
            while True:
                await asyncio.sleep(INTERVAL_S)
                stored, self._stored = self._stored, StoredMessages()
                outcomes, self._outcomes = self._outcomes, []
                until_ns = self._committed.until_ns(self._now_ns())
                for alert in await asyncio.to_thread(self._look, stored, outcomes, until_ns):
                    body = storing.alert_json(alert)
                    self._hub.send("alert", body)
                    self.notifier.tell(body)

    def _look(
        self, stored: StoredMessages, outcomes: Iterable[Outcome], until_ns: int
    ) -> list[Alert]:
        """Run the engine and store what changed; runs in a thread.

        All that had arrived until `until_ns` is in `stored` or was looked at.
        """
        engine = self.engine
        assert engine is not None
        changed = engine.see(map(seen_of, at_most(stored, AT_ONCE)))
        now_ns = self._now_ns()
        for outcome in outcomes:
            changed += engine.about(outcome, now_ns)
        changed += engine.tick(until_ns)
        waiting = list({id(alert): alert for alert in (*self._unsaved, *changed)}.values())
        if not waiting:
            return []
        for alert in waiting:
            alert.raised_at_ns = alert.raised_at_ns or now_ns
        known_ids = [alert.id for alert in waiting]
        try:
            with self._store.writing() as connection:
                for alert in waiting:
                    storing.save(connection, alert)
        except StoreUnavailableError:
            for alert, known_id in zip(waiting, known_ids, strict=True):
                alert.id = known_id
            self._unsaved = waiting
            return []
        self._unsaved = []
        return waiting


def at_most(stored: StoredMessages, most: int) -> Sequence[Stored]:
    """Return at most about `most` of the messages, evenly, the last one kept."""
    return thinned(stored, -(-len(stored) // most))
