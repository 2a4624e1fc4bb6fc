"""How far a camera's own clock is off: given, or measured on pictures that came in live.

A picture that has just been written tells it: its file's time is UTC, a moment after the shutter,
and its EXIF time is the camera's. Nothing is guessed: without an offset there is no UTC time.
"""

from __future__ import annotations

import statistics
from collections import deque
from typing import Final

from overflight_contract.times import NS_PER_S

SAMPLES: Final = 50
ENOUGH: Final = 3
SPREAD_S: Final = 3.0
"""Samples that differ by more than this (between their quarters) measure nothing."""


class CameraClock:
    """One camera's clock; offsets in seconds, above 0 where it is ahead of UTC."""

    def __init__(self, given_s: float | None = None) -> None:
        self._given_s = given_s
        self._samples: deque[float] = deque(maxlen=SAMPLES)

    @property
    def offset_s(self) -> float | None:
        """The offset: the given one, else the measured one, else `None`."""
        if self._given_s is not None:
            return self._given_s
        if len(self._samples) < ENOUGH:
            return None
        low, middle, high = statistics.quantiles(self._samples, n=4)
        return middle if high - low <= SPREAD_S else None

    @property
    def origin(self) -> str:
        """Where the offset comes from, for people."""
        if self._given_s is not None:
            return "given"
        return "unknown" if self.offset_s is None else f"measured on {len(self._samples)} pictures"

    def note(self, camera_ns: int, arrived_ns: int) -> None:
        """Take a live picture: the camera's time of it, and UTC when its file was written."""
        self._samples.append((camera_ns - arrived_ns) / NS_PER_S)

    def utc(self, camera_ns: int) -> int | None:
        """Turn the camera's time into UTC; `None` while the offset is not known."""
        offset_s = self.offset_s
        return None if offset_s is None else camera_ns - round(offset_s * NS_PER_S)
