"""CZML for Cesium: a moving point with its path for each flight, and a clock over all of them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from typing import Any, BinaryIO

import msgspec

from overflight_contract.formats.points import Flight, Simulated, TrackPoint, flights
from overflight_contract.times import iso

MEDIA_TYPE = "application/json"
_encode = msgspec.json.Encoder().encode
_SPOOL_BYTES = 1 << 22


def write(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write a CZML document; heights are above the ellipsoid, as Cesium takes them.

    Where a point has only its altitude above mean sea level, that is used.
    """
    with tempfile.SpooledTemporaryFile(_SPOOL_BYTES) as body:
        times: list[int] = []
        for flight in flights(points, simulated):
            packet = _packet(flight, times)
            if packet is not None:
                body.write(b",\n" + _encode(packet))
        out.write(b"[" + _encode(_document(times, simulated is True)))
        body.seek(0)
        shutil.copyfileobj(body, out)
    out.write(b"]\n")


def _document(times: list[int], simulated: bool) -> dict[str, Any]:
    document: dict[str, Any] = {"id": "document", "name": "overflight", "version": "1.0"}
    if simulated:
        document["description"] = "simulated flight"
    if times:
        document["clock"] = {
            "interval": f"{iso(min(times))}/{iso(max(times))}",
            "currentTime": iso(min(times)),
            "multiplier": 60,
        }
    return document


def _packet(flight: Flight, times: list[int]) -> dict[str, Any] | None:
    samples: list[float] = []
    start = end = None
    for point in flight.points:
        height = point.alt_msl_m if point.alt_hae_m is None else point.alt_hae_m
        if point.lat_deg is None or point.lon_deg is None or height is None:
            continue
        start = point.measured_at_ns if start is None else start
        end = point.measured_at_ns
        seconds = (point.measured_at_ns - start) / 1e9
        samples += (seconds, point.lon_deg, point.lat_deg, height)
    if start is None or end is None:
        return None
    times += (start, end)
    packet: dict[str, Any] = {
        "id": f"{flight.payload}/{flight.flight}",
        "name": f"{flight.payload} {flight.flight}",
        "availability": f"{iso(start)}/{iso(end)}",
        "position": {
            "epoch": iso(start),
            "interpolationAlgorithm": "LINEAR",
            "cartographicDegrees": samples,
        },
        "point": {"pixelSize": 8, "color": {"rgba": [255, 127, 42, 255]}},
        "path": {
            "width": 2,
            "material": {"solidColor": {"color": {"rgba": [255, 127, 42, 255]}}},
        },
        "label": {"text": flight.payload, "font": "12px sans-serif", "pixelOffset": _BESIDE},
    }
    if flight.simulated:
        packet["description"] = "simulated flight"
    return packet


_BESIDE = {"cartesian2": [0, -16]}
