"""What the ground knows of each payload right now. A pure core over committed batches.

A late backlog never moves a payload back: the newest fix is the newest by ``measured_at``, of the
flight that began last. Suspect positions don't move it at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from overflight_contract.messages import Navigation, Phase, Position
from overflight_contract.times import NS_PER_S, iso
from overflight_contract.topics import Kind
from overflight_ground.ingest.flights import FlightKey, FlightRow, order
from overflight_ground.ingest.intake import Outcome
from overflight_ground.ingest.judge import Accepted
from overflight_ground.ingest.plausible import ahead, believable
from overflight_ground.ingest.run import Run
from overflight_ground.ingest.stored import Stored, StoredMessages, StoredRun
from overflight_ground.rhythm import Rhythm

LATE_RHYTHMS: Final = 4.0
LATE_S: Final = 5.0
STALE_RHYTHMS: Final = 20.0
STALE_S: Final = 60.0
_POSITION: Final = Kind.POSITION  # looking it up in the enumeration takes longer than comparing


@dataclass(slots=True)
class LiveFix:
    """The newest believed position."""

    measured_at_ns: int
    lat_deg: float | None
    lon_deg: float | None
    alt_msl_m: float | None
    alt_hae_m: float | None
    fix: str
    sats: int | None
    hdop: float | None


@dataclass(slots=True)
class LiveMotion:
    """The newest navigation message."""

    measured_at_ns: int
    track_deg: float | None
    speed_mps: float | None
    climb_mps: float | None
    phase: str
    waypoint: int | None
    cross_track_m: int | None


@dataclass(slots=True)
class LivePayload:
    """One payload: its newest flight, and the totals of all of its flights."""

    payload: str
    flight: str
    row: FlightRow
    fix: LiveFix | None = None
    motion: LiveMotion | None = None
    rhythm: Rhythm = field(default_factory=Rhythm)

    @property
    def received_at_ns(self) -> int:
        """When its last message arrived."""
        return self.row.last_received_at_ns

    @property
    def rhythm_s(self) -> float | None:
        """The usual time between arrivals, `None` while that is not known."""
        return self.rhythm.pause_s

    def age_s(self, now_ns: int) -> float:
        """Seconds since the last arrival."""
        return max(0.0, (now_ns - self.received_at_ns) / NS_PER_S)

    def state(self, now_ns: int, *, alert: bool = False) -> str:
        """One word: ``alert``, ``landed``, ``stale``, ``late`` or ``ok``."""
        if alert:
            return "alert"
        if self.motion is not None and self.motion.phase == Phase.LANDED.value:
            return "landed"
        age_s, rhythm_s = self.age_s(now_ns), self.rhythm_s or 0.0
        if age_s > max(STALE_S, STALE_RHYTHMS * rhythm_s):
            return "stale"
        return "late" if age_s > max(LATE_S, LATE_RHYTHMS * rhythm_s) else "ok"


class Live:
    """All payloads, and the totals of the store."""

    def __init__(self) -> None:
        self.payloads: dict[str, LivePayload] = {}
        self.rows: dict[tuple[str, str], FlightRow] = {}
        self.strays = 0
        self.last_id = 0

    def load(self, rows: Iterable[FlightRow]) -> None:
        """Learn the flights that are stored."""
        for row in rows:
            self._row(row)

    def heard(self, payload: str, flight: str, arrivals: Iterable[tuple[int, int | None]]) -> None:
        """Learn the rhythm from messages of a flight that are stored; see `Rhythm.heard`."""
        live = self.payloads.get(payload)
        if live is not None and live.flight == flight:
            for arrival in arrivals:
                live.rhythm.heard(*arrival)

    def apply(self, outcome: Outcome) -> None:
        """Take in a committed batch."""
        for row in outcome.flights.values():
            self._row(row)
        self.strays += sum(1 for item in outcome.quarantined if item.seq is None)
        if outcome.stored:
            self._stored(outcome.stored)
            self.last_id = outcome.stored[-1].id

    def forget(self, flights: Iterable[FlightKey]) -> None:
        """Leave out flights that the store no longer has."""
        for key in flights:
            self.rows.pop(key, None)
            live = self.payloads.get(key[0])
            if live is not None and live.flight == key[1]:
                del self.payloads[key[0]]
                for row in self.of_payload(key[0]):
                    self._row(row)

    def totals(self) -> dict[str, int]:
        """Return the counters of the whole store."""
        rows = self.rows.values()
        return {
            "messages": sum(row.messages for row in rows),
            "duplicates": sum(row.duplicates for row in rows),
            "quarantined": self.strays + sum(row.quarantined for row in rows),
            "conflicts": sum(row.conflicts for row in rows),
            "given_up": sum(row.given_up for row in rows),
            "bytes": sum(row.bytes for row in rows),
        }

    def of_payload(self, payload: str) -> list[FlightRow]:
        """Return the flights of `payload`."""
        return [row for row in list(self.rows.values()) if row.payload == payload]

    def _row(self, row: FlightRow) -> None:
        self.rows[row.payload, row.flight] = row
        live = self.payloads.get(row.payload)
        if live is None:
            self.payloads[row.payload] = LivePayload(row.payload, row.flight, row)
        elif live.flight == row.flight:
            live.row = row
        elif row.messages and (_is_later(row, live.row) or not live.row.messages):
            live.rhythm.next_flight()
            self.payloads[row.payload] = LivePayload(
                row.payload, row.flight, row, rhythm=live.rhythm
            )

    def _stored(self, stored: StoredMessages) -> None:
        """Move each payload on to its newest messages; only those that stay are looked at whole."""
        for part in stored.parts:
            if isinstance(part, StoredRun):
                self._run(part.run)
            else:
                self._one_by_one(part)

    def _run(self, run: Run) -> None:
        """Take in a run, whose messages are of one flight and believable."""
        live = self.payloads[run.payload]
        if run.flight != live.flight:
            return
        arrived = list(zip(run.received_at_ns, run.measured_at_ns, strict=True))
        last = dict(arrived)
        for received_at_ns, first_at_ns in dict(reversed(arrived)).items():
            live.rhythm.heard(received_at_ns, first_at_ns)
            live.rhythm.heard(received_at_ns, last[received_at_ns])
        newest: dict[Kind, int] = {}
        for place, way in enumerate(run.ways):
            known = newest.get(way.kind)
            if known is None or run.measured_at_ns[place] >= run.measured_at_ns[known]:
                newest[way.kind] = place
        for place in newest.values():
            self._move(run.accepted(place))

    def _one_by_one(self, stored: Iterable[Stored]) -> None:
        fixes: dict[str, Accepted] = {}
        motions: dict[str, Accepted] = {}
        for _, item, suspect in stored:
            arrival, payload, kind, _, message, at_ns = item
            live = self.payloads[payload]
            if message.flight != live.flight:
                continue
            live.rhythm.heard(arrival.received_at_ns, None if ahead(suspect) else at_ns)
            newest = fixes if kind is _POSITION else motions
            known = newest.get(payload)
            if known is not None and at_ns < known.measured_at_ns:
                continue
            if believable(suspect):
                newest[payload] = item
        for item in (*fixes.values(), *motions.values()):
            self._move(item)

    def _move(self, item: Accepted) -> None:
        """Show `item` unless what is shown is newer."""
        live, at_ns, message = self.payloads[item.payload], item.measured_at_ns, item.message
        if isinstance(message, Position):
            if live.fix is None or at_ns >= live.fix.measured_at_ns:
                live.fix = position_fix(message, at_ns)
        elif live.motion is None or at_ns >= live.motion.measured_at_ns:
            live.motion = navigation_motion(message, at_ns)


def _is_later(row: FlightRow, other: FlightRow) -> bool:
    return order(row.flight, row.first_received_at_ns) > order(
        other.flight, other.first_received_at_ns
    )


def position_fix(message: Position, at_ns: int) -> LiveFix:
    """Return what is shown of a position."""
    return LiveFix(
        at_ns,
        message.lat_deg,
        message.lon_deg,
        message.alt_msl_m,
        message.alt_hae_m,
        message.fix.value,
        message.sats,
        message.hdop,
    )


def navigation_motion(message: Navigation, at_ns: int) -> LiveMotion:
    """Return what is shown of a navigation message."""
    return LiveMotion(
        at_ns,
        message.track_deg,
        message.speed_mps,
        message.climb_mps,
        message.phase.value,
        message.waypoint.number if message.waypoint is not None else None,
        message.cross_track_m,
    )


def payload_json(live: LivePayload, now_ns: int, *, alert: bool = False) -> dict[str, Any]:
    """Return one entry of ``/api/v1/payloads``."""
    fix, motion, row = live.fix, live.motion, live.row
    rhythm_s = live.rhythm_s
    return {
        "payload": live.payload,
        "flight": live.flight,
        "phase": motion.phase if motion else None,
        "fix": fix
        and {
            "measured_at": iso(fix.measured_at_ns),
            "lat_deg": fix.lat_deg,
            "lon_deg": fix.lon_deg,
            "alt_msl_m": fix.alt_msl_m,
            "alt_hae_m": fix.alt_hae_m,
            "fix": fix.fix,
            "sats": fix.sats,
            "hdop": fix.hdop,
        },
        "motion": motion
        and {
            "measured_at": iso(motion.measured_at_ns),
            "track_deg": motion.track_deg,
            "speed_mps": motion.speed_mps,
            "climb_mps": motion.climb_mps,
            "waypoint": motion.waypoint,
            "cross_track_m": motion.cross_track_m,
        },
        "received_at": iso(live.received_at_ns),
        "age_s": round(live.age_s(now_ns), 3),
        "state": live.state(now_ns, alert=alert),
        "messages": row.messages,
        "bytes": row.bytes,
        "duplicates": row.duplicates,
        "quarantined": row.quarantined,
        "conflicts": row.conflicts,
        "receipt_through": row.through,
        "held_from": row.held_from,
        "given_up": row.given_up,
        "rhythm_s": None if rhythm_s is None else round(rhythm_s, 3),
        "simulated": row.simulated,
    }
