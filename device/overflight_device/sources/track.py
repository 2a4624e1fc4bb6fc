"""``track:FILE``: a recorded flight.

The format is told by the content: EOSS CSV, rows of fixes, GPX, GeoJSON, a log of gpsd's, or what
a receiver sent (NMEA, UBX). ``?beacon=KC0D-1`` takes one beacon of an EOSS flight; ``?height=msl``
says that the heights of a GeoJSON file are above sea level.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix as FixMode
from overflight_contract.messages import can_tell_time
from overflight_device.fix import Event, Fix, FlightPlan, SourceOptions
from overflight_device.receivers import gpsd_json
from overflight_device.receivers.log_decoder import LogDecoder
from overflight_device.tracks import eoss, geojson, gpx, rows

_PIECE: Final = 64 * 1024  # what is not a fix is let go piece by piece
_RANK: Final = {FixMode.NONE: 0, FixMode.TWO_D: 1, FixMode.THREE_D: 2}


def open_source(rest: str, options: SourceOptions) -> TrackSource:
    """Open ``track:FILE[?beacon=NAME]``; `InputError` where there is no flight in the file."""
    name, _, query = rest.partition("?")
    settings = dict(parse_qsl(query, keep_blank_values=True))
    beacon = settings.pop("beacon", None)
    height = settings.pop("height", "hae")
    if height not in ("hae", "msl"):
        raise InputError(f"track: height is hae or msl, not {height!r}")
    if settings:
        raise InputError(
            f"track: knows no setting {', '.join(settings)}; there are: beacon, height"
        )
    path = Path(name)
    if not path.is_file():
        path = Path(unquote(name))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"can't read the track {path}: {error.strerror}") from error
    fixes = in_order(read_fixes(data, beacon=beacon, above_sea_level=height == "msl"))
    if not fixes:
        raise InputError(f"no fix with a time in the track {path}")
    return TrackSource(fixes, options)


def read_fixes(
    data: bytes, *, beacon: str | None = None, above_sea_level: bool = False
) -> list[Fix]:
    """Return the fixes in the bytes of a file of any format that this module knows."""
    head = data[:4096]
    if eoss.recognise(head):
        return eoss.read(data, beacon)
    if beacon is not None:
        raise InputError("only CSV flights have beacons to choose from")
    if gpx.recognise(head):
        return gpx.read(data)
    if rows.recognise(head):
        return rows.read(data)
    if not gpsd_json.recognise(head) and geojson.recognise(head):
        return geojson.read(data, above_sea_level=above_sea_level)
    decoder = LogDecoder(bare_times=False, now_ns=time.time_ns())
    view = memoryview(data)
    pieces = (view[at : at + _PIECE] for at in range(0, len(view), _PIECE))
    return [fix for piece in pieces for fix in decoder.feed(piece)] + decoder.finish()


def in_order(fixes: list[Fix]) -> list[Fix]:
    """Return one fix an instant, in order of time; of two, the one with the better fix."""
    best: dict[int, Fix] = {}
    for fix in fixes:
        before = best.get(fix.measured_at_ns)
        if before is None or _RANK[fix.mode] >= _RANK[before.mode]:
            best[fix.measured_at_ns] = fix
    return [best[time_ns] for time_ns in sorted(best)]


class TrackSource:
    """Fixes of a recording, at least one, paced by the payload."""

    live = False
    simulated = False
    plan: FlightPlan | None = None

    def __init__(self, fixes: list[Fix], options: SourceOptions) -> None:
        after = options.start_after_ns
        times_ns = [fix.measured_at_ns for fix in fixes]
        self.start_ns = next(filter(can_tell_time, times_ns), times_ns[0])
        self._fixes = [fix for fix in fixes if after is None or fix.measured_at_ns > after]
        self._closed = False

    def __iter__(self) -> Iterator[Event]:
        """Yield the fixes in order of time."""
        for fix in self._fixes:
            if self._closed:
                return
            yield fix

    def close(self) -> None:
        """End an iteration."""
        self._closed = True
