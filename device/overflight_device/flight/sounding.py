"""Reads the winds of a sounding: the University of Wyoming's text list, its CSV, or a plain CSV.

The text list has columns of seven characters (PRES HGHT TEMP DWPT RELH MIXR DRCT SKNT …); empty
ones are missing values. A CSV names its columns in the first line: height by a name with ``height``
or ``altitude``, direction by ``direction``, speed by ``speed``, with ``knot`` or ``kt`` in the name
where it is in knots, else in m/s. Directions are where the wind comes from, as in all soundings.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from overflight_contract.errors import InputError
from overflight_device.flight.wind import Column, Wind

KNOT_MPS: Final = 1852.0 / 3600.0
_WIDTH: Final = 7
_HEIGHT, _DIRECTION, _SPEED = 1, 6, 7


class Level(NamedTuple):
    """One level of a sounding."""

    alt_m: float
    from_deg: float
    speed_mps: float


def parse_sounding(text: str) -> Column:
    """Return the profile in `text`; `InputError` where there are fewer than two levels of wind."""
    first = next((line for line in text.splitlines() if _is_content(line)), "")
    levels = list(_from_csv(text) if "," in first else _from_list(text))
    profile: dict[float, Wind] = {}
    for level in levels:
        angle = math.radians(level.from_deg)
        wind = Wind(-level.speed_mps * math.sin(angle), -level.speed_mps * math.cos(angle))
        profile.setdefault(level.alt_m, wind)
    if len(profile) < 2:
        raise InputError("a sounding needs two levels or more with height, direction and speed")
    altitudes = sorted(profile)
    return Column(tuple(altitudes), tuple(profile[alt] for alt in altitudes))


def _is_content(line: str) -> bool:
    return bool(line.strip()) and not line.startswith("#")


def _from_list(text: str) -> Iterator[Level]:
    for line in text.splitlines():
        cells = [line[at : at + _WIDTH] for at in range(0, len(line), _WIDTH)]
        if len(cells) <= _SPEED:
            continue
        level = _level(cells[_HEIGHT], cells[_DIRECTION], cells[_SPEED], KNOT_MPS)
        if level is not None:
            yield level


def _from_csv(text: str) -> Iterator[Level]:
    rows = csv.reader(line for line in text.splitlines() if _is_content(line))
    names = [name.strip().lower() for name in next(rows)]
    height = _find(names, "height", "altitude")
    direction, speed = _find(names, "direction"), _find(names, "speed")
    factor = KNOT_MPS if "knot" in names[speed] or "kt" in names[speed] else 1.0
    for row in rows:
        if len(row) > max(height, direction, speed):
            level = _level(row[height], row[direction], row[speed], factor)
            if level is not None:
                yield level


def _find(names: list[str], *words: str) -> int:
    for index, name in enumerate(names):
        if any(word in name for word in words):
            return index
    raise InputError(f"the sounding has no column for {' or '.join(words)}")


def _level(height: str, direction: str, speed: str, factor: float) -> Level | None:
    """Make a level; `None` where a value is missing, as in a headline, or nonsense."""
    try:
        level = Level(float(height), float(direction), float(speed) * factor)
    except ValueError:
        return None
    sane = -500 <= level.alt_m <= 60_000 and 0 <= level.from_deg <= 360
    return level if sane and 0 <= level.speed_mps <= 200 else None
