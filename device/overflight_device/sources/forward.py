"""Keeps the fixes of a live source going forward in time."""

from __future__ import annotations

from typing import Final

from overflight_device.fix import Fix

PATIENCE: Final = 20


class Forward:
    """Fixes in; tells which to pass on.

    A fix that is not after the last one is dropped: it was there already. But a receiver may leap
    (it had a wrong date until it saw enough satellites): after `PATIENCE` such fixes in a row,
    each after the other, theirs is the time.
    """

    def __init__(self, after_ns: int | None = None) -> None:
        self.dropped = 0
        self._last_ns = after_ns
        self._behind_ns: int | None = None
        self._behind = 0

    def admit(self, fix: Fix) -> bool:
        """Return whether `fix` is to be passed on."""
        now_ns = fix.measured_at_ns
        if self._last_ns is None or now_ns > self._last_ns:
            self._last_ns, self._behind, self._behind_ns = now_ns, 0, None
            return True
        goes_on = self._behind_ns is not None and now_ns > self._behind_ns
        self._behind = self._behind + 1 if goes_on else 1
        self._behind_ns = now_ns
        if self._behind > PATIENCE:
            self._last_ns, self._behind, self._behind_ns = now_ns, 0, None
            return True
        self.dropped += 1
        return False
