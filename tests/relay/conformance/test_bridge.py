"""A bridge of mosquitto goes through the relay, though its CONNECT is none of the standard's.

It sets the high bit of the protocol version, by which mosquittos know each other.
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import uuid

import pytest

from overflight_contract.mqtt import Publish, Version
from overflight_contract.session import open_session
from overflight_relay.guard import Limits

pytestmark = pytest.mark.mosquitto
V4 = Version.V311


@pytest.fixture
def bridge(tmp_path):
    """Start mosquittos that are bridged to a port; gives their own ports."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("mosquitto is not installed")
    processes = []

    def start(remote, tag):
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            port = found.getsockname()[1]
        config = tmp_path / f"{tag}.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\n"
            f"connection {tag}\naddress 127.0.0.1:{remote}\nremote_clientid {tag}\n"
            f"topic {tag}/# both 1\nnotifications false\nrestart_timeout 1\n"
        )
        quiet = subprocess.DEVNULL
        processes.append(subprocess.Popen([program, "-c", str(config)], stderr=quiet))
        return port

    yield start
    for process in processes:
        process.terminate()
        process.wait(10)


async def connected(world, name):
    """Connect, as soon as the broker listens."""
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                return await world.peer(name)
            await asyncio.sleep(0.02)


async def test_messages_cross_a_bridge_both_ways(
    mosquitto, relay_on, world_on, bridge, tmp_path, monkeypatch, until
):
    monkeypatch.setattr("overflight_relay.server._SWEEP_S", 0.02)
    tag, limits = f"b{uuid.uuid4().hex[:8]}", Limits(connect_deadline_s=0.3)
    session = tmp_path / "s.mcap"
    async with relay_on(f"127.0.0.1:{mosquitto}", session, limits=limits) as relay:
        near = await connected(world_on(bridge(relay.port, tag), V4, tag), "near")
        far = await world_on(mosquitto, V4, tag).peer("far")
        names = [tag]
        await until(lambda: [c.talk.client_id for c in relay.relay.crossings.values()] == names)
        await near.subscribe(f"{tag}/down", 1)
        await far.subscribe(f"{tag}/up", 1)
        for n in range(1, 30):  # longer than the deadline for CONNECT
            near.send(Publish(topic=f"{tag}/up", payload=b"%d" % n, qos=1, packet_id=n))
            far.send(Publish(topic=f"{tag}/down", payload=b"%d" % n, qos=1, packet_id=n))
            await asyncio.sleep(0.05)
        await asyncio.gather(until_payload(near, b"29"), until_payload(far, b"29"))
        assert [crossing.talk.client_id for crossing in relay.relay.crossings.values()] == [tag]
    with open_session(session) as found:
        reasons = {packet.reason for packet in found.packets()}
    assert not [reason for reason in reasons if reason.startswith("protocol")]


async def until_payload(peer, payload):
    while (await peer.until(Publish)).payload != payload:
        pass
