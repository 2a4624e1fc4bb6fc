"""What lies below, roughly: land and sea (Natural Earth, public domain), mountains, climate, sun.

``land.png`` beside this module has four pixels a degree and is drawn by ``tools/make_land.py``.
Everything finer than that is invented by the noise of `overflight_device.camera.terrain`.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

Array = npt.NDArray[np.float64]
_PER_DEGREE: Final = 4


class LandMask:
    """How much land there is around a place, 0 to 1, smooth over some 40 km."""

    def __init__(self) -> None:
        with Image.open(Path(__file__).with_name("land.png")) as image:
            soft = image.convert("L").filter(ImageFilter.GaussianBlur(1.1))
        self._values = np.asarray(soft, dtype=np.float32) / 255.0

    def at(self, lat_deg: Array, lon_deg: Array) -> Array:
        """Return the share of land at each point, interpolated."""
        rows, columns = self._values.shape
        y = np.clip((90.0 - lat_deg) * _PER_DEGREE - 0.5, 0, rows - 1.001)
        x = (lon_deg + 180.0) * _PER_DEGREE - 0.5
        row, column = np.floor(y).astype(int), np.floor(x).astype(int)
        down, right = y - row, x - column
        left, after = column % columns, (column + 1) % columns
        top = self._values[row, left] * (1 - right) + self._values[row, after] * right
        low = self._values[row + 1, left] * (1 - right) + self._values[row + 1, after] * right
        mixed: Array = top * (1 - down) + low * down
        return mixed


_RANGES: Final = (
    (63.0, -151.0, 230, 1.0), (61.0, -141.0, 260, 1.0), (58.0, -131.0, 260, 0.9),
    (53.5, -124.0, 300, 0.9), (51.5, -117.0, 230, 1.0), (48.0, -114.5, 260, 0.9),
    (47.8, -121.3, 130, 0.8), (44.0, -113.0, 250, 0.8), (43.0, -109.5, 180, 0.9),
    (39.2, -106.2, 230, 1.0), (37.5, -119.0, 160, 0.9), (36.0, -83.0, 180, 0.4),
    (39.5, -79.5, 160, 0.3), (68.5, -150.0, 300, 0.6), (25.0, -104.0, 300, 0.6),
    (-13.0, -73.0, 350, 1.0), (-23.0, -67.0, 300, 1.0), (-33.0, -70.0, 170, 1.0),
    (-46.0, -73.0, 170, 0.8), (4.0, -75.0, 220, 0.8), (46.5, 9.5, 260, 0.9),
    (42.7, 0.5, 130, 0.7), (62.0, 9.0, 230, 0.6), (42.5, 44.5, 230, 0.9),
    (33.0, 49.0, 300, 0.7), (36.0, 72.0, 350, 1.0), (29.0, 84.0, 400, 1.0),
    (31.0, 95.0, 450, 1.0), (42.0, 80.0, 350, 1.0), (49.0, 88.0, 300, 0.8),
    (36.5, 138.0, 150, 0.7), (23.5, 121.0, 90, 0.9), (56.0, 160.0, 180, 0.8),
    (65.0, 140.0, 500, 0.6), (-43.8, 170.3, 170, 0.9), (9.0, 39.0, 260, 0.7),
    (-3.0, 37.0, 130, 0.7), (-29.0, 29.0, 170, 0.6), (31.5, -6.0, 220, 0.7),
    (-36.5, 148.0, 160, 0.4), (-5.0, 141.0, 260, 0.8), (27.0, 102.0, 350, 0.8),
)  # fmt: skip
"""Mountains: latitude, longitude, radius in kilometres, ruggedness 0 to 1."""


def ruggedness(lat_deg: Array, lon_deg: Array) -> Array:
    """Return how mountainous each point is, 0 to 1."""
    total = np.zeros_like(lat_deg)
    for lat, lon, radius_km, height in _RANGES:
        north = (lat_deg - lat) * 111.2
        east = ((lon_deg - lon + 180.0) % 360.0 - 180.0) * 111.2 * math.cos(math.radians(lat))
        total = np.maximum(total, height * np.exp(-(north**2 + east**2) / radius_km**2))
    return total


def warmth(lat_deg: float, day_of_year: float) -> float:
    """Return the mean temperature at sea level in degrees Celsius, roughly."""
    season = math.cos(2 * math.pi * (day_of_year - 200.0) / 365.25) * (1 if lat_deg >= 0 else -1)
    swing = 18.0 * min(abs(lat_deg) / 50.0, 1.0)
    return 25.0 - 37.0 * math.sin(math.radians(abs(lat_deg))) ** 2 + swing * season


def dryness(lat_deg: float, lon_deg: float) -> float:
    """Return how much of a desert a place is by its latitude and continent, 0 to 1."""
    belt = math.exp(-(((abs(lat_deg) - 25.0) / 9.0) ** 2))
    old_world = -18.0 < lon_deg < 75.0 and lat_deg > 0
    inland_west = -120.0 < lon_deg < -103.0 and 28.0 < lat_deg < 46.0
    inner_asia = 55.0 < lon_deg < 112.0 and 36.0 < lat_deg < 48.0
    australia = 115.0 < lon_deg < 145.0 and -32.0 < lat_deg < -18.0
    if inland_west or inner_asia or australia:
        return 0.75
    return belt if old_world else belt * 0.25


def sun_elevation_deg(lat_deg: float, lon_deg: float, time_s: float) -> float:
    """Return how high the sun stands (to about a degree) at `time_s` seconds since 1970."""
    days = time_s / 86_400.0 - 10_957.5  # since 2000-01-01T12:00
    anomaly = math.radians((357.528 + 0.9856003 * days) % 360.0)
    longitude = math.radians((280.46 + 0.9856474 * days) % 360.0 + 1.915 * math.sin(anomaly))
    declination = math.asin(math.sin(math.radians(23.439)) * math.sin(longitude))
    ascension = math.atan2(
        math.cos(math.radians(23.439)) * math.sin(longitude), math.cos(longitude)
    )
    sidereal = math.radians((280.46061837 + 360.98564737 * days + lon_deg) % 360.0)
    lat, hour = math.radians(lat_deg), sidereal - ascension
    sine = math.sin(lat) * math.sin(declination)
    sine += math.cos(lat) * math.cos(declination) * math.cos(hour)
    return math.degrees(math.asin(max(-1.0, min(1.0, sine))))
