"""The date and time of an NMEA stream: times come in most sentences, dates in few.

A date before 2017 in our time is one of a receiver that lost count of the weeks (`GpsTime`).
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from overflight_contract.times import to_ns
from overflight_device.receivers import nmea_fields
from overflight_device.receivers.gps_time import GpsTime
from overflight_device.receivers.nmea_fields import DAY_NS

_HALF_DAY_NS: Final = DAY_NS // 2


class Clock:
    """Puts times of day on the day that RMC or ZDA gave, and rolls over at midnight."""

    def __init__(self, gps_time: GpsTime) -> None:
        self._gps_time = gps_time
        self._day_ns: int | None = None
        self._of_day_ns = 0

    @property
    def dated(self) -> bool:
        """True once a date is known."""
        return self._day_ns is not None

    @property
    def now_ns(self) -> int | None:
        """The time of the newest sentence, where its date is known."""
        if self._day_ns is None:
            return None
        return self._gps_time.mend_rollover(self._day_ns + self._of_day_ns)

    def set_time(self, text: str) -> bool:
        """Take ``hhmmss.ss``; False where it is not one."""
        of_day_ns = nmea_fields.time_of_day_ns(text)
        if of_day_ns is None:
            return False
        if self._day_ns is not None and self._of_day_ns - of_day_ns > _HALF_DAY_NS:
            self._day_ns += DAY_NS
        self._of_day_ns = of_day_ns
        return True

    def set_date(self, date: tuple[int, int, int] | None) -> bool:
        """Take a date (year, month, day); False where there is none."""
        if date is None:
            return False
        year, month, day = date
        first = dt.datetime(year, month, 1, tzinfo=dt.UTC)
        self._day_ns = to_ns(first) + (day - 1) * DAY_NS
        return True

    def is_now(self, text: str) -> bool:
        """Return whether ``hhmmss.ss`` is the time of the newest sentence."""
        return self.dated and nmea_fields.time_of_day_ns(text) == self._of_day_ns

    def forget(self) -> None:
        """The receiver has lost its clock."""
        self._day_ns = None
        self._of_day_ns = 0
