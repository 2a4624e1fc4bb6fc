"""Writes position, time and serial into a JPEG's EXIF block, without touching the image data."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import piexif

from overflight_contract.times import from_ns
from overflight_device.camera.picture import Picture
from overflight_device.fix import Fix

_MAKER: Final = b"Overflight"


def stamped(
    data: bytes,
    fix: Fix | None,
    taken_at_ns: int,
    serial: int,
    *,
    origin: Path | None = None,
    model: str = "",
    description: str = "",
) -> Picture:
    """Make a picture of a camera's JPEG, taken at `fix`, with its facts in the EXIF block."""
    placed = fix is not None and fix.lat_deg is not None and fix.lon_deg is not None
    facts = Picture(
        data=data,
        taken_at_ns=taken_at_ns // 1_000_000 * 1_000_000,
        lat_deg=_rounded(fix.lat_deg, 6) if fix and placed else None,
        lon_deg=_rounded(fix.lon_deg, 6) if fix and placed else None,
        alt_msl_m=_rounded(fix.alt_msl_m, 1) if fix and placed else None,
        serial=serial,
        origin=origin,
    )
    return replace(facts, data=stamp(facts, model=model, description=description))


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def stamp(picture: Picture, *, model: str = "", description: str = "") -> bytes:
    """Return the picture's JPEG with its facts in the EXIF block; what else was there stays.

    The bytes depend on the arguments alone. A block that can't be read is replaced.
    """
    block = _existing(picture.data)
    moment = from_ns(picture.taken_at_ns)
    main, exif = block["0th"], block["Exif"]
    main.setdefault(piexif.ImageIFD.Make, _MAKER)
    if model:
        main[piexif.ImageIFD.Model] = model.encode("ascii", "replace")
    if description:
        main[piexif.ImageIFD.ImageDescription] = description.encode("ascii", "replace")
    if picture.serial is not None:
        main[piexif.ImageIFD.ImageNumber] = picture.serial
    exif.setdefault(piexif.ExifIFD.DateTimeOriginal, moment.strftime("%Y:%m:%d %H:%M:%S").encode())
    exif.setdefault(
        piexif.ExifIFD.SubSecTimeOriginal, f"{picture.taken_at_ns // 1_000_000 % 1000:03d}".encode()
    )
    exif.setdefault(_OFFSET_TIME_ORIGINAL, b"+00:00")
    block["GPS"] = _gps(picture) if picture.lat_deg is not None else block["GPS"]
    out = io.BytesIO()
    piexif.insert(piexif.dump(block), picture.data, out)
    return out.getvalue()


_OFFSET_TIME_ORIGINAL: Final = 0x9011


def _existing(jpeg: bytes) -> dict[str, Any]:
    empty: dict[str, Any] = {"0th": {}, "Exif": {}, "GPS": {}, "1st": {}, "thumbnail": None}
    try:
        found: dict[str, Any] = piexif.load(jpeg)
        piexif.dump(found)
    except (ValueError, struct.error, KeyError, TypeError, IndexError):
        return empty
    return empty | found


def _gps(picture: Picture) -> dict[int, Any]:
    moment = from_ns(picture.taken_at_ns)
    lat, lon = picture.lat_deg or 0.0, picture.lon_deg or 0.0
    gps: dict[int, Any] = {
        piexif.GPSIFD.GPSVersionID: (2, 3, 0, 0),
        piexif.GPSIFD.GPSLatitudeRef: b"N" if lat >= 0 else b"S",
        piexif.GPSIFD.GPSLatitude: _sexagesimal(abs(lat)),
        piexif.GPSIFD.GPSLongitudeRef: b"E" if lon >= 0 else b"W",
        piexif.GPSIFD.GPSLongitude: _sexagesimal(abs(lon)),
        piexif.GPSIFD.GPSDateStamp: moment.strftime("%Y:%m:%d").encode(),
        piexif.GPSIFD.GPSTimeStamp: (
            (moment.hour, 1),
            (moment.minute, 1),
            (moment.second * 1000 + moment.microsecond // 1000, 1000),
        ),
        piexif.GPSIFD.GPSMapDatum: b"WGS-84",
    }
    if picture.alt_msl_m is not None:
        gps[piexif.GPSIFD.GPSAltitudeRef] = 0 if picture.alt_msl_m >= 0 else 1
        gps[piexif.GPSIFD.GPSAltitude] = (round(abs(picture.alt_msl_m) * 100), 100)
    return gps


def _sexagesimal(angle_deg: float) -> tuple[tuple[int, int], ...]:
    units = round(angle_deg * 3600 * 10_000)
    degrees, rest = divmod(units, 3600 * 10_000)
    minutes, seconds = divmod(rest, 60 * 10_000)
    return (degrees, 1), (minutes, 1), (seconds, 10_000)
