"""Navigation against positions: where a payload steers for, once it has said so, is known.

A waypoint stays where it is. So the first message that names one may say anything (and its room is
counted in full), but from there on distance and bearing follow from the payload's own positions,
and the distance from a leg changes by no more than the payload moved. What does not follow is
beyond the limits of motion; the rest is the room, of the tolerance alone.

On a sphere: what is compared are differences between neighbouring messages, in which the shape of
the Earth makes less than 1 %.
"""

from __future__ import annotations

import bisect
import math
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from overflight_contract.messages import Navigation
from overflight_contract.times import to_ns
from overflight_ground.audit.room import (
    EARTH_M,
    MAX_SPEED_MPS,
    Implausible,
    Motion,
    choice,
    distance_m,
)

SLACK_M: Final = 15.0
"""Of rounding, and of payloads that navigate by a filtered position."""
SHARE: Final = 0.015
"""Of the way between two messages: what the sphere errs by."""
ROUNDING_DEG: Final = 0.11
FAR_M: Final = 19_000_000
"""Beyond it, near the antipode, bearings turn about and say nothing."""
_NUMBERS: Final = 1000
_DISTANCES: Final = 20_100_001
_BEARINGS: Final = 3600
_CROSS_TRACKS: Final = 40_200_001


class _Place(NamedTuple):
    lat_deg: float
    lon_deg: float
    reach_m: float
    """How far it may be from where the payload was: it is that of the nearest fix in time."""


class _Said(NamedTuple):
    """What a message said of a waypoint, and where the payload was then."""

    at_ns: int
    place: _Place
    distance_m: int
    bearing_deg: float
    cross_track_m: int | None


@dataclass(slots=True)
class Steering:
    """What one flight has said of each waypoint, by number, in order of time."""

    said: dict[int, list[_Said]] = field(default_factory=dict)
    last_number: int | None = None

    def number_bits(self, number: int) -> float:
        """Return the room of a waypoint's number: the same as before, or another."""
        bits = 1.0 if number == self.last_number else 1.0 + choice(_NUMBERS)
        self.last_number = number
        return bits

    def nearest(self, number: int, at_ns: int) -> _Said | None:
        """Return what was said of a waypoint at the time nearest to `at_ns`."""
        before = self.said.get(number, [])
        index = bisect.bisect_right(before, at_ns, key=_time)
        near = before[max(0, index - 1) : index + 1]
        return min(near, key=lambda said: abs(said.at_ns - at_ns), default=None)

    def add(self, number: int, said: _Said) -> None:
        """Take in what a message said."""
        bisect.insort(self.said.setdefault(number, []), said, key=_time)


def _time(said: _Said) -> int:
    return said.at_ns


def navigation_bits(
    message: Navigation, motion: Motion, steering: Steering
) -> tuple[list[tuple[str, float]], list[Implausible]]:
    """Return the room of each field of a navigation message, and what does not follow."""
    bits = [
        ("track_deg", choice(3601)),
        ("speed_mps", choice(5002)),
        ("climb_mps", choice(6002)),
        ("phase", choice(5)),
        ("waypoint", 1.0),
    ]
    waypoint = message.waypoint
    if waypoint is None:
        return [*bits, ("cross_track_m", _free_cross_track(message.cross_track_m))], []
    bits.append(("waypoint number", steering.number_bits(waypoint.number)))
    at_ns = to_ns(message.measured_at)
    place = _place(motion, at_ns)
    before = steering.nearest(waypoint.number, at_ns)
    rooms, wrong = (
        _following(message, place, before)
        if place is not None and before is not None
        else (_announced(message.cross_track_m), [])
    )
    if place is not None and not wrong:
        steering.add(
            waypoint.number,
            _Said(at_ns, place, waypoint.distance_m, waypoint.bearing_deg, message.cross_track_m),
        )
    return bits + rooms, wrong


def _place(motion: Motion, at_ns: int) -> _Place | None:
    near = motion.neighbours(at_ns)
    if not near:
        return None
    fix = min(near, key=lambda known: abs(known.at_ns - at_ns))
    return _Place(fix.lat_deg, fix.lon_deg, MAX_SPEED_MPS * abs(fix.at_ns - at_ns) / 1e9)


def _free_cross_track(cross_track_m: int | None) -> float:
    return 1.0 if cross_track_m is None else 1.0 + choice(_CROSS_TRACKS)


def _announced(cross_track_m: int | None) -> list[tuple[str, float]]:
    return [
        ("waypoint distance_m", choice(_DISTANCES)),
        ("waypoint bearing_deg", choice(_BEARINGS)),
        ("cross_track_m", _free_cross_track(cross_track_m)),
    ]


