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
from overflight_device.receivers.nmea_cycle import Cycle
from overflight_device.receivers.nmea_makers import PSTI_KINDS, MakerSentences
from overflight_device.receivers.nmea_row import Row, Stamps
from overflight_device.receivers.nmea_satellites import UsedSatellites
from overflight_device.receivers.nmea_ublox import UbloxSentences

_GSA_FIELDS: Final = 19

_OF_FIXES: Final = frozenset({"RMC", "GGA", "GLL", "GNS"})

_SILENT: Final = {
    "ACCURACY": 1, "DTM": 2, "GRS": 4, "MTW": 3, "PAIR001": 3, "PAIR010": 5, "PDTINFO": 6,
    "PGLOR": 2, "PGRMM": 2, "PGRMT": 10, "PMTK001": 3, "PMTK424": 3, "PMTK705": 3, "PQTMGPS": 14,
    "PQTMIMU": 10, "PQTMINS": 11, "PQTMVER": 4, "PQVERNO": 5, "PTNTA": 8, "SNRSTAT": 5, "STI": 2,
    "THS": 0, "TXT": 5,
}  # fmt: skip
"""Sentences that say nothing of the fix, and are known to stand inside an epoch: least fields."""

Handler = Callable[[Row], Reading]


class NmeaDecoder:
    """Sentences in, readings out. It reads from `epochs` what is known, and never writes it."""

    def __init__(self, epochs: Epochs, gps_time: GpsTime) -> None:
        self._epochs = epochs
        self._stamps = Stamps(gps_time)
        self._cycle = Cycle(epochs)
        self._more = False
        self._used = UsedSatellites()
        self._several_gsa = False
        self._several_gsv = False
        self._sky = False
        self._sky_goes_on = False
        self._gsa_talker = ""
        self._gga_talker = ""
        self._gga_time = ""
        self._stuck = False
        makers = MakerSentences(self._stamps)
        self._ublox = UbloxSentences(self._stamps)
        self._handlers: dict[str, tuple[int, Handler]] = {
            "RMC": (8, self._rmc),
            "GGA": (13, self._gga),
            "GLL": (7, self._gll),
            "GNS": (13, self._gns),
            "GSA": (18, self._gsa),
            "VTG": (5, self._vtg),
            "ZDA": (4, self._zda),
            "GSV": (4, self._gsv),
            "GBS": (7, self._gbs),
            "GST": (8, _noted),
            "BWC": (12, self._bwc),
            "HDT": (1, _notable),
            "DBT": (7, _noted),
            "DPT": (4, _noted),
            "HDM": (3, _notable),
            "ROT": (3, _notable),
            "HDG": (0, _noted),
            "MWD": (0, _noted),
            "MWV": (0, _noted),
            **{tag: (least, _silent) for tag, least in _SILENT.items()},
            **makers.handlers,
            "PUBX": (7, self._ublox.read),
        }

    def read(self, sentence: Sentence) -> Reading | None:
        """Return what `sentence` says; `None` where it is of a kind that says nothing here."""
        row = Row(sentence)
        tag = tag_of(sentence.fields[0])
        least, handler = self._handlers.get(tag, (0, None))
        self._stamps.times.clear()
        self._more = False
        reading: Reading | None = None
        if handler is None or row.count < least:
            tag = ""
        else:
            self._ublox.alone = self._ublox.alone and tag not in _OF_FIXES
            reading = handler(row)
        if tag == "PUBX" and not self._ublox.alone:
            tag = ""  # beside others it neither begins nor ends an epoch
        elif tag == "PSTI":  # each kind has a place of its own in the epoch
            tag = f"PSTI,{row[1]}" if row[1] in PSTI_KINDS else ""
        if not sentence.fields[0].endswith("GSA"):
            self._gsa_talker = ""
        self._sky_goes_on = self._sky_goes_on and sentence.fields[0].endswith("GSV")
        filled = reading or Reading()
        self._finish(tag, filled)
        return filled if filled.report else reading

    def _finish(self, tag: str, reading: Reading) -> None:
        adds = not reading.silent and reading != Reading()
        self._cycle.see(tag, self._stamps.times, more=self._more, adds=adds)
        reading.clear = reading.clear or self._cycle.begins
        reading.report = reading.report or self._cycle.ends
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

    def _no_time(self, reading: Reading) -> None:
        self._stamps.clock.forget()
        self._cycle.unsure()
        reading.report = True
        reading.forget_time = True

    def _rmc(self, row: Row) -> Reading:
        """Recommended minimum: time, date, position, speed and track."""
        reading = Reading()
        if row[2] not in ("A", "D"):
            reading.mode = NO_FIX
            if not row[1] or not row[9]:
                self._no_time(reading)
            return reading
        self._stamps.stamp_with_date(row[1], row[9], reading)
        place = row.position(3)
        if place is None:
            reading.mode = NO_FIX
        else:
            reading.lat_deg, reading.lon_deg = place
            reading.mode = FIX_3D if self._epochs.last.mode == FIX_3D else FIX_2D
        reading.speed_mps = row.speed_mps(7, fields.KNOT_MPS)
        reading.track_deg = fields.number(row[8])
        if len(self._used) > 3 or self._epochs.current.has_altitude:
            reading.mode = FIX_3D
        return reading

    def _gll(self, row: Row) -> Reading:
        """Position and time."""
        reading = Reading(mode=NO_FIX)
        self._stamps.stamp(row[5], reading)
        place = row.position(1)
        if row[6] != "A" or row[7] == "N" or place is None:
            return reading
        reading.lat_deg, reading.lon_deg = place
        current = self._epochs.current
        if current.has_altitude or len(self._used) > 3:
            reading.mode = FIX_3D
        elif current.mode < FIX_2D or not self._epochs.old.has_altitude:
            reading.mode = FIX_2D
        else:
            reading.mode = UNSEEN
        return reading

    def _gns(self, row: Row) -> Reading:
        """Fix data of several constellations."""
        reading = Reading()
        self._stamps.stamp(row[1], reading)
        if row[6][:1] in ("", "N"):
            reading.mode = NO_FIX
            return reading
        if row[13] == "U":  # unsafe; V says only that this equipment does not tell
            return reading
        reading.sats = fields.integer(row[7])
        reading.hdop = fields.dilution(row[8])
        place = row.position(2)
        if place is None:
            reading.mode = NO_FIX
            return reading
        reading.lat_deg, reading.lon_deg = place
        reading.mode = FIX_2D
        reading.alt_msl_m = fields.number(row[9])
        if reading.alt_msl_m is not None:
            reading.geoid_m = fields.number(row[10])
            if (reading.sats or 0) > 3:
                reading.mode = FIX_3D
        return reading

    def _gga(self, row: Row) -> Reading:
        """Fix data: position, altitude, satellites. One that does not advance is not trusted."""
        reading = Reading()
        talker_before, self._gga_talker = self._gga_talker, row[0][1:2]
        if fields.integer(row[6]) == 0 and not row[1]:
            self._no_time(reading)
        self._stuck = talker_before in ("", self._gga_talker) and row[1] == self._gga_time
        self._gga_time = row[1]
        self._stamps.stamp(row[1], reading)
        reading.sats = fields.integer(row[7])
        reading.hdop = fields.dilution(row[8])
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
        if sats < 3 or not fields.integer(row[6]):  # quality 0 or none: not valid
            return NO_FIX
        return FIX_3D if reading.alt_msl_m is not None and sats >= 4 else FIX_2D

    def _gsa(self, row: Row) -> Reading:
        """Mode, satellites used, dilution; one a constellation, so they add up."""
        reading = Reading()
        if self._stuck:
            return reading
        mode = fields.integer(row[2])  # E is an estimate of Antaris receivers
        reading.mode = mode if mode in (NO_FIX, FIX_2D, FIX_3D) else None
        if row.count <= _GSA_FIELDS:
            reading.hdop = fields.dilution(row[16])
        talker_before, self._gsa_talker = self._gsa_talker, row[0][1:2]
        self._used.take(row, talker_before)
        reading.sats = max(len(self._used), self._epochs.current.sats or 0) or None
        if self._gsa_talker != "P":
            self._several_gsa = True
        elif self._several_gsa:  # what GP says, a later one says for all
            return Reading(hdop=reading.hdop, sats=reading.sats, silent=True)
        return reading

    def _vtg(self, row: Row) -> Reading:
        """Track and speed over ground."""
        reading = Reading()
        if row[1] and row[5] and row[9] not in ("E", "N"):
            reading.track_deg = fields.number(row[1])
            reading.speed_mps = row.speed_mps(5, fields.KNOT_MPS)
        return reading

    def _zda(self, row: Row) -> Reading:
        """Time and date."""
        reading = Reading()
        clock = self._stamps.clock
        day, month, year = (fields.integer(row[index]) for index in (2, 3, 4))
        if day is None or month is None or year is None or not clock.set_time(row[1]):
            return reading
        self._stamps.register(row[1])
        if clock.set_date(fields.valid_date(year, month, day)):
            reading.time_ns = clock.now_ns
        return reading

    def _gsv(self, row: Row) -> Reading:
        """Satellites in view; of interest only for where the epoch ends."""
        part = fields.integer(row[2]) or 0
        if row.count % 4 > 1 or part < 1:
            return Reading()
        only_gps = row[0][1:2] == "P"
        if part == 1 and (only_gps or not self._sky_goes_on):
            self._sky = False
        self._sky_goes_on = True
        self._sky = self._sky or any(fields.integer(row[n]) for n in range(6, row.count, 4))
        self._several_gsv = self._several_gsv or not only_gps
        self._more = part < (fields.integer(row[1]) or 0)
        told_later = only_gps and self._several_gsv
        return Reading(notes=self._sky and not self._more and not told_later)

    def _gbs(self, row: Row) -> Reading:
        self._stamps.register(row[1])
        return Reading(notes=True)

    def _bwc(self, row: Row) -> Reading:
        reading = Reading()
        if row[1] and self._stamps.clock.set_time(row[1]):
            reading.time_ns = self._stamps.clock.now_ns
        return reading


def _noted(row: Row) -> Reading:
    del row
    return Reading(notes=True)


def _notable(row: Row) -> Reading:
    return Reading(notable=bool(row[1]))


def _silent(row: Row) -> Reading:
    del row
    return Reading()


def tag_of(address: str) -> str:
    """Return the formatter of a standard sentence, or the whole address of a maker's own."""
    return address if address.startswith("P") else address[2:]
