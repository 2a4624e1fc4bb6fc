"""Reads from a JPEG's EXIF block when, where and as which frame a picture was taken.

A small reader of its own, so that an audit needs no imaging library, and strict about bounds: any
bytes give facts or `None`, never an exception. Source: CIPA DC-008 (Exif 2.32), TIFF 6.0.
"""

from __future__ import annotations

import datetime as dt
import struct
from typing import Final, NamedTuple

from overflight_contract.times import to_ns

TAKEN: Final = 0x9003
SUBSECONDS: Final = 0x9291
OFFSET: Final = 0x9011
FRAME: Final = 0x9211
EXIF_IFD: Final = 0x8769
GPS_IFD: Final = 0x8825


class Facts(NamedTuple):
    """What a picture says of itself; `None` where it does not."""

    taken_at_ns: int | None = None
    """From the GPS time, else from the camera's clock (its offset, else taken as UTC)."""
    by_gps: bool = False
    """True where the time is GPS time rather than the camera's."""
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_msl_m: float | None = None
    serial: int | None = None


NOTHING: Final = Facts()
_Value = bytes | tuple[float, ...]
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 9: 4, 10: 8}


def read_facts(jpeg: bytes) -> Facts:
    """Return what the EXIF block of `jpeg` says; `NOTHING` where there is none."""
    tiff = _exif_block(jpeg)
    if tiff is None:
        return NOTHING
    try:
        return _facts(_Tiff(tiff))
    except (struct.error, ValueError, OverflowError):
        return NOTHING


def is_whole_jpeg(data: bytes) -> bool:
    """Tell whether `data` begins as a JPEG and has its end marker (cameras may pad after it)."""
    return data.startswith(b"\xff\xd8\xff") and data.rstrip(b"\x00").endswith(b"\xff\xd9")


def _exif_block(jpeg: bytes) -> bytes | None:
    """Find the Exif APP1 segment among the segments before the image data."""
    if not jpeg.startswith(b"\xff\xd8"):
        return None
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == 0xFF:
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4], "big")
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xDA or size < 2:
            return None
        body = jpeg[at + 4 : at + 2 + size]
        if marker == 0xE1 and body.startswith(b"Exif\0\0"):
            return body[6:]
        at += 2 + size
    return None


class _Tiff:
    """The directories of a TIFF block."""

    def __init__(self, block: bytes) -> None:
        order = {b"II": "<", b"MM": ">"}.get(block[:2])
        if order is None:
            raise ValueError("no byte order")
        self._block, self._order = block, order
        self.main = self.directory(struct.unpack_from(order + "I", block, 4)[0])

    def directory(self, at: int) -> dict[int, _Value]:
        """Read the directory at an offset."""
        (count,) = struct.unpack_from(self._order + "H", self._block, at)
        found: dict[int, _Value] = {}
        for index in range(min(count, 512)):
            entry = at + 2 + 12 * index
            tag, kind, number = struct.unpack_from(self._order + "HHI", self._block, entry)
            size = _SIZES.get(kind, 0) * number
            if not size or size > len(self._block):
                continue
            place = entry + 8
            if size > 4:
                (place,) = struct.unpack_from(self._order + "I", self._block, place)
            if place + size <= len(self._block):
                found[tag] = self._value(kind, number, place, size)
        return found

    def sub(self, tag: int) -> dict[int, _Value]:
        """Read the directory that `tag` of the main one points at; empty where there is none."""
        value = self.main.get(tag)
        if not isinstance(value, tuple) or len(value) != 1:
            return {}
        return self.directory(int(value[0]))

    def _value(self, kind: int, number: int, place: int, size: int) -> _Value:
        if kind in (1, 2, 7):
            return self._block[place : place + size]
        if kind in (5, 10):
            code = "I" if kind == 5 else "i"
            pairs = struct.unpack_from(f"{self._order}{2 * number}{code}", self._block, place)
            terms = zip(pairs[::2], pairs[1::2], strict=True)
            return tuple(float("nan") if below == 0 else above / below for above, below in terms)
        code = {3: "H", 4: "I", 9: "i"}[kind]
        return struct.unpack_from(f"{self._order}{number}{code}", self._block, place)


def _facts(tiff: _Tiff) -> Facts:
    exif, gps = tiff.sub(EXIF_IFD), tiff.sub(GPS_IFD)
    by_gps, taken = _gps_time(gps), None
    if by_gps is None:
        taken = _camera_time(exif)
    lat, lon = _angle(gps, 1, 2, b"S", 90.0), _angle(gps, 3, 4, b"W", 180.0)
    placed = lat is not None and lon is not None
    altitude = _first(gps.get(6))
    below = gps.get(5) in (b"\x01", (1,))
    serial = _first(tiff.main.get(FRAME, exif.get(FRAME)))
    return Facts(
        taken_at_ns=taken if by_gps is None else by_gps,
        by_gps=by_gps is not None,
        lat_deg=lat if placed else None,
        lon_deg=lon if placed else None,
        alt_msl_m=None if altitude is None else (-altitude if below else altitude),
        serial=None if serial is None else int(serial),
    )


def _first(value: _Value | None) -> float | None:
    if not isinstance(value, tuple) or not value or value[0] != value[0]:
        return None
    return value[0]


def _text(value: _Value | None) -> str:
    return value.split(b"\0")[0].decode("latin-1").strip() if isinstance(value, bytes) else ""


def _angle(
    gps: dict[int, _Value], sign_tag: int, tag: int, negative: bytes, limit: float
) -> float | None:
    parts = gps.get(tag)
    if not isinstance(parts, tuple) or len(parts) != 3 or any(part != part for part in parts):
        return None
    angle = parts[0] + parts[1] / 60.0 + parts[2] / 3600.0
    if angle > limit:
        return None
    sign = gps.get(sign_tag)
    return -angle if isinstance(sign, bytes) and sign.startswith(negative) else angle


def _gps_time(gps: dict[int, _Value]) -> int | None:
    parts, date = gps.get(7), _text(gps.get(29))
    if not isinstance(parts, tuple) or len(parts) != 3 or any(part != part for part in parts):
        return None
    try:
        day = dt.datetime.strptime(date, "%Y:%m:%d").replace(tzinfo=dt.UTC)
    except ValueError:
        return None
    return to_ns(day) + round((parts[0] * 3600 + parts[1] * 60 + parts[2]) * 1000) * 1_000_000


def _camera_time(exif: dict[int, _Value]) -> int | None:
    offset = _text(exif.get(OFFSET)) or "+00:00"
    try:
        moment = dt.datetime.strptime(
            _text(exif.get(TAKEN)) + offset.replace("Z", "+00:00"), "%Y:%m:%d %H:%M:%S%z"
        )
    except ValueError:
        return None
    digits = _text(exif.get(SUBSECONDS))
    part = int(digits[:9].ljust(9, "0")) if digits.isascii() and digits.isdigit() else 0
    return to_ns(moment) + part