def _following(
    message: Navigation, place: _Place, before: _Said
) -> tuple[list[tuple[str, float]], list[Implausible]]:
    """Hold a message against the one before it that named the same waypoint."""
    assert message.waypoint is not None
    wrong: list[Implausible] = []
    moved = distance_m(place.lat_deg, place.lon_deg, before.place.lat_deg, before.place.lon_deg)
    unsure = SLACK_M + place.reach_m + before.place.reach_m
    slack = unsure + SHARE * moved
    expected_m, expected_deg = _expected(place, before)
    rooms = [
        ("waypoint distance_m", choice(min(2 * slack + 1, _DISTANCES))),
        _bearing(message.waypoint.bearing_deg, expected_m, expected_deg, before, slack, wrong),
        _cross_track(message.cross_track_m, before, unsure + (1 + SHARE) * moved, wrong),
    ]
    error = abs(message.waypoint.distance_m - expected_m)
    if error > slack:
        what = f"{error:.0f} m from what the position says; {slack:.0f} m are accepted"
        wrong.append(Implausible("distance_m", what))
    return rooms, wrong


def _bearing(
    bearing_deg: float, expected_m: float, expected_deg: float, before: _Said, slack: float,
    wrong: list[Implausible],
) -> tuple[str, float]:  # fmt: skip
    """A bearing turns as the payload moves, the more the nearer the waypoint is."""
    far = max(expected_m, before.distance_m) > FAR_M
    across = EARTH_M * math.sin(min(expected_m, math.pi * EARTH_M) / EARTH_M) - slack
    turned = abs((expected_deg - before.bearing_deg + 180.0) % 360.0 - 180.0)
    slack_deg = (
        ROUNDING_DEG + 2 * SHARE * turned + math.degrees(slack / across)
        if across > slack and not far
        else 180.0
    )
    error = abs((bearing_deg - expected_deg + 180.0) % 360.0 - 180.0)
    if error > slack_deg:
        what = f"{error:.1f} degrees from what the position says; {slack_deg:.1f} are accepted"
        wrong.append(Implausible("bearing_deg", what))
    return "waypoint bearing_deg", choice(min(20 * slack_deg + 1, _BEARINGS))


def _cross_track(
    cross_track_m: int | None, before: _Said, slack: float, wrong: list[Implausible]
) -> tuple[str, float]:
    """The distance from a line changes by no more than the way that was gone."""
    if before.cross_track_m is None:
        return "cross_track_m", _free_cross_track(cross_track_m)
    if cross_track_m is not None and abs(cross_track_m - before.cross_track_m) > slack:
        error = abs(cross_track_m - before.cross_track_m)
        what = f"{error:.0f} m from the message before; {slack:.0f} m are accepted"
        wrong.append(Implausible("cross_track_m", what))
    return "cross_track_m", choice(min(2 * slack + 2, _CROSS_TRACKS))


def _expected(place: _Place, before: _Said) -> tuple[float, float]:
    """Return distance and bearing from `place` to where the waypoint was said to be."""
    start = _vector(before.place.lat_deg, before.place.lon_deg)
    here = _vector(place.lat_deg, place.lon_deg)
    angle = before.distance_m / EARTH_M
    ahead = _heading(before.place, before.bearing_deg)
    target = _mix(start, math.cos(angle), ahead, math.sin(angle))
    north, east = _heading(place, 0.0), _heading(place, 90.0)
    bearing = math.degrees(math.atan2(_dot(target, east), _dot(target, north)))
    beside = math.hypot(_dot(target, east), _dot(target, north))
    return EARTH_M * math.atan2(beside, _dot(target, here)), bearing % 360.0


_Vector = tuple[float, float, float]


def _vector(lat_deg: float, lon_deg: float) -> _Vector:
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)


def _heading(place: _Place, bearing_deg: float) -> _Vector:
    """Return the direction of a bearing at a place, in the frame of `_vector`."""
    lat, lon = math.radians(place.lat_deg), math.radians(place.lon_deg)
    north = (-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat))
    east = (-math.sin(lon), math.cos(lon), 0.0)
    bearing = math.radians(bearing_deg)
    return _mix(north, math.cos(bearing), east, math.sin(bearing))


def _mix(one: _Vector, a: float, other: _Vector, b: float) -> _Vector:
    return a * one[0] + b * other[0], a * one[1] + b * other[1], a * one[2] + b * other[2]


def _dot(one: _Vector, other: _Vector) -> float:
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
