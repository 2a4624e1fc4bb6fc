"""The link in force, changed while running; the lines of connections get their numbers here."""

from __future__ import annotations

import collections
from collections.abc import Callable

from overflight_contract.session import Direction
from overflight_relay.link.model import Line, Outage, Profile, Way


class LinkControl:
    """Holds the profile in force; `clock` gives seconds and only grows."""

    def __init__(self, profile: Profile, seed: int, clock: Callable[[], float]) -> None:
        self.seed = seed
        self._clock = clock
        self._start_s = clock()
        self._connections: collections.Counter[str] = collections.Counter()
        self.set(profile)

    def set(self, profile: Profile) -> None:
        """Put another profile in force, for packets from now on."""
        self.profile = profile
        self.perfect = profile.perfect

    def now_s(self) -> float:
        """Return the time in the session."""
        return self._clock() - self._start_s

    def way(self, direction: int) -> tuple[Way, tuple[Outage, ...]]:
        """Return one direction of the profile."""
        profile = self.profile
        return (profile.down if direction else profile.up), profile.outages

    def number_of(self, client_id: str) -> int:
        """Count one more connection of a client."""
        self._connections[client_id] += 1
        return self._connections[client_id]

    def line(self, client_id: str, connection: int, direction: Direction) -> Line:
        """Return a new line."""
        return Line(self.seed, client_id, connection, int(direction))
