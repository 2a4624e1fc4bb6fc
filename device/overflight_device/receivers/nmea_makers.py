"""Sentences of the makers of receivers (``$P…``) that say something of the fix.

Garmin 190-00684-00; Magellan; Ashtech DG14 manual; SkyTraq AN0028 (PSTI); SiRF NMEA reference
(PSRF); Quectel L70 protocol specification (PQVEL).

"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from overflight_contract.times import NS_PER_S
from overflight_device.receivers import nmea_fields as fields
from overflight_device.receivers.epochs import FIX_2D, FIX_3D, NO_FIX, Reading
from overflight_device.receivers.nmea_row import Row, Stamps

PSTI_KINDS: Final = {"030": 16, "032": 16, "033": 27, "035": 8, "036": 8}
"""Kinds of SkyTraq's sentence that tell a time, and their least fields."""

_GARMIN_MODES: Final = {"0": NO_FIX, "1": FIX_2D, "2": FIX_3D}
_MODES: Final = {"1": NO_FIX, "2": FIX_2D, "3": FIX_3D}


class MakerSentences:
    """Rows in, readings out; times are registered in `stamps`."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self.handlers: dict[str, tuple[int, Callable[[Row], Reading]]] = {
            "PGRMF": (15, self._pgrmf),
            "PGRMZ": (4, self._pgrmz),
            "PGRME": (7, self._pgrme),
            "PGRMV": (4, self._pgrmv),
            "PMGNST": (8, self._pmgnst),
            "PASHR": (3, self._pashr),
            "PSTI": (2, self._psti),
            "PSRFEPE": (7, self._psrfepe),
            "PTNTHTM": (9, self._ptnthtm),
            "PQVEL": (4, self._pqvel),
        }

    def _pgrmf(self, row: Row) -> Reading:
        """Garmin: the fix, with GPS week and leap seconds."""
        reading = Reading()
        gps_time = self._stamps.gps_time
        week, second = fields.integer(row[1]), fields.integer(row[2])
        leap = fields.integer(row[5])
        if leap is not None:
            gps_time.leap_s = leap
        if week is not None and second is not None and 0 <= week < 10_000 and gps_time.leap_s:
            reading.time_ns = gps_time.utc_ns(week, second * NS_PER_S)
        elif self._stamps.clock.set_time(row[4]):
            self._stamps.clock.set_date(fields.date(row[3]))
            reading.time_ns = self._stamps.clock.now_ns
        place = row.position(6)
        if row[10] != "A" or place is None:
            return reading
        reading.lat_deg, reading.lon_deg = place
        reading.mode = _GARMIN_MODES.get(row[11])
        reading.speed_mps = row.speed_mps(12, fields.KMPH_MPS)
        reading.track_deg = fields.number(row[13])
        return reading

    def _pgrmz(self, row: Row) -> Reading:
        """Garmin: altitude in feet and the mode."""
        feet = fields.number(row[1]) if row[2] == "f" else None
        return Reading(
            alt_msl_m=None if feet is None else feet * fields.FOOT_M, mode=_MODES.get(row[3])
        )

    def _pgrme(self, row: Row) -> Reading:
        return Reading(notes=row[2] == row[4] == row[6] == "M")

    def _pgrmv(self, row: Row) -> Reading:
        """Garmin: the velocity by its components."""
        reading = Reading()
        _velocity(reading, row[1], row[2], fields.number(row[3]))
        return reading

    def _pqvel(self, row: Row) -> Reading:
        """Quectel: the velocity by its components, the last one downwards."""
        reading = Reading()
        down = fields.number(row[3])
        if row.count == 4 and down is not None:
            _velocity(reading, row[2], row[1], -down)
        return reading

    def _pmgnst(self, row: Row) -> Reading:
        """Magellan: the mode, and whether there is a fix."""
        fixed = row[3] == "T"
        return Reading(mode=_MODES.get(row[2], NO_FIX) if fixed else NO_FIX)

    def _pashr(self, row: Row) -> Reading:
        """Ashtech: POS has the whole fix; a height above the ellipsoid."""
        if row[1] != "POS":
            return Reading()
        reading = Reading(clear=True, mode=NO_FIX)
        if not row[2]:
            return reading
        reading.mode = FIX_3D
        self._stamps.stamp(row[4], reading)
        place = row.position(5)
        if place is not None:
            reading.lat_deg, reading.lon_deg = place
            reading.alt_hae_m = fields.number(row[9])
        reading.sats = fields.integer(row[3])
        reading.track_deg = fields.number(row[11])
        reading.speed_mps = row.speed_mps(12, fields.KMPH_MPS)
        reading.climb_mps = fields.number(row[13])
        reading.hdop = fields.number(row[15])
        return reading

    def _psti(self, row: Row) -> Reading:
        """SkyTraq: 030 is a fix with its velocity; the others have at least a time."""
        if row[1] == "030":
            return self._psti_fix(row)
        reading = Reading()
        if row.count < PSTI_KINDS.get(row[1], row.count + 1):
            return reading
        if row[1] != "032" or row[4] == "A":
            self._stamps.stamp_with_date(row[2], row[3], reading)
        attitude = row[4] == "A" if row[1] == "035" else row[7] not in ("", "N")
        reading.notable = attitude and row[1] in ("035", "036")
        return reading

    def _psti_fix(self, row: Row) -> Reading:
        reading = Reading()
        if row.count < PSTI_KINDS["030"]:
            return reading
        if row[3] != "A" or row[13] == "N":
            reading.mode = NO_FIX
            return reading
        self._stamps.stamp_with_date(row[2], row[12], reading)
        place = row.position(4)
        if place is not None:
            reading.lat_deg, reading.lon_deg = place
            reading.alt_msl_m = fields.number(row[8])
            reading.mode = FIX_2D if reading.alt_msl_m is None else FIX_3D
        _velocity(reading, row[9], row[10], fields.number(row[11]))
        return reading

    def _psrfepe(self, row: Row) -> Reading:
        """SiRF: error estimates, with a time."""
        reading = Reading(notes=True)
        self._stamps.stamp(row[1], reading)
        if row[2] == "A":
            reading.hdop = fields.number(row[3])
        return reading

    def _ptnthtm(self, row: Row) -> Reading:
        del row
        return Reading(notable=True)


def _velocity(reading: Reading, east: str, north: str, up_mps: float | None) -> None:
    reading.east_mps, reading.north_mps = fields.number(east), fields.number(north)
    reading.up_mps = up_mps
