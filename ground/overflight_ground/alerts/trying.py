"""Runs rules over an old store: what would have been raised? Nothing is stored or sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from overflight_ground.alerts.engine import Alert, AlertEngine
from overflight_ground.alerts.rules import Rules
from overflight_ground.alerts.service import seen_of
from overflight_ground.ingest.stored import Stored
from overflight_ground.store import Store, reading
from overflight_ground.store.reading import MessageFilter
from overflight_ground.store.tables import messages

STEP: Final = 2_000


def try_rules(store: Store, rules: Rules, base: Path, wanted: MessageFilter) -> list[Alert]:
    """Return the alerts that `rules` make of the stored messages, in the order of their begin."""
    engine = AlertEngine(rules, base)
    raised: dict[int, Alert] = {}
    with store.reading() as connection:
        for alert in engine.see(seen_of(stored) for stored in _in_order(connection, wanted)):
            raised[id(alert)] = alert
    return sorted(raised.values(), key=lambda alert: (alert.begin_at_ns, alert.payload, alert.kind))


def _in_order(connection: Connection, wanted: MessageFilter) -> Iterator[Stored]:
    query = wanted.apply(select(messages)).order_by(messages.c.id)
    for row in connection.execution_options(yield_per=STEP).execute(query):
        yield reading.stored_of(row)
