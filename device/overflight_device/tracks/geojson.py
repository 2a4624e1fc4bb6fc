"""GeoJSON (RFC 7946): points with a time, or lines with a list of times.

GeoJSON has no times of its own. Those of a line are in ``coordTimes`` or ``times`` of its
properties (ISO 8601, or milliseconds since 1970), that of a point in ``measured_at``, ``time``,
``timestamp`` or ``datetime``. The third coordinate is height above the ellipsoid (RFC 7946 §3.1.1);
some programs put the height above sea level there, so a person may say that it is that.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import to_ns
from overflight_device.fix import Fix

_POINT_TIMES: Final = ("measured_at", "time", "timestamp", "datetime")
_LINE_TIMES: Final = ("coordTimes", "times", "coordinateProperties")
_NUMBERS: Final = ("alt_msl_m", "alt_hae_m", "speed_mps", "track_deg", "climb_mps", "hdop")


def recognise(head: bytes) -> bool:
    """Return whether a file that begins with `head` is GeoJSON."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return text.startswith(b"{") and b'"type"' in text and b'"class"' not in text


def read(data: bytes, *, above_sea_level: bool = False) -> list[Fix]:
    """Return the fixes of the file in its order; `InputError` where it is not GeoJSON.

    `above_sea_level`: what the third coordinates are.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the GeoJSON file can't be read: {error}") from error
    return list(_features(document, "alt_msl_m" if above_sea_level else "alt_hae_m"))


def _features(document: Any, height: str) -> Iterator[Fix]:
    if not isinstance(document, Mapping):
        return
    if document.get("type") == "FeatureCollection":
        for feature in _list(document.get("features")):
            yield from _features(feature, height)
    elif document.get("type") == "Feature":
        properties = document.get("properties")
        geometry = document.get("geometry")
        if isinstance(geometry, Mapping):
            known = properties if isinstance(properties, Mapping) else {}
            yield from _geometry(geometry, known, height)


def _geometry(
    geometry: Mapping[str, Any], properties: Mapping[str, Any], height: str
) -> Iterator[Fix]:
    kind, coordinates = geometry.get("type"), _list(geometry.get("coordinates"))
    if kind == "Point":
        time_ns = next((t for key in _POINT_TIMES if (t := _time(properties.get(key)))), None)
        yield from _fixes([coordinates], [time_ns], properties, height)
    elif kind in ("LineString", "MultiLineString"):
        times: Any = None
        for key in _LINE_TIMES:
            times = properties.get(key) if times is None else times
        if isinstance(times, Mapping):
            times = times.get("times")
        lines = [coordinates] if kind == "LineString" else [_list(line) for line in coordinates]
        places = [place for line in lines for place in line]
        yield from _fixes(places, [_time(value) for value in _flat(_list(times))], {}, height)


def _fixes(
    places: Iterable[Any],
    times: Iterable[int | None],
    properties: Mapping[str, Any],
    height: str,
) -> Iterator[Fix]:
    for place, time_ns in zip(places, times, strict=False):
        numbers = [_number(value) for value in _list(place)[:3]]
        if time_ns is None or len(numbers) < 2 or numbers[0] is None or numbers[1] is None:
            continue
        lon, lat = numbers[0], numbers[1]
        if abs(lat) > 90 or abs(lon) > 180:
            continue
        said = {name: _number(properties.get(name)) for name in _NUMBERS}
        if said["alt_msl_m"] is None and said["alt_hae_m"] is None and len(numbers) > 2:
            said[height] = numbers[2]
        high = said["alt_msl_m"] is not None or said["alt_hae_m"] is not None
        sats = properties.get("sats")
        yield Fix(
            measured_at_ns=time_ns,
            mode=FixMode.THREE_D if high else FixMode.TWO_D,
            lat_deg=lat,
            lon_deg=lon,
            sats=sats if isinstance(sats, int) and not isinstance(sats, bool) else None,
            **said,
        )


def _flat(values: Sequence[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, list):
            yield from value
        else:
            yield value


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _time(value: Any) -> int | None:
    milliseconds = _number(value)
    if milliseconds is not None:
        return round(milliseconds) * 1_000_000 if abs(milliseconds) < 1e14 else None
    if not isinstance(value, str):
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        return None
    return to_ns(moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment)
