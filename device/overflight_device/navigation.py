"""Navigation: from fixes to motion, phase of flight, waypoint and cross-track.

The phase comes from a robust slope of the altitude (the median of the slopes between the fixes of
the last two minutes, so that one wrong altitude does nothing), with a different threshold into
each phase and out of it and a time to hold, so that it does not flap. It works at any rhythm, from
ten fixes a second to one in ten minutes, and from any moment: a payload that was restarted at
19 km is not on its launch pad.
"""

from __future__ import annotations

import statistics
from collections import deque
from itertools import combinations
from typing import Final, NamedTuple

from overflight_contract.messages import Fix as FixMode
from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S
from overflight_device.fix import Fix, FlightPlan
from overflight_device.flight.geodesy import measure
from overflight_device.flight.plan import PlanFollower, Progress

WINDOW_S: Final = 120.0
THIN_S: Final = 10.0
"""The window keeps at most a fix in so many seconds."""
GAP_S: Final = 900.0
"""Speed and climb are not derived from fixes that are further apart."""


class NextWaypoint(NamedTuple):
    """The waypoint that we steer for."""

    number: int
    distance_m: float
    bearing_deg: float


class Motion(NamedTuple):
    """How the payload moves; `None` where it can't be known."""

    track_deg: float | None
    speed_mps: float | None
    climb_mps: float | None
    phase: Phase
    waypoint: NextWaypoint | None
    cross_track_m: float | None


class Navigator:
    """Takes the fixes of one flight in order of time."""

    def __init__(self, plan: FlightPlan | None = None, phase: Phase | None = None) -> None:
        """`phase`: go on from here (the payload was restarted); else the first fixes tell."""
        self._follower = PlanFollower(plan) if plan is not None and plan.points else None
        self._phases = PhaseEstimator(phase)
        self._last: Fix | None = None

    def step(self, fix: Fix) -> Motion:
        """Take a fix and return the motion at it."""
        if fix.mode is FixMode.NONE or fix.lat_deg is None or fix.lon_deg is None:
            return Motion(None, None, None, self._phases.phase, None, None)
        track, speed, climb = self._movement(fix)
        self._last = fix
        altitude = _altitude(fix)
        if altitude is not None:
            self._phases.step(fix.measured_at_ns / NS_PER_S, altitude, speed, climb)
        progress = self._progress(fix.lat_deg, fix.lon_deg)
        waypoint = progress and NextWaypoint(
            progress.number, progress.distance_m, progress.bearing_deg
        )
        cross = progress.cross_track_m if progress else None
        return Motion(track, speed, climb, self._phases.phase, waypoint, cross)

    def _progress(self, lat_deg: float, lon_deg: float) -> Progress | None:
        return None if self._follower is None else self._follower.update(lat_deg, lon_deg)

    def _movement(self, fix: Fix) -> tuple[float | None, float | None, float | None]:
        """Return track, speed and climb: the receiver's, else derived from the fix before."""
        track, speed, climb = fix.track_deg, fix.speed_mps, fix.climb_mps
        last = self._last
        if last is None or (track is not None and speed is not None and climb is not None):
            return track, speed, climb
        passed = (fix.measured_at_ns - last.measured_at_ns) / NS_PER_S
        if not 0.0 < passed <= GAP_S:
            return track, speed, climb
        before, now = _altitude(last), _altitude(fix)
        if climb is None and before is not None and now is not None:
            climb = (now - before) / passed
        if speed is None or track is None:
            assert last.lat_deg is not None
            assert last.lon_deg is not None
            assert fix.lat_deg is not None
            assert fix.lon_deg is not None
            line = measure(last.lat_deg, last.lon_deg, fix.lat_deg, fix.lon_deg)
            speed = line.distance_m / passed if speed is None else speed
            if track is None and speed > _TRACK_MPS:
                track = line.end_azimuth_deg
        return track, speed, climb


_TRACK_MPS: Final = 0.5
"""Slower than this, the direction is the receiver's noise."""


def _altitude(fix: Fix) -> float | None:
    return fix.alt_msl_m if fix.alt_msl_m is not None else fix.alt_hae_m


