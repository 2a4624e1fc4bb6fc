"""Transports and servers in memory, for a `VirtualLoop`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from overflight.virtual.loop import VirtualLoop

Address = tuple[str, int]


class MemoryTransport(asyncio.Transport):
    """One end of a connection; what is written is the other end's at the next turn of the loop."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol, **extra: object
    ) -> None:
        super().__init__(extra)
        self._loop = loop
        self._protocol = protocol
        self._peer: MemoryTransport | None = None
        self._closing = False
        self._reading = True
        self._held: list[bytes] = []

    def join(self, peer: MemoryTransport) -> None:
        """Make `peer` the other end of this one."""
        self._peer = peer

    # writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes."""
        if self._peer is not None and not self._closing and data:
            self._loop.call_soon(self._peer.take, bytes(data))

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        """Send several pieces as one."""
        self.write(b"".join(bytes(each) for each in list_of_data))

    def write_eof(self) -> None:
        """Say that nothing more comes."""
        if self._peer is not None:
            self._loop.call_soon(self._peer.peer_ended)

    def can_write_eof(self) -> bool:
        """Tell that one end can stop writing while it goes on reading."""
        return True

    def get_write_buffer_size(self) -> int:
        """Nothing is ever buffered."""
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is ever buffered, so limits mean nothing."""

    # reading

    def pause_reading(self) -> None:
        """Keep what comes until `resume_reading`."""
        self._reading = False

    def resume_reading(self) -> None:
        """Hand over what was kept."""
        self._reading = True
        held, self._held = self._held, []
        for data in held:
            self.take(data)

    def is_reading(self) -> bool:
        """Tell whether what comes is handed over."""
        return self._reading

    def take(self, data: bytes) -> None:
        """Hand over what the other end has sent."""
        if self._closing:
            return
        if not self._reading:
            self._held.append(data)
            return
        protocol: Any = self._protocol
        if not isinstance(protocol, asyncio.BufferedProtocol):
            protocol.data_received(data)
            return
        while data:
            buffer = memoryview(protocol.get_buffer(len(data)))
            count = min(len(buffer), len(data))
            buffer[:count] = data[:count]
            protocol.buffer_updated(count)
            data = data[count:]

    def peer_ended(self) -> None:
        """Say that the other end sends nothing more."""
        protocol: Any = self._protocol
        if not self._closing and not protocol.eof_received():
            self.close()

    # closing

    def is_closing(self) -> bool:
        """Tell whether it was closed."""
        return self._closing

    def close(self) -> None:
        """Close; what was written before still arrives."""
        self._close(None)

    def abort(self) -> None:
        """Close as a reset does."""
        self._close(None)

    def _close(self, error: Exception | None) -> None:
        if self._closing:
            return
        self._closing = True
        self._loop.call_soon(self._protocol.connection_lost, error)
        if self._peer is not None:
            self._loop.call_soon(self._peer.peer_ended)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection to another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol that the connection belongs to."""
        return self._protocol


class _Name:
    """Stands for a listening socket where only its address is asked for."""

    def __init__(self, address: Address) -> None:
        self._address = address

    def getsockname(self) -> Address:
        return self._address


class MemoryServer(asyncio.AbstractServer):
    """A server in memory; what `loop.create_server` returns."""

    def __init__(
        self,
        loop: VirtualLoop,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        address: Address,
    ) -> None:
        self.address = address
        self.protocol_factory = protocol_factory
        self._loop = loop
        self._closed = loop.create_future()

    @property
    def sockets(self) -> tuple[_Name, ...]:
        """Stand-ins that know their address."""
        return (_Name(self.address),)

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop that it serves on."""
        return self._loop

    def is_serving(self) -> bool:
        """Tell whether it takes connections."""
        return not self._closed.done()

    async def start_serving(self) -> None:
        """It does from the beginning."""

    async def serve_forever(self) -> None:
        """Serve until closed."""
        await asyncio.shield(self._closed)

    def close(self) -> None:
        """Take no more connections; those that are there stay."""
        self._loop.servers.pop(self.address[1], None)
        if not self._closed.done():
            self._closed.set_result(None)

    async def wait_closed(self) -> None:
        """Nothing is left to wait for."""


def connect(
    loop: asyncio.AbstractEventLoop,
    protocol_factory: Callable[[], asyncio.BaseProtocol],
    server: MemoryServer,
    address: Address,
) -> tuple[MemoryTransport, asyncio.BaseProtocol]:
    """Join a new protocol of the client with a new one of the server."""
    client, host = protocol_factory(), server.protocol_factory()
    here: Address = ("memory", 0)
    near = MemoryTransport(loop, client, peername=address, sockname=here)
    far = MemoryTransport(loop, host, peername=here, sockname=address)
    near.join(far)
    far.join(near)
    host.connection_made(far)
    client.connection_made(near)
    return near, client
