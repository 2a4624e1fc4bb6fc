"""Periodic noise tiles laid over the whole Mercator plane; the ground and the clouds are sums.

Looking a tile up is a crop and a resize, so a picture of a megapixel takes milliseconds. Periods
divide the equator, so that nothing shows at the antimeridian.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

EQUATOR_M: Final = 40_075_016.686
Grid = npt.NDArray[Any]
"""Values over a patch, by row and column; float32 unless said otherwise."""


class Patch(NamedTuple):
    """A rectangle of the Mercator plane, in its metres, and how finely it is drawn."""

    left_m: float
    top_m: float
    width_m: float
    height_m: float
    columns: int
    rows: int


class Tile:
    """One square of values, repeated all over the plane, kept at every halved fineness."""

    def __init__(self, values: Grid, repeats: int) -> None:
        """`repeats`: how often it fits around the equator."""
        self._levels = [values]
        while values.shape[0] > 32:
            values = values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]
            values = values * np.float32(0.25)
            self._levels.append(values)
        self._per_m = self._levels[0].shape[0] * repeats / EQUATOR_M

    def over(
        self, patch: Patch, shift_m: tuple[float, float] = (0.0, 0.0), *, sharp: bool = False
    ) -> Grid:
        """Return its values over `patch`; `shift_m` moves the tile east and south.

        `sharp` keeps edges; otherwise values are interpolated where the tile is the coarser one.
        """
        texels = self._per_m * patch.width_m / patch.columns
        level = 0 if texels < 1.5 else min(round(math.log2(texels)), len(self._levels) - 1)
        values = self._levels[level]
        per_m = self._per_m / 2**level
        left, top = (patch.left_m - shift_m[0]) * per_m, (patch.top_m - shift_m[1]) * per_m
        width, height = patch.width_m * per_m, patch.height_m * per_m
        if sharp or texels >= 0.9:
            return _nearest(values, patch, (left, top, width, height))
        return _interpolated(values, patch, (left, top, width, height))


def _nearest(values: Grid, patch: Patch, box: tuple[float, float, float, float]) -> Grid:
    size = values.shape[0]
    xs = np.floor(box[0] + (np.arange(patch.columns) + 0.5) * (box[2] / patch.columns))
    ys = np.floor(box[1] + (np.arange(patch.rows) + 0.5) * (box[3] / patch.rows))
    rows = values.take(ys.astype(np.int64) % size, axis=0)
    found: Grid = rows.take(xs.astype(np.int64) % size, axis=1)
    return found


def _interpolated(values: Grid, patch: Patch, box: tuple[float, float, float, float]) -> Grid:
    size = values.shape[0]
    left, top, width, height = box
    first_x, first_y = math.floor(left) - 2, math.floor(top) - 2
    xs = np.arange(first_x, math.ceil(left + width) + 3) % size
    ys = np.arange(first_y, math.ceil(top + height) + 3) % size
    crop = values.take(ys, axis=0).take(xs, axis=1)
    x, y = left - first_x, top - first_y
    smooth = Image.Resampling.BICUBIC if width * 3 < patch.columns else Image.Resampling.BILINEAR
    drawn = Image.fromarray(crop).resize(
        (patch.columns, patch.rows), smooth, box=(x, y, x + width, y + height)
    )
    found: Grid = np.asarray(drawn)
    return found


def fractal(rng: np.random.Generator, size: int, slope: float) -> Grid:
    """Make a periodic random surface whose spectrum falls by frequency^-slope; mean 0, sd 1."""
    spectrum: npt.NDArray[Any] = np.fft.rfft2(rng.standard_normal((size, size)))
    across = np.fft.fftfreq(size)[:, None] * size
    along = np.fft.rfftfreq(size)[None, :] * size
    frequency = np.hypot(across, along)
    frequency[0, 0] = 1.0
    spectrum *= frequency**-slope
    spectrum[0, 0] = 0.0
    values = np.fft.irfft2(spectrum, s=(size, size))
    found: Grid = (values / values.std()).astype(np.float32)
    return found


def fields(rng: np.random.Generator, size: int) -> Grid:
    """Make a periodic patchwork of fields: blocks of one value between -1 and 1, cut up again."""
    values = np.zeros((size, size), dtype=np.float32)
    step = size // 32
    for y in range(0, size, step):
        for x in range(0, size, step):
            block = values[y : y + step, x : x + step]
            block[:] = rng.uniform(-1, 1)
            _cut(rng, block)
    return values


def _cut(rng: np.random.Generator, block: Grid) -> None:
    """Cut a block of land across, along or in quarters, as farms are."""
    middle = block.shape[0] // 2
    kind = rng.integers(0, 5)
    if kind in (1, 3):
        block[:middle] = rng.uniform(-1, 1)
    if kind in (2, 3):
        block[:, :middle] = rng.uniform(-1, 1)
    if kind == 4:
        third = max(1, block.shape[0] // 4)
        for start in range(0, block.shape[0], third):
            block[start : start + third] = rng.uniform(-1, 1)


def lights(rng: np.random.Generator, size: int) -> Grid:
    """Make the lights of towns at night: clusters of dots with a glow, 0 to about 4."""
    values = np.zeros((size, size), dtype=np.float32)
    for _ in range(26):
        x, y = rng.uniform(0, size, 2)
        spread, count = rng.uniform(3, 22), int(rng.uniform(10, 260))
        xs = (x + rng.normal(0, spread, count)).astype(int) % size
        ys = (y + rng.normal(0, spread, count)).astype(int) % size
        np.add.at(values, (ys, xs), rng.uniform(1.0, 4.0, count).astype(np.float32))
    across = np.fft.fftfreq(size)[:, None]
    along = np.fft.rfftfreq(size)[None, :]
    squared = across**2 + along**2
    spectrum = np.fft.rfft2(values)
    glow = sum(
        np.fft.irfft2(spectrum * np.exp(-2 * (math.pi * radius) ** 2 * squared), s=values.shape)
        * gain
        for radius, gain in ((0.8, 2.5), (5.0, 9.0))
    )
    found: Grid = np.maximum(glow, 0.0).astype(np.float32)
    return found
