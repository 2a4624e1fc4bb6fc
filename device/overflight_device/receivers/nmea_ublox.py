"""Sentences of u-blox's own (``$PUBX``): 00 is a fix, 04 the date.

u-blox M8 receiver description (UBX-13003221) §31.3. Trackers of balloonists poll these and switch
all others off. Beside standard sentences, which say the same, 00 adds the height above the
ellipsoid and the climb.
"""

from __future__ import annotations

from typing import Final

from overflight_device.receivers import nmea_fields as fields
from overflight_device.receivers.epochs import FIX_2D, FIX_3D, NO_FIX, Reading
from overflight_device.receivers.nmea_row import Row, Stamps

_MODES: Final = {"G2": FIX_2D, "D2": FIX_2D, "DR": FIX_2D, "G3": FIX_3D, "D3": FIX_3D, "RK": FIX_3D}
"""By navigation status; NF is no fix, TT the time alone."""


class UbloxSentences:
    """Rows in, readings out. `alone`: no standard sentence has told of fixes so far."""

    def __init__(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self.alone = True

    def read(self, row: Row) -> Reading:
        """Return what a sentence says."""
        if row[1] == "00":
            return self._fix(row) if self.alone else self._more_of_fix(row)
        if row[1] == "04" and self.alone:
            self._stamps.clock.set_date(fields.date(row[3]))
        return Reading()

    def _fix(self, row: Row) -> Reading:
        reading = Reading(mode=_MODES.get(row[8], NO_FIX))
        self._stamps.stamp(row[2], reading)
        place = row.position(3)
        if place is None or reading.mode == NO_FIX:
            reading.mode = NO_FIX
            return reading
        reading.lat_deg, reading.lon_deg = place
        reading.speed_mps = row.speed_mps(11, fields.KMPH_MPS)
        reading.track_deg = fields.number(row[12])
        reading.hdop = fields.dilution(row[15])
        reading.sats = fields.integer(row[18])
        _add_vertical(reading, row)
        return reading

    def _more_of_fix(self, row: Row) -> Reading:
        reading = Reading()
        if self._stamps.clock.is_now(row[2]) and _MODES.get(row[8]) == FIX_3D:
            reading.amends = True
            _add_vertical(reading, row)
        return reading


def _add_vertical(reading: Reading, row: Row) -> None:
    down = fields.number(row[13])
    reading.alt_hae_m = fields.number(row[7])
    reading.climb_mps = None if down is None else -down
