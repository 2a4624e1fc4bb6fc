"""When the next event of a recorded or simulated flight is due: a clock anchored once."""

from __future__ import annotations


class Pace:
    """Maps flight time to monotonic time; drift can't build up, since nothing is added up."""

    def __init__(self, speed: float | None) -> None:
        """`speed`: seconds of flight in a second of wall time; None is as fast as possible."""
        self._speed = speed
        self._anchor: tuple[int, float] | None = None

    def due_s(self, flight_ns: int, now_s: float) -> float:
        """Return the monotonic time at which `flight_ns` is due; the first call anchors."""
        if self._speed is None:
            return now_s
        if self._anchor is None:
            self._anchor = (flight_ns, now_s)
        anchor_ns, anchor_s = self._anchor
        return anchor_s + (flight_ns - anchor_ns) / 1e9 / self._speed
