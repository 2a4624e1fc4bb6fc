"""GPX 1.0 and 1.1: the points of tracks, else of routes, else waypoints, that have a time."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import to_ns
from overflight_device.fix import Fix

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODES: Final = {"none": FixMode.NONE, "2d": FixMode.TWO_D}


def recognise(head: bytes) -> bool:
    """Return whether a file that begins with `head` is GPX."""
    return b"<gpx" in head


def read(data: bytes) -> list[Fix]:
    """Return the fixes of the file in its order; `InputError` where it is not GPX."""
    import gpxpy

    try:
        document = gpxpy.parse(data.decode("utf-8-sig", "replace"))
    except Exception as error:  # the parser's own errors and those of the XML library below it
        raise InputError(f"the GPX file can't be read: {error}") from error
    points: list[Any] = [
        point for track in document.tracks for segment in track.segments for point in segment.points
    ]
    points = points or [point for route in document.routes for point in route.points]
    return list(_fixes(points or document.waypoints))


def _fixes(points: Iterable[Any]) -> Iterable[Fix]:
    for point in points:
        if point.time is None or abs(point.latitude) > 90 or abs(point.longitude) > 180:
            continue
        mode = _MODES.get(point.type_of_gpx_fix or "")
        if mode is None:
            mode = FixMode.TWO_D if point.elevation is None else FixMode.THREE_D
        placed = mode is not FixMode.NONE
        height = point.elevation if mode is FixMode.THREE_D else None
        geoid = point.geoid_height
        yield Fix(
            measured_at_ns=to_ns(_utc(point.time)),
            mode=mode,
            lat_deg=point.latitude if placed else None,
            lon_deg=point.longitude if placed else None,
            alt_msl_m=height,
            alt_hae_m=None if height is None or geoid is None else height + geoid,
            speed_mps=getattr(point, "speed", None) if placed else None,
            track_deg=getattr(point, "course", None) if placed else None,
            sats=point.satellites,
            hdop=point.horizontal_dilution,
        )


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment
