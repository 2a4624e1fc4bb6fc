"""What gpsd says: JSON objects, one a line (gpsd_json(5)), as a daemon sends and a log keeps them.

``TPV`` carries the fix, ``SKY`` the satellites and the dilution. gpsd may report an epoch several
times; the last report of it counts.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any, Final

import msgspec

from overflight_contract.messages import Fix as FixMode
from overflight_contract.times import to_ns
from overflight_device.fix import Fix
from overflight_device.receivers.framing import Skipped

MAX_LINE: Final = 64 * 1024
_MODES: Final = {2: FixMode.TWO_D, 3: FixMode.THREE_D}


def recognise(head: bytes) -> bool:
    """Return whether a file that begins with `head` is a log of gpsd's."""
    return b'"class"' in head and head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{")


class GpsdDecoder:
    """Bytes in, fixes out, one an epoch; nothing raises, what is not used is in `skipped`."""

    def __init__(self, device: str | None = None) -> None:
        """`device`: only reports of this one count."""
        self._device = device
        self.skipped = Skipped()
        self.undated = 0
        self.version: str | None = None
        self._buffer = bytearray()
        self._sats: int | None = None
        self._hdop: float | None = None
        self._pending: Fix | None = None
        self._overlong = False

    def feed(self, data: bytes | bytearray | memoryview) -> list[Fix]:
        """Take bytes as they come; return the fixes that are complete now."""
        self._buffer += data
        *lines, rest = self._buffer.split(b"\n")
        fixes = [fix for line in lines if (fix := self._line(bytes(line))) is not None]
        if len(rest) > MAX_LINE:
            self.skipped.add("gpsd: line too long", len(rest))
            rest, self._overlong = bytearray(), True
        self._buffer = bytearray(rest)
        return fixes

    def settle(self) -> list[Fix]:
        """No report came for a while: the epoch is over."""
        fix, self._pending = self._pending, None
        return [] if fix is None else [fix]

    def finish(self) -> list[Fix]:
        """The stream has ended; a last line may lack its line end."""
        return self.feed(b"\n") + self.settle()

    def _line(self, line: bytes) -> Fix | None:
        if self._overlong:
            self._overlong = False
            return None
        if not line.strip():
            return None
        try:
            report = msgspec.json.decode(line)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self.skipped.add("gpsd: not JSON", len(line))
            return None
        kind = report.get("class") if isinstance(report, dict) else None
        if self._device is not None and report.get("device", self._device) != self._device:
            return None
        if kind == "TPV":
            return self._tpv(report, len(line))
        if kind == "SKY":
            self._sky(report)
        elif kind == "VERSION":
            self.version = str(report.get("release"))
        else:
            self.skipped.add(f"gpsd: {kind} says nothing of the fix", len(line))
        return None

    def _sky(self, report: dict[str, Any]) -> None:
        satellites = report.get("satellites")
        used = report.get("uSat")
        if isinstance(used, int):
            self._sats = used
        elif isinstance(satellites, list):
            self._sats = sum(1 for sat in satellites if isinstance(sat, dict) and sat.get("used"))
        hdop = _number(report.get("hdop"))
        self._hdop = hdop if hdop is None or hdop < 99 else None

    def _tpv(self, report: dict[str, Any], size: int) -> Fix | None:
        time_ns = _time(report.get("time"))
        if time_ns is None:
            self.undated += 1
            self.skipped.add("gpsd: TPV without a time", size)
            return None
        before, self._pending = self._pending, self._fix(report, time_ns)
        return before if before is not None and before.measured_at_ns != time_ns else None

    def _fix(self, report: dict[str, Any], time_ns: int) -> Fix:
        stated = _number(report.get("mode"))
        mode = FixMode.NONE if stated is None else _MODES.get(int(stated), FixMode.NONE)
        lat, lon = _number(report.get("lat")), _number(report.get("lon"))
        placed = lat is not None and lon is not None and abs(lat) <= 90 and abs(lon) <= 180
        if mode is FixMode.NONE or not placed:
            return Fix(measured_at_ns=time_ns, mode=FixMode.NONE, sats=self._sats, hdop=self._hdop)
        three = mode is FixMode.THREE_D
        msl = report.get("altMSL", None if "altHAE" in report else report.get("alt"))
        return Fix(
            measured_at_ns=time_ns,
            mode=mode,
            lat_deg=lat,
            lon_deg=lon,
            alt_msl_m=_number(msl),
            alt_hae_m=_number(report.get("altHAE")),
            speed_mps=_number(report.get("speed")),
            track_deg=_number(report.get("track")),
            climb_mps=_number(report.get("climb")) if three else None,
            sats=self._sats,
            hdop=self._hdop,
        )


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _time(value: object) -> int | None:
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            return None
        return to_ns(moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment)
    seconds = _number(value)  # protocol versions before 3 sent seconds since 1970
    return round(seconds * 1000) * 1_000_000 if seconds is not None and 0 < seconds < 1e11 else None
