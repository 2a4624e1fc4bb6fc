"""The view to the horizon: the ground ahead in perspective, haze, and the sky above it.

The camera looks north (south of the equator: south) and level. Rows below the horizon map to the
ground by a homography; it is drawn in bands, so that what is near is not drawn coarsely.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Final

import numpy as np
from PIL import Image

from overflight_device.camera.noise import Grid

FOCAL: Final = 0.866
"""Focal length over the width of the picture: 60° across."""
HORIZON: Final = 0.40
"""Row of the horizon, from the top."""
_BANDS: Final = 3
_FARTHEST: Final = 22.0
"""Ground beyond so many heights is lost in the haze."""
_SAG: Final = 0.012
"""How far the horizon bends down at the edges, over the width."""

Draw = Callable[[float, float, float, int, int], Grid]
"""(nearest, farthest, width in metres, columns, rows) → the ground, far end on top."""


def view(height_m: float, columns: int, rows: int, daylight: float, draw: Draw) -> Grid:
    """Return the picture as 3 × rows × columns, 0 to 255, from `height_m` above the ground."""
    image = _sky(columns, rows, daylight)
    horizon = HORIZON * rows
    focal = FOCAL * columns
    nearest = height_m * focal / (rows - horizon)
    edges = np.geomspace(nearest, _FARTHEST * height_m, _BANDS + 1)
    for near, far in itertools.pairwise(edges):
        top = horizon + height_m * focal / far
        low = min(horizon + height_m * focal / near, float(rows))
        first, last = math.ceil(top), math.ceil(low)
        if last > first:
            reach = 0.95 * float(near), 1.05 * float(far)  # beyond its rows, so that no edge shows
            band = _band(height_m, *reach, columns, (first, last), horizon, draw)
            image[:, first:last] = band
    _haze(image, horizon, height_m, focal, daylight)
    return _bent(image)


def _band(
    height_m: float,
    near: float,
    far: float,
    columns: int,
    span: tuple[int, int],
    horizon: float,
    draw: Draw,
) -> Grid:
    """Draw the ground between two distances and put it in perspective."""
    focal = FOCAL * columns
    width = 1.04 * columns * far / focal
    across, down = columns, max(32, min(2 * columns, round(columns * (far - near) / width)))
    ground = draw(near, far, width, across, down)
    # source x = (u - u0)·h/(v - v0), source y = (far - f·h/(v - v0)), both in the ground's pixels
    per_x, per_y = across / width, down / (far - near)
    start = span[0] - horizon
    coefficients = (
        height_m * per_x / start,
        (across / 2) / start,
        (-height_m * per_x * columns / 2 + across / 2 * start) / start,
        0.0,
        far * per_y / start,
        (far * per_y * start - focal * height_m * per_y) / start,
        0.0,
        1.0 / start,
    )
    size = (columns, span[1] - span[0])
    planes = [
        np.asarray(
            Image.fromarray(np.ascontiguousarray(plane)).transform(
                size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BILINEAR
            )
        )
        for plane in ground
    ]
    return np.stack(planes)


_ZENITH: Final = (6.0, 12.0, 30.0)
_BLUE: Final = (44.0, 92.0, 168.0)
_PALE: Final = (196.0, 216.0, 236.0)


def _sky(columns: int, rows: int, daylight: float) -> Grid:
    """Return black space above, blue and then white towards the horizon; stars at night."""
    image = np.zeros((3, rows, columns), dtype=np.float32)
    horizon = round(HORIZON * rows) + 2
    height = np.linspace(1.0, 0.0, horizon)
    for channel in range(3):
        stops = (_PALE[channel], _BLUE[channel], _ZENITH[channel], 0.4 * _ZENITH[channel])
        day = np.interp(height, (0.0, 0.13, 0.55, 1.0), stops)
        glow = np.interp(height, (0.0, 0.05, 0.2), ((16.0, 30.0, 40.0)[channel], 7.0, 2.0))
        image[channel, :horizon] = (day * daylight + glow * (1 - daylight))[:, None]
        image[channel, horizon:] = image[channel, horizon - 1, 0]
    if daylight < 0.2:
        rng = np.random.default_rng(7)
        count = columns // 5
        ys, xs = rng.integers(0, horizon * 9 // 10, count), rng.integers(0, columns, count)
        image[:, ys, xs] += rng.uniform(10, 170, count).astype(np.float32) * np.float32(
            1 - 5 * daylight
        )
    return image


def _haze(image: Grid, horizon: float, height_m: float, focal: float, daylight: float) -> None:
    """Let the ground fade into the colour of the horizon with distance."""
    rows = image.shape[1]
    first = math.ceil(horizon)
    below = np.arange(first, rows) - horizon + 0.5
    distance = height_m * focal / below
    share = (1.0 - np.exp(-distance / (5.5 * height_m))).astype(np.float32)[:, None] * 0.96
    for channel in range(3):
        colour = _PALE[channel] * daylight + (16.0, 30.0, 40.0)[channel] * (1 - daylight)
        image[channel, first:] *= 1.0 - share
        image[channel, first:] += share * np.float32(colour)


def _bent(image: Grid) -> Grid:
    """Bend the picture down towards its sides, as the earth's edge is."""
    _, rows, columns = image.shape
    aside = np.linspace(-1.0, 1.0, columns)
    shift = _SAG * columns * aside * aside
    whole = np.floor(shift).astype(np.int64)
    part = (shift - whole).astype(np.float32)
    lower = np.clip(np.arange(rows)[:, None] - whole[None, :], 0, rows - 1)
    upper = np.maximum(lower - 1, 0)
    column = np.arange(columns)[None, :]
    found: Grid = image[:, lower, column] * (1 - part) + image[:, upper, column] * part
    return found
