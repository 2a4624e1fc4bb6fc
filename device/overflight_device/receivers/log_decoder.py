"""The decoder of a log of either kind: what a receiver sent, or what gpsd said of it.

gpsd greets in JSON before it passes raw data on as well (``gpspipe -r``, ``-R``), so a log that
begins like one of gpsd's may be one of a receiver all the same: what tells is whether a report of
a fix comes before anything that is not gpsd's.
"""

from __future__ import annotations

from typing import Final

from overflight_device.fix import Fix
from overflight_device.receivers.framing import Skipped
from overflight_device.receivers.gpsd_json import GpsdDecoder
from overflight_device.receivers.stream import ReceiverDecoder

_ENOUGH: Final = 64 * 1024
"""A head of so many bytes that is gpsd's throughout is one of gpsd's log."""
_BEFORE_JSON: Final = b"\xef\xbb\xbf \t\r\n"


class LogDecoder:
    """Bytes in, fixes out, as of the decoder that fits."""

    def __init__(self, *, bare_times: bool = True, now_ns: int | None = None) -> None:
        """As for `ReceiverDecoder`."""
        self._bare_times = bare_times
        self._now_ns = now_ns
        self._head = bytearray()
        self._decoder: ReceiverDecoder | GpsdDecoder | None = None

    @property
    def skipped(self) -> Skipped:
        """What was not used, by reason."""
        return self._decoder.skipped if self._decoder is not None else Skipped()

    @property
    def undated(self) -> int:
        """Epochs whose date was never said."""
        return self._decoder.undated if self._decoder is not None else 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[Fix]:
        """Take bytes as they come; return the fixes that are complete now."""
        if self._decoder is not None:
            return self._decoder.feed(data)
        self._head += data
        of_gpsd = _is_of_gpsd(self._head)
        if of_gpsd is None and len(self._head) < _ENOUGH:
            return []
        return self._begin(of_gpsd is not False)

    def finish(self) -> list[Fix]:
        """The log has ended."""
        fixes = self._begin(b'"class"' in self._head) if self._decoder is None else []
        return fixes + (self._decoder.finish() if self._decoder is not None else [])

    def _begin(self, of_gpsd: bool) -> list[Fix]:
        receiver = ReceiverDecoder(bare_times=self._bare_times, now_ns=self._now_ns)
        self._decoder = GpsdDecoder() if of_gpsd else receiver
        head, self._head = self._head, bytearray()
        return self._decoder.feed(head)


def _is_of_gpsd(head: bytearray) -> bool | None:
    """Return whether a log that begins with `head` is gpsd's; `None`: that is not clear yet."""
    *lines, rest = head.lstrip(_BEFORE_JSON).split(b"\n")
    for line in lines:
        if line.strip() and not (line.startswith(b"{") and b'"class"' in line):
            return False
        if b'"TPV"' in line:
            return True
    return None if not rest or rest.startswith(b"{") else False
