"""NMEA 0183 sentences to readings: which sentence says what of an epoch.

NMEA 0183 version 4.11 §6.3; where receivers differ from it, the decision is gpsd's. A talker is
never looked at but in GSA: ``GP``, ``GN``, ``GL``, ``GA``, ``GB``, ``BD``, ``QZ`` or another, the
formatter says what it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from overflight_device.receivers import nmea_fields as fields
from overflight_device.receivers.epochs import FIX_2D, FIX_3D, NO_FIX, UNSEEN, Epochs, Reading
from overflight_device.receivers.framing import Sentence
from overflight_device.receivers.gps_time import GpsTime
from overflight_device.receivers.nmea_clock import Clock
from overflight_device.receivers.nmea_cycle import Cycle

_HIGHEST_DOP: Final = 99.0  # 99.9 and 99.99 say "none"


class Row:
    """The fields of a sentence; one that is not there is empty."""

    __slots__ = ("_fields", "count")

    def __init__(self, sentence: Sentence) -> None:
        self._fields = sentence.fields
        self.count = len(self._fields)

    def __getitem__(self, index: int) -> str:
        return self._fields[index] if index < self.count else ""

    def position(self, first: int) -> tuple[float, float] | None:
        """Return (latitude, longitude) from the four fields at `first`."""
        return fields.position(self[first], self[first + 1], self[first + 2], self[first + 3])


class NmeaDecoder:
    """Sentences in, readings out. It reads what the epoch knows from `epochs`, never writes it."""

    def __init__(self, epochs: Epochs, gps_time: GpsTime) -> None:
        self.clock = Clock(gps_time)
        self._gps_time = gps_time
        self._epochs = epochs
        self._cycle = Cycle()
        self._times: list[float] = []
        self._more = False
        self._used = 0
        self._gsa_talker = ""
        self._gga_talker = ""
        self._gga_time = ""
        self._stuck = False

    def read(self, sentence: Sentence) -> Reading | None:
        """Return what `sentence` says; `None` where it is of a kind that says nothing here."""
        row = Row(sentence)
        tag = tag_of(sentence.fields[0])
        known = _HANDLERS.get(tag)
        self._times.clear()
        self._more = False
        reading: Reading | None = None
        if known is not None and row.count >= known[0]:
            reading = known[1](self, row)
        else:
            tag = ""
        if not sentence.fields[0].endswith("GSA"):
            self._gsa_talker = ""
        filled = reading or Reading()
        self._finish(tag, filled)
        return filled if filled.report else reading

    def _finish(self, tag: str, reading: Reading) -> None:
        self._cycle.see(tag, self._times, more=self._more, adds=_adds(reading))
        reading.clear = reading.clear or self._cycle.begins
        reading.report = reading.report or self._cycle.ends
        if self._cycle.doubtful:
            self._epochs.end_known = False
        elif self._cycle.end_known:
            self._epochs.end_known = True
        self._hold_mode(reading)

    def _hold_mode(self, reading: Reading) -> None:
        """A sentence that can't tell 2D from 3D does not take the third dimension away."""
        epochs = self._epochs
        if (
            reading.mode is not None
            and reading.mode != NO_FIX
            and epochs.current.mode == FIX_3D
            and (epochs.last.has_altitude or epochs.old.has_altitude)
        ):
            reading.mode = FIX_3D

    def _stamp(self, text: str) -> bool:
        """Take the time of a fix; False where there is none."""
        if not text or not self.clock.set_time(text):
            return False
        self._times.append(fields.number(text) or 0.0)
        return True

    def _time(self, text: str, reading: Reading) -> None:
        if self._stamp(text) and self.clock.dated:
            reading.time_ns = self.clock.now_ns

    def _no_time(self, reading: Reading) -> None:
        self.clock.forget()
        self._cycle.unsure()
        reading.report = True
        reading.forget_time = True

    def _rmc(self, row: Row) -> Reading:
        reading = Reading()
        if row[2] not in ("A", "D"):
            reading.mode = NO_FIX
            if not row[1] or not row[9]:
                self._no_time(reading)
            return reading
        date = fields.date(row[9])
        if date is not None and self._stamp(row[1]):
            self.clock.set_date(date)
            reading.time_ns = self.clock.now_ns
        place = row.position(3)
        if place is None:
            reading.mode = NO_FIX
        else:
            reading.lat_deg, reading.lon_deg = place
            reading.mode = FIX_3D if self._epochs.last.mode == FIX_3D else FIX_2D
        speed = fields.number(row[7])
        reading.speed_mps = None if speed is None else speed * fields.KNOT_MPS
        reading.track_deg = fields.number(row[8])
        if self._used > 3 or self._epochs.current.has_altitude:
            reading.mode = FIX_3D
        return reading

    def _gll(self, row: Row) -> Reading:
        reading = Reading(mode=NO_FIX)
        self._time(row[5], reading)
        if row[6] != "A" or row[7] == "N":
            return reading
        place = row.position(1)
        if place is None:
            return reading
        reading.lat_deg, reading.lon_deg = place
        current = self._epochs.current
        if current.has_altitude or self._used > 3:
            reading.mode = FIX_3D
        elif current.mode < FIX_2D or not self._epochs.old.has_altitude:
            reading.mode = FIX_2D
        else:
            reading.mode = UNSEEN
        return reading

    def _gns(self, row: Row) -> Reading:
        reading = Reading()
        self._time(row[1], reading)
        if row[6][:1] in ("", "N"):
            reading.mode = NO_FIX
            return reading
        if row[13] in ("U", "V"):
            return reading
        reading.sats = fields.integer(row[7])
        place = row.position(2)
        if place is None:
            reading.mode = NO_FIX
        else:
            reading.lat_deg, reading.lon_deg = place
            reading.mode = FIX_2D
            reading.alt_msl_m = fields.number(row[9])
            if reading.alt_msl_m is not None:
                reading.geoid_m = fields.number(row[10])
                if (reading.sats or 0) > 3:
                    reading.mode = FIX_3D
        reading.hdop = _dop(row[8])
        return reading

    def _gga(self, row: Row) -> Reading:
        reading = Reading()
        talker_before, self._gga_talker = self._gga_talker, row[0][:2]
        if fields.integer(row[6]) == 0 and not row[1]:
            self._no_time(reading)
        self._stuck = talker_before in ("", self._gga_talker) and row[1] == self._gga_time
        self._gga_time = row[1]
        self._time(row[1], reading)
        reading.sats = fields.integer(row[7])
        reading.hdop = _dop(row[8])
        reading.mode = self._gga_mode(row, reading)
        return reading

    def _gga_mode(self, row: Row, reading: Reading) -> int:
        place = row.position(2)
        if place is None:
            return NO_FIX
        reading.lat_deg, reading.lon_deg = place
        reading.geoid_m = fields.number(row[11])
        reading.alt_msl_m = fields.number(row[9])
        sats = reading.sats or 0
        if sats < 3:
            return NO_FIX
        return FIX_3D if reading.alt_msl_m is not None and sats >= 4 else FIX_2D

    def _gsa(self, row: Row) -> Reading:
        reading = Reading()
        talker_before, talker = self._gsa_talker, row[0][1:2]
        if self._stuck:
            return reading
        if not row[2].startswith("E"):
            reading.mode = fields.integer(row[2]) or UNSEEN
        if row.count <= 19:
            reading.hdop = _dop(row[16])
        if not talker_before or (talker == talker_before and talker != "N"):
            self._used = 0
        self._gsa_talker = talker
        self._used += sum(
            1 for index in range(3, row.count - 3) if (fields.integer(row[index]) or 0) > 0
        )
        reading.sats = self._used or None
        return reading

    def _vtg(self, row: Row) -> Reading:
        reading = Reading()
        if not row[1] or not row[5] or row[9] in ("E", "N"):
            return reading
        reading.track_deg = fields.number(row[1])
        speed = fields.number(row[5])
        reading.speed_mps = None if speed is None else speed * fields.KNOT_MPS
        return reading

    def _zda(self, row: Row) -> Reading:
        reading = Reading()
        day, month, year = (fields.integer(row[index]) for index in (2, 3, 4))
        if day is None or month is None or year is None or not self.clock.set_time(row[1]):
            return reading
        self._times.append(fields.number(row[1]) or 0.0)
        if self.clock.set_date(fields.valid_date(year, month, day)):
            reading.time_ns = self.clock.now_ns
        return reading

    def _gsv(self, row: Row) -> Reading:
        self._more = (fields.integer(row[2]) or 0) < (fields.integer(row[1]) or 0)
        return Reading(notes=not self._more)

    def _gbs(self, row: Row) -> Reading:
        if row[1]:
            self._times.append(fields.number(row[1]) or 0.0)
        return Reading()

    def _gst(self, row: Row) -> Reading:
        del row
        return Reading(notes=True)

    def _nothing(self, row: Row) -> Reading:
        del row
        return Reading()


