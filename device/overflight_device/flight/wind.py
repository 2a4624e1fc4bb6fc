"""Winds: a climatology by altitude, latitude and season; streams along a plan; smooth chance.

Every wind is a pure function of place, altitude and elapsed time, built once from a seed. All of
it is reckoned with unit vectors, so that there is no seam at the antimeridian or at the poles.
The climatology is a coarse sketch of the zonal mean wind (as in any atlas of the general
circulation, rounded to 1 m/s), enough to be believed, not to forecast with.
"""

from __future__ import annotations

import bisect
import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from overflight_device.flight.geodesy import unit_vector

EARTH_M: Final = 6_371_000.0


class Wind(NamedTuple):
    """Where the air goes, in m/s."""

    east: float
    north: float


class WindField(Protocol):
    """A wind over the whole earth."""

    def at(self, lat_deg: float, lon_deg: float, alt_m: float, elapsed_s: float) -> Wind:
        """Return the wind at a place, an altitude above mean sea level and a time."""


ALTITUDES_KM: Final = (0.0, 3.0, 6.0, 9.0, 12.0, 15.0, 18.0, 20.0, 24.0, 30.0)
_BAND_DEG: Final = 20.0
_WINTER: Final = (
    (-3, -4, -4, -2, 2, 0, -6, -9, -12, -15),
    (-4, 2, 8, 16, 24, 16, 4, -1, -4, -6),
    (3, 10, 18, 27, 30, 24, 15, 13, 14, 18),
    (2, 7, 12, 16, 17, 16, 16, 18, 24, 32),
    (0, 3, 6, 8, 9, 9, 11, 13, 18, 24),
)
_SUMMER: Final = (
    (-3, -4, -5, -5, -6, -8, -10, -12, -15, -20),
    (-3, -3, -2, 0, 2, -3, -8, -11, -15, -20),
    (2, 6, 10, 16, 20, 13, 4, -1, -6, -12),
    (1, 4, 7, 10, 11, 7, 2, -1, -5, -10),
    (0, 2, 3, 4, 4, 3, 1, 0, -3, -6),
)
"""Eastward mean wind in m/s: rows by |latitude| 0, 20 … 80°, columns by `ALTITUDES_KM`."""


@dataclass(frozen=True, slots=True)
class Climatology:
    """Mean westerlies and easterlies; `winter` is 1 in the northern winter, 0 in its summer."""

    winter: float

    def at(self, lat_deg: float, lon_deg: float, alt_m: float, elapsed_s: float) -> Wind:
        """Return the mean wind (see `WindField`)."""
        band = min(abs(lat_deg) / _BAND_DEG, 3.999)
        row, part = int(band), band % 1.0
        winter = self.winter if lat_deg >= 0.0 else 1.0 - self.winter
        column, rise = _between(ALTITUDES_KM, alt_m / 1000.0)
        east = 0.0
        for table, weight in ((_WINTER, winter), (_SUMMER, 1.0 - winter)):
            low = table[row][column] * (1 - part) + table[row + 1][column] * part
            high = table[row][column + 1] * (1 - part) + table[row + 1][column + 1] * part
            east += weight * (low * (1 - rise) + high * rise)
        # near the pole "east" turns quickly; the mean wind there is nothing
        return Wind(east * min(1.0, (90.0 - abs(lat_deg)) / 10.0), 0.0)


def winter_share(day_of_year: int) -> float:
    """Return how much of the northern winter a day is: 1 in mid January, 0 in mid July."""
    return 0.5 + 0.5 * math.cos(2 * math.pi * (day_of_year - 15) / 365.25)


@dataclass(frozen=True, slots=True)
class Column:
    """One profile for everywhere: (altitude in metres, wind), lowest first, as from a sounding."""

    altitudes_m: tuple[float, ...]
    winds: tuple[Wind, ...]

    def at(self, lat_deg: float, lon_deg: float, alt_m: float, elapsed_s: float) -> Wind:
        """Return the wind of the profile; above and below it the nearest one."""
        if len(self.winds) == 1:
            return self.winds[0]
        index, part = _between(self.altitudes_m, alt_m)
        low, high = self.winds[index], self.winds[index + 1]
        return Wind(
            low.east + (high.east - low.east) * part, low.north + (high.north - low.north) * part
        )


def _between(steps: Sequence[float], value: float) -> tuple[int, float]:
    """Return the step below `value` and the share of the way to the next, both clamped."""
    index = min(max(bisect.bisect_right(steps, value) - 1, 0), len(steps) - 2)
    part = (value - steps[index]) / (steps[index + 1] - steps[index])
    return index, min(max(part, 0.0), 1.0)


