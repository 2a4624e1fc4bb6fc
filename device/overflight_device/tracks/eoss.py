"""Balloon flights as Edge of Space Sciences publishes them: APRS packets of several beacons, CSV.

``packettime`` is UTC, from the beacon's receiver, in whole seconds; ``receivetime`` is the local
time of whoever heard it and is not used. A packet may be there twice, and later than newer ones.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections import Counter
from typing import Final

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import to_ns
from overflight_device.fix import Fix
from overflight_device.receivers.nmea_fields import number

COLUMNS: Final = ("callsign", "packettime", "latitude", "longitude", "altitude_m")
_KMPH_MPS: Final = 1 / 3.6
_FEET_A_MINUTE_MPS: Final = 0.3048 / 60


def recognise(head: bytes) -> bool:
    """Return whether a file that begins with `head` is such a table."""
    first = head.lstrip(b"\xef\xbb\xbf").split(b"\n", 1)[0]
    return all(column.encode() in first for column in COLUMNS)


def read(data: bytes, beacon: str | None = None) -> list[Fix]:
    """Return one fix an instant, in order of time.

    Where two beacons were heard of one instant, the one with more packets in the file is taken,
    so that the track does not hop between them. `beacon` takes one beacon alone; `InputError`
    names those that there are.
    """
    rows = csv.DictReader(io.StringIO(data.decode("utf-8-sig", "replace")))
    packets = [(row["callsign"] or "", fix) for row in rows if (fix := _fix(row)) is not None]
    counts = Counter(callsign for callsign, _ in packets)
    if beacon is not None:
        if beacon not in counts:
            known = ", ".join(sorted(counts)) or "none"
            raise InputError(f"no beacon {beacon!r} in this flight; there are: {known}")
        packets = [packet for packet in packets if packet[0] == beacon]
    chosen: dict[int, tuple[int, str, Fix]] = {}
    for callsign, fix in packets:
        rank = (-counts[callsign], callsign, fix)
        before = chosen.get(fix.measured_at_ns)
        if before is None or rank[:2] < before[:2]:
            chosen[fix.measured_at_ns] = rank
    return [chosen[time_ns][2] for time_ns in sorted(chosen)]


def _fix(row: dict[str, str | None]) -> Fix | None:
    values = {key: value or "" for key, value in row.items() if isinstance(key, str)}
    try:
        moment = dt.datetime.fromisoformat(values["packettime"])
    except (KeyError, ValueError):
        return None
    moment = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    lat, lon = number(values.get("latitude", "")), number(values.get("longitude", ""))
    altitude = number(values.get("altitude_m", ""))
    if lat is None or lon is None or abs(lat) > 90 or abs(lon) > 180:
        return None
    speed = number(values.get("speed_kph", ""))
    climb = number(values.get("vert_rate_ftmin", ""))
    course = number(values.get("bearing", ""))
    return Fix(
        measured_at_ns=to_ns(moment),
        mode=FixMode.TWO_D if altitude is None else FixMode.THREE_D,
        lat_deg=lat,
        lon_deg=lon,
        alt_msl_m=altitude,
        speed_mps=None if speed is None else speed * _KMPH_MPS,
        track_deg=None if course is None else course % 360.0,
        climb_mps=None if climb is None else climb * _FEET_A_MINUTE_MPS,
    )
