"""One fix an epoch even where a receiver comes back to an epoch after the next has begun.

Some tell the time of the next epoch before the position of this one. The last word on each counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from overflight_device.fix import Fix

WINDOW: Final = 4
"""So many epochs wait for a last word."""


class Latest:
    """Fixes in, each epoch's last one out, a few epochs later."""

    def __init__(self) -> None:
        self._waiting: dict[int, Fix] = {}

    def add(self, fixes: Iterable[Fix]) -> Iterator[Fix]:
        """Take fixes as they come; yield those that no more is waited for."""
        for fix in fixes:
            self._waiting.pop(fix.measured_at_ns, None)
            self._waiting[fix.measured_at_ns] = fix
            if len(self._waiting) > WINDOW:
                yield self._waiting.pop(next(iter(self._waiting)))

    def finish(self) -> list[Fix]:
        """Return what still waits."""
        rest, self._waiting = list(self._waiting.values()), {}
        return rest
