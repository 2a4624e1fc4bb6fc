"""Draws the ground and the clouds over a patch of the earth, from seeded noise.

The same seed gives the same ground everywhere and always: overlapping pictures agree. Clouds drift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from PIL import Image

from overflight_device.camera.earth import LandMask, dryness, ruggedness, warmth
from overflight_device.camera.noise import EQUATOR_M, Grid, Patch, Tile, fields, fractal, lights

_RADIUS_M: Final = EQUATOR_M / math.tau
LUT_SIZE: Final = 256
SEA_LEVEL: Final = 96
"""Index of the coast in the palette: below is water, above land by height."""


def to_mercator(lat_deg: float, lon_deg: float) -> tuple[float, float]:
    """Return metres east and south of (0, 0)."""
    lat = math.radians(max(-85.0, min(85.0, lat_deg)))
    return math.radians(lon_deg) * _RADIUS_M, -math.asinh(math.tan(lat)) * _RADIUS_M


@dataclass(frozen=True, slots=True)
class Scene:
    """Where and when to look: the middle of a patch, and what is true all over it."""

    lat_deg: float
    lon_deg: float
    day_of_year: float
    time_s: float
    daylight: float
    """0 at night, 1 in full day."""


class Terrain:
    """The ground of one seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed & 0xFFFFFFFF, 0x0F117])
        self._land = LandMask()
        self._broad = Tile(fractal(rng, 512, 1.9), 27)
        self._relief = Tile(fractal(rng, 1024, 1.75), 668)
        self._fine = Tile(fractal(rng, 1024, 1.3), 4133)
        self._close = Tile(fractal(rng, 512, 1.3), 33391)
        self._rivers = Tile(fractal(rng, 512, 1.9), 389)
        self._fields = Tile(fields(rng, 1024), 1297)
        self._lights = Tile(lights(rng, 512), 601)
        self._cloud = Tile(fractal(rng, 1024, 1.6), 443)
        self._puffs = Tile(fractal(rng, 512, 1.25), 1901)
        self._weather = Tile(fractal(rng, 512, 1.5), 5)

    def draw(self, patch: Patch, scene: Scene) -> Grid:
        """Return the patch as seen from above: rows × columns × 3, 0 to 255."""
        height, rugged = self._height(patch, scene)
        water = height < 0.0
        river = self._river(patch, height, rugged)
        shade = self._shade(patch, height, rugged, scene)
        index = np.clip(SEA_LEVEL + height * 100.0, 0, 255).astype(np.uint8)
        index[river > 0.5] = SEA_LEVEL - 14
        colours = palette(scene).take(index, axis=0)
        self._farm(patch, colours, water | (river > 0.3), rugged, scene)
        colours *= shade[..., None]
        self._clouds(patch, colours, scene)
        light = _light(scene)
        colours *= light
        if scene.daylight < 0.5:
            self._towns(patch, colours, water, scene)
        return colours

    def _height(self, patch: Patch, scene: Scene) -> tuple[Grid, Grid]:
        """Return the height (below 0 is water, 1 is high) and the ruggedness."""
        lats, lons = _grid(patch)
        coast = _spread(self._land.at(lats, lons) - 0.5, patch)
        rugged = _spread(ruggedness(lats, lons), patch)
        relief = self._relief.over(patch)
        height = coast * 2.6 + self._broad.over(patch) * 0.10
        inland = np.clip(height * 2.0, 0.0, 1.0)
        height += relief * (0.16 + 0.35 * rugged * inland)
        height += self._fine.over(patch) * (0.015 + 0.05 * rugged * inland)
        if patch.width_m < 6_000:
            height += self._close.over(patch) * 0.012
        # far from the coast only real depressions hold lakes
        height = np.where(height > 0.0, height * 0.5, height)
        plain = np.clip(coast * 2.0 + 0.05, 0.0, 0.3)
        return height + plain * 0.45 + rugged * inland * 0.35, rugged

    def _river(self, patch: Patch, height: Grid, rugged: Grid) -> Grid:
        bends = np.abs(self._rivers.over(patch) + 0.04 * self._fine.over(patch))
        width = 0.006 + 0.012 * (1.0 - rugged)
        drawn: Grid = np.clip(1.4 - bends / width, 0.0, 1.0) * (height < 0.55)
        return drawn

    def _shade(self, patch: Patch, height: Grid, rugged: Grid, scene: Scene) -> Grid:
        """Return the relief's light, sun from the south-east (north of the tropics)."""
        land = np.maximum(height, 0.0)
        slope = np.zeros_like(land)
        slope[1:, 1:] = 2.0 * land[1:, 1:] - land[:-1, 1:] - land[1:, :-1]
        per_column = patch.columns / patch.width_m * 3_000.0
        strength = np.float32(per_column * 0.33)
        shade: Grid = np.clip(1.0 - slope * strength, 0.45, 1.5)
        shade += 0.035 * self._fine.over(patch, (1234.5, 987.6))
        return shade

    def _farm(self, patch: Patch, colours: Grid, water: Grid, rugged: Grid, scene: Scene) -> None:
        """Lay fields over flat land where something grows."""
        warm = warmth(scene.lat_deg, scene.day_of_year + 110.0)
        fertile = max(0.0, min(1.0, (warm - 2.0) / 10.0)) * (
            1.0 - dryness(scene.lat_deg, scene.lon_deg)
        )
        if fertile <= 0.05 or patch.width_m > 200_000:
            return
        patches = self._fields.over(patch, sharp=True)
        where = np.clip(0.75 - 2.2 * rugged + 0.35 * self._broad.over(patch), 0.0, 1.0) * fertile
        where = np.where(water, 0.0, where)
        colours *= 1.0 + (0.20 * patches * where)[..., None]
        colours[..., 1] *= 1.0 + 0.07 * (patches > 0.35) * where
        colours[..., 0] *= 1.0 + 0.09 * (patches < -0.45) * where

    def _clouds(self, patch: Patch, colours: Grid, scene: Scene) -> None:
        drift = scene.time_s * 9.0 % EQUATOR_M
        middle = Patch(patch.left_m, patch.top_m, patch.width_m, patch.height_m, 8, 6)
        weather = float(self._weather.over(middle, (drift * 0.6, 0.0)).mean())
        cover = 0.35 + 0.75 * weather
        if cover < -0.9:
            return
        cloud = self._cloud.over(patch, (drift, 0.0)) * 0.8
        cloud += self._puffs.over(patch, (drift, 0.0)) * 0.35
        cloud = np.clip((cloud + cover - 1.15) * 1.1, 0.0, 1.0)
        cloud = cloud * cloud * (3.0 - 2.0 * cloud)
        across = max(1, round(patch.columns * 900.0 / patch.width_m))
        if across < patch.columns // 3:
            colours[across:, across:] *= (1.0 - 0.45 * cloud[:-across, :-across])[..., None]
        body = np.float32(238.0) + 14.0 * self._puffs.over(patch, (drift + 300.0, 250.0))
        alpha = (cloud * 0.96)[..., None]
        colours *= 1.0 - alpha
        colours += alpha * np.clip(body, 200.0, 252.0)[..., None]

    def _towns(self, patch: Patch, colours: Grid, water: Grid, scene: Scene) -> None:
        dark = 1.0 - 2.0 * scene.daylight
        warm = warmth(scene.lat_deg, scene.day_of_year + 100.0)
        settled = max(0.08, min(1.0, (warm + 4.0) / 14.0))
        glow = self._lights.over(patch) * (np.float32(60.0 * dark * settled))
        glow = np.where(water, 0.0, np.maximum(glow, 0.0))
        colours += glow[..., None] * np.array([1.0, 0.78, 0.45], dtype=np.float32)


