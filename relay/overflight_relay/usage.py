"""Usage as a provider bills it: bytes, packets and messages by customer and direction.

A customer is a client id; connections that never said who they are share the empty one.
"""

from __future__ import annotations

import msgspec

from overflight_relay.effects import Effects


class Count(msgspec.Struct):
    """What crossed in one direction; `refused` did not cross, `marked` did."""

    bytes: int = 0
    packets: int = 0
    messages: int = 0
    refused: int = 0
    marked: int = 0

    def one_packet(self, size: int) -> None:
        """Count a packet that crossed."""
        self.bytes += size
        self.packets += 1

    def one_message(self, size: int) -> None:
        """Count a PUBLISH that crossed."""
        self.bytes += size
        self.packets += 1
        self.messages += 1

    def count(self, effects: Effects) -> None:
        """Count what came of some data."""
        self.bytes += effects.bytes
        self.packets += effects.packets
        self.messages += effects.messages
        self.refused += effects.refused
        self.marked += effects.marked

    def add(self, other: Count) -> None:
        """Add another count to this one."""
        self.bytes += other.bytes
        self.packets += other.packets
        self.messages += other.messages
        self.refused += other.refused
        self.marked += other.marked


class Usage(msgspec.Struct):
    """Both directions of one customer."""

    up: Count = msgspec.field(default_factory=Count)
    down: Count = msgspec.field(default_factory=Count)
    connections: int = 0

    def add(self, other: Usage) -> None:
        """Add another usage to this one."""
        self.up.add(other.up)
        self.down.add(other.down)
        self.connections += other.connections


class UsageLedger:
    """All customers: the connections that ended, summed; those that live are asked for theirs."""

    MOST_CUSTOMERS = 10_000
    """Names that are kept apart; a stranger who makes up more shares the entry ``(others)``."""

    def __init__(self) -> None:
        self._ended: dict[str, Usage] = {}

    def close(self, customer: str, usage: Usage) -> None:
        """Take over the usage of a connection that ended."""
        if customer not in self._ended and len(self._ended) >= self.MOST_CUSTOMERS:
            customer = "(others)"
        self._ended.setdefault(customer, Usage()).add(usage)

    def by_customer(self, living: list[tuple[str, Usage]]) -> dict[str, Usage]:
        """Return the usage of every customer, `living` connections included."""
        total = {
            name: msgspec.convert(msgspec.to_builtins(usage), Usage)
            for name, usage in self._ended.items()
        }
        for customer, usage in living:
            total.setdefault(customer, Usage()).add(usage)
        return dict(sorted(total.items()))


def total_of(usages: list[Usage]) -> Usage:
    """Return the sum of usages."""
    total = Usage()
    for usage in usages:
        total.add(usage)
    return total
