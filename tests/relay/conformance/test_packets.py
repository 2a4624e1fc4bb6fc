"""Every legal and malformed packet of the fuzz corpus, straight at mosquitto and through the relay.

What comes back, byte for byte, and whether the connection was closed, is the same; also where the
packet comes byte by byte, and where it never comes whole.
"""

import asyncio
import contextlib
import re
import socket
import uuid
from pathlib import Path

import pytest

from overflight_contract.mqtt import Connect, Framer, Version, encode
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES

pytestmark = pytest.mark.mosquitto
CORPUS = Path(__file__).parents[3] / "fuzz" / "corpus"
PINGREQ, PINGRESP = b"\xc0\0", b"\xd0\0"
_SECONDS = 0.5
_SETTLE_S = 0.005
_NAGLE_S = 0.2
"""A broker that does not set TCP_NODELAY keeps a second PINGRESP back for 40 ms."""
_ASSIGNED = re.compile(rb"auto-[0-9A-F-]{36}")


def packets():
    """Return (name, version, packet), as the corpus chooses the version."""
    files = sorted([*CORPUS.glob("legal-*"), *CORPUS.glob("refused-*")])
    return [(f.name, tuple(Version)[f.read_bytes()[0] % 3], f.read_bytes()[2:]) for f in files]


async def hear(connection, until, settle_s=_SETTLE_S):
    """Return what comes until a while after `until`, and whether the connection was closed."""
    data, patience, loop = b"", _SECONDS, asyncio.get_running_loop()
    with contextlib.suppress(TimeoutError):
        while True:
            async with asyncio.timeout(patience):
                try:
                    more = await loop.sock_recv(connection, 1 << 16)
                except ConnectionError:
                    more = b""
            if not more:
                return _ASSIGNED.sub(b"assigned", data), True
            data += more
            patience = settle_s if until in data else _SECONDS
    return _ASSIGNED.sub(b"assigned", data), False


@contextlib.asynccontextmanager
async def connected(port, version=None):
    """Connect, without streams: they forget what came once a write has failed."""
    loop = asyncio.get_running_loop()
    with socket.create_connection(("127.0.0.1", port)) as connection:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if version is not None:
            hello = Connect(
                client_id=uuid.uuid4().hex[:20],
                version=version,
                protocol_name=PROTOCOL_NAMES[version],
            )
            await loop.sock_sendall(connection, encode(hello, version))
            framer = Framer()
            while not framer.feed(await loop.sock_recv(connection, 1 << 10)):
                pass
        yield connection


async def answer(port, version, packet, *, step):
    """Say hello, unless the packet is one; send it in pieces, then a ping; return the answer."""
    loop = asyncio.get_running_loop()
    async with connected(port, version if packet[0] >> 4 != 1 else None) as connection:
        pieces = [packet[start : start + step] for start in range(0, len(packet), step)]
        with contextlib.suppress(ConnectionError):
            for piece in (*pieces, PINGREQ):
                await loop.sock_sendall(connection, piece)
                await asyncio.sleep(0)
        settle_s = _NAGLE_S if packet.startswith(PINGREQ[:1]) else _SETTLE_S
        return await hear(connection, PINGRESP, settle_s)


@pytest.mark.parametrize("step", [1, 10**6], ids=["byte by byte", "whole"])
async def test_the_answer_is_the_same(mosquitto, relay_on, step):
    different = []
    async with relay_on(f"127.0.0.1:{mosquitto}") as relay:
        for name, version, packet in packets():
            straight = await answer(mosquitto, version, packet, step=10**6)
            through = await answer(relay.port, version, packet, step=step)
            if straight != through:
                different.append(f"{name}: {straight} but {through}"[:300])
    assert not different, "\n".join(different)


@pytest.mark.parametrize("begun", ["c0", "20", "3010", "8206", "c005", "00", "36", "e07f", "90"])
@pytest.mark.parametrize("hello", [True, False], ids=["after CONNECT", "first"])
async def test_a_packet_that_never_comes_whole(mosquitto, relay_on, begun, hello):
    async def told(port):
        async with connected(port, Version.V5 if hello else None) as connection:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection, bytes.fromhex(begun))
            return await hear(connection, b"never")

    async with relay_on(f"127.0.0.1:{mosquitto}") as relay:
        straight, through = await asyncio.gather(told(mosquitto), told(relay.port))
    assert straight == through
