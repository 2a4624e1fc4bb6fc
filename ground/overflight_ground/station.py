"""The running ground station as the API sees it: store, live state, hub, health.

Made by `overflight_ground.app`, which is the only place that reads clocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import overflight_ground
from overflight_contract.topics import Kind
from overflight_ground.feed import Collector, Hub, batch_json
from overflight_ground.ingest.flights import FlightRow
from overflight_ground.ingest.intake import Outcome
from overflight_ground.ingest.pipeline import Counters
from overflight_ground.ingest.plausible import Clock
from overflight_ground.live import Live
from overflight_ground.peek import LABEL, VaultPeek
from overflight_ground.store import Store, reading


@dataclass(slots=True)
class Kept:
    """What the page may say of the kept side before recovery."""

    peek: VaultPeek | None = None

    def claim(self) -> dict[str, Any]:
        """Return the ``kept`` object: a peek where told to, else that nothing is known."""
        kept = self.peek.look() if self.peek is not None else None
        if kept is None:
            label = "unknown until recovered"
            return {"state": "unknown", "bytes": None, "images": None, "label": label}
        return {"state": "peek", "bytes": kept.bytes, "images": kept.images, "label": LABEL}


@dataclass(slots=True)
class Station:
    """Everything that the API needs."""

    store: Store
    now_ns: Callable[[], int]
    clock: Clock = Clock.WALL
    simulated: bool = False
    live: Live = field(default_factory=Live)
    hub: Hub = field(default_factory=Hub)
    collector: Collector = field(default_factory=Collector)
    kept: Kept = field(default_factory=Kept)
    counters: Counters = field(default_factory=Counters)
    broker_state: Callable[[], str] = lambda: "none"
    store_trouble: Callable[[], str | None] = lambda: None
    tap_state: str | None = None
    started_at_ns: int = 0

    def load(self, rows: list[FlightRow]) -> None:
        """Learn from the store what is known already."""
        self.live.load(rows)
        with self.store.reading() as connection:
            self.live.strays = reading.stray_count(connection)
            for live in self.live.payloads.values():
                for kind in (Kind.POSITION, Kind.NAVIGATION):
                    newest = reading.newest_of(connection, live.payload, live.flight, kind)
                    if newest is not None:
                        self.live.apply(Outcome(stored=[newest]))
            last = reading.messages_page(
                connection, reading.MessageFilter(), before_id=None, limit=1
            )
        self.live.last_id = self.collector.last_id = last[0].id if last else 0

    def on_outcome(self, outcome: Outcome) -> None:
        """Take in a committed batch."""
        self.live.apply(outcome)
        self.collector.add(outcome)
        self.counters.suspect += sum(1 for item in outcome.stored if item.suspect)

    def tick(self) -> None:
        """Send what has come since the last tick to the open streams."""
        if not self.collector.empty:
            data = self.collector.take(self.live.totals())
            self.hub.send("batch", data, self.collector.last_id)

    def greeting(self) -> dict[str, Any]:
        """Return an empty batch: a new stream learns its first id from it."""
        data = batch_json([], self.live.totals())
        return {**data, "wire": [], "wire_missed": 0}

    def health(self) -> dict[str, Any]:
        """Return ``/api/v1/health``."""
        trouble, broker = self.store_trouble(), self.broker_state()
        fine = trouble is None and broker in ("connected", "none")
        totals = self.live.totals()
        return {
            "status": "ok" if fine else "degraded",
            "store": trouble or "ok",
            "broker": broker,
            "tap": self.tap_state,
            **totals,
            "waiting": self.counters.waiting_messages,
            "version": overflight_ground_version(),
            "clock": self.clock.value,
            "simulated": self.simulated,
        }


def overflight_ground_version() -> str:
    """Return the version of the distribution."""
    from importlib.metadata import version

    return version(overflight_ground.__name__.split("_", 1)[0])
