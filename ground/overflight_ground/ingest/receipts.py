"""When receipts go out: at most one a payload and interval, and never losing the last. Pure.

Receipts of several flights of one payload share its topic; they take turns, and of those whose
turn it is as much the one that asked last is the last, and stays retained.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from overflight_ground.bounded import Bounded

INTERVAL_S: Final = 1.0
TURNS: Final = 16
"""So many flights of a payload are known to have had their turn."""


class Due(NamedTuple):
    """A receipt to publish now."""

    payload: str
    flight: str
    through: int


class ReceiptSchedule:
    """Receipts that are wanted, and when each payload may have its next one."""

    def __init__(self, interval_s: float = INTERVAL_S) -> None:
        self._interval_s = interval_s
        self._wanted: dict[str, dict[str, int]] = {}
        self._free_at_s: dict[str, float] = {}
        self._turns: dict[str, Bounded[str, None]] = {}
        """The flights of each payload that had their turn, the last one last."""

    def want(self, payload: str, flight: str, through: int) -> bool:
        """Ask for a receipt; a newer one takes the place of one that has not gone out yet.

        Returns whether the payload waited for none: `next_at_s` may be earlier then.
        """
        new = payload not in self._wanted
        flights = self._wanted.setdefault(payload, {})
        flights[flight] = max(through, flights.pop(flight, 0))
        return new

    def due(self, now_s: float) -> list[Due]:
        """Take the receipts that may go out at `now_s` (a monotonic clock)."""
        out: list[Due] = []
        for payload in list(self._wanted):
            if self._free_at_s.get(payload, now_s) > now_s:
                continue
            flights = self._wanted[payload]
            flight = self._next(payload, flights)
            out.append(Due(payload, flight, flights.pop(flight)))
            if not flights:
                del self._wanted[payload]
            self._free_at_s[payload] = now_s + self._interval_s
        return out

    def _next(self, payload: str, flights: Iterable[str]) -> str:
        """Return the flight whose turn is longest ago."""
        turns = self._turns.setdefault(payload, Bounded(most=TURNS))
        had = {flight: turn for turn, flight in enumerate(turns)}
        flight = min(flights, key=lambda flight: had.get(flight, -1))
        turns.pop(flight, None)
        turns[flight] = None
        return flight

    def all(self) -> list[Due]:
        """Take all that are wanted, without waiting for anybody's turn."""
        out = [
            Due(p, f, through)
            for p, flights in self._wanted.items()
            for f, through in flights.items()
        ]
        self._wanted.clear()
        return out

    def next_at_s(self) -> float | None:
        """Return when the next receipt may go out; `None` where none is wanted."""
        return min((self._free_at_s.get(payload, 0.0) for payload in self._wanted), default=None)

    def reconnected(self, through: Iterable[Due]) -> None:
        """Want all of these again, at once: what the broker knew may be gone."""
        self._free_at_s.clear()
        for due in through:
            self.want(*due)