def _light(scene: Scene) -> Grid:
    """Return the colour of the light: blue at night, orange low, white by day."""
    day = np.array([1.0, 0.99, 0.97]) * min(1.0, 0.25 + scene.daylight)
    low = math.exp(-(((scene.daylight - 0.35) / 0.22) ** 2))
    warm = day * np.array([1.0, 0.84, 0.68])
    colour = day * (1 - low) + warm * low
    night = np.array([0.055, 0.075, 0.125])
    share = min(1.0, scene.daylight / 0.3)
    return (night * (1 - share) + colour * share).astype(np.float32)


def _grid(patch: Patch) -> tuple[np.ndarray, np.ndarray]:
    """Return latitudes and longitudes on a coarse grid over the patch."""
    ys = np.linspace(patch.top_m, patch.top_m + patch.height_m, 13)
    xs = np.linspace(patch.left_m, patch.left_m + patch.width_m, 17)
    lats = np.degrees(np.arctan(np.sinh(-ys / _RADIUS_M)))
    lons = (np.degrees(xs / _RADIUS_M) + 180.0) % 360.0 - 180.0
    return np.repeat(lats[:, None], 17, axis=1), np.repeat(lons[None, :], 13, axis=0)


def _spread(values: np.ndarray, patch: Patch) -> Grid:
    """Draw coarse grid values (given at its nodes) over the patch."""
    rows, columns = values.shape
    image = Image.fromarray(values.astype(np.float32))
    box = (0.5, 0.5, columns - 0.5, rows - 0.5)
    drawn = image.resize((patch.columns, patch.rows), Image.Resampling.BILINEAR, box=box)
    return np.asarray(drawn)


