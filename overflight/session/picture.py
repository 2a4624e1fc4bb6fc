"""A track as a small picture of braille dots, and numbers as bars, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BARS: Final = " ▁▂▃▄▅▆▇█"


def draw_track(
    track: Sequence[tuple[float, float]], width: int = 60, height: int = 14
) -> list[str]:
    """Draw (longitude, latitude) in degrees into at most `height` lines of `width` characters.

    Both axes have one scale, that of the middle latitude. The picture is cut where the track
    leaves most room, so that one over the antimeridian stays together.
    """
    if not track:
        return []
    seam = _seam([lon for lon, _ in track])
    lons = [(lon - seam) % 360 for lon, _ in track]
    lats = [lat for _, lat in track]
    left, right, low, high = min(lons), max(lons), min(lats), max(lats)
    shrink = max(math.cos(math.radians((low + high) / 2)), 0.05)
    across, up = (right - left) * shrink, high - low
    dot = max(across / (width * 2 - 1), up / (height * 4 - 1), 1e-6)
    rows = int(up / dot) // 4 + 1
    cells = [[0] * width for _ in range(rows)]
    for lon, lat in zip(lons, lats, strict=True):
        x, y = int((lon - left) * shrink / dot), int((high - lat) / dot)
        cells[y // 4][x // 2] |= _DOTS[y % 4][x % 2]
    lines = ["".join(chr(0x2800 + cell) for cell in row).rstrip("⠀") for row in cells]
    west, east = _longitude(left + seam), _longitude(right + seam)
    return [*lines, f"{_latitude(low)} to {_latitude(high)}, {west} to {east}"]


def _seam(lons: Sequence[float]) -> float:
    """Return the longitude after the widest stretch without a point."""
    ordered = sorted({lon % 360 for lon in lons})
    widest, seam = -1.0, ordered[0]
    for before, after in zip([ordered[-1] - 360, *ordered[:-1]], ordered, strict=True):
        if after - before > widest:
            widest, seam = after - before, after
    return seam


def _longitude(lon: float) -> str:
    lon = (lon + 180) % 360 - 180
    return f"{abs(lon):.2f}°{'E' if lon >= 0 else 'W'}"


def _latitude(lat: float) -> str:
    return f"{abs(lat):.2f}°{'N' if lat >= 0 else 'S'}"


def bars(numbers: Sequence[int]) -> str:
    """Draw counts as a line of bars."""
    most = max(numbers, default=0) or 1
    return "".join(_BARS[-(-number * (len(_BARS) - 1) // most)] for number in numbers)
