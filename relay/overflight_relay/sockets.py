"""The two legs of a crossing as asyncio sees them; nothing is decided here."""

from __future__ import annotations

import asyncio
import enum
import os
from collections.abc import Callable
from typing import Protocol, cast

MOST_WAITING_BYTES = 1 << 18
"""What may wait to be taken by one side before the other is not read from."""


class Hold(enum.IntFlag):
    """Why a side is not read from."""

    CONNECTING = 1
    FULL = 2
    LINK = 4
    GATHERING = 8


class Side(Protocol):
    """Who a leg reports to."""

    received: Callable[[bytes], None]
    """Takes bytes that came; may be another one after `opened`."""

    def opened(self, transport: asyncio.Transport) -> None:
        """The connection is made."""

    def half_closed(self) -> bool:
        """The peer will send no more; returns whether to keep the other direction open."""

    def lost(self, error: Exception | None) -> None:
        """The connection is gone."""

    def full(self, is_full: bool) -> None:
        """The peer does not take our bytes as fast as they come (or does again)."""


class Leg(asyncio.Protocol):
    """A connection to the client, or to the broker.

    Its `data_received` is what the side takes bytes with: one call less for each read.
    """

    __slots__ = ("_side", "data_received")

    data_received: Callable[[bytes], None]  # type: ignore[assignment]  # not a method of ours

    def __init__(self, side: Side) -> None:
        self._side = side
        self.data_received = side.received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Report."""
        stream = cast("asyncio.Transport", transport)  # uvloop's is not a subclass
        stream.set_write_buffer_limits(high=MOST_WAITING_BYTES)
        self._side.opened(stream)
        self.data_received = self._side.received
        stream.set_protocol(self)  # uvloop looks `data_received` up only then

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


def sender(transport: asyncio.Transport) -> Callable[[bytes], None]:
    """Return what writes to `transport`: to its socket itself while nothing waits in its queue.

    uvloop keeps what is written to a transport until all that was read has been worked on; a
    packet need not wait for what the relay does after it has sent it.
    """
    write, waiting = transport.write, transport.get_write_buffer_size
    if transport.get_extra_info("sslcontext") is not None:
        return write
    fd = transport.get_extra_info("socket").fileno()

    def send(data: bytes) -> None:
        if waiting():
            sent = 0
        else:
            try:
                sent = os.write(fd, data)
            except (BrokenPipeError, ConnectionResetError):
                return  # the peer is gone: its last words are read first, and then its end
            except OSError:  # full, or broken: the transport meets the same, and can tell
                sent = 0
            if sent == len(data):
                return
        write(memoryview(data)[sent:])

    return send