class _Wave(NamedTuple):
    """A plane wave over the earth's unit vectors; `x`, `y`, `z` its direction times amplitude."""

    k: float
    x: float
    y: float
    z: float
    vertical: float
    omega: float
    phase: float


class Weather:
    """Smooth chance in space and time: planetary waves and small ones, with seeded phases.

    Each is a wave of the stream function, so that the air flows around and nothing piles up:
    wind = r × k̂ · A · sin(k·r + m·altitude + ω·time + phase). `large_mps` and `small_mps` are about
    the standard deviation of the wind from either.
    """

    def __init__(self, rng: random.Random, *, large_mps: float, small_mps: float) -> None:
        large = [
            _wave(rng, (4.0, 11.0), (12e3, 40e3), (2.0, 7.0), large_mps) for _ in range(_WAVES)
        ]
        small = [
            _wave(rng, (60.0, 190.0), (1.5e3, 5e3), (0.3, 1.0), small_mps) for _ in range(_WAVES)
        ]
        strong = [wave for wave in large if large_mps] + [wave for wave in small if small_mps]
        self._waves = tuple((*wave, _size(wave)) for wave in strong)

    def at(self, lat_deg: float, lon_deg: float, alt_m: float, elapsed_s: float) -> Wind:
        """Return this wind (see `WindField`)."""
        x, y, z = unit_vector(lat_deg, lon_deg)
        sx = sy = sz = 0.0
        sin = math.sin
        for k, wx, wy, wz, vertical, omega, phase, size in self._waves:
            along = k * (wx * x + wy * y + wz * z) / size
            flow = sin(along + vertical * alt_m + omega * elapsed_s + phase)
            sx, sy, sz = sx + flow * wx, sy + flow * wy, sz + flow * wz
        # r × S, in its parts to the east and to the north
        lon = math.radians(lon_deg)
        cos_lon, sin_lon = math.cos(lon), math.sin(lon)
        horizontal = math.cos(math.radians(lat_deg))
        east = sz * horizontal - z * (sx * cos_lon + sy * sin_lon)
        north = sy * cos_lon - sx * sin_lon
        return Wind(-east, north)


_WAVES: Final = 6


def _size(wave: _Wave) -> float:
    return math.sqrt(wave.x**2 + wave.y**2 + wave.z**2)


def _wave(
    rng: random.Random,
    wavenumbers: tuple[float, float],
    vertical_m: tuple[float, float],
    period_d: tuple[float, float],
    strength_mps: float,
) -> _Wave:
    z, angle = rng.uniform(-1.0, 1.0), rng.uniform(0.0, math.tau)
    flat = math.sqrt(1.0 - z * z)
    # |r × k̂| is 0.8 in the mean, sin is 0.7, and the waves add up as chance does
    amplitude = strength_mps * math.sqrt(3.0 / _WAVES) * 1.2
    return _Wave(
        rng.uniform(*wavenumbers),
        amplitude * flat * math.cos(angle),
        amplitude * flat * math.sin(angle),
        amplitude * z,
        rng.choice((-1.0, 1.0)) * math.tau / rng.uniform(*vertical_m),
        math.tau / (rng.uniform(*period_d) * 86_400.0),
        rng.uniform(0.0, math.tau),
    )


