"""Where a payload will be, from its flight so far. Pure; nothing is asked of anybody else.

Winds met on the way up are reused on the way down, by layers of altitude; the descent follows the
standard atmosphere (ICAO Doc 7488: a terminal speed that goes with the root of 1/density) and ends
at the height of the launch, at sea level where that was not heard, or at once below that. A
payload that floats goes on as it did for the last hours. The radius is what two of three
predictions of its kind stayed within on real flights: `benchmarks/prediction.py`, docs/ground.md.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from overflight_contract.formats import TrackPoint
from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S
from overflight_ground.ingest.plausible import EARTH_M

HOURS: Final = (1.0, 6.0, 24.0)
LAYER_M: Final = 500.0
STEP_S: Final = 10.0
BURST_M: Final = 30_000.0
"""Where a latex balloon is taken to burst while it is not known; a climb beyond goes on a bit."""

SEA_LEVEL_FALL_MPS: Final = 5.0
SEA_LEVEL_M: Final = 0.0
"""The ground where the launch was not heard."""

RECENT_S: Final = 3 * 3600.0
LONGEST_S: Final = 12 * 3600.0
"""What does not come down within it has no landing."""

LAUNCH_BELOW_M: Final = 3_000.0
LAUNCH_RISE_M: Final = 300.0
"""The launch was heard where the first fix is below the one and the payload rose by the other."""

SOON_NS: Final = 600 * NS_PER_S
"""What does not fall for so long after the first fix was not heard on its way down."""

FRESH_NS: Final = 6 * 3600 * NS_PER_S
"""Winds met longer ago than this tell little of those on the way down."""

REST_MPS: Final = 2.0
REST_CLIMB_MPS: Final = 0.5
REST_BELOW_M: Final = 5_000.0
"""A payload that moves less than that, below that height, is on the ground."""

DOWN_BASE_M: Final = 500.0
DOWN_PER_S: Final = 2.2
"""Radius of a descent, and of an ascent: so much, and so much more a second ahead."""

UP_BASE_M: Final = 5_000.0
UP_PER_S: Final = 8.0
UNMET_PER_S: Final = 15.0
"""The same on the way up and down where the winds below were met long ago, or never."""

FLOAT_PER_S: Final = 5.0
_FLOAT: Final = Phase.FLOAT.value


class Predicted(NamedTuple):
    """A place ahead, and the radius that it is probably within."""

    label: str
    hours: float
    at_ns: int
    lat_deg: float
    lon_deg: float
    alt_m: float
    radius_m: float


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is ahead. `landing` of a floating payload is where it would land if it came down now.

    `landing` is `None` where it does not come down within `LONGEST_S`; `launch_m` is the height of
    the launch above mean sea level, `None` where it was not heard.
    """

    made_at_ns: int
    phase: str
    points: tuple[Predicted, ...]
    landing: Predicted | None
    launch_m: float | None


class Wind(NamedTuple):
    """Metres a second, eastward and northward."""

    east: float
    north: float


def predict(track: Sequence[TrackPoint]) -> Prediction | None:
    """Predict from a track by time; `None` where it has landed or there is too little of it."""
    known = _known(track)
    phase = phase_of(track)
    if not _enough(known) or phase in (None, Phase.LANDED.value, Phase.PRELAUNCH.value):
        return None
    assert phase is not None
    now, launch_m = known[-1], launch_height_m(known)
    fall = _Fall(known, launch_m, ascending=phase == Phase.ASCENT.value, sudden=phase == _FLOAT)
    if phase == _FLOAT:
        drift = mean_drift(known)
        points = tuple(_drifted(now, drift, hours) for hours in HOURS)
        return Prediction(
            now.measured_at_ns, phase, points, fall.land("if it came down now"), launch_m
        )
    landing = fall.land("landing")
    ahead = [fall.at(hours) for hours in HOURS if hours * 3600 < fall.gone_s]
    points = (*ahead, landing) if landing else tuple(ahead)
    return Prediction(now.measured_at_ns, phase, points, landing, launch_m)


def phase_of(track: Sequence[TrackPoint]) -> str | None:
    """Return the phase that the payload said last, else that of its movement; `None`: unknown."""
    said = track[-1].phase if track else None
    if said is not None:
        return said
    known = _known(track)
    return _guessed_phase(known) if _enough(known) else None


def launch_height_m(known: Sequence[TrackPoint]) -> float | None:
    """Return how high the launch was, above mean sea level; `None` where it was not heard.

    Heard it was where the first fix is of a payload that waits, or is low and went up from there.
    """
    first_m, first_ns = _height(known[0]), known[0].measured_at_ns
    if known[0].phase == Phase.PRELAUNCH.value:
        return first_m
    soon = itertools.takewhile(lambda p: p.measured_at_ns - first_ns <= SOON_NS, known)
    low = first_m < LAUNCH_BELOW_M and min(map(_height, soon)) > first_m - LAUNCH_RISE_M / 3
    return first_m if low and max(map(_height, known)) > first_m + LAUNCH_RISE_M else None


