"""Rows for SondeHub Amateur, the public tracker of balloons (its "Amateur Telemetry Format")."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, BinaryIO

import msgspec

from overflight_contract.formats.points import Simulated, TrackPoint, is_simulated
from overflight_contract.times import from_ns
from overflight_contract.version import __version__

MEDIA_TYPE = "application/json"
UPLOADER = "overflight"
_encode = msgspec.json.Encoder().encode


def write(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write a JSON array as the uploading API takes it.

    A point without position or altitude can't be a row, and is left out. Rows of a simulated
    flight carry ``dev``, which has the database drop them: a flight that never flew must not
    stand on a public map.
    """
    separator = b"[\n"
    for point in points:
        told = is_simulated(simulated, point.payload, point.flight)
        fields = row(point, simulated=told)
        if fields is not None:
            out.write(separator + _encode(fields))
            separator = b",\n"
    out.write(b"[]\n" if separator == b"[\n" else b"\n]\n")


def row(
    point: TrackPoint, *, simulated: bool, uploader_callsign: str = UPLOADER
) -> dict[str, Any] | None:
    """Return the row of one point; None where it lacks a mandatory field."""
    if point.lat_deg is None or point.lon_deg is None or point.alt_msl_m is None:
        return None
    received_ns = point.measured_at_ns if point.received_at_ns is None else point.received_at_ns
    fields: dict[str, Any] = {"dev": True} if simulated else {}
    fields |= {
        "software_name": "overflight",
        "software_version": __version__,
        "uploader_callsign": uploader_callsign,
        "time_received": _time(received_ns),
        "payload_callsign": point.payload,
        "datetime": _time(point.measured_at_ns),
        "lat": point.lat_deg,
        "lon": point.lon_deg,
        "alt": point.alt_msl_m,
        "frame": point.seq,
    }
    optional = {
        "vel_h": point.speed_mps,
        "vel_v": point.climb_mps,
        "heading": point.track_deg,
        "sats": point.sats or None,
    }
    return fields | {name: value for name, value in optional.items() if value is not None}


def _time(time_ns: int) -> str:
    return from_ns(time_ns).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
