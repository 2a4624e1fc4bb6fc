"""Follows a flight plan: which waypoint is next, how far, and how far beside the leg we are.

Cross-track is measured to the foot on the leg's geodesic, found by going along the leg by the
component that is still missing; it starts where it ended last time, so that one or two rounds do.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

from geographiclib.geodesic import Geodesic
from geographiclib.geodesicline import GeodesicLine

from overflight_device.fix import FlightPlan
from overflight_device.flight.geodesy import Measure, measure, wrap_longitude

_WGS84: Final = Geodesic.WGS84
_MASK: Final = Geodesic.LATITUDE | Geodesic.LONGITUDE | Geodesic.AZIMUTH
_FOOT_ERROR_M: Final = 0.5
_ROUNDS: Final = 8
CAPTURE_M: Final = 10_000.0
"""A waypoint nearer than this counts as reached."""


class Progress(NamedTuple):
    """Where we are in the plan."""

    number: int
    """Number of the next waypoint; the last one stays next for ever."""
    distance_m: float
    bearing_deg: float
    cross_track_m: float | None
    """Right of the leg is positive; `None` before the first leg (on the way to waypoint 0)."""
    along_m: float
    """From the start of the leg to the foot; below 0 before it."""
    done: bool
    """True once the last waypoint was passed."""


class PlanFollower:
    """Keeps the place in one plan; `update` with each position, in order of time."""

    def __init__(self, plan: FlightPlan) -> None:
        if not plan.points:
            raise ValueError("a flight plan needs a waypoint")
        self.plan = plan
        self._legs = [
            _WGS84.InverseLine(a.lat_deg, a.lon_deg, b.lat_deg, b.lon_deg)
            for a, b in zip(plan.points, plan.points[1:], strict=False)
        ]
        self._number: int | None = None
        self._along = 0.0
        self._done = False

    def update(self, lat_deg: float, lon_deg: float) -> Progress:
        """Take a position; returns the progress with it."""
        number = self._join(lat_deg, lon_deg) if self._number is None else self._number
        last = len(self.plan.points) - 1
        while True:
            cross = self._cross_track(number, lat_deg, lon_deg)
            to_next = self._to(number, lat_deg, lon_deg)
            passed = to_next.distance_m < CAPTURE_M or (
                number > 0 and self._along >= self._legs[number - 1].s13
            )
            if not passed or number == last:
                break
            number, self._along = number + 1, 0.0
        self._number = number
        self._done = self._done or (passed and number == last)
        return Progress(
            number, to_next.distance_m, to_next.azimuth_deg, cross, self._along, self._done
        )

    def aim(self, lat_deg: float, lon_deg: float, ahead_m: float) -> float:
        """Return the bearing to the point of the plan that is `ahead_m` beyond our foot on it.

        Call it after `update` with the same position.
        """
        number = self._number or 0
        if number == 0:
            return self._to(0, lat_deg, lon_deg).azimuth_deg
        along = max(self._along, 0.0) + ahead_m
        while number < len(self._legs) and along > self._legs[number - 1].s13:
            along -= self._legs[number - 1].s13
            number += 1
        leg = self._legs[number - 1]
        point = leg.Position(min(along, leg.s13), _MASK)
        return measure(lat_deg, lon_deg, point["lat2"], point["lon2"]).azimuth_deg

    def _to(self, number: int, lat_deg: float, lon_deg: float) -> Measure:
        point = self.plan.points[number]
        return measure(lat_deg, lon_deg, point.lat_deg, point.lon_deg)

    def _join(self, lat_deg: float, lon_deg: float) -> int:
        """Choose the leg to begin with: the nearest one that we are beside (0 at the start)."""
        if measure(lat_deg, lon_deg, *_at(self.plan, 0)).distance_m < CAPTURE_M:
            return min(1, len(self.plan.points) - 1)
        best, nearest = 0, math.inf
        for number in range(1, len(self.plan.points)):
            self._along = 0.0
            cross = abs(self._cross_track(number, lat_deg, lon_deg) or 0.0)
            over = max(0.0, -self._along, self._along - self._legs[number - 1].s13)
            if math.hypot(cross, over) < nearest - 1.0:
                best, nearest = number, math.hypot(cross, over)
        self._along = 0.0
        return best

    def _cross_track(self, number: int, lat_deg: float, lon_deg: float) -> float | None:
        if number == 0:
            return None
        leg: GeodesicLine = self._legs[number - 1]
        for _ in range(_ROUNDS):
            foot = leg.Position(self._along, _MASK)
            line = measure(foot["lat2"], wrap_longitude(foot["lon2"]), lat_deg, lon_deg)
            angle = math.radians(line.azimuth_deg - foot["azi2"])
            missing = line.distance_m * math.cos(angle)
            cross = line.distance_m * math.sin(angle)
            if abs(missing) < _FOOT_ERROR_M:
                return cross
            # on a sphere, the foot lies atan(tan(s)·cos(angle)) ahead
            radius = 6_371_000.0
            arc = min(line.distance_m / radius, math.pi / 2 - 1e-3)
            self._along += radius * math.atan(math.tan(arc) * math.cos(angle))
        return cross


def _at(plan: FlightPlan, number: int) -> tuple[float, float]:
    return plan.points[number].lat_deg, plan.points[number].lon_deg
