"""u-blox messages to readings: the NAV class, of all generations from Antaris to F9 and M10.

u-blox M8 receiver description (UBX-13003221) §32.17; F9 HPG interface description
(UBX-22008968) §3.15. All numbers are little-endian.
"""

from __future__ import annotations

import datetime as dt
import struct
from collections.abc import Callable
from typing import Final

from overflight_contract.times import NS_PER_S, to_ns
from overflight_device.receivers import ecef
from overflight_device.receivers.epochs import (
    FIX_2D,
    FIX_3D,
    NO_FIX,
    Epochs,
    Reading,
)
from overflight_device.receivers.framing import Ubx
from overflight_device.receivers.gps_time import GpsTime

NAV: Final = 0x01
_HNR_PVT: Final = (0x28, 0x00)  # off the rhythm of the NAV class
_MONITORS: Final = ((0x0A, 0x09), (0x0A, 0x38))  # MON-HW, MON-RF: sent once an epoch is over
_NS_PER_MS: Final = 1_000_000
_NEW_EPOCH_MS: Final = 10
_DATE_AND_TIME: Final = 3  # the bits validDate and validTime, or towValid and weekValid
_LEAP_VALID: Final = 4
_FIX_OK: Final = 1
_NO_DOP: Final = 9999
_MODES: Final = {1: FIX_2D, 2: FIX_2D, 3: FIX_3D, 4: FIX_3D, 5: FIX_3D}