_Stop = tuple[float, tuple[int, int, int]]
_WATER: Final[tuple[_Stop, ...]] = (
    (0, (9, 28, 62)), (50, (14, 40, 80)), (80, (22, 62, 104)), (93, (46, 100, 126)),
)  # fmt: skip


def palette(scene: Scene) -> Grid:
    """Return the colours by height for a place and season: 256 × 3."""
    warm = warmth(scene.lat_deg, scene.day_of_year)
    grown = warmth(scene.lat_deg, 200.0 if scene.lat_deg >= 0 else 17.0)
    dry = dryness(scene.lat_deg, scene.lon_deg)
    green = max(0.0, min(1.0, (warm - 1.0) / 14.0))
    lowland = _mix((132, 121, 88), (74, 103, 52), green)
    lowland = _mix(lowland, (188, 160, 118), dry)
    forest = _mix(_mix((66, 70, 50), (40, 72, 38), green), (160, 130, 92), dry)
    if grown < 8.0:
        lowland, forest = (118, 112, 92), (96, 94, 80)
    rock, sand, snow = (112, 104, 96), (178, 164, 128), (236, 240, 246)
    stops: tuple[_Stop, ...] = (
        *_WATER, (95, sand), (100, lowland), (118, lowland), (140, forest), (180, rock), (255, rock)
    )  # fmt: skip
    marks = [stop[0] for stop in stops]
    table = np.stack(
        [np.interp(np.arange(LUT_SIZE), marks, [stop[1][c] for stop in stops]) for c in range(3)],
        axis=1,
    )
    # snow lies above where the air is colder than freezing: 6.5 degrees a kilometre
    line = SEA_LEVEL + 4 + (warm + 1.0) * 7.0
    white = 1.0 / (1.0 + np.exp(-(np.arange(LUT_SIZE) - line) / 9.0))
    white[:SEA_LEVEL] = max(0.0, min(0.85, (-warm - 14.0) / 12.0))
    table = table * (1 - white[:, None]) + np.array(snow) * white[:, None]
    return table.astype(np.float32)


def _mix(
    first: tuple[int, int, int], second: tuple[int, int, int], share: float
) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
