"""From messages to alerts with begin, end and evidence. Pure; the shell stores and tells them."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from overflight_ground.alerts.area_watch import AreaWatch, watched_areas
from overflight_ground.alerts.heard import Late, Past
from overflight_ground.alerts.rules import Rule, Rules
from overflight_ground.alerts.signals import (
    Remembering,
    Resuming,
    Seen,
    Signal,
    State,
    Watcher,
)
from overflight_ground.alerts.watchers import (
    Burst,
    Descending,
    InOrder,
    Landed,
    Marked,
    OffCourse,
)
from overflight_ground.areas import AreaMap
from overflight_ground.bounded import Bounded
from overflight_ground.ingest.flights import FlightKey
from overflight_ground.ingest.intake import Outcome

Subject = tuple[str, str, str, str]
"""(kind, payload, flight, subject)."""

OUTLIVING: Final = frozenset({"gap"})
"""Kinds that stay open when a payload's next flight begins: a backlog may still come."""


@dataclass(slots=True)
class Alert:
    """One alert; `id` is the store's, 0 before it is stored. Times are those of the data."""

    kind: str
    subject: str
    payload: str
    flight: str
    severity: str
    title: str
    cause: str
    begin_at_ns: int
    end_at_ns: int | None
    evidence: dict[str, Any]
    lat_deg: float | None = None
    lon_deg: float | None = None
    id: int = 0
    raised_at_ns: int = 0
    acked_at_ns: int | None = None
    acked_by: str | None = None

    @property
    def key(self) -> Subject:
        """What makes it the same alert when it is signalled again."""
        return self.kind, self.payload, self.flight, self.subject


class AlertEngine:
    """All watchers, and the alerts that are open."""

    def __init__(self, rules: Rules, base: Path = Path()) -> None:
        self.rules = rules
        self.open: dict[Subject, Alert] = {}
        self.areas: AreaMap | None = None
        self._told = Bounded[Subject, bool]()
        """What was on of flights that are over."""
        self._late = Late(rules.late)
        self._watchers: list[Watcher] = [self._late]
        if rules.area.enabled:
            self.areas = watched_areas(rules.area, base)
            self._watchers.append(AreaWatch(rules.area, self.areas))
        self._watchers += _watchers(rules)

    def recall(
        self, past: Iterable[Past], raised: Iterable[tuple[str, FlightKey]], now_ns: int
    ) -> None:
        """Learn what is stored of each payload, and which kinds of alerts each flight has raised.

        Silence counts from `now_ns`. Comes before `resume`.
        """
        in_order = [w for w in self._watchers if isinstance(w, InOrder)]
        for one in past:
            self._late.recall(one, now_ns)
            for watcher in in_order:
                if one.last_measured_ns is not None:
                    watcher.recall(one.payload, one.flight, one.last_measured_ns)
        once = {w.kind: w for w in self._watchers if isinstance(w, Remembering)}
        for kind, key in raised:
            if kind in once:
                once[kind].known(*key)

    def resume(
        self, alerts: Iterable[Alert], flights: Container[FlightKey] | None = None
    ) -> list[Alert]:
        """Take up the alerts that were open when the ground stopped.

        Ends and returns those that nothing can end any more: of a rule that is off, of an area
        that is gone, of a flight that is over or is not among the `flights` of the store.
        """
        ended: list[Alert] = []
        for alert in alerts:
            stored = flights is None or (alert.payload, alert.flight) in flights
            if not stored or not self._is_watched(alert):
                newest_ns = self._late.measured_ns(alert.payload) or 0
                alert.end_at_ns = max(newest_ns, alert.begin_at_ns)
                ended.append(alert)
                continue
            self.open[alert.key] = alert
            for watcher in self._watchers:
                if watcher.kind == alert.kind and isinstance(watcher, Resuming):
                    watcher.resume(alert.payload, alert.flight, alert.subject)
        return ended

    def see(self, messages: Iterable[Seen]) -> list[Alert]:
        """Look at messages in the order of arrival; return what began, changed or ended."""
        changed: dict[int, Alert] = {}
        for seen in messages:
            before = self._late.begins(seen)
            if before is not None:
                self._end_flight(seen.payload, before, seen.at_ns, changed)
            for watcher in self._watchers:
                for one in watcher.see(seen):
                    self._take(one, changed)
        return list(changed.values())

    def about(self, outcome: Outcome, now_ns: int) -> list[Alert]:
        """Look at what a batch did apart from its messages: gaps, given up, conflicts."""
        changed: dict[int, Alert] = {}
        for row in outcome.flights.values():
            self._late.committed(row, now_ns)
        for one in _of_outcome(outcome, self.rules, now_ns):
            self._take(one, changed)
        return list(changed.values())

    def tick(self, now_ns: int) -> list[Alert]:
        """Tell who is late; all that had arrived until `now_ns` must have been looked at."""
        changed: dict[int, Alert] = {}
        for one in self._late.tick(now_ns):
            self._take(one, changed)
        return list(changed.values())

    def _is_watched(self, alert: Alert) -> bool:
        """Tell whether an alert can end by itself."""
        rule = getattr(self.rules, alert.kind.replace("-", "_"), None)
        if not isinstance(rule, Rule) or not rule.enabled:
            return False
        if alert.kind == "area" and (self.areas is None or alert.subject not in self.areas.by_name):
            return False
        return not self._is_over(alert.kind, alert.payload, alert.flight)

    def _end_flight(self, payload: str, flight: str, at_ns: int, changed: dict[int, Alert]) -> None:
        """End what is open of a flight that is over."""
        for alert in list(self.open.values()):
            of_it = (alert.payload, alert.flight) == (payload, flight)
            if of_it and alert.kind not in OUTLIVING:
                self._end(alert, at_ns, changed)
                self._told[alert.key] = True

    def _end(self, alert: Alert, at_ns: int, changed: dict[int, Alert]) -> None:
        alert.end_at_ns = max(at_ns, alert.begin_at_ns)
        del self.open[alert.key]
        changed[id(alert)] = alert

    def _take(self, signal: Signal, changed: dict[int, Alert]) -> None:
        """Begin, end or leave an alert."""
        key = (signal.kind, signal.payload, signal.flight, signal.subject)
        alert = self.open.get(key)
        if signal.state is State.OFF:
            self._told.pop(key, None)
            if alert is not None:
                self._end(alert, signal.at_ns, changed)
            return
        over = signal.state is State.ON and self._is_over(signal.kind, *key[1:3])
        if alert is not None or (over and key in self._told):
            return
        if over:
            self._told[key] = True
        once = over or signal.state is State.ONCE
        alert = Alert(
            signal.kind, signal.subject, signal.payload, signal.flight, signal.severity,
            signal.title, signal.cause, signal.at_ns, signal.at_ns if once else None,
            dict(signal.evidence), signal.lat_deg, signal.lon_deg,
        )  # fmt: skip
        if not once:
            self.open[key] = alert
        changed[id(alert)] = alert

    def _is_over(self, kind: str, payload: str, flight: str) -> bool:
        """Tell whether such an alert ends at once, as that of a flight that is over."""
        return kind not in OUTLIVING and self._late.older(payload, flight)


