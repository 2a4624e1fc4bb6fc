"""Draws the ground and the clouds over a patch of the earth, from seeded noise.

The same seed gives the same ground everywhere and always: overlapping pictures agree. Clouds drift.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, NamedTuple

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
    glint: float = 1.0
    """How much of the sun's or moon's reflection on water the camera sees."""


class Terrain:
    """The ground of one seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng([seed & 0xFFFFFFFF, 0x0F117])
        self._land = LandMask()
        self._broad = Tile(fractal(rng, 512, 2.1), 27)
        self._relief = Tile(fractal(rng, 1024, 2.0), 668)
        self._fine = Tile(fractal(rng, 1024, 1.65), 4133)
        self._close = Tile(fractal(rng, 512, 1.5), 33391)
        self._bends = Tile(fractal(rng, 512, 2.1), 389)
        self._fields = Tile(fields(rng, 1024), 1297)
        self._lights = Tile(lights(rng, 512), 601)
        self._cloud = Tile(fractal(rng, 1024, 1.95), 443)
        self._puffs = Tile(fractal(rng, 512, 1.6), 1901)
        self._weather = Tile(fractal(rng, 512, 1.5), 5)

    def draw(self, patch: Patch, scene: Scene) -> Grid:
        """Return the patch as seen from above: 3 × rows × columns, 0 to 255."""
        ground = self._ground(patch)
        level = SEA_LEVEL + ground.height * 100.0
        level += np.where(ground.height > 0.03, ground.fine * 3.0 + ground.bends * 2.0, 0.0)
        index = np.clip(level, 0, 255).astype(np.uint8)
        colours: Grid = palette(scene).take(index, axis=1)
        self._cover(patch, colours, ground, scene)
        colours *= _shade(patch, ground)
        self._clouds(patch, colours, scene)
        colours *= _light(scene)
        if scene.daylight < 0.5:
            self._towns(patch, colours, ground, scene)
        return colours

    def _ground(self, patch: Patch) -> _Ground:
        lats, lons = _grid(patch)
        coast = _spread(self._land.at(lats, lons) - 0.5, patch)
        rugged = _spread(ruggedness(lats, lons), patch)
        relief, fine = self._relief.over(patch), self._fine.over(patch)
        broad, bends = self._broad.over(patch), self._bends.over(patch)
        height = coast * 2.6 + broad * 0.10 + relief * 0.17 + fine * 0.012
        inland = np.clip(height * 2.0, 0.0, 1.0)
        wild = rugged * inland
        # plains: gentle, with lakes only in real hollows; mountains: ridges and valleys
        height = np.where(height > 0.0, height * 0.30 + 0.07 * inland, height)
        ridges = 0.75 - np.abs(relief + 0.25 * bends)
        height += wild * (0.30 + 0.42 * ridges + 0.035 * fine)
        if patch.width_m < 6_000:
            height += self._close.over(patch) * 0.006
        river = np.abs(bends + 0.05 * relief) - 0.002
        river = np.clip(1.3 - river / (0.005 + 0.006 * (1.0 - rugged)), 0.0, 1.0)
        river *= (height > 0.02) & (height < 0.5)
        return _Ground(height, rugged, fine, relief, bends, river)

    def _cover(self, patch: Patch, colours: Grid, ground: _Ground, scene: Scene) -> None:
        """Lay forest, fields and rivers over the bare ground, and ripples over the water."""
        dry = dryness(scene.lat_deg, scene.lon_deg)
        grown = warmth(scene.lat_deg, 200.0 if scene.lat_deg >= 0 else 17.0)
        land = ground.height > 0.01
        fertile = max(0.0, min(1.0, (grown - 15.0) / 5.0)) * (1.0 - dry)
        wooded = max(0.0, min(1.0, (grown - 8.0) / 4.0)) * (1.0 - 0.8 * dry)
        # trees stand on the slopes and in patches, below the tree line
        trees = ground.relief * 0.9 + ground.fine * 0.45 + ground.rugged * 1.6 - 0.55 * fertile
        below_line = np.clip((0.05 + grown * 0.03 - ground.height) * 9.0, 0.0, 1.0)
        trees = np.clip(trees + 0.25, 0.0, 1.0) * below_line * (wooded * land)
        _blend(colours, forest_colour(scene), trees * 0.82)
        if fertile > 0.05 and patch.width_m < 200_000:
            patches = self._fields.over(patch, sharp=True)
            where = np.clip(0.9 - 2.5 * ground.rugged - trees, 0.0, 1.0) * (fertile * land)
            warm = warmth(scene.lat_deg, scene.day_of_year)
            tint = max(0.15, min(1.0, (warm + 5.0) / 10.0))
            colours *= 1.0 + (0.05 + 0.12 * tint) * patches * where
            colours[1] *= 1.0 + tint * 0.06 * (patches > 0.35) * where
            colours[0] *= 1.0 + tint * 0.08 * (patches < -0.45) * where
        frozen = warmth(scene.lat_deg, scene.day_of_year) < -6.0
        _blend(colours, (206, 216, 226) if frozen else (52, 82, 98), ground.river * 0.9)
        water = ground.height < 0.0
        ripples = (ground.bends * 0.07 + ground.fine * 0.035) * water
        colours *= 1.0 + ripples
        glint = _glint(patch, scene) * (1.0 + 0.25 * ground.fine) * water
        colours += glint * _channels(1.0, 0.96, 0.86)

    def _clouds(self, patch: Patch, colours: Grid, scene: Scene) -> None:
        drift = scene.time_s * 9.0 % EQUATOR_M
        middle = Patch(patch.left_m, patch.top_m, patch.width_m, patch.height_m, 8, 6)
        weather = float(self._weather.over(middle, (drift * 0.6, 0.0)).mean())
        sea = 1.0 - float(self._land.at(np.array(scene.lat_deg), np.array(scene.lon_deg)))
        cover = 0.05 + 0.35 * sea + 0.65 * max(-1.5, min(1.3, weather))
        if cover < -0.9:
            return
        puffs = self._puffs.over(patch, (drift, 0.0))
        cloud = self._cloud.over(patch, (drift, 0.0)) * 0.75 + puffs * 0.30
        cloud = np.clip((cloud + cover - 0.75) * 0.85, 0.0, 1.0)
        cloud = cloud * cloud * (3.0 - 2.0 * cloud)
        across = max(1, round(patch.columns * 1_100.0 / patch.width_m))
        if across < patch.columns // 3:
            rows = np.maximum(np.arange(patch.rows) - across, 0)
            columns = np.maximum(np.arange(patch.columns) - across, 0)
            colours *= 1.0 - 0.5 * cloud.take(rows, axis=0).take(columns, axis=1)
        # the side away from the sun is greyer
        body = np.clip(np.float32(244.0) - 26.0 * cloud + 16.0 * puffs, 190.0, 253.0)
        _blend(colours, body, cloud * 0.97)

    def _towns(self, patch: Patch, colours: Grid, ground: _Ground, scene: Scene) -> None:
        dark = 1.0 - 2.0 * scene.daylight
        grown = warmth(scene.lat_deg, 200.0 if scene.lat_deg >= 0 else 17.0)
        settled = max(0.05, min(1.0, (grown - 13.0) / 8.0)) * (1.0 - 0.7 * ground.rugged)
        glow = self._lights.over(patch) * (np.float32(42.0 * dark) * settled)
        glow *= ground.height > 0.0
        colours += glow * _channels(1.0, 0.78, 0.45)