class UbxDecoder:
    """Messages in, readings out. The time of week (iTOW) says which ones are of one epoch.

    The message that came last before the time of week changed ends an epoch from then on.
    """

    def __init__(self, epochs: Epochs, gps_time: GpsTime) -> None:
        self._epochs = epochs
        self._gps_time = gps_time
        self._tow_ms: int | None = None
        self._last_id = -1
        self._ender = -1
        self._begins = False

    def read(self, message: Ubx) -> Reading | None:
        """Return what `message` says; `None` where it is of a kind that says nothing here."""
        self._epochs.end_known = True  # a receiver that speaks UBX keeps its order
        if message.message_class != NAV:
            return self._other(message)
        known = _HANDLERS.get(message.message_id)
        if known is None or len(message.payload) < known.size:
            return None
        (tow_ms,) = struct.unpack_from("<I", message.payload, known.tow_at)
        self._begins = self._tow_ms is None or abs(tow_ms - self._tow_ms) > _NEW_EPOCH_MS
        reading = known.read(self, message.payload)
        if message.message_id == self._ender:
            reading.report = True
        if self._begins:
            self._ender = self._last_id
            self._tow_ms = tow_ms
            reading.clear = True
        self._last_id = message.message_id
        return reading

    def _other(self, message: Ubx) -> Reading | None:
        kind = (message.message_class, message.message_id)
        if kind == _HNR_PVT and len(message.payload) >= 72:
            nano, fix, flags = struct.unpack_from("<i2B", message.payload, 12)
            speed, _, heading = struct.unpack_from("<3i", message.payload, 36)
            reading = self._dated_fix(message.payload, nano, fix, flags, place_at=20)
            reading.speed_mps, reading.track_deg = speed / 1e3, heading / 1e5
            reading.report = True
            return reading
        return Reading(report=True) if kind in _MONITORS else None

    def _pvt(self, payload: bytes) -> Reading:
        nano, fix, flags, _, sats = struct.unpack_from("<i4B", payload, 16)
        down, speed, heading = struct.unpack_from("<3i", payload, 56)
        reading = self._dated_fix(payload, nano, fix, flags, place_at=24)
        reading.sats = sats
        reading.speed_mps = speed / 1e3
        reading.track_deg = heading / 1e5
        reading.climb_mps = -down / 1e3
        return reading

    def _dated_fix(
        self, payload: bytes, nano: int, fix: int, flags: int, *, place_at: int
    ) -> Reading:
        year, month, day, hour, minute, second, valid = struct.unpack_from("<H6B", payload, 4)
        lon, lat, hae, msl = struct.unpack_from("<4i", payload, place_at)
        reading = Reading(mode=_MODES.get(fix, NO_FIX) if flags & _FIX_OK else NO_FIX)
        if valid & _DATE_AND_TIME == _DATE_AND_TIME:
            reading.time_ns = self._utc(year, month, day, hour, minute, second, nano)
        _place(reading, lat / 1e7, lon / 1e7)
        reading.alt_hae_m, reading.alt_msl_m = hae / 1e3, msl / 1e3
        return reading

    def _posllh(self, payload: bytes) -> Reading:
        lon, lat, hae, msl = struct.unpack_from("<4i", payload, 4)
        reading = Reading(alt_hae_m=hae / 1e3, alt_msl_m=msl / 1e3)
        _place(reading, lat / 1e7, lon / 1e7)
        return reading

    def _hpposllh(self, payload: bytes) -> Reading:
        lon, lat, hae, msl = struct.unpack_from("<4i", payload, 8)
        lon_hp, lat_hp, hae_hp, msl_hp = struct.unpack_from("<4b", payload, 24)
        reading = Reading()
        if len(payload) > 3 and payload[3] & 1:
            return reading  # invalidLlh
        reading.alt_hae_m = (hae * 10 + hae_hp) / 1e4
        reading.alt_msl_m = (msl * 10 + msl_hp) / 1e4
        _place(reading, (lat * 100 + lat_hp) / 1e9, (lon * 100 + lon_hp) / 1e9)
        return reading

    def _velned(self, payload: bytes) -> Reading:
        down, _, ground, heading = struct.unpack_from("<iIIi", payload, 12)
        return Reading(speed_mps=ground / 100, track_deg=heading / 1e5, climb_mps=-down / 100)

    def _status(self, payload: bytes) -> Reading:
        fix, flags = payload[4], payload[5]
        return Reading(mode=_MODES.get(fix, NO_FIX) if flags & _FIX_OK else NO_FIX)

    def _sol(self, payload: bytes) -> Reading:
        tow_ms, nano, week, fix, flags = struct.unpack_from("<IihBB", payload, 0)
        x, y, z, _, vx, vy, vz = struct.unpack_from("<3iI3i", payload, 12)
        reading = Reading(mode=_MODES.get(fix, NO_FIX), sats=payload[47], report=True)
        if flags & 0x0C == 0x0C:
            reading.time_ns = self._gps_time.utc_ns(week, tow_ms * _NS_PER_MS + nano)
        where = ecef.place(x / 100, y / 100, z / 100)
        if where is not None and self._wants_place():
            reading.lat_deg, reading.lon_deg, reading.alt_hae_m = where
            moves = ecef.motion(where, vx / 100, vy / 100, vz / 100)
            reading.speed_mps, reading.track_deg, reading.climb_mps = moves
        return reading

    def _posecef(self, payload: bytes) -> Reading:
        x, y, z = struct.unpack_from("<3i", payload, 4)
        return self._earth_centred(x / 100, y / 100, z / 100)

    def _hpposecef(self, payload: bytes) -> Reading:
        x, y, z = struct.unpack_from("<3i", payload, 8)
        x_hp, y_hp, z_hp, flags = struct.unpack_from("<3bB", payload, 20)
        if flags & 1:
            return Reading()  # invalidEcef
        return self._earth_centred(x / 100 + x_hp / 1e4, y / 100 + y_hp / 1e4, z / 100 + z_hp / 1e4)

    def _earth_centred(self, x: float, y: float, z: float) -> Reading:
        reading, where = Reading(), ecef.place(x, y, z)
        if where is not None and self._wants_place():
            reading.lat_deg, reading.lon_deg, reading.alt_hae_m = where
        return reading

    def _velecef(self, payload: bytes) -> Reading:
        vx, vy, vz = struct.unpack_from("<3i", payload, 4)
        reading, known = Reading(), self._epochs.current
        if self._begins or known.lat_deg is None or known.lon_deg is None:
            return reading
        where = ecef.Place(known.lat_deg, known.lon_deg, 0.0)
        moves = ecef.motion(where, vx / 100, vy / 100, vz / 100)
        if known.speed_mps is None:
            reading.speed_mps, reading.track_deg, reading.climb_mps = moves
        return reading

    def _wants_place(self) -> bool:
        """A geodetic position of the same epoch is better than one worked out."""
        return self._begins or self._epochs.current.lat_deg is None

    def _dop(self, payload: bytes) -> Reading:
        (horizontal,) = struct.unpack_from("<H", payload, 12)
        return Reading(hdop=horizontal / 100 if horizontal < _NO_DOP else None)

    def _timegps(self, payload: bytes) -> Reading:
        tow_ms, nano, week, leap, valid = struct.unpack_from("<IihbB", payload, 0)
        reading = Reading()
        if valid & _LEAP_VALID:
            self._gps_time.leap_s = leap
        if valid & _DATE_AND_TIME == _DATE_AND_TIME:
            reading.time_ns = self._gps_time.utc_ns(week, tow_ms * _NS_PER_MS + nano)
        return reading

    def _timeutc(self, payload: bytes) -> Reading:
        nano, year, month, day, hour, minute, second, valid = struct.unpack_from(
            "<iH6B", payload, 8
        )
        reading = Reading()
        if valid & _LEAP_VALID:  # validUTC
            reading.time_ns = self._utc(year, month, day, hour, minute, second, nano)
        return reading

    def _timels(self, payload: bytes) -> Reading:
        if payload[23] & 1:
            (self._gps_time.leap_s,) = struct.unpack_from("<b", payload, 9)
        return Reading()

    def _sat(self, payload: bytes) -> Reading:
        count = payload[5]
        used = sum(
            1 for n in range(count) if len(payload) >= 20 + 12 * n and payload[16 + 12 * n] & 8
        )
        return Reading(sats=used)

    def _svinfo(self, payload: bytes) -> Reading:
        count = payload[4]
        used = sum(
            1 for n in range(count) if len(payload) >= 20 + 12 * n and payload[10 + 12 * n] & 1
        )
        return Reading(sats=used)

    def _nothing(self, payload: bytes) -> Reading:
        del payload
        return Reading()

    def _utc(
        self, year: int, month: int, day: int, hour: int, minute: int, second: int, nano: int
    ) -> int | None:
        if not (1980 <= year <= 2200 and 1 <= month <= 12 and 1 <= day <= 31):
            return None
        if hour > 23 or minute > 59 or second > 60:
            return None
        first = to_ns(dt.datetime(year, month, 1, tzinfo=dt.UTC))
        seconds = (((day - 1) * 24 + hour) * 60 + minute) * 60 + second
        return first + seconds * NS_PER_S + nano


