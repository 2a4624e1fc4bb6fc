"""The broker's leg of a crossing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from overflight_relay.sockets import Hold, Side

if TYPE_CHECKING:
    from overflight_relay.crossing import Crossing


class BrokerSide(Side):
    """Reports to a crossing what comes of its broker."""

    __slots__ = ("_crossing", "received")

    def __init__(self, crossing: Crossing) -> None:
        self._crossing = crossing
        self.received = crossing.broker_received

    def opened(self, transport: asyncio.Transport) -> None:
        """Report."""
        self._crossing.broker_opened(transport)

    def half_closed(self) -> bool:
        """Close: brokers say nothing more, and hear nothing more."""
        self._crossing.end("broker", "broker closed")
        return False

    def lost(self, error: Exception | None) -> None:
        """Report."""
        self._crossing.broker_lost(error)

    def full(self, is_full: bool) -> None:
        """Slow the client down."""
        self._crossing.hold_client(Hold.FULL, is_full)
