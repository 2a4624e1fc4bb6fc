"""Kill -9 of the relay under load: the session has every packet that the broker got."""

import asyncio
import os
import random
import signal
import sys

import pytest

from overflight_contract.mqtt import ConnAck, Connect, Framer, Publish, Version, encode
from overflight_contract.session import Direction, Verdict, open_session

TOPIC = "overflight/1/HAB-01/position"
V311 = Version.V311
ROUNDS = int(os.environ.get("OVERFLIGHT_KILL_ROUNDS", "100"))

RELAY = """
import asyncio, sys
from overflight_contract.session import SessionWriter
from overflight_relay.link.control import LinkControl
from overflight_relay.link.model import Profile
from overflight_relay.listeners import TlsFiles, parse_listener
from overflight_relay.ruleset import RuleSet
from overflight_relay.server import RelayServer
from overflight_relay.tap import Tap
from overflight_relay.upstream import Upstreams, parse_upstream
from pathlib import Path
import os, signal

async def main(path, upstream):
    relay = RelayServer(
        Tap(SessionWriter(Path(path), chunk_bytes=1 << 16)), RuleSet(),
        LinkControl(Profile(name="perfect"), 0, asyncio.get_running_loop().time),
        Upstreams([parse_upstream(upstream)]), enforce=True,
    )
    addresses = await relay.listen([parse_listener("127.0.0.1:0")], TlsFiles())
    print(addresses[0].port, flush=True)
    await relay.run()

for path in sys.stdin:  # one life a line, in a child: imports are paid once
    path, upstream = path.split()
    child = os.fork()
    if child == 0:
        asyncio.run(main(path, upstream))
    print("pid", child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


class Broker:
    def __init__(self):
        self.got = []

    async def serve(self, reader, writer):
        framer = Framer()
        try:
            while data := await reader.read(1 << 16):
                packets = framer.feed(data)
                self.got += packets
                if packets[:1] and packets[0][0] >> 4 == 1:
                    writer.write(encode(ConnAck(), V311))
        except ConnectionError:
            pass
        writer.close()


async def one_life(nursery, path, broker, port, packets, rng):
    nursery.stdin.write(f"{path} 127.0.0.1:{port}\n".encode())
    words = {}
    while len(words) < 2:
        line = (await nursery.stdout.readline()).decode().split()
        words[line[0] if line[0] == "pid" else "port"] = int(line[-1])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", words["port"])
        writer.write(encode(Connect(client_id="HAB-01", keep_alive=60, version=V311), V311))
        await reader.readexactly(4)
        target = len(broker.got) + rng.randrange(0, 3000)
        sending = asyncio.create_task(send(writer, packets, rng))
        async with asyncio.timeout(20):
            while len(broker.got) < target and not sending.done():
                await asyncio.sleep(0)
        os.kill(words["pid"], signal.SIGKILL)
        await sending
        writer.close()
    except ConnectionError:
        os.kill(words["pid"], signal.SIGKILL)
    assert (await nursery.stdout.readline()).split() == [b"dead"]


async def send(writer, packets, rng):
    try:
        at = 0
        while at < len(packets):
            step = rng.choice((1, 7, 60, 500))
            writer.write(b"".join(packets[at : at + step]))
            at += step
            await writer.drain()
            if rng.random() < 0.2:
                await asyncio.sleep(0)
    except ConnectionError:
        pass


@pytest.mark.slow
async def test_a_hundred_kills_lose_nothing_that_crossed(tmp_path, make_position):
    rng = random.Random(7)
    broker = Broker()
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    packets = [
        encode(Publish(topic=TOPIC, payload=make_position(seq), qos=1, packet_id=seq), V311)
        for seq in range(1, 4001)
    ]
    nursery = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        RELAY,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        for number in range(ROUNDS):
            if number % 5 == 0:  # a few lives go on with the same session
                path, seen = tmp_path / f"{number}.mcap", 0
            broker.got.clear()
            await one_life(nursery, path, broker, port, packets, rng)
            await asyncio.sleep(0)
            session, seen = crossed(path, seen)
            assert broker.got == session[: len(broker.got)]
    finally:
        nursery.stdin.close()
        await nursery.wait()
        server.close()


def crossed(path, seen):
    """Return what the session has of upward packets after the first `seen`, and how many now."""
    with open_session(path) as session:
        found = [
            packet.data
            for packet in session.packets()
            if packet.direction is Direction.UP and packet.verdict is Verdict.OK
        ]
    return found[seen:], len(found)
