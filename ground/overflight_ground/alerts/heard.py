"""Which flight each payload is on, when it was heard, and whether it is late. Pure.

Silence is judged by when messages arrived, never by when they were committed or looked at.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S
from overflight_ground.alerts.rules import LateRule
from overflight_ground.alerts.signals import Seen, Signal, State
from overflight_ground.bounded import Bounded
from overflight_ground.ingest.flights import FlightKey, FlightRow, order
from overflight_ground.rhythm import Rhythm

_UNKNOWN: Final = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What the store knows of a payload's newest flight when the ground starts."""

    payload: str
    flight: str
    last_received_ns: int
    last_measured_ns: int | None = None
    phase: Phase | None = None
    arrivals: Sequence[tuple[int, int | None]] = ()
    """When its newest messages arrived and were measured, as `Rhythm.heard` takes them."""
    flights: Mapping[str, int] = field(default_factory=dict)
    """When each flight of the payload was heard first."""


@dataclass(slots=True)
class Heard:
    """When a payload was heard; `since_ns` is when the ground began to listen."""

    flight: str
    last_received_ns: int
    last_measured_ns: int | None = None
    phase: Phase | None = None
    since_ns: int = 0
    phase_at_ns: int = 0
    rhythm: Rhythm = field(default_factory=Rhythm)

    def silent_ns(self, now_ns: int) -> int:
        """Return how long the ground has listened in vain."""
        return now_ns - max(self.last_received_ns, self.since_ns)


class Late:
    """Silent for longer than usual. Knows each payload's newest flight; older ones don't count."""

    kind = "late"

    def __init__(self, rule: LateRule) -> None:
        self._rule = rule
        self._payloads: dict[str, Heard] = {}
        self._late: set[FlightKey] = set()
        self._first_ns = Bounded[FlightKey, int]()

    def recall(self, past: Past, now_ns: int) -> None:
        """Go on from what is stored; silence counts from `now_ns`."""
        heard = Heard(
            past.flight,
            past.last_received_ns,
            past.last_measured_ns,
            past.phase,
            since_ns=now_ns,
            phase_at_ns=past.last_measured_ns or 0,
        )
        for arrival in past.arrivals:
            heard.rhythm.heard(*arrival)
        self._payloads[past.payload] = heard
        for flight, first_ns in past.flights.items():
            self._first_ns[past.payload, flight] = first_ns

    def resume(self, payload: str, flight: str, _subject: str) -> None:
        """Go on from an alert that was open when the ground stopped."""
        self._late.add((payload, flight))

    def older(self, payload: str, flight: str) -> bool:
        """Tell whether `payload` has begun another flight since this one."""
        heard = self._payloads.get(payload)
        return heard is not None and self._newer(payload, heard.flight, flight)

    def measured_ns(self, payload: str) -> int | None:
        """Return the newest time of data of the newest flight that can be right."""
        heard = self._payloads.get(payload)
        return None if heard is None else heard.last_measured_ns

    def begins(self, seen: Seen) -> str | None:
        """Go over to a payload's next flight where `seen` begins one; return the one before.

        A message ahead of its time begins none: its flight would be the newest for years.
        """
        heard = self._payloads.get(seen.payload)
        self._first_ns.setdefault((seen.payload, seen.flight), seen.received_at_ns)
        if heard is None:
            self._payloads[seen.payload] = Heard(seen.flight, seen.received_at_ns)
            return None
        if seen.flight == heard.flight or seen.ahead:
            return None
        doubtful = heard.last_measured_ns is None
        if not doubtful and not self._newer(seen.payload, seen.flight, heard.flight):
            return None
        self._late.discard((seen.payload, heard.flight))
        heard.rhythm.next_flight()
        self._payloads[seen.payload] = Heard(
            seen.flight, seen.received_at_ns, seen.at_ns, rhythm=heard.rhythm
        )
        return heard.flight

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message, after `begins`; who was silent for too long before it was late."""
        heard = self._payloads[seen.payload]
        if seen.flight != heard.flight:
            return
        if self._is_late(heard, seen.received_at_ns):
            yield self._on(seen.payload, heard, seen.received_at_ns)
        if (seen.payload, seen.flight) in self._late:
            at_ns = heard.last_measured_ns if seen.ahead else seen.at_ns
            yield self._off(seen.payload, heard, at_ns or seen.received_at_ns)
        heard.last_received_ns = max(heard.last_received_ns, seen.received_at_ns)
        heard.rhythm.heard(seen.received_at_ns, None if seen.ahead else seen.at_ns)
        if seen.ahead:
            return
        heard.last_measured_ns = max(heard.last_measured_ns or 0, seen.at_ns)
        if seen.motion is not None and seen.at_ns >= heard.phase_at_ns:
            heard.phase, heard.phase_at_ns = seen.motion.phase, seen.at_ns

    def committed(self, row: FlightRow, now_ns: int) -> None:
        """Learn when a flight was heard last by now; not each of its messages is looked at."""
        heard = self._payloads.get(row.payload)
        if heard is not None and heard.flight == row.flight:
            at_ns = min(row.last_received_at_ns, now_ns)
            heard.last_received_ns = max(heard.last_received_ns, at_ns)

    def tick(self, now_ns: int) -> Iterator[Signal]:
        """Look at the clock; all that had arrived until `now_ns` must have been looked at."""
        for payload, heard in self._payloads.items():
            if (payload, heard.flight) not in self._late and self._is_late(heard, now_ns):
                yield self._on(payload, heard, now_ns)

    def _newer(self, payload: str, flight: str, than: str) -> bool:
        one, other = (
            order(name, self._first_ns.get((payload, name), _UNKNOWN)) for name in (flight, than)
        )
        return one > other

    def _is_late(self, heard: Heard, now_ns: int) -> bool:
        rule, pause_s = self._rule, heard.rhythm.pause_s
        down = heard.phase is Phase.LANDED and not rule.after_landing
        if not rule.enabled or down or pause_s is None:
            return False
        limit_s = max(rule.at_least_s, rule.rhythms * pause_s)
        return heard.silent_ns(now_ns) > limit_s * NS_PER_S

    def _on(self, payload: str, heard: Heard, now_ns: int) -> Signal:
        self._late.add((payload, heard.flight))
        silent_s = (now_ns - heard.last_received_ns) / NS_PER_S
        rhythm_s = heard.rhythm.pause_s or 0.0
        at_ns = heard.last_measured_ns or heard.last_received_ns
        return self._signal(payload, heard.flight, State.ON, at_ns)._replace(
            cause=f"no message for {silent_s:.0f} s, expected every {rhythm_s:.3g} s",
            evidence={"silent_s": round(silent_s, 1), "rhythm_s": round(rhythm_s, 3)},
        )

    def _off(self, payload: str, heard: Heard, at_ns: int) -> Signal:
        self._late.discard((payload, heard.flight))
        return self._signal(payload, heard.flight, State.OFF, at_ns)

    def _signal(self, payload: str, flight: str, state: State, at_ns: int) -> Signal:
        severity = self._rule.severity or "warning"
        return Signal(
            self.kind, "", payload, flight, state, at_ns, severity, f"{payload} late", "", {}
        )  # fmt: skip
