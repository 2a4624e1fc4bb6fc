"""What the relay's tests share: a conversation without sockets, a relay on free ports, a broker."""

import asyncio
import contextlib
import datetime as dt
import shutil
import socket
import subprocess
import time

import pytest

from overflight_contract import messages
from overflight_contract.mqtt import ConnAck, Connect, Version, decode, encode
from overflight_contract.ports import free_port
from overflight_contract.session import SessionWriter
from overflight_relay.conversation import Conversation
from overflight_relay.judge import Judge
from overflight_relay.known import Known
from overflight_relay.link.control import LinkControl
from overflight_relay.link.model import Profile
from overflight_relay.listeners import TlsFiles, parse_listener
from overflight_relay.ruleset import RuleSet
from overflight_relay.server import RelayServer
from overflight_relay.tap import Tap
from overflight_relay.upstream import Upstreams, parse_upstream

FLIGHT = "20230128T060000Z-7f3a"


def position(seq=1, **changes):
    fields = {
        "flight": FLIGHT,
        "seq": seq,
        "held_from": 1,
        "measured_at": dt.datetime(2023, 2, 1, 12, 0, seq % 60, tzinfo=dt.UTC),
        "lat_deg": 47.12345,
        "lon_deg": -122.54321,
        "alt_msl_m": 18123.4,
        "alt_hae_m": 18100.1,
        "fix": messages.Fix.THREE_D,
        "sats": 11,
        "hdop": 0.9,
    }
    return messages.encode(messages.Position(**(fields | changes)))


class Wire:
    """A conversation with the two peers' words at hand."""

    def __init__(
        self, version=Version.V5, *, enforce=True, rules=None, client_id="HAB-01", known=None
    ):
        self.version = version
        self.known = known or Known()
        self.conversation = Conversation(7, Judge(rules or RuleSet(), self.known, enforce=enforce))
        self.client_id = client_id
        self.now = 1_000_000_000

    def connect(self, **fields):
        name = "MQIsdp" if self.version is Version.V31 else "MQTT"
        packet = Connect(
            client_id=self.client_id,
            keep_alive=60,
            version=self.version,
            protocol_name=name,
        )
        packet = type(packet)(
            **({key: getattr(packet, key) for key in packet.__struct_fields__} | fields)
        )
        return self.up(packet)

    def connected(self):
        assert self.connect().forward
        assert self.down(ConnAck()).forward
        return self

    def raw_up(self, data):
        self.now += 1
        return self.conversation.from_client(data, self.now)

    def up(self, packet):
        return self.raw_up(encode(packet, self.version))

    def raw_down(self, data):
        self.now += 1
        return self.conversation.from_broker(data, self.now)

    def down(self, packet):
        return self.raw_down(encode(packet, self.version))

    def answer(self, effects):
        """Return the one packet that the relay answered with, decoded."""
        assert len(effects.replies) == 1, effects.replies
        return decode(effects.replies[0], self.version)


@pytest.fixture(scope="session")
def wire():
    return Wire


@pytest.fixture(scope="session")
def make_position():
    return position


class Running:
    """A relay in this loop."""

    def __init__(self, relay, address, task, record):
        self.relay = relay
        self.host, self.port = address
        self.task = task
        self.record = record


@contextlib.asynccontextmanager
async def running_relay(
    upstream, record=None, *, listen="127.0.0.1:0", files=None, link=None, seed=0, **options
):
    writer = None if record is None else SessionWriter(record)
    tap = options.pop("tap", None) or Tap(writer)
    rules = options.pop("rules", None) or RuleSet()
    options.setdefault("enforce", False)
    loop = asyncio.get_running_loop()
    relay = RelayServer(
        tap,
        rules,
        LinkControl(link or Profile(name="perfect"), seed, loop.time),
        Upstreams(
            [
                parse_upstream(entry)
                for entry in ([upstream] if isinstance(upstream, str) else upstream)
            ]
        ),
        **options,
    )
    addresses = await relay.listen([parse_listener(listen)], files or TlsFiles())
    task = asyncio.create_task(relay.run())
    try:
        yield Running(relay, addresses[0], task, record)
    finally:
        relay.stop()
        with contextlib.suppress(Exception):
            await task
        if writer is not None:
            with contextlib.suppress(OSError):
                writer.close()


@pytest.fixture(scope="session")
def relay_on():
    return running_relay


@pytest.fixture(scope="session")
def until():
    async def wait(condition, seconds=10.0):
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            assert asyncio.get_running_loop().time() < deadline, "did not happen in time"
            await asyncio.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def mosquitto(tmp_path_factory):
    """A mosquitto on a free port; skipped where it is not installed."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto mosquitto-clients")
    folder = tmp_path_factory.mktemp("mosquitto")
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        "max_inflight_messages 0\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([program, "-c", str(config)], stdout=log, stderr=log)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            assert time.monotonic() < deadline, (folder / "log").read_text()
            time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(10)


def pytest_asyncio_loop_factories(config, item):
    """Run on the relay's own loop, where it is installed: what runs is what is tested."""
    try:
        import uvloop
    except ImportError:
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}
