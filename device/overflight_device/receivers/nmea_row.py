"""The fields of one sentence, and the times that it registers."""

from __future__ import annotations

from overflight_device.receivers import nmea_fields as fields
from overflight_device.receivers.epochs import Reading
from overflight_device.receivers.framing import Sentence
from overflight_device.receivers.gps_time import GpsTime
from overflight_device.receivers.nmea_clock import Clock


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

    def speed_mps(self, index: int, unit_mps: float) -> float | None:
        """Return the speed in a field that counts in `unit_mps`."""
        value = fields.number(self[index])
        return None if value is None else value * unit_mps


class Stamps:
    """The clock of the stream, and the times that the newest sentence registered."""

    def __init__(self, gps_time: GpsTime) -> None:
        self.clock = Clock(gps_time)
        self.gps_time = gps_time
        self.times: list[float] = []

    def register(self, text: str) -> None:
        """Take the time of a sentence for telling epochs apart."""
        if text:
            self.times.append(fields.number(text) or 0.0)

    def stamp(self, text: str, reading: Reading) -> bool:
        """Take the time of a fix; False where there is none. Without a date it stays unknown."""
        if not text or not self.clock.set_time(text):
            return False
        self.register(text)
        reading.time_ns = self.clock.now_ns
        return True

    def stamp_with_date(self, text: str, date: str, reading: Reading) -> bool:
        """Take the time and the date (``ddmmyy``) of a fix; both or nothing."""
        parsed = fields.date(date)
        if parsed is None or not text or not self.clock.set_time(text):
            return False
        self.register(text)
        self.clock.set_date(parsed)
        reading.time_ns = self.clock.now_ns
        return True
