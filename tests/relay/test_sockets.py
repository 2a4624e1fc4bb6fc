"""The legs of a crossing: what a peer still said before it was gone is heard."""

import asyncio
import socket
import struct

from overflight_relay.sockets import Leg, sender


class Ear:
    """Notes what it hears."""

    def __init__(self):
        self.heard, self.ended = b"", asyncio.Event()

    def opened(self, transport):
        self.transport = transport

    def received(self, data):
        self.heard += data

    def half_closed(self):
        return False

    def lost(self, error):
        self.ended.set()

    def full(self, is_full):
        """Say nothing."""


async def test_the_last_words_of_a_peer_that_is_gone_are_heard(until):
    loop, ear = asyncio.get_running_loop(), Ear()
    with socket.create_server(("127.0.0.1", 0)) as server:
        await loop.create_connection(lambda: Leg(ear), *server.getsockname())
        peer, _ = server.accept()
    ear.transport.pause_reading()
    peer.sendall(b"last words")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()  # with a reset
    send = sender(ear.transport)
    for _ in range(3):
        send(b"too late")
        await asyncio.sleep(0.01)
    assert not ear.ended.is_set()
    ear.transport.resume_reading()
    async with asyncio.timeout(5):
        await ear.ended.wait()
    assert ear.heard == b"last words"
