"""The two legs of a crossing as asyncio sees them; nothing is decided here."""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

READ_BUFFER_BYTES = 1 << 18

_buffer = bytearray(READ_BUFFER_BYTES)
_view = memoryview(_buffer)
"""One buffer for all connections: a loop fills it and hands it over in one go, so that 10,000
idle connections hold none."""


class Side(Protocol):
    """Who a leg reports to."""

    def opened(self, transport: asyncio.Transport) -> None:
        """The connection is made."""

    def received(self, data: bytes) -> None:
        """Bytes came."""

    def half_closed(self) -> bool:
        """The peer will send no more; returns whether to keep the other direction open."""

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""

    def full(self, is_full: bool) -> None:
        """The peer does not take our bytes as fast as they come (or does again)."""


class Leg(asyncio.BufferedProtocol):
    """A connection to the client, or to the broker."""

    __slots__ = ("_side",)

    def __init__(self, side: Side) -> None:
        self._side = side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report."""
        stream = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        stream.set_write_buffer_limits(high=READ_BUFFER_BYTES)
        self._side.opened(stream)

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the shared buffer."""
        return _view

    def buffer_updated(self, nbytes: int) -> None:
        """Take the bytes out of the shared buffer."""
        self._side.received(bytes(_view[:nbytes]))

    def eof_received(self) -> bool:
        """Report."""
        return self._side.half_closed()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report."""
        self._side.lost(exc)

    def pause_writing(self) -> None:
        """Report."""
        self._side.full(True)

    def resume_writing(self) -> None:
        """Report."""
        self._side.full(False)
