"""Watchers of single messages: course, descent, burst, landing, doubts, the clock. Pure.

Each needs more to begin than to end, or several in a row, so that none flaps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from overflight_contract.messages import Phase
from overflight_ground.alerts.rules import (
    BurstRule,
    ClockRule,
    CourseRule,
    DescendingRule,
    DoubtfulRule,
    LandedRule,
)
from overflight_ground.alerts.signals import Seen, Signal, State

Key = tuple[str, str]


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


class OffCourse:
    """Beside the leg by more than the plan's width."""

    kind = "off-course"

    def __init__(self, rule: CourseRule) -> None:
        self._rule = rule
        self._beyond: dict[Key, int] = defaultdict(int)

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion = seen.motion
        if motion is None or motion.cross_track_m is None:
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


class Descending:
    """Falling while the phase says ascent or float."""

    kind = "descending"

    def __init__(self, rule: DescendingRule) -> None:
        self._rule = rule
        self._falling: dict[Key, int] = defaultdict(int)

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion = seen.motion
        if motion is None or motion.climb_mps is None:
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
            self._falling[key] += 1
            if self._falling[key] >= rule.confirm:
                yield signal(seen, self.kind, State.ON, severity, words, evidence)
        elif not aloft or climb >= rule.steady_mps:
            self._falling[key] = 0
            yield signal(seen, self.kind, State.OFF, severity, words, evidence)


class Burst:
    """From ascent into a fall without a float between."""

    kind = "burst"

    def __init__(self, rule: BurstRule) -> None:
        self._rule = rule
        self._phase: dict[Key, Phase] = {}
        self._armed: set[Key] = set()

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion = seen.motion
        if motion is None:
            return
        key, before = (seen.payload, seen.flight), self._phase.get((seen.payload, seen.flight))
        self._phase[key] = motion.phase
        if before is Phase.ASCENT and motion.phase is Phase.DESCENT:
            self._armed.add(key)
        elif motion.phase is not Phase.DESCENT:
            self._armed.discard(key)
        fast = motion.climb_mps is not None and motion.climb_mps <= self._rule.climb_mps
        if key in self._armed and fast:
            self._armed.discard(key)
            evidence = {"climb_mps": motion.climb_mps}
            words = ("burst", f"from ascent to {motion.climb_mps:+.1f} m/s")
            severity = self._rule.severity or "info"
            yield signal(seen, self.kind, State.ONCE, severity, words, evidence)


class Landed:
    """The phase turns to landed."""

    kind = "landed"

    def __init__(self, rule: LandedRule) -> None:
        self._rule = rule
        self._down: set[Key] = set()

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        motion = seen.motion
        if motion is None:
            return
        key = (seen.payload, seen.flight)
        if motion.phase is not Phase.LANDED:
            self._down.discard(key)
        elif key not in self._down:
            self._down.add(key)
            words = ("landed", "its phase is landed")
            severity = self._rule.severity or "info"
            yield signal(seen, self.kind, State.ONCE, severity, words, {"seq": motion.seq})


class Marked:
    """Several marked messages in a row; ends after as many clean ones as the rule asks."""

    def __init__(
        self, kind: str, wanted: frozenset[str], title: str, rule: DoubtfulRule | ClockRule
    ) -> None:
        self.kind = kind
        self._wanted = wanted
        self._title = title
        self._rule = rule
        self._marked: dict[Key, int] = defaultdict(int)
        self._clean: dict[Key, int] = defaultdict(int)

    def see(self, seen: Seen) -> Iterator[Signal]:
        """Look at one message."""
        key = (seen.payload, seen.flight)
        found = sorted(self._wanted & set((seen.suspect or "").split(",")))
        severity = self._rule.severity or "warning"
        evidence = {"marks": found, "seq": seen.message.seq}
        words = (self._title, f"marked as {', '.join(found) or 'well again'}")
        if found:
            self._marked[key] += 1
            self._clean[key] = 0
            if self._marked[key] >= self._rule.confirm:
                yield signal(seen, self.kind, State.ON, severity, words, evidence)
            return
        if self.kind == "doubtful" and seen.place is None:
            return
        self._clean[key] += 1
        if self._clean[key] >= self._rule.clear:
            self._marked[key] = 0
            yield signal(seen, self.kind, State.OFF, severity, words, evidence)