def _watchers(rules: Rules) -> list[Watcher]:
    doubts, clock = frozenset({"zero", "leap", "sats"}), frozenset({"future", "past"})
    made: list[tuple[bool, Watcher]] = [
        (rules.off_course.enabled, OffCourse(rules.off_course)),
        (rules.descending.enabled, Descending(rules.descending)),
        (rules.burst.enabled, Burst(rules.burst)),
        (rules.landed.enabled, Landed(rules.landed)),
        (
            rules.doubtful.enabled,
            Marked("doubtful", doubts, "sends doubtful positions", rules.doubtful),
        ),
        (rules.clock.enabled, Marked("clock", clock, "has its clock wrong", rules.clock)),
    ]
    return [watcher for enabled, watcher in made if enabled]


def _of_outcome(outcome: Outcome, rules: Rules, now_ns: int) -> Iterator[Signal]:
    for key, row in outcome.flights.items():
        at_ns = row.last_at_ns or now_ns
        if rules.gap.enabled:
            awaited = outcome.awaited.get(key, 0)
            if awaited == 0 or awaited >= rules.gap.at_least:
                yield _gap(key, awaited, at_ns, rules)
        lost = outcome.given_up.get(key, 0)
        if rules.given_up.enabled and lost:
            joined = row.given_up == lost == row.held_from - 1
            severity = rules.given_up.severity or ("info" if joined else "warning")
            how = "before the ground joined" if joined else "its outbox was full"
            yield Signal(
                "given-up", str(row.given_up), *key, State.ONCE, at_ns, severity,
                f"{key[0]} gave up {lost} messages", f"{lost} let go unsent: {how}",
                {"given_up": lost, "held_from": row.held_from},
            )  # fmt: skip
    if rules.conflict.enabled:
        yield from _conflicts(outcome, rules, now_ns)


def _gap(key: FlightKey, awaited: int, at_ns: int, rules: Rules) -> Signal:
    payload, flight = key
    state = State.ON if awaited else State.OFF
    return Signal(
        "gap", "", payload, flight, state, at_ns,
        rules.gap.severity or "info", f"{payload}: {awaited} messages awaited",
        "later messages came first; ends when the gap is closed", {"awaited": awaited},
    )  # fmt: skip


def _conflicts(outcome: Outcome, rules: Rules, now_ns: int) -> Iterator[Signal]:
    for item in outcome.quarantined:
        if item.reason != "conflict" or item.payload is None or item.flight is None:
            continue
        row = outcome.flights.get((item.payload, item.flight))
        at_ns = (row.last_at_ns if row is not None else None) or now_ns
        yield Signal(
            "conflict", str(item.seq), item.payload, item.flight, State.ONCE, at_ns,
            rules.conflict.severity or "severe", f"{item.payload}: two messages with one number",
            item.detail, {"seq": item.seq},
        )  # fmt: skip