def _adds(reading: Reading) -> bool:
    """Return whether there is anything in a reading."""
    return reading != Reading()


def _dop(text: str) -> float | None:
    value = fields.number(text)
    return value if value is not None and value < _HIGHEST_DOP else None


def tag_of(address: str) -> str:
    """Return the formatter of a standard sentence, or the whole address of a maker's own."""
    if address.startswith("P"):
        return address
    return address[2:]


_HANDLERS: Final[dict[str, tuple[int, Callable[[NmeaDecoder, Row], Reading]]]] = {
    "RMC": (8, NmeaDecoder._rmc),  # noqa: SLF001
    "GGA": (13, NmeaDecoder._gga),  # noqa: SLF001
    "GLL": (7, NmeaDecoder._gll),  # noqa: SLF001
    "GNS": (13, NmeaDecoder._gns),  # noqa: SLF001
    "GSA": (18, NmeaDecoder._gsa),  # noqa: SLF001
    "VTG": (5, NmeaDecoder._vtg),  # noqa: SLF001
    "ZDA": (4, NmeaDecoder._zda),  # noqa: SLF001
    "GSV": (4, NmeaDecoder._gsv),  # noqa: SLF001
    "GBS": (7, NmeaDecoder._gbs),  # noqa: SLF001
    "GST": (8, NmeaDecoder._gst),  # noqa: SLF001
    "TXT": (5, NmeaDecoder._nothing),  # noqa: SLF001
}
