"""The subscriber against brokers that misbehave; each is a few lines of script."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Self

import pytest

from overflight_contract.errors import InputError
from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    PubAck,
    Publish,
    SubAck,
    Subscribe,
    Version,
    decode,
    encode,
)
from overflight_ground.ingest import link as link_module
from overflight_ground.ingest.address import BrokerAddress, parse_broker
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.link import BrokerLink
from overflight_ground.ingest.run import Taken
from overflight_ground.ingest.subscriber import Subscriber, Subscription


class Broker:
    """Serves one script a connection; remembers what it was sent."""

    def __init__(self, *scripts) -> None:
        self.scripts = list(scripts)
        self.connects: list[Connect] = []
        self.acknowledged: list[int] = []
        self.published: list[Publish] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_rest: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts.pop(0) if self.scripts else refuse
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await script(self, reader, writer)
        writer.close()

    async def greet(self, reader, writer) -> Version:
        """Take CONNECT and SUBSCRIBE and grant both."""
        version, framer = Version.V311, Framer()
        while True:
            for packet in framer.feed(await reader.read(65536)):
                decoded = decode(packet, None if packet[0] >> 4 == 1 else version)
                if isinstance(decoded, Connect):
                    self.connects.append(decoded)
                    version = decoded.version
                    writer.write(encode(ConnAck(), version))
                elif isinstance(decoded, Subscribe):
                    codes = (1,) * len(decoded.subscriptions)
                    answer = SubAck(packet_id=decoded.packet_id, reason_codes=codes)
                    writer.write(encode(answer, version))
                    return version

    async def listen(self, reader, version) -> None:
        """Remember acknowledgements and receipts until the connection ends."""
        framer = Framer()
        while data := await reader.read(65536):
            for packet in framer.feed(data):
                decoded = decode(packet, version)
                if isinstance(decoded, PubAck):
                    self.acknowledged.append(decoded.packet_id)
                elif isinstance(decoded, Publish):
                    self.published.append(decoded)


async def refuse(broker, reader, writer) -> None:
    await reader.read(65536)


def sending(*packets: bytes):
    async def script(broker, reader, writer) -> None:
        version = await broker.greet(reader, writer)
        for packet in packets:
            writer.write(packet)
        await broker.listen(reader, version)

    return script


async def refuse_version_5(broker, reader, writer) -> None:
    """As nats-server: CONNACK with 'unacceptable protocol version', then gone."""
    await reader.read(65536)
    writer.write(bytes((0x20, 2, 0, 1)))
    await writer.drain()


@contextlib.asynccontextmanager
async def subscribed(broker: Broker, **settings):
    arrivals: list[Arrival] = []
    links: list[BrokerLink] = []
    wanted = Subscription(
        BrokerAddress("127.0.0.1", broker.port), "ground-1", rng=random.Random(1), **settings
    )

    def take(link: BrokerLink, came: list[Arrival]) -> None:
        arrivals.extend(came)
        link.acknowledge(link_module.pubacks([a.packet_id for a in came]))

    def take_runs(link: BrokerLink, taken: Taken) -> None:
        arrivals.extend(one.arrival for one in taken.singles)
        arrivals.extend(one.arrival for run in taken.runs for one in run.all_accepted())
        link.acknowledge(taken.pubacks)

    subscriber = Subscriber(
        wanted,
        on_arrivals=take,
        on_taken=take_runs,
        on_connected=links.append,
        on_lost=lambda: None,
        now_ns=lambda: 7,
    )
    task = asyncio.create_task(subscriber.run())
    try:
        yield subscriber, arrivals, links
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def publish(n: int, payload: bytes = b"x", version: Version = Version.V5) -> bytes:
    packet = Publish(topic="overflight/1/A/position", payload=payload, qos=1, packet_id=n)
    return encode(packet, version)


async def test_a_persistent_session_with_a_bounded_window() -> None:
    async with Broker(sending(publish(1), publish(2))) as broker, subscribed(broker) as (_, got, _):
        await until(lambda: broker.acknowledged == [1, 2])
        assert [a.packet_id for a in got] == [1, 2]
        (connect,) = broker.connects
        assert (connect.client_id, connect.clean_start, connect.will) == ("ground-1", False, None)
        assert connect.properties is not None
        assert connect.properties.receive_maximum == 20_000
        assert connect.properties.session_expiry_interval == 0xFFFFFFFF


@pytest.mark.parametrize("refusal", [refuse_version_5, refuse])
async def test_falls_back_to_3_1_1(refusal) -> None:
    async with Broker(refusal, sending()) as broker, subscribed(broker) as (_, _, links):
        await until(lambda: links)
        assert links[0].version is Version.V311
        assert broker.connects[0].version is Version.V311


async def test_comes_back_after_each_end() -> None:
    async def hang_up(broker, reader, writer) -> None:
        await broker.greet(reader, writer)

    async def rubbish(broker, reader, writer) -> None:
        await broker.greet(reader, writer)
        writer.write(b"\xf7\xff\xff\xff\xff\xff")
        await broker.listen(reader, Version.V5)

    async def disconnect(broker, reader, writer) -> None:
        await broker.greet(reader, writer)
        writer.write(encode(Disconnect(reason_code=0x8B), Version.V5))
        await broker.listen(reader, Version.V5)

    scripts = (hang_up, rubbish, disconnect, sending(publish(9)))
    async with Broker(*scripts) as broker, subscribed(broker) as (subscriber, got, links):
        await until(lambda: got, 20)
        assert len(links) == 4
        assert subscriber.state == "connected"


async def test_a_refused_subscription_is_tried_again() -> None:
    async def deny(broker, reader, writer) -> None:
        await reader.read(65536)
        writer.write(encode(ConnAck(), Version.V5))
        (packet,) = Framer().feed(await reader.read(65536))
        wanted = decode(packet, Version.V5)
        answer = SubAck(packet_id=wanted.packet_id, reason_codes=(0x80,))
        writer.write(encode(answer, Version.V5))
        await broker.listen(reader, Version.V5)

    async with Broker(deny, sending(publish(1))) as broker, subscribed(broker) as (_, got, _):
        await until(lambda: got)


async def test_a_packet_that_is_too_large_is_cut_and_the_next_one_is_whole(monkeypatch) -> None:
    monkeypatch.setattr(link_module, "MAX_PACKET", 2_000)
    monkeypatch.setattr(link_module, "OVERSIZE_KEPT", 500)
    large = publish(1, b"\xff" * 100_000)
    async with Broker(sending(large, publish(2))) as broker, subscribed(broker) as (_, got, _):
        await until(lambda: len(got) == 2)
        assert got[0].size == 100_000
        assert 0 < len(got[0].raw) < 600
        assert set(got[0].raw) == {255}
        assert (got[0].packet_id, got[1].raw) == (1, b"x")


async def test_wrong_credentials_are_told_and_tried_slowly() -> None:
    async def deny(broker, reader, writer) -> None:
        await reader.read(65536)
        writer.write(encode(ConnAck(reason_code=0x86), Version.V5))
        await writer.drain()

    async with Broker(deny, deny, deny) as broker, subscribed(broker) as (subscriber, _, _):
        await until(lambda: "user name or password" in subscriber.state)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mqtt://b.example", BrokerAddress("b.example", 1883)),
        ("b.example:1884", BrokerAddress("b.example", 1884)),
        ("mqtts://u:p%40@b.example", BrokerAddress("b.example", 8883, True, "u", "p@")),
        ("mqtt://[::1]:1885", BrokerAddress("::1", 1885)),
    ],
)
def test_addresses(text, expected) -> None:
    assert parse_broker(text) == expected


@pytest.mark.parametrize("text", ["", "http://b", "mqtt://", "mqtt://b:x", "mqtt://b/path"])
def test_what_is_no_address(text) -> None:
    with pytest.raises(InputError):
        parse_broker(text)


@pytest.mark.parametrize("version", [Version.V311, Version.V5])
def test_many_acknowledgements_are_as_encoded_one_by_one(version) -> None:
    ids = [1, 2, 255, 256, 65_535]
    expected = b"".join(encode(PubAck(packet_id=number), version) for number in ids)
    assert link_module.pubacks(ids) == expected