class _Ground(NamedTuple):
    """The ground of a patch; `height` is below 0 for water, about 1 for high mountains."""

    height: Grid
    rugged: Grid
    fine: Grid
    relief: Grid
    bends: Grid
    river: Grid


def _blend(colours: Grid, colour: Grid | tuple[int, int, int], share: Grid) -> None:
    """Lay `colour` over `colours`, in place, by `share` (rows × columns, 0 to 1)."""
    colours *= 1.0 - share
    colours += share * (_channels(*colour) if isinstance(colour, tuple) else colour)


def _channels(red: float, green: float, blue: float) -> Grid:
    return np.array([red, green, blue], dtype=np.float32)[:, None, None]


def _shade(patch: Patch, ground: _Ground) -> Grid:
    """Return how bright each slope is, sun from the south-east."""
    land = np.maximum(ground.height, 0.0)
    slope = np.zeros_like(land)
    slope[1:-1, 1:-1] = land[2:, 1:-1] - land[:-2, 1:-1] + land[1:-1, 2:] - land[1:-1, :-2]
    strength = np.float32(min(patch.columns / patch.width_m * 1_150.0, 70.0))
    shade: Grid = np.clip(1.0 + slope * strength, 0.45, 1.35)
    return shade


def _glint(patch: Patch, scene: Scene) -> Grid:
    """Return the reflection of sun or moon on water, towards the equator; none at dawn."""
    south = 0.35 if scene.lat_deg > 0 else -0.35
    across = np.linspace(-1.0, 1.0, patch.columns, dtype=np.float32)[None, :] - np.float32(0.2)
    down = np.linspace(-0.75, 0.75, patch.rows, dtype=np.float32)[:, None] - np.float32(south)
    moon = 110.0 * max(0.0, 1.0 - 4.0 * scene.daylight)
    strength = np.float32((62.0 * max(0.0, scene.daylight - 0.4) + moon) * scene.glint)
    spot: Grid = strength * np.exp(-(across * across + down * down) * np.float32(2.2))
    return spot


