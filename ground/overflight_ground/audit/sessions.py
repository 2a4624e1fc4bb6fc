"""What the audit remembers of each client while it reads the traffic: the state of the rules."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

from overflight_contract.messages import Position, Telemetry
from overflight_ground.audit.room import Implausible, Motion, Sequence, position_bits
from overflight_ground.audit.steering import Steering, navigation_bits

PACKET_IDS: Final = 65_535
LOST_AT_MOST: Final = 256
"""Ids that a client may have handed out and lost with a connection, before they crossed."""


@dataclass(slots=True)
class PacketIds:
    """The packet ids that a client counts up, over all of its connections.

    A client that counts uses the id after its highest, or one that is open: sent and not settled,
    or passed over. Where a connection broke, ids that were handed out then never crossed, so the
    count may go on a little higher.
    """

    last: int = 0
    """The highest, as it was counted."""
    open: dict[int, bytes | None] = field(default_factory=dict)
    """Ids sent and not settled, or passed over at a reconnect: what was sent with each."""
    first_of_connection: bool = True
    lost: int = 0
    """How many ids may still be passed over."""

    def reconnected(self) -> PacketIds:
        """Return those of the client's next connection: it may count on from anywhere.

        What is open is the client's, not the connection's: two may overlap.
        """
        lost = LOST_AT_MOST if self.last else 0
        return PacketIds(last=self.last, open=self.open, lost=lost)

    def accepts(self, packet_id: int) -> tuple[bool, float]:
        """Tell whether `packet_id` is one that a counting client uses now; and its room."""
        if self.first_of_connection:
            return 1 <= packet_id <= PACKET_IDS, math.log2(PACKET_IDS)
        fits = packet_id in self.open or self._passed_over(packet_id) <= self.lost
        return fits, math.log2(1 + self.lost + len(self.open))

    def take(self, packet_id: int, sent: bytes | None) -> None:
        """Note that `packet_id` was used for `sent` (None: not for a message)."""
        over = self._passed_over(packet_id)
        if over == 0 or (packet_id not in self.open and over <= self.lost):
            skipped = [(self.last + step) % PACKET_IDS + 1 for step in range(over)]
            self.open.update(dict.fromkeys(i for i in skipped if i not in self.open))
            self.lost -= over
            self.last = packet_id
        elif self.first_of_connection and packet_id not in self.open:
            self.last = packet_id  # a client that was started anew counts anew
        self.open[packet_id] = sent
        self.first_of_connection = False

    def _passed_over(self, packet_id: int) -> int:
        return (packet_id - self.last - 1) % PACKET_IDS


@dataclass(slots=True)
class Client:
    """One client id: what lasts longer than its connections."""

    ids: PacketIds = field(default_factory=PacketIds)
    """Those of the connection on which something of it crossed last."""
    connections: int = 0
    keep_alive: bytes | None = None
    """That of its first CONNECT, which stands for its configuration; as do its properties."""
    properties: dict[str, bytes] = field(default_factory=dict)


@dataclass(slots=True)
class Link:
    """One connection: what ends with it."""

    number: int
    version: int = 4
    client_id: str | None = None
    payload: str | None = None
    client: Client = field(default_factory=Client)
    ids: PacketIds = field(default_factory=PacketIds)
    connected: bool = False
    midstream: bool = False
    """It began before the session did: its CONNECT is not there."""
    ended: bool = False
    keep_alive_s: int = 0
    last_up_ns: int | None = None
    ping_credit: float = 2.0
    ping_at_ns: int | None = None
    subscriptions_left: int = 1
    to_acknowledge: dict[tuple[int, int], int] = field(default_factory=dict)
    """(packet type, packet id) of answers that the client owes, and how often."""
    aliases: dict[int, bytes] = field(default_factory=dict)

    def owe(self, packet_type: int, packet_id: int) -> None:
        """The client may send one more `packet_type` for `packet_id`."""
        key = (packet_type, packet_id)
        self.to_acknowledge[key] = self.to_acknowledge.get(key, 0) + 1

    def settle(self, packet_type: int, packet_id: int) -> bool:
        """Take one such answer; False where none was owed."""
        key = (packet_type, packet_id)
        left = self.to_acknowledge.get(key, 0)
        if not left:
            return False
        if left == 1:
            del self.to_acknowledge[key]
        else:
            self.to_acknowledge[key] = left - 1
        return True


@dataclass(slots=True)
class FlightState:
    """One flight of one payload: its numbers, times, fixes and waypoints so far."""

    sequence: Sequence = field(default_factory=Sequence)
    motion: Motion = field(default_factory=Motion)
    steering: Steering = field(default_factory=Steering)

    def bits(self, message: Telemetry) -> tuple[list[tuple[str, float]], list[Implausible]]:
        """Return the room of each field of a new message, and what can't be; takes it in."""
        bits, wrong = self.sequence.bits(message)
        if isinstance(message, Position):
            more, implausible = position_bits(message, self.motion)
        else:
            more, implausible = navigation_bits(message, self.motion, self.steering)
        return bits + more, wrong + implausible
