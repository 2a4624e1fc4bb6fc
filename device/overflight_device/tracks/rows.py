"""Fixes as rows: what ``device decode`` prints and what the ground exports, JSON lines or CSV.

The names of the columns are those of a fix (``measured_at``, ``fix``, ``lat_deg``, …); others are
ignored, and empty or ``null`` is a value that was not said.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import to_ns
from overflight_device.fix import Fix

_NEEDED: Final = (b"measured_at", b"lat_deg", b"lon_deg")
_NUMBERS: Final = ("alt_msl_m", "alt_hae_m", "speed_mps", "track_deg", "climb_mps", "hdop")
_MODES: Final = {mode.value: mode for mode in FixMode}


def recognise(head: bytes) -> bool:
    """Return whether a file that begins with `head` has such rows."""
    first = head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
    return all(name in first for name in _NEEDED) and b'"features"' not in first


def read(data: bytes) -> list[Fix]:
    """Return the fixes of the file in its order; rows that are not one are left out."""
    text = data.decode("utf-8-sig", "replace")
    rows = _json_rows(text) if text.lstrip().startswith("{") else csv.DictReader(io.StringIO(text))
    return [fix for row in rows if (fix := _fix(row)) is not None]


def _json_rows(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict):
            yield row


def _fix(row: Mapping[str, Any]) -> Fix | None:
    try:
        moment = dt.datetime.fromisoformat(row["measured_at"])
    except (KeyError, TypeError, ValueError):
        return None
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
    lat, lon = _number(row.get("lat_deg")), _number(row.get("lon_deg"))
    placed = lat is not None and lon is not None and abs(lat) <= 90 and abs(lon) <= 180
    said = {name: _number(row.get(name)) for name in _NUMBERS}
    high = said["alt_msl_m"] is not None or said["alt_hae_m"] is not None
    mode = _MODES.get(str(row.get("fix")), FixMode.THREE_D if high else FixMode.TWO_D)
    sats = _number(row.get("sats"))
    time_ns, used = to_ns(moment), None if sats is None else int(sats)
    if mode is FixMode.NONE or not placed:
        return Fix(measured_at_ns=time_ns, mode=FixMode.NONE, sats=used, hdop=said["hdop"])
    return Fix(measured_at_ns=time_ns, mode=mode, lat_deg=lat, lon_deg=lon, sats=used, **said)


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
