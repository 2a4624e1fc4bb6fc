"""Which baud rate the receiver talks at: listen at each, and stay where frames come."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

RATES: Final = (9600, 38400, 115200, 57600, 4800, 19200, 230400, 460800, 921600)
"""In the order of how common they are: u-blox to M8, u-blox since M9, the rest."""

LISTEN_S: Final = 2.2
"""Long enough for an epoch at one a second."""
_GOOD: Final = 2
_LOST_S: Final = 12.0


class BaudSearch:
    """Counts of good frames and times in, the rate to listen at out."""

    def __init__(self, fixed: int | None = None, rates: Sequence[int] = RATES) -> None:
        self._rates = (fixed,) if fixed is not None else tuple(rates)
        self._place = 0
        self._since_s: float | None = None
        self._good = 0
        self._noisy = False
        self.found = False

    @property
    def rate(self) -> int:
        """The rate to listen at."""
        return self._rates[self._place]

    def heard(self, octets: int, good_frames: int, now_s: float) -> bool:
        """Take what came; return whether the rate changes now.

        A line that is silent keeps its rate once one was found; one that brings noise only (the
        receiver was reset to another rate) is searched again.
        """
        if self._since_s is None:
            self._since_s = now_s
        if good_frames:
            self._good += good_frames
            self._since_s, self._noisy = now_s, False
            self.found = self.found or self._good >= _GOOD
            return False
        self._noisy = self._noisy or octets > 0
        patience_s = _LOST_S if self.found else LISTEN_S
        if now_s - self._since_s < patience_s or len(self._rates) == 1:
            return False
        if self.found and not self._noisy:
            return False
        self._place = (self._place + 1) % len(self._rates)
        self._since_s, self._good, self._noisy, self.found = now_s, 0, False, False
        return True