def _place(reading: Reading, lat_deg: float, lon_deg: float) -> None:
    if abs(lat_deg) <= 90 and abs(lon_deg) <= 180:
        reading.lat_deg, reading.lon_deg = lat_deg, lon_deg


class _Known:
    """How to read a message: its least size, where its time of week is, and by what."""

    __slots__ = ("read", "size", "tow_at")

    def __init__(
        self, size: int, read: Callable[[UbxDecoder, bytes], Reading], tow_at: int = 0
    ) -> None:
        self.size = size
        self.read = read
        self.tow_at = tow_at


_HANDLERS: Final[dict[int, _Known]] = {
    0x01: _Known(20, UbxDecoder._posecef),  # noqa: SLF001
    0x02: _Known(28, UbxDecoder._posllh),  # noqa: SLF001
    0x03: _Known(16, UbxDecoder._status),  # noqa: SLF001
    0x04: _Known(18, UbxDecoder._dop),  # noqa: SLF001
    0x06: _Known(52, UbxDecoder._sol),  # noqa: SLF001
    0x07: _Known(84, UbxDecoder._pvt),  # noqa: SLF001
    0x11: _Known(20, UbxDecoder._velecef),  # noqa: SLF001
    0x12: _Known(36, UbxDecoder._velned),  # noqa: SLF001
    0x13: _Known(28, UbxDecoder._hpposecef, 4),  # noqa: SLF001
    0x14: _Known(36, UbxDecoder._hpposllh, 4),  # noqa: SLF001
    0x20: _Known(16, UbxDecoder._timegps),  # noqa: SLF001
    0x21: _Known(20, UbxDecoder._timeutc),  # noqa: SLF001
    0x22: _Known(20, UbxDecoder._nothing),  # noqa: SLF001 - CLOCK
    0x26: _Known(24, UbxDecoder._timels),  # noqa: SLF001
    0x30: _Known(8, UbxDecoder._svinfo),  # noqa: SLF001
    0x31: _Known(16, UbxDecoder._nothing),  # noqa: SLF001 - DGPS
    0x32: _Known(12, UbxDecoder._nothing),  # noqa: SLF001 - SBAS
    0x35: _Known(8, UbxDecoder._sat),  # noqa: SLF001
    0x3C: _Known(40, UbxDecoder._nothing, 4),  # noqa: SLF001 - RELPOSNED
    0x3D: _Known(16, UbxDecoder._nothing),  # noqa: SLF001 - EELL
    0x61: _Known(4, UbxDecoder._nothing),  # noqa: SLF001 - EOE
}