class _Move(NamedTuple):
    """What the estimator sees at a fix."""

    alt_m: float
    slope_mps: float
    speed_mps: float
    since_low_m: float
    below_high_m: float


class PhaseEstimator:
    """Tells the phase of the flight from altitudes and speeds."""

    def __init__(self, phase: Phase | None = None) -> None:
        self.phase = phase or Phase.PRELAUNCH
        self._known = phase is not None
        self._window: deque[tuple[float, float]] = deque()
        self._low = self._high = 0.0
        self._candidate: Phase | None = None
        self._since_s = 0.0

    def step(
        self, at_s: float, alt_m: float, speed_mps: float | None, climb_mps: float | None
    ) -> Phase:
        """Take an altitude in metres at a time in seconds; returns the phase now."""
        if not self._known:
            self.phase = _first_phase(alt_m, climb_mps)
            self._known = True
            self._low = self._high = alt_m
        slope = self._slope(at_s, alt_m)
        middle = statistics.median(alt for _, alt in list(self._window)[-3:])
        self._low, self._high = min(self._low, middle), max(self._high, middle)
        if slope is None:
            return self.phase
        speed = 0.0 if speed_mps is None else speed_mps
        move = _Move(alt_m, slope, speed, middle - self._low, self._high - middle)
        wanted, hold_s = _next_phase(self.phase, move)
        if wanted is not self._candidate:
            self._candidate, self._since_s = wanted, at_s
        if wanted is not None and at_s - self._since_s >= hold_s:
            self.phase, self._candidate = wanted, None
            self._low = self._high = middle
        return self.phase

    def _slope(self, at_s: float, alt_m: float) -> float | None:
        """Return the median slope over the window; `None` until it holds three fixes."""
        window = self._window
        if window and at_s <= window[-1][0]:
            if at_s < window[-1][0]:
                window.clear()  # the clock was set back
            else:
                return None
        spaced = len(window) < 2 or at_s - window[-2][0] >= THIN_S
        if not spaced:
            window.pop()
        window.append((at_s, alt_m))
        while len(window) > 3 and at_s - window[0][0] > WINDOW_S:
            window.popleft()
        if len(window) < 3:
            return None
        return statistics.median((b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(window, 2))


_FLYING_M: Final = 5_000.0


def _first_phase(alt_m: float, climb_mps: float | None) -> Phase:
    climb = climb_mps or 0.0
    if climb > 1.5:
        return Phase.ASCENT
    if climb < -2.5:
        return Phase.DESCENT
    return Phase.FLOAT if alt_m > _FLYING_M else Phase.PRELAUNCH


def _next_phase(phase: Phase, move: _Move) -> tuple[Phase | None, float]:
    """Return the phase that the movement speaks for, and for how many seconds it has to.

    `since_low_m` and `below_high_m` count from the lowest and highest since the phase began.
    """
    slope = move.slope_mps
    still = abs(slope) < 0.4 and move.speed_mps < 2.0
    level = abs(slope) < 0.5
    if phase in (Phase.PRELAUNCH, Phase.LANDED):
        if slope > 0.7 and move.since_low_m > 100.0:
            return Phase.ASCENT, 0.0
        falling = slope < -2.5 and move.below_high_m > 300.0
        return (Phase.DESCENT if falling else None), 30.0
    if still and move.alt_m < _FLYING_M and (phase is Phase.DESCENT or move.below_high_m > 300.0):
        return Phase.LANDED, 60.0
    if phase is Phase.DESCENT:
        if level and move.speed_mps >= 2.0:
            return Phase.FLOAT, 900.0
        rising = slope > 1.0 and move.since_low_m > 300.0
        return (Phase.ASCENT if rising else None), 60.0
    if slope < -1.5 and move.below_high_m > (100.0 if phase is Phase.ASCENT else 1_500.0):
        return Phase.DESCENT, 0.0
    if phase is Phase.ASCENT:
        return (Phase.FLOAT if level else None), 300.0
    rising = slope > 1.0 and move.since_low_m > 3_000.0
    return (Phase.ASCENT if rising else None), 60.0
