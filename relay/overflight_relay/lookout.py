"""Awake for the answer: a loop that slept would hear of it some 20 µs later.

A lone packet that went to a broker nearby is acknowledged within a few tens of microseconds. For
that long the loop looks for the answer without going to sleep, and goes on with all else that
comes. Where none comes in time, as from a broker far away, it tries less and less often.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns
from typing import Final

_AWAKE_NS: Final = 50_000
_LONGEST_PAUSE: Final = 1023


class Lookout:
    """Keeps one loop awake while an answer is due."""

    __slots__ = ("_awake", "_call_soon", "_pause", "_skip", "_until_ns")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._call_soon = loop.call_soon
        self._awake = False
        self._until_ns = 0
        self._pause = self._skip = 0

    def expect(self) -> None:
        """Stay awake for a moment, unless it did not pay lately."""
        if self._skip:
            self._skip -= 1
            return
        self._until_ns = perf_counter_ns() + _AWAKE_NS
        if not self._awake:
            self._awake = True
            self._call_soon(self._look)

    def answered(self) -> None:
        """Go to sleep: the answer came, and was worth to wait for if it came in time."""
        if self._until_ns:
            self._until_ns = self._pause = 0

    def _look(self) -> None:
        """Have the loop look once more at what came; nothing else happens here."""
        if perf_counter_ns() < self._until_ns:
            self._call_soon(self._look)
            return
        self._awake = False
        if self._until_ns:
            self._until_ns = 0
            self._pause = self._skip = min(2 * self._pause + 1, _LONGEST_PAUSE)
