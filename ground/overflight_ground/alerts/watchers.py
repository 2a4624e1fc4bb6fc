"""Watchers of single messages: course, descent, burst, landing, doubts, the clock. Pure.

Each needs more to begin than to end, or several messages, so that none flaps. What is older than
what was seen already (a backlog, sent after the newest) changes nothing; only a burst is told late.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S
from overflight_ground.alerts.rules import (
    BurstRule,
    ClockRule,
    CourseRule,
    DescendingRule,
    DoubtfulRule,
    LandedRule,
)
from overflight_ground.alerts.signals import Seen, Signal, State
from overflight_ground.bounded import Bounded

Key = tuple[str, str]
"""(payload, flight)."""

LAG_NS: Final = 60 * NS_PER_S
"""By so much the phase may lag behind a fall (recorded bursts: 30 s; out of a float: 40 s)."""

TURN_NS: Final = 600 * NS_PER_S
"""A fall within this time after an ascent came from it; later, a float may lie between."""


class Newest:
    """The newest time of each flight.

    Times that are marked future are ordered among themselves: they would make all others old, and
    yet may be all that a payload with a wrong clock sends.
    """

    def __init__(self) -> None:
        self._at_ns = Bounded[tuple[str, str, bool], int]()

    def recall(self, payload: str, flight: str, at_ns: int) -> None:
        """Learn the newest time of a flight that is stored."""
        self._at_ns[payload, flight, False] = at_ns

    def before(self, seen: Seen) -> int | None:
        """Return the newest time so far; `None` where there is none."""
        return self._at_ns.get(_order(seen))

    def takes(self, seen: Seen) -> bool:
        """Tell whether nothing newer than `seen` was seen before it, and note its time."""
        order = _order(seen)
        if seen.at_ns < self._at_ns.get(order, seen.at_ns):
            return False
        self._at_ns[order] = seen.at_ns
        return True


def _order(seen: Seen) -> tuple[str, str, bool]:
    return seen.payload, seen.flight, seen.ahead


def signal(
    seen: Seen,
    kind: str,
    state: State,
    severity: str,
    words: tuple[str, str],
    evidence: dict[str, Any],
    subject: str = "",
) -> Signal:
    """Make a signal about `seen`; `words` are title and cause."""
    place = seen.place
    lat_deg, lon_deg = (place[0], place[1]) if place else (None, None)
    title = f"{seen.payload} {words[0]}"
    return Signal(
        kind, subject, seen.payload, seen.flight, state, seen.at_ns, severity, title, words[1],
        evidence, lat_deg, lon_deg,
    )  # fmt: skip


class InOrder:
    """A watcher that messages which are older than the newest tell nothing."""

    def __init__(self) -> None:
        self._newest = Newest()

    def recall(self, payload: str, flight: str, at_ns: int) -> None:
        """Learn the newest time of a flight that is stored."""
        self._newest.recall(payload, flight, at_ns)


class OffCourse(InOrder):
    """Beside the leg by more than the plan's width."""

    kind = "off-course"

    def __init__(self, rule: CourseRule) -> None:
        super().__init__()
        self._rule = rule
        self._beyond = Bounded[Key, int](int)

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion = seen.motion
        if motion is None or motion.cross_track_m is None or not self._newest.takes(seen):
            return
        rule, key, off_m = self._rule, (seen.payload, seen.flight), abs(motion.cross_track_m)
        side = "right" if motion.cross_track_m > 0 else "left"
        evidence = {"cross_track_m": motion.cross_track_m, "width_m": rule.width_m}
        words = (
            f"off course by {off_m / 1000:.0f} km",
            f"{off_m / 1000:.0f} km {side} of its leg, the plan allows {rule.width_m / 1000:.0f}",
        )
        severity = rule.severity or "severe"
        if off_m > rule.width_m:
            self._beyond[key] += 1
            if self._beyond[key] >= rule.confirm:
                yield signal(seen, self.kind, State.ON, severity, words, evidence)
        elif off_m < rule.width_m * rule.back_within:
            self._beyond[key] = 0
            yield signal(seen, self.kind, State.OFF, severity, words, evidence)


class Descending(InOrder):
    """Falling while the phase says ascent or float, and for longer than the phase may lag."""

    kind = "descending"

    def __init__(self, rule: DescendingRule) -> None:
        super().__init__()
        self._rule = rule
        self._falling = Bounded[Key, tuple[int, int]]()
        """How many messages, and since when."""

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion = seen.motion
        if motion is None or motion.climb_mps is None or not self._newest.takes(seen):
            return
        rule, key, climb = self._rule, (seen.payload, seen.flight), motion.climb_mps
        aloft = motion.phase in (Phase.ASCENT, Phase.FLOAT)
        evidence = {"climb_mps": climb, "phase": motion.phase.value}
        words = (
            "descends unexpectedly",
            f"{climb:+.1f} m/s up while its phase is {motion.phase.value}",
        )
        severity = rule.severity or "warning"
        if aloft and climb <= rule.climb_mps:
            count, since_ns = self._falling.get(key, (0, seen.at_ns))
            self._falling[key] = count + 1, since_ns
            if count + 1 >= rule.confirm and seen.at_ns - since_ns >= LAG_NS:
                yield signal(seen, self.kind, State.ON, severity, words, evidence)
        elif not aloft or climb >= rule.steady_mps:
            self._falling.pop(key, None)
            yield signal(seen, self.kind, State.OFF, severity, words, evidence)