class Stream:
    """A current along a plan, as a jet stream meanders: for flights whose route was reported.

    Its direction turns with altitude (`veer_deg_per_km`, to the right going up, none at `mid_m`),
    which is what a balloon steers by. Below `bottom_m` it is not felt, from `full_m` up it is all
    there is.
    """

    def __init__(
        self,
        points: Sequence[tuple[float, float]],
        *,
        speed_mps: float,
        veer_deg_per_km: float,
        mid_m: float,
        bottom_m: float,
        full_m: float,
    ) -> None:
        self._speed = speed_mps
        self._veer = math.radians(veer_deg_per_km) / 1000.0
        self._mid_m, self._bottom_m, self._full_m = mid_m, bottom_m, full_m
        self._marks = _smooth_course(points)
        self._last: tuple[float, float, float, float] | None = None

    def share(self, alt_m: float) -> float:
        """Return how much of the wind at an altitude is this stream, 0 to 1."""
        rise = (alt_m - self._bottom_m) / (self._full_m - self._bottom_m)
        rise = min(max(rise, 0.0), 1.0)
        return rise * rise * (3.0 - 2.0 * rise)

    def at(self, lat_deg: float, lon_deg: float, alt_m: float, elapsed_s: float) -> Wind:
        """Return the stream's full wind (see `WindField`)."""
        east, north = self._course(lat_deg, lon_deg)
        turn = self._veer * (alt_m - self._mid_m)
        cos, sin = math.cos(turn) * self._speed, math.sin(turn) * self._speed
        return Wind(east * cos + north * sin, north * cos - east * sin)

    def _nearest(self, x: float, y: float, z: float) -> _Mark:
        """Return the mark nearest to a unit vector: the best of every eighth, then around it."""
        marks = self._marks
        coarse = range(0, len(marks), _STRIDE)
        best = max(coarse, key=lambda i: marks[i][0] * x + marks[i][1] * y + marks[i][2] * z)
        around = marks[max(0, best - _STRIDE) : best + _STRIDE + 1]
        return max(around, key=lambda m: m[0] * x + m[1] * y + m[2] * z)

    def _course(self, lat_deg: float, lon_deg: float) -> tuple[float, float]:
        """Return the unit course at a place; kept for the levels that are asked in a row."""
        if self._last is not None and self._last[:2] == (lat_deg, lon_deg):
            return self._last[2:]
        x, y, z = unit_vector(lat_deg, lon_deg)
        mark = self._nearest(x, y, z)
        lon = math.radians(lon_deg)
        east = -math.sin(lon) * mark[3] + math.cos(lon) * mark[4]
        north = -z * (math.cos(lon) * mark[3] + math.sin(lon) * mark[4])
        north += math.cos(math.radians(lat_deg)) * mark[5]
        size = math.hypot(east, north) or 1.0
        self._last = (lat_deg, lon_deg, east / size, north / size)
        return self._last[2:]


_MARK_M: Final = 60_000.0
_SMOOTH: Final = 9
"""Marks on either side over which the course is averaged: some 500 km, so corners are bends."""

_STRIDE: Final = 8

_Mark = tuple[float, float, float, float, float, float]


def _smooth_course(points: Sequence[tuple[float, float]]) -> tuple[_Mark, ...]:
    """Return marks along the great circles between `points`: place and mean course, as vectors."""
    places: list[tuple[float, float, float]] = []
    for start, end in itertools.pairwise(points):
        a, b = unit_vector(*start), unit_vector(*end)
        arc = math.acos(max(-1.0, min(1.0, sum(p * q for p, q in zip(a, b, strict=True)))))
        steps = max(1, round(arc * EARTH_M / _MARK_M))
        for step in range(steps):
            u, v = math.sin((1 - step / steps) * arc), math.sin(step / steps * arc)
            p = [(u * i + v * j) / math.sin(arc) for i, j in zip(a, b, strict=True)]
            places.append((p[0], p[1], p[2]))
    places.append(unit_vector(*points[-1]))
    marks: list[_Mark] = []
    for index, place in enumerate(places):
        after = places[min(index + _SMOOTH, len(places) - 1)]
        before = places[max(index - _SMOOTH, 0)]
        marks.append((*place, after[0] - before[0], after[1] - before[1], after[2] - before[2]))
    return tuple(marks)


@dataclass(frozen=True, slots=True)
class Blend:
    """The wind of a flight: a mean wind or a stream (where there is one), and weather on top."""

    mean: WindField
    weather: WindField
    stream: Stream | None = None

    def at(self, lat_deg: float, lon_deg: float, alt_m: float, elapsed_s: float) -> Wind:
        """Return the whole wind (see `WindField`)."""
        east, north = self.weather.at(lat_deg, lon_deg, alt_m, elapsed_s)
        calm = self.forecast(lat_deg, lon_deg, alt_m, elapsed_s)
        return Wind(east + calm.east, north + calm.north)

    def forecast(self, lat_deg: float, lon_deg: float, alt_m: float, elapsed_s: float) -> Wind:
        """Return the wind without the chance in it: what someone could have foreseen."""
        share = self.stream.share(alt_m) if self.stream else 0.0
        east = north = 0.0
        if self.stream and share > 0.0:
            flow = self.stream.at(lat_deg, lon_deg, alt_m, elapsed_s)
            east, north = flow.east * share, flow.north * share
        if share < 1.0:
            mean = self.mean.at(lat_deg, lon_deg, alt_m, elapsed_s)
            east, north = east + mean.east * (1 - share), north + mean.north * (1 - share)
        return Wind(east, north)
