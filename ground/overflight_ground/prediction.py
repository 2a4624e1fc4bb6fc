"""Where a payload will be, from its flight so far. Pure; nothing is asked of anybody else.

Winds met on the way up are reused on the way down, by layers of altitude; the descent follows the
standard atmosphere (ICAO Doc 7488: a terminal speed that goes with the root of 1/density). A
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
RECENT_S: Final = 3 * 3600.0
LONGEST_S: Final = 12 * 3600.0
DOWN_BASE_M: Final = 500.0
DOWN_PER_S: Final = 2.2
"""Radius of a descent, and of an ascent: so much, and so much more a second ahead."""

UP_BASE_M: Final = 5_000.0
UP_PER_S: Final = 8.0
FLOAT_PER_S: Final = 5.0


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
    """What is ahead. `landing` of a floating payload is where it would land if it came down now."""

    made_at_ns: int
    phase: str
    points: tuple[Predicted, ...]
    landing: Predicted | None


class Wind(NamedTuple):
    """Metres a second, eastward and northward."""

    east: float
    north: float


def predict(track: Sequence[TrackPoint]) -> Prediction | None:
    """Predict from a track by time; `None` where it has landed or there is too little of it."""
    known = [p for p in track if p.lat_deg is not None and p.alt_msl_m is not None]
    if len(known) < 10 or known[-1].measured_at_ns - known[0].measured_at_ns < 60 * NS_PER_S:
        return None
    now = known[-1]
    phase = now.phase or _guessed_phase(known)
    if phase in (Phase.LANDED.value, Phase.PRELAUNCH.value):
        return None
    winds, ground_m = winds_met(known), _height(known[0])
    if phase == Phase.FLOAT.value:
        drift = mean_drift(known)
        points = tuple(_drifted(now, drift, hours) for hours in HOURS)
        landing = _Fall(now, winds, ground_m, known).land("if it came down now")
        return Prediction(now.measured_at_ns, phase, points, landing)
    fall = _Fall(now, winds, ground_m, known, ascending=phase == Phase.ASCENT.value)
    landing = fall.land("landing")
    ahead = [fall.at(hours) for hours in HOURS if hours * 3600 < fall.gone_s]
    return Prediction(now.measured_at_ns, phase, (*ahead, landing), landing)


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
    if abs(climb) < 1.0:
        return Phase.FLOAT.value
    return Phase.ASCENT.value if climb > 0 else Phase.DESCENT.value


def winds_met(track: Sequence[TrackPoint]) -> dict[int, Wind]:
    """Return the mean wind by layer of altitude (number of `LAYER_M`), the last pass counting."""
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
    """The way down (after the rest of the way up), step by step."""

    def __init__(
        self,
        now: TrackPoint,
        winds: dict[int, Wind],
        ground_m: float,
        track: Sequence[TrackPoint],
        *,
        ascending: bool = False,
    ) -> None:
        assert now.lat_deg is not None
        assert now.lon_deg is not None
        self.gone_s = 0.0
        self._now = now
        self._base_m, self._per_s = (
            (UP_BASE_M, UP_PER_S) if ascending else (DOWN_BASE_M, DOWN_PER_S)
        )
        self._places: list[tuple[float, float, float, float]] = []
        lat, lon, alt = now.lat_deg, now.lon_deg, _height(now)
        if ascending:
            climb = _climb(track)
            top = max(BURST_M, alt + 500.0)
            lat, lon, alt = self._go(lat, lon, alt, top, winds, lambda _alt: climb)
        fall = SEA_LEVEL_FALL_MPS if ascending else sea_level_fall(track)
        self._go(lat, lon, alt, ground_m, winds, lambda at: -fall * math.sqrt(1.225 / density(at)))

    def _go(
        self,
        lat: float,
        lon: float,
        alt: float,
        to_m: float,
        winds: dict[int, Wind],
        speed: Callable[[float], float],
    ) -> tuple[float, float, float]:
        """Go up or down to `to_m`; returns where that ends."""
        upward = to_m > alt
        self._places.append((self.gone_s, lat, lon, alt))
        while (alt < to_m) == upward and alt != to_m and self.gone_s < LONGEST_S:
            climb = speed(alt)
            wind = wind_at(winds, alt)
            step_s = min(STEP_S, max(0.1, (to_m - alt) / climb))
            lat, lon = moved(lat, lon, wind.east * step_s, wind.north * step_s)
            alt += climb * step_s
            self.gone_s += step_s
            self._places.append((self.gone_s, lat, lon, alt))
        return lat, lon, alt

    def land(self, label: str) -> Predicted:
        """Return where it lands."""
        return self._predicted(label, self._places[-1])

    def at(self, hours: float) -> Predicted:
        """Return where it is in some hours, before it lands."""
        place = next(p for p in self._places if p[0] >= hours * 3600)
        return self._predicted(f"+{hours:g} h", place)

    def _predicted(self, label: str, place: tuple[float, float, float, float]) -> Predicted:
        gone_s, lat, lon, alt = place
        at_ns = self._now.measured_at_ns + int(gone_s * NS_PER_S)
        radius_m = self._base_m + self._per_s * gone_s
        return Predicted(label, round(gone_s / 3600, 3), at_ns, lat, lon, alt, radius_m)


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