@dataclass(slots=True)
class _Turn:
    """What is known of a flight's turn from ascent to fall, from messages in any order."""

    ascent_ns: int | None = None
    """The last ascent."""
    float_ns: int | None = None
    """The last float before the fall."""
    fall: Seen | None = None
    """The first fast descent after the ascent."""

    def note(self, seen: Seen, phase: Phase, *, fast: bool) -> None:
        """Take in a message."""
        at_ns, fall_ns = seen.at_ns, None if self.fall is None else self.fall.at_ns
        earlier = fall_ns is None or at_ns < fall_ns
        if phase is Phase.ASCENT:
            self.ascent_ns = max(at_ns, self.ascent_ns or at_ns)
            self.fall = self.fall if earlier else None
        elif phase is Phase.FLOAT and earlier:
            self.float_ns = max(at_ns, self.float_ns or at_ns)
        elif phase is Phase.DESCENT and fast and earlier and at_ns > (self.ascent_ns or 0):
            self.fall = seen

    @property
    def burst(self) -> Seen | None:
        """The fall, where it came straight from the ascent."""
        if self.fall is None or self.ascent_ns is None:
            return None
        straight = self.float_ns is None or not self.ascent_ns < self.float_ns < self.fall.at_ns
        return self.fall if straight and self.fall.at_ns - self.ascent_ns <= TURN_NS else None


class Burst:
    """From ascent into a fall without a float between; once a flight, also from a backlog."""

    kind = "burst"

    def __init__(self, rule: BurstRule) -> None:
        self._rule = rule
        self._turns = Bounded[Key, _Turn](_Turn)
        self._told = Bounded[Key, bool]()

    def known(self, payload: str, flight: str) -> None:
        """Note that the burst of this flight was told before."""
        self._told[payload, flight] = True

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion, key = seen.motion, (seen.payload, seen.flight)
        if motion is None or key in self._told:
            return
        turn = self._turns[key]
        fast = motion.climb_mps is not None and motion.climb_mps <= self._rule.climb_mps
        turn.note(seen, motion.phase, fast=fast)
        fall = turn.burst
        if fall is None or fall.motion is None:
            return
        del self._turns[key]
        self._told[key] = True
        climb = fall.motion.climb_mps
        words = ("burst", f"from ascent to {climb:+.1f} m/s")
        severity = self._rule.severity or "info"
        yield signal(fall, self.kind, State.ONCE, severity, words, {"climb_mps": climb})


class Landed(InOrder):
    """The phase turns to landed; once a flight."""

    kind = "landed"

    def __init__(self, rule: LandedRule) -> None:
        super().__init__()
        self._rule = rule
        self._told = Bounded[Key, bool]()

    def known(self, payload: str, flight: str) -> None:
        """Note that the landing of this flight was told before."""
        self._told[payload, flight] = True

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion, key = seen.motion, (seen.payload, seen.flight)
        if motion is None or not self._newest.takes(seen) or key in self._told:
            return
        if motion.phase is Phase.LANDED:
            self._told[key] = True
            words = ("landed", "its phase is landed")
            severity = self._rule.severity or "info"
            yield signal(seen, self.kind, State.ONCE, severity, words, {"seq": motion.seq})


class Marked(InOrder):
    """Several marked messages among the last few; ends after as many clean ones in a row."""

    def __init__(
        self, kind: str, wanted: frozenset[str], title: str, rule: DoubtfulRule | ClockRule
    ) -> None:
        super().__init__()
        self.kind = kind
        self._wanted = wanted
        self._title = title
        self._rule = rule
        # a clock that was set back sends what is older than all before it
        self._newest_marked = Newest() if kind == "clock" else self._newest
        among = max(rule.confirm, rule.clear)
        self._lately = Bounded[Key, deque[bool]](lambda: deque(maxlen=among))
        self._clean = Bounded[Key, int](int)

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        key = (seen.payload, seen.flight)
        found = sorted(self._wanted & set((seen.suspect or "").split(",")))
        if self.kind == "doubtful" and not found and seen.place is None:
            return
        if not (self._newest_marked if found else self._newest).takes(seen):
            return
        severity = self._rule.severity or "warning"
        evidence = {"marks": found, "seq": seen.message.seq}
        words = (self._title, f"marked as {', '.join(found) or 'well again'}")
        lately = self._lately[key]
        lately.append(bool(found))
        self._clean[key] = 0 if found else self._clean[key] + 1
        if found and sum(lately) >= self._rule.confirm:
            yield signal(seen, self.kind, State.ON, severity, words, evidence)
        elif self._clean[key] >= self._rule.clear:
            yield signal(seen, self.kind, State.OFF, severity, words, evidence)