def _light(scene: Scene) -> Grid:
    """Return the colour of the light: blue at night, orange low, white by day."""
    day = np.array([1.0, 0.99, 0.97]) * min(1.0, 0.25 + scene.daylight)
    low = math.exp(-(((scene.daylight - 0.35) / 0.22) ** 2))
    warm = day * np.array([1.0, 0.90, 0.79])
    colour = day * (1 - low) + warm * low
    night = np.array([0.22, 0.26, 0.37])  # moonlight, and a long exposure
    share = min(1.0, scene.daylight / 0.3)
    return _channels(*(night * (1 - share) + colour * share))


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
    found: Grid = np.asarray(drawn)
    return found


_Stop = tuple[float, tuple[int, int, int]]
_WATER: Final[tuple[_Stop, ...]] = (
    (0, (12, 38, 74)), (50, (18, 52, 92)), (80, (30, 76, 114)), (93, (58, 112, 134)),
)  # fmt: skip


def palette(scene: Scene) -> Grid:
    """Return the colours of the ground by height for a place and season: 3 × 256."""
    warm = warmth(scene.lat_deg, scene.day_of_year)
    grown = warmth(scene.lat_deg, 200.0 if scene.lat_deg >= 0 else 17.0)
    dry = dryness(scene.lat_deg, scene.lon_deg)
    green = max(0.0, min(1.0, (warm - 1.0) / 14.0))
    lowland = _mix(_mix((143, 130, 96), (92, 118, 60), green), (190, 163, 121), dry)
    hills = _mix(_mix((122, 112, 84), (78, 100, 54), green), (166, 138, 100), dry)
    if grown < 8.0:
        lowland, hills = (124, 118, 98), (112, 108, 92)
    rock, sand, snow = (116, 108, 100), (178, 164, 128), (233, 238, 245)
    stops: tuple[_Stop, ...] = (
        *_WATER, (95, sand), (98, lowland), (112, lowland), (140, hills), (170, rock), (255, rock)
    )  # fmt: skip
    marks = [stop[0] for stop in stops]
    steps = np.arange(LUT_SIZE)
    table = np.stack(
        [np.interp(steps, marks, [stop[1][channel] for stop in stops]) for channel in range(3)],
        axis=1,
    )
    # snow lies where the air is colder than freezing: 6.5 degrees a kilometre, 25 steps a kilometre
    line = SEA_LEVEL + 14 + (warm + 1.0) * 4.0
    white = 1.0 / (1.0 + np.exp(-(steps - line) / 7.0))
    white[:SEA_LEVEL] = max(0.0, min(0.85, (-warm - 16.0) / 10.0))
    table = table * (1 - white[:, None]) + np.array(snow) * white[:, None]
    found: Grid = np.ascontiguousarray(table.T, dtype=np.float32)
    return found


def forest_colour(scene: Scene) -> tuple[int, int, int]:
    """Return the colour of woods: dark conifers in the north, bare or green by season elsewhere."""
    warm = warmth(scene.lat_deg, scene.day_of_year)
    dry = dryness(scene.lat_deg, scene.lon_deg)
    green = max(0.0, min(1.0, (warm - 1.0) / 14.0))
    bare = _mix((58, 66, 58), (92, 84, 66), max(0.0, min(1.0, (warm + 8.0) / 8.0)))
    return _mix(_mix(bare, (44, 76, 40), green), (140, 122, 84), dry)


def _mix(
    first: tuple[int, int, int], second: tuple[int, int, int], share: float
) -> tuple[int, int, int]:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue
