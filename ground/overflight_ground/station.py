"""The running ground station as the API sees it: store, live state, hub, health.

Made by `overflight_ground.app`, which is the only place that reads clocks.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from overflight_contract.topics import Kind
from overflight_contract.version import __version__
from overflight_ground.alerts import recalling
from overflight_ground.alerts.engine import OUTLIVING, Alert, AlertEngine
from overflight_ground.alerts.service import AlertService
from overflight_ground.feed import Collector, Hub, batch_json
from overflight_ground.ingest.flights import FlightKey, FlightRow
from overflight_ground.ingest.intake import Outcome
from overflight_ground.ingest.pipeline import Counters
from overflight_ground.ingest.plausible import Clock
from overflight_ground.ingest.stored import StoredMessages
from overflight_ground.live import Live
from overflight_ground.peek import LABEL, VaultPeek
from overflight_ground.store import Store, reading

PROVIDER: Final = 5_000
"""So many packets of the tap are held, for filters."""


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
    alerts: AlertService | None = None
    provider: deque[Any] = field(default_factory=lambda: deque(maxlen=PROVIDER))
    started_at_ns: int = 0
    _last_cut: str | None = None

    def load(self, rows: list[FlightRow]) -> None:
        """Learn from the store what is known already."""
        self.live.load(rows)
        with self.store.reading() as connection:
            self._last_cut = reading.last_cut(connection)
            self.live.strays = reading.stray_count(connection)
            for past in recalling.payloads(connection, rows, self.now_ns()):
                self.live.heard(past.payload, past.flight, past.arrivals)
            for live in self.live.payloads.values():
                for kind in (Kind.POSITION, Kind.NAVIGATION):
                    newest = reading.newest_of(connection, live.payload, live.flight, kind)
                    if newest is not None:
                        self.live.apply(Outcome(StoredMessages([newest])))
            last_id = reading.last_id(connection)
        self.live.last_id = self.collector.last_id = last_id
        self.collector.told_id = self.collector.last_id

    async def notice_cut(self) -> None:
        """Leave out what retention has taken from the store; raises `StoreUnavailableError`."""
        known = set(self.live.rows)
        found = await asyncio.to_thread(self._cut)
        if found is not None:
            self._last_cut, flights, self.live.strays = found
            self.live.forget(known - flights)

    def _cut(self) -> tuple[str | None, set[FlightKey], int] | None:
        """Return what there is after a run of retention; `None` where there was none."""
        with self.store.reading() as connection:
            last = reading.last_cut(connection)
            if last == self._last_cut:
                return None
            return last, reading.flight_keys(connection), reading.stray_count(connection)

    def on_outcome(self, outcome: Outcome) -> None:
        """Take in a committed batch."""
        self.live.apply(outcome)
        self.collector.add(outcome)
        if self.alerts is not None:
            self.alerts.add(outcome)
        self.counters.suspect += outcome.suspect

    def tick(self) -> None:
        """Send what has come since the last tick to the open streams."""
        if not self.hub.listeners:
            self.collector.forget()
        elif not self.collector.empty:
            data = self.collector.take(self.live.totals())
            self.hub.send("batch", data, self.collector.last_id)

    def alert_engine(self) -> AlertEngine | None:
        """Return the engine that watches, once it has its outlines."""
        return None if self.alerts is None else self.alerts.engine

    def open_alerts(self) -> list[Alert]:
        """Return the alerts that have begun and not ended."""
        return [] if self.alerts is None else self.alerts.open_alerts()

    def troubled(self) -> set[str]:
        """Return the payloads with an open alert that is more than information."""
        return {a.payload for a in self.open_alerts() if a.severity != "info" and not self._old(a)}

    def _old(self, alert: Alert) -> bool:
        """Tell whether an alert is what has outlived its flight."""
        live = self.live.payloads.get(alert.payload)
        return alert.kind in OUTLIVING and live is not None and live.flight != alert.flight

    def provider_packets(self, packets: Any) -> None:
        """Take packets of the relay's tap, and pass them on."""
        if isinstance(packets, list):
            self.provider.extend(packets)
            self.hub.send("provider", packets)

    def greeting(self) -> dict[str, Any]:
        """Return an empty batch: a new stream learns its first id from it."""
        data = batch_json(StoredMessages(), self.live.totals())
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
            "version": __version__,
            "clock": self.clock.value,
            "simulated": self.simulated,
        }
