"""The steering law: pick the level whose wind leads towards the next waypoint.

That is how such balloons steer: they have no engine, only the choice of altitude.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from overflight_device.flight.balloon import Vehicle, fall_mps
from overflight_device.flight.geodesy import drift
from overflight_device.flight.wind import Wind, WindField

SIDEWAYS: Final = 0.8
"""What a metre sideways costs, in metres of progress."""
RELUCTANCE: Final = 0.4
"""What a kilometre of change costs, in m/s of progress: pumping takes energy."""


def choose_level(
    levels_m: Sequence[float], winds: Sequence[Wind], bearing_deg: float, current_m: float
) -> float:
    """Return the best of `levels_m` for going along `bearing_deg`, given the wind at each."""
    east, north = math.sin(math.radians(bearing_deg)), math.cos(math.radians(bearing_deg))
    best, highest = current_m, -math.inf
    for level, wind in zip(levels_m, winds, strict=True):
        forward = wind.east * east + wind.north * north
        sideways = wind.east * north - wind.north * east
        score = forward - SIDEWAYS * abs(sideways)
        score -= RELUCTANCE * abs(level - current_m) / 1000.0
        if score > highest:
            best, highest = level, score
    return best


def landing_point(
    vehicle: Vehicle,
    winds: WindField,
    lat_deg: float,
    lon_deg: float,
    alt_m: float,
    elapsed_s: float,
    ground_m: float = 0.0,
    slice_m: float = 1000.0,
) -> tuple[float, float]:
    """Foresee where a cut-down now would land, slice by slice through `winds`."""
    east = north = 0.0
    alt = alt_m
    while alt > ground_m:
        low = max(ground_m, alt - slice_m)
        middle = (alt + low) / 2
        wind = winds.at(lat_deg, lon_deg, middle, elapsed_s)
        time_s = (alt - low) / fall_mps(vehicle, middle)
        east, north, alt = east + wind.east * time_s, north + wind.north * time_s, low
    return drift(lat_deg, lon_deg, east, north)
