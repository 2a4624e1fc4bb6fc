"""Limits against strangers: how many connections, and how fast they come, from one address."""

from __future__ import annotations

import collections

import msgspec

_MOST_ADDRESSES = 100_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of one relay; times in seconds, 0 for none."""

    connections: int = 20_000
    connections_per_address: int = 12_000
    connects_per_second: float = 2_000.0
    """From one address, with a burst of as many."""
    connect_deadline_s: float = 15.0
    """From the connection to its first whole packet."""
    slow_packet_s: float = 60.0
    """How long a packet that was begun may stay unfinished."""
    slow_bytes_per_s: float = 256.0
    """Who sends faster than this is not slow, however large the packet."""


class Guard:
    """Counts connections by address; a core without a clock."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.open = 0
        self.turned_away = 0
        self._by_address: collections.Counter[str] = collections.Counter()
        self._buckets: dict[str, tuple[float, float]] = {}

    def admit(self, address: str, now_s: float) -> str | None:
        """Count a new connection in, or return why it is turned away."""
        reason = self._reason(address, now_s)
        if reason is not None:
            self.turned_away += 1
            return reason
        self.open += 1
        self._by_address[address] += 1
        return None

    def _reason(self, address: str, now_s: float) -> str | None:
        limits = self.limits
        if limits.connections and self.open >= limits.connections:
            return f"{limits.connections} connections are open"
        per_address = limits.connections_per_address
        if per_address and self._by_address[address] >= per_address:
            return f"{per_address} connections from {address} are open"
        if limits.connects_per_second and not self._token(address, now_s):
            return f"connections from {address} come too fast"
        return None

    def _token(self, address: str, now_s: float) -> bool:
        rate = self.limits.connects_per_second
        burst = max(1.0, rate)
        left, last = self._buckets.get(address, (burst, now_s))
        left = min(burst, left + (now_s - last) * rate)
        if len(self._buckets) > _MOST_ADDRESSES:
            self._buckets.clear()
        self._buckets[address] = (max(left - 1, 0.0), now_s) if left >= 1 else (left, now_s)
        return left >= 1

    def release(self, address: str) -> None:
        """Count a connection out."""
        self.open -= 1
        self._by_address[address] -= 1
        if self._by_address[address] <= 0:
            del self._by_address[address]
