"""The fields of NMEA 0183 sentences, each to a value or `None`; nothing here raises.

NMEA 0183 version 4.11, §5.3 (field formats).
"""

from __future__ import annotations

import re
from typing import Final

KNOT_MPS: Final = 1852.0 / 3600.0
KMPH_MPS: Final = 1.0 / 3.6
FOOT_M: Final = 0.3048

_NUMBER: Final = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*")
_INTEGER: Final = re.compile(r"\s*([+-]?\d{1,9})")
_ANGLE: Final = re.compile(r"(\d{1,3})(\d\d(?:\.\d*)?)")
_TIME: Final = re.compile(r"(\d\d)(\d\d)(\d\d)(?:\.(\d*))?")
_DATE: Final = re.compile(r"(\d\d)(\d\d)(\d\d)")

DAY_NS: Final = 86_400 * 10**9
_DOPS: Final = (0.01, 89.99)
_CENTURY_PIVOT: Final = 80  # GPS began in 1980


def number(text: str) -> float | None:
    """Parse a number, integer or decimal."""
    match = _NUMBER.fullmatch(text)
    return float(match.group(1)) if match is not None and len(text) < 32 else None


def integer(text: str) -> int | None:
    """Parse the integer that `text` begins with."""
    match = _INTEGER.match(text)
    return int(match.group(1)) if match is not None else None


def dilution(text: str) -> float | None:
    """Parse a dilution of precision; 99.9, 99.99 and 0.00 say that there is none."""
    value = number(text)
    return value if value is not None and _DOPS[0] <= value <= _DOPS[1] else None


def angle(text: str, side: str, positive: str, negative: str, limit: float) -> float | None:
    """Parse ``dddmm.mmmm`` and the letter of its hemisphere into degrees."""
    match = _ANGLE.fullmatch(text.strip())
    sign = {positive: 1.0, negative: -1.0}.get(side.strip()[:1].upper())
    if match is None or sign is None:
        return None
    minutes = float(match.group(2))
    value = int(match.group(1)) + minutes / 60.0
    return sign * value if minutes < 60.0 and value <= limit else None


def position(lat: str, north: str, lon: str, east: str) -> tuple[float, float] | None:
    """Parse four fields into (latitude, longitude) in degrees; both or nothing."""
    lat_deg = angle(lat, north, "N", "S", 90.0)
    lon_deg = angle(lon, east, "E", "W", 180.0)
    return None if lat_deg is None or lon_deg is None else (lat_deg, lon_deg)


def time_of_day_ns(text: str) -> int | None:
    """Parse ``hhmmss.sss`` into nanoseconds since midnight; second 60 is a leap second."""
    match = _TIME.match(text)
    if match is None:
        return None
    hours, minutes, seconds = (int(part) for part in match.group(1, 2, 3))
    if hours > 23 or minutes > 59 or seconds > 60:
        return None
    fraction = int((match.group(4) or "0")[:9].ljust(9, "0"))
    return ((hours * 60 + minutes) * 60 + seconds) * 10**9 + fraction


def date(text: str) -> tuple[int, int, int] | None:
    """Parse ``ddmmyy`` into (year, month, day); years 80 to 99 are of the last century."""
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    day, month, year = (int(part) for part in match.groups())
    year += 1900 if year >= _CENTURY_PIVOT else 2000
    return valid_date(year, month, day)


def valid_date(year: int, month: int, day: int) -> tuple[int, int, int] | None:
    """Return the date where its parts can be; days beyond the month roll over later."""
    good = 1980 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= 31
    return (year, month, day) if good else None