def _known(track: Sequence[TrackPoint]) -> list[TrackPoint]:
    return [p for p in track if p.lat_deg is not None and p.alt_msl_m is not None]


def _enough(known: Sequence[TrackPoint]) -> bool:
    span_ns = known[-1].measured_at_ns - known[0].measured_at_ns if known else 0
    return len(known) >= 10 and span_ns >= 60 * NS_PER_S


def _height(point: TrackPoint) -> float:
    assert point.alt_msl_m is not None
    return point.alt_msl_m


def _guessed_phase(track: Sequence[TrackPoint]) -> str:
    last = track[-1]
    before = next(
        (p for p in reversed(track) if last.measured_at_ns - p.measured_at_ns >= 120 * NS_PER_S),
        track[0],
    )
    span_s = max(1.0, (last.measured_at_ns - before.measured_at_ns) / NS_PER_S)
    climb = (_height(last) - _height(before)) / span_s
    speed = math.hypot(*_offset_m(before, last)) / span_s
    if abs(climb) < REST_CLIMB_MPS and speed < REST_MPS and _height(last) < REST_BELOW_M:
        flew = max(map(_height, track)) > _height(last) + LAUNCH_RISE_M
        return (Phase.LANDED if flew else Phase.PRELAUNCH).value
    if abs(climb) < 1.0:
        return _FLOAT
    return (Phase.ASCENT if climb > 0 else Phase.DESCENT).value


