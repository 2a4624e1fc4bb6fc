"""Scripted MQTT peers: they send what a story says and note all that they hear."""

import asyncio
import contextlib

import pytest

from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Framer,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    SubAck,
    Subscribe,
    Subscription,
    Version,
    decode,
    encode,
)

CLOSED = "closed"
_SECONDS = 15
_SETTLE_S = 0.1


class Peer:
    """One connection of a client; `heard` is all that it was sent, and its end."""

    def __init__(self, name, version, heard):
        self.name, self.version, self.heard = name, version, heard
        self.acknowledges = True
        self._taken = len(heard)
        self._news = asyncio.Event()

    async def open(self, port):
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._task = asyncio.create_task(self._listen())
        return self

    async def _listen(self):
        framer = Framer()
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(1 << 16):
                for raw in framer.feed(data):
                    self._hear(decode(raw, self.version, from_client=False))
        self._hear(CLOSED)

    def _hear(self, packet):
        self.heard.append(packet)
        self._news.set()
        if self.acknowledges:
            self._acknowledge(packet)

    def _acknowledge(self, packet):
        if isinstance(packet, Publish) and packet.qos:
            kind = PubAck if packet.qos == 1 else PubRec
            self.send(kind(packet_id=packet.packet_id))
        elif isinstance(packet, PubRel):
            self.send(PubComp(packet_id=packet.packet_id))
        elif isinstance(packet, PubRec) and packet.reason_code < 0x80:
            self.send(PubRel(packet_id=packet.packet_id))

    def send(self, packet):
        self.send_raw(packet if isinstance(packet, bytes) else encode(packet, self.version))

    def send_raw(self, data):
        if not self._writer.is_closing():
            self._writer.write(data)

    async def next(self):
        """Wait for what comes next, whatever it is."""
        async with asyncio.timeout(_SECONDS):
            while len(self.heard) <= self._taken:
                self._news.clear()
                await self._news.wait()
        self._taken += 1
        return self.heard[self._taken - 1]

    async def until(self, *kinds):
        """Wait until something of each kind has come, in this order."""
        got = None
        for kind in kinds:
            while (got := await self.next()) != kind and not isinstance(got, kind_of(kind)):
                assert got != CLOSED, f"{self.name} was closed before {kind}"
        return got

    async def end_or(self, kind):
        """Wait until something of this kind has come, or the end."""
        if CLOSED in self.heard:
            return
        while (got := await self.next()) != CLOSED and not isinstance(got, kind):
            pass

    async def subscribe(self, topic_filter, qos=2, packet_id=100, properties=None, **options):
        wanted = (Subscription(topic_filter=topic_filter, qos=qos, **options),)
        self.send(Subscribe(packet_id=packet_id, subscriptions=wanted, properties=properties))
        return await self.until(SubAck)

    async def drop(self):
        """Be gone without a word."""
        self._writer.transport.abort()
        await self._task

    async def leave(self):
        """Close the connection."""
        self._writer.close()
        await self._task


def kind_of(kind):
    return kind if isinstance(kind, type) else ()


class World:
    """A broker's port, and what all peers of one story heard by name."""

    def __init__(self, port, version, tag):
        self.port, self.version, self.tag = port, version, tag
        self.heard = {}
        self._peers = []

    def topic(self, name):
        return f"{self.tag}/{name}"

    async def peer(self, name, **fields):
        """Connect a client; `fields` are of its CONNECT."""
        made = await self.plain(name)
        made.send(self.hello(name, **fields))
        await made.until(ConnAck)
        return made

    def hello(self, name, **fields):
        fields = {"client_id": f"{self.tag}-{name}", "keep_alive": 60} | fields
        if self.version is not Version.V5:
            fields.pop("properties", None)
        protocol_name = "MQIsdp" if self.version is Version.V31 else "MQTT"
        return Connect(version=self.version, protocol_name=protocol_name, **fields)

    async def plain(self, name):
        made = Peer(name, self.version, self.heard.setdefault(name, []))
        self._peers.append(made)
        return await made.open(self.port)

    async def told(self):
        """Return all that was heard, when nothing more comes."""
        await asyncio.sleep(_SETTLE_S)
        for peer in self._peers:
            await peer.leave()
        return {
            name: [repr(packet).replace(self.tag, "TAG") for packet in heard]
            for name, heard in self.heard.items()
        }


@pytest.fixture(scope="session")
def world_on():
    return World
