"""From messages to alerts with begin, end and evidence. Pure; the shell stores and tells them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S
from overflight_ground.alerts.area_watch import AreaWatch, watched_areas
from overflight_ground.alerts.rules import Rules
from overflight_ground.alerts.signals import Seen, Signal, State, Watcher
from overflight_ground.alerts.watchers import Burst, Descending, Landed, Marked, OffCourse
from overflight_ground.ingest.flights import FlightKey
from overflight_ground.ingest.intake import Outcome

Subject = tuple[str, str, str, str]
"""(kind, payload, flight, subject)."""

_ARRIVALS: Final = 24


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


@dataclass(slots=True)
class _Heard:
    """When a payload was heard."""

    flight: str
    last_received_ns: int
    last_measured_ns: int
    phase: Phase | None = None
    arrivals: deque[int] = field(default_factory=lambda: deque(maxlen=_ARRIVALS))

    @property
    def rhythm_ns(self) -> float:
        steps = [b - a for a, b in zip(self.arrivals, list(self.arrivals)[1:], strict=False)]
        steps = [step for step in steps if step > 0]
        return median(steps) if steps else 0.0


class AlertEngine:
    """All watchers, and the alerts that are open."""

    def __init__(self, rules: Rules, base: Path = Path()) -> None:
        self.rules = rules
        self.open: dict[Subject, Alert] = {}
        self.areas = None
        self._heard: dict[str, _Heard] = {}
        self._watchers: list[Watcher] = []
        if rules.area.enabled:
            self.areas = watched_areas(rules.area, base)
            self._area_watch = AreaWatch(rules.area, self.areas)
            self._watchers.append(self._area_watch)
        self._watchers += _watchers(rules)

    def resume(self, alerts: Iterable[Alert]) -> None:
        """Take up the alerts that were open when the ground stopped."""
        for alert in alerts:
            self.open[alert.key] = alert
            if alert.kind == "area" and self.areas is not None:
                self._area_watch.resume(alert.payload, alert.flight, alert.subject)

    def see(self, messages: Iterable[Seen]) -> list[Alert]:
        """Look at messages in the order of arrival; return what began, changed or ended."""
        changed: dict[int, Alert] = {}
        for seen in messages:
            for one in (*self._arrived(seen), *(s for w in self._watchers for s in w.see(seen))):
                self._take(one, changed)
        return list(changed.values())

    def about(self, outcome: Outcome, now_ns: int) -> list[Alert]:
        """Look at what a batch did apart from its messages: gaps, given up, conflicts."""
        changed: dict[int, Alert] = {}
        for one in _of_outcome(outcome, self.rules, now_ns):
            self._take(one, changed)
        return list(changed.values())

    def tick(self, now_ns: int) -> list[Alert]:
        """Look at the clock and tell who is late."""
        changed: dict[int, Alert] = {}
        rule = self.rules.late
        for payload, heard in self._heard.items():
            down = heard.phase is Phase.LANDED and not rule.after_landing
            if not rule.enabled or down:
                continue
            limit_ns = self._late_after_ns(heard)
            if len(heard.arrivals) > 2 and now_ns - heard.last_received_ns > limit_ns:
                self._take(self._late(payload, heard, now_ns, State.ON), changed)
        return list(changed.values())

    def _late_after_ns(self, heard: _Heard) -> float:
        rule = self.rules.late
        return max(rule.at_least_s * NS_PER_S, rule.rhythms * heard.rhythm_ns)

    def _arrived(self, seen: Seen) -> Iterator[Signal]:
        """Keep the rhythm; a payload that was silent for too long was late."""
        heard = self._heard.get(seen.payload)
        if heard is None or heard.flight < seen.flight:
            known = heard.arrivals if heard is not None else deque[int](maxlen=_ARRIVALS)
            heard = _Heard(seen.flight, seen.received_at_ns, seen.at_ns, arrivals=known)
            self._heard[seen.payload] = heard
        limit_ns = self._late_after_ns(heard)
        silent_ns = seen.received_at_ns - heard.last_received_ns
        if self.rules.late.enabled and len(heard.arrivals) > 2 and silent_ns > limit_ns:
            yield self._late(seen.payload, heard, seen.received_at_ns, State.ON)
        if ("late", seen.payload, heard.flight, "") in self.open or silent_ns > limit_ns:
            yield self._late(seen.payload, heard, seen.received_at_ns, State.OFF, seen.at_ns)
        if not heard.arrivals or seen.received_at_ns > heard.arrivals[-1]:
            heard.arrivals.append(seen.received_at_ns)
        heard.last_received_ns = max(heard.last_received_ns, seen.received_at_ns)
        heard.last_measured_ns = max(heard.last_measured_ns, seen.at_ns)
        if seen.motion is not None:
            heard.phase = seen.motion.phase

    def _late(
        self, payload: str, heard: _Heard, now_ns: int, state: State, at_ns: int | None = None
    ) -> Signal:
        silent_s = (now_ns - heard.last_received_ns) / NS_PER_S
        rhythm_s = heard.rhythm_ns / NS_PER_S
        return Signal(
            "late",
            "",
            payload,
            heard.flight,
            state,
            heard.last_measured_ns if at_ns is None else at_ns,
            self.rules.late.severity or "warning",
            f"{payload} late",
            f"no message for {silent_s:.0f} s, expected every {rhythm_s:.3g} s",
            {"silent_s": round(silent_s, 1), "rhythm_s": round(rhythm_s, 3)},
        )

    def _take(self, signal: Signal, changed: dict[int, Alert]) -> None:
        """Begin, end or leave an alert."""
        key = (signal.kind, signal.payload, signal.flight, signal.subject)
        alert = self.open.get(key)
        if signal.state is State.OFF:
            if alert is not None:
                alert.end_at_ns = max(signal.at_ns, alert.begin_at_ns)
                del self.open[key]
                changed[id(alert)] = alert
            return
        if alert is not None:
            return
        once = signal.state is State.ONCE
        alert = Alert(
            signal.kind, signal.subject, signal.payload, signal.flight, signal.severity,
            signal.title, signal.cause, signal.at_ns, signal.at_ns if once else None,
            dict(signal.evidence), signal.lat_deg, signal.lon_deg,
        )  # fmt: skip
        if not once:
            self.open[key] = alert
        changed[id(alert)] = alert


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
            joined = row.given_up == row.through == lost
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