def winds_met(track: Sequence[TrackPoint]) -> dict[int, Wind]:
    """Return the mean wind by layer of altitude (number of `LAYER_M`)."""
    sums: dict[int, list[float]] = {}
    for before, after in itertools.pairwise(track):
        span_s = (after.measured_at_ns - before.measured_at_ns) / NS_PER_S
        if not 0 < span_s <= 600:
            continue
        east_m, north_m = _offset_m(before, after)
        if math.hypot(east_m, north_m) > 150 * span_s:
            continue
        layer = int((_height(before) + _height(after)) / 2 // LAYER_M)
        found = sums.setdefault(layer, [0.0, 0.0, 0.0])
        found[0] += east_m
        found[1] += north_m
        found[2] += span_s
    return {layer: Wind(e / s, n / s) for layer, (e, n, s) in sums.items()}


def wind_at(winds: dict[int, Wind], alt_m: float) -> Wind:
    """Return the wind of the layer that is nearest."""
    if not winds:
        return Wind(0.0, 0.0)
    layer = int(alt_m // LAYER_M)
    return winds[layer] if layer in winds else winds[min(winds, key=lambda n: abs(n - layer))]


def mean_drift(track: Sequence[TrackPoint]) -> Wind:
    """Return the mean motion over the last hours."""
    last = track[-1]
    recent = [p for p in track if last.measured_at_ns - p.measured_at_ns <= RECENT_S * NS_PER_S]
    first = recent[0] if len(recent) > 1 else track[0]
    span_s = max(1.0, (last.measured_at_ns - first.measured_at_ns) / NS_PER_S)
    east = north = 0.0
    for before, after in itertools.pairwise(recent):
        east_m, north_m = _offset_m(before, after)
        east, north = east + east_m, north + north_m
    return Wind(east / span_s, north / span_s)


def _offset_m(before: TrackPoint, after: TrackPoint) -> tuple[float, float]:
    assert before.lat_deg is not None
    assert before.lon_deg is not None
    assert after.lat_deg is not None
    assert after.lon_deg is not None
    lon = math.radians((after.lon_deg - before.lon_deg + 180.0) % 360.0 - 180.0)
    lat = math.radians(after.lat_deg - before.lat_deg)
    middle = math.radians((after.lat_deg + before.lat_deg) / 2)
    return lon * math.cos(middle) * EARTH_M, lat * EARTH_M


def moved(lat_deg: float, lon_deg: float, east_m: float, north_m: float) -> tuple[float, float]:
    """Return the place so far away, along a great circle."""
    length, bearing = math.hypot(east_m, north_m) / EARTH_M, math.atan2(east_m, north_m)
    lat, lon = math.radians(lat_deg), math.radians(lon_deg)
    sine = math.sin(lat) * math.cos(length) + math.cos(lat) * math.sin(length) * math.cos(bearing)
    new_lat = math.asin(max(-1.0, min(1.0, sine)))
    turn = math.atan2(
        math.sin(bearing) * math.sin(length) * math.cos(lat),
        math.cos(length) - math.sin(lat) * math.sin(new_lat),
    )
    return math.degrees(new_lat), (math.degrees(lon + turn) + 180.0) % 360.0 - 180.0


def _drifted(now: TrackPoint, drift: Wind, hours: float) -> Predicted:
    assert now.lat_deg is not None
    assert now.lon_deg is not None
    ahead_s = hours * 3600
    lat, lon = moved(now.lat_deg, now.lon_deg, drift.east * ahead_s, drift.north * ahead_s)
    at_ns = now.measured_at_ns + int(ahead_s * NS_PER_S)
    radius_m = UP_BASE_M + FLOAT_PER_S * ahead_s
    return Predicted(f"+{hours:g} h", hours, at_ns, lat, lon, _height(now), radius_m)


def density(alt_m: float) -> float:
    """Air density in kg/m³ by the standard atmosphere (ICAO Doc 7488), 0 to 47 km."""
    if alt_m < 11_000:
        return float(1.225 * (1 - 2.25577e-5 * alt_m) ** 4.25588)
    if alt_m < 20_000:
        return 0.36392 * math.exp((11_000 - alt_m) / 6_341.62)
    if alt_m < 32_000:
        return float(0.088035 * (1 + (alt_m - 20_000) * 0.001 / 216.65) ** -35.1632)
    return 0.013225 * math.exp((32_000 - alt_m) / 7_000)


class _Fall:
    """The way down (after the rest of the way up), step by step.

    `sudden`: nothing speaks for it but that it is asked for.
    """

    def __init__(
        self, track: Sequence[TrackPoint], launch_m: float | None, *, ascending: bool, sudden: bool
    ) -> None:
        self._now = now = track[-1]
        assert now.lat_deg is not None
        assert now.lon_deg is not None
        self._base_m, self._per_s = UP_BASE_M, UP_PER_S
        if not _met_lately(track, launch_m):
            self._per_s = UNMET_PER_S
        elif not ascending and not sudden:
            self._base_m, self._per_s = DOWN_BASE_M, DOWN_PER_S
        self._winds = winds_met(track)
        self._places = [(0.0, now.lat_deg, now.lon_deg, _height(now))]
        if ascending:
            climb = _climb(track)
            self._go(max(BURST_M, _height(now) + 500.0), lambda _alt_m: climb)
        fall = SEA_LEVEL_FALL_MPS if ascending or sudden else sea_level_fall(track)
        ground_m = SEA_LEVEL_M if launch_m is None else launch_m
        self._go(ground_m, lambda alt_m: -fall * math.sqrt(1.225 / density(alt_m)))
        self._landed = self._places[-1][3] <= ground_m

    @property
    def gone_s(self) -> float:
        """How long it takes to where it ends."""
        return self._places[-1][0]

    def _go(self, to_m: float, climb_at: Callable[[float], float]) -> None:
        """Go up or down to `to_m`, not at all where that is behind, and for `LONGEST_S` at most."""
        gone_s, lat, lon, alt_m = self._places[-1]
        while gone_s < LONGEST_S:
            climb = climb_at(alt_m)
            step_s = min(STEP_S, (to_m - alt_m) / climb)
            if step_s <= 0:
                break
            wind = wind_at(self._winds, alt_m)
            lat, lon = moved(lat, lon, wind.east * step_s, wind.north * step_s)
            alt_m = alt_m + climb * step_s if step_s == STEP_S else to_m
            gone_s += step_s
            self._places.append((gone_s, lat, lon, alt_m))

    def land(self, label: str) -> Predicted | None:
        """Return where it lands, `None` where that takes too long."""
        return self._predicted(label, self._places[-1]) if self._landed else None

    def at(self, hours: float) -> Predicted:
        """Return where it is in some hours, before it lands."""
        place = next(p for p in self._places if p[0] >= hours * 3600)
        return self._predicted(f"+{hours:g} h", place)

    def _predicted(self, label: str, place: tuple[float, float, float, float]) -> Predicted:
        gone_s, lat, lon, alt = place
        at_ns = self._now.measured_at_ns + int(gone_s * NS_PER_S)
        radius_m = self._base_m + self._per_s * gone_s
        return Predicted(label, round(gone_s / 3600, 3), at_ns, lat, lon, alt, radius_m)


def _met_lately(track: Sequence[TrackPoint], launch_m: float | None) -> bool:
    """Tell whether it rose from the ground, through the winds of each layer, not long ago."""
    if launch_m is None:
        return False
    left_m = launch_m + LAUNCH_RISE_M
    left_ns = next((p.measured_at_ns for p in reversed(track) if _height(p) <= left_m), 0)
    return track[-1].measured_at_ns - left_ns <= FRESH_NS


def _climb(track: Sequence[TrackPoint]) -> float:
    last = track[-1]
    recent = [p for p in track if last.measured_at_ns - p.measured_at_ns <= 600 * NS_PER_S]
    span_s = max(1.0, (last.measured_at_ns - recent[0].measured_at_ns) / NS_PER_S)
    return max(1.0, (_height(last) - _height(recent[0])) / span_s)


def sea_level_fall(track: Sequence[TrackPoint]) -> float:
    """Return the speed of fall at sea level that the descent so far tells, in m/s."""
    speeds = []
    for before, after in itertools.pairwise(track[-40:]):
        span_s = (after.measured_at_ns - before.measured_at_ns) / NS_PER_S
        if span_s <= 0:
            continue
        fall = (_height(before) - _height(after)) / span_s
        if fall > 1.0:
            speeds.append(fall / math.sqrt(1.225 / density(_height(after))))
    if len(speeds) < 3:
        return SEA_LEVEL_FALL_MPS
    return min(15.0, max(2.0, sorted(speeds)[len(speeds) // 2]))
