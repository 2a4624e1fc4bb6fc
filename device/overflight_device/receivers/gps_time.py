"""GPS time to UTC: weeks and seconds since 1980-01-06, ahead of UTC by the leap seconds since.

IS-GPS-200 §3.3.4, §20.3.3.5.2.4; leap seconds: IERS Bulletin C.
"""

from __future__ import annotations

import bisect
import datetime as dt
import re
from typing import Final

from overflight_contract.times import NS_PER_S, to_ns

GPS_EPOCH_NS: Final = to_ns(dt.datetime(1980, 1, 6, tzinfo=dt.UTC))
DAY_NS: Final = 86_400 * NS_PER_S
WEEK_NS: Final = 7 * DAY_NS
ROLLOVER_WEEKS: Final = 1024
LAST_ROLLOVER_NS: Final = to_ns(dt.datetime(2019, 4, 7, tzinfo=dt.UTC))

_DATE_NOTE: Final = re.compile(r"Date:\s+(\d{4})(?:-(\d{1,2}))?(?:-(\d{1,2}))?")

_LEAPS: Final = tuple(
    to_ns(dt.datetime(year, month, 1, tzinfo=dt.UTC))
    for year, month in (
        (1981, 7), (1982, 7), (1983, 7), (1985, 7), (1988, 1), (1990, 1), (1991, 1), (1992, 7),
        (1993, 7), (1994, 7), (1996, 1), (1997, 7), (1999, 1), (2006, 1), (2009, 1), (2012, 7),
        (2015, 7), (2017, 1),
    )
)  # fmt: skip
_LEAP_18_NS: Final = _LEAPS[-1]


def leap_seconds(utc_ns: int) -> int:
    """Return by how many seconds GPS time was ahead of UTC at a time in UTC."""
    return bisect.bisect_right(_LEAPS, utc_ns)


class GpsTime:
    """Turns GPS weeks and times of week into UTC.

    `leap_s` is what the receiver said of leap seconds; until then the table above serves. Some
    receivers count weeks in ten bits only: `era_ns` (a time in UTC) says in which 1,024 weeks to
    look, by default those after the rollover of 2019; the notes of a log may say another.
    """

    def __init__(self, now_ns: int | None = None) -> None:
        """`now_ns`: no time is mended to one after it (more than a day); None: it is not known."""
        self._latest_ns = None if now_ns is None else now_ns + DAY_NS
        self.leap_s: int | None = None
        self.era_ns = LAST_ROLLOVER_NS

    def note(self, text: str) -> None:
        """Take a line of notes: ``Date: 2008-05-01`` says when a log was made."""
        match = _DATE_NOTE.match(text)
        if match is not None and 1980 <= int(match.group(1)) <= 2200:
            year, month, day = (int(part or 1) for part in match.groups())
            month, day = (month if 1 <= month <= 12 else 1), (day if 1 <= day <= 28 else 28)
            self.era_ns = to_ns(dt.datetime(year, month, day, tzinfo=dt.UTC))

    def utc_ns(self, week: int, of_week_ns: int) -> int:
        """Return nanoseconds since 1970 in UTC."""
        if week < ROLLOVER_WEEKS:
            rollovers = (self.era_ns - GPS_EPOCH_NS) // WEEK_NS // ROLLOVER_WEEKS
            week += ROLLOVER_WEEKS * max(rollovers, 0)
        time_ns = GPS_EPOCH_NS + week * WEEK_NS + of_week_ns
        leap = self.leap_s
        if leap is None:
            leap = leap_seconds(time_ns)
            leap = leap_seconds(time_ns - leap * NS_PER_S)
        return time_ns - leap * NS_PER_S

    def mend_rollover(self, utc_ns: int) -> int:
        """Return the time that a receiver meant that lost count of the rollovers of the week.

        It says a time before 2017, when the 18th leap second came, and that has already come:
        the receiver counts it, or our era is past it. Where that would be in the future, it meant
        what it said.
        """
        leaps = leap_seconds(self.era_ns) if self.leap_s is None else self.leap_s
        mended_ns = utc_ns + ROLLOVER_WEEKS * WEEK_NS
        in_future = self._latest_ns is not None and mended_ns > self._latest_ns
        if leaps >= len(_LEAPS) and utc_ns < _LEAP_18_NS and not in_future:
            return mended_ns
        return utc_ns
