"""A small MQTT broker for tests on a `VirtualLoop`: QoS 0 and 1 out, 0 to 2 in.

Retained messages, wills and sessions that outlast a connection are there; shared subscriptions
and authentication are not. It keeps everything in memory and never loses anything.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from typing import Final, Self, cast

from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    Packet,
    PingReq,
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    RemoteProtocolError,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    Version,
    decode,
    encode,
    matches,
)

PORT: Final = 1883


@dataclass
class _Session:
    """What a client has at the broker, connected or not."""

    client_id: str
    kept: bool
    subscriptions: dict[str, int] = field(default_factory=dict)
    waiting: dict[int, Publish] = field(default_factory=dict)
    """Messages of QoS 1 that are not acknowledged, by packet id."""
    ids: itertools.cycle[int] = field(default_factory=lambda: itertools.cycle(range(1, 65536)))
    link: _Link | None = None


class MemoryBroker:
    """Serves on the running loop; `published` has every message that came in, in order."""

    def __init__(self) -> None:
        self.published: list[Publish] = []
        self.retained: dict[str, Publish] = {}
        self._sessions: dict[str, _Session] = {}
        self._server: asyncio.AbstractServer | None = None
        self._unnamed = itertools.count(1)

    async def start(self, port: int = PORT) -> None:
        """Take connections on `port` of the running loop."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Link(self), "broker", port)

    def stop(self) -> None:
        """Take no more connections and end those that are there."""
        if self._server is not None:
            self._server.close()
        for session in self._sessions.values():
            if session.link is not None:
                session.link.end()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_exception: object) -> None:
        self.stop()

    def open(self, packet: Connect, link: _Link) -> tuple[_Session, bool]:
        """Return the session of a client that connects, and whether it was there."""
        name = packet.client_id or f"unnamed-{next(self._unnamed)}"
        before = self._sessions.get(name)
        if before is not None and before.link is not None:
            before.link.end()  # [MQTT-3.1.4-3]: the newer connection takes over
        present = before is not None and before.kept and not packet.clean_start
        session = before if before is not None and present else _Session(name, kept=True)
        session.kept = not packet.clean_start
        session.link = link
        self._sessions[name] = session
        return session, present

    def left(self, session: _Session, link: _Link) -> None:
        """Note that a connection is gone."""
        if session.link is link:
            session.link = None
            if not session.kept:
                self._sessions.pop(session.client_id, None)

    def publish(self, packet: Publish) -> None:
        """Take a message and hand it to whoever wants it."""
        self.published.append(packet)
        if packet.retain:
            if packet.payload:
                self.retained[packet.topic] = packet
            else:
                self.retained.pop(packet.topic, None)
        for session in list(self._sessions.values()):
            wanted = [
                qos for name, qos in session.subscriptions.items() if matches(name, packet.topic)
            ]
            if wanted:
                self.deliver(session, packet, max(wanted), retain=False)

    def deliver(self, session: _Session, packet: Publish, qos: int, *, retain: bool) -> None:
        """Send a message to one client, or keep it for when it is back."""
        qos = min(qos, packet.qos, 1)
        out = Publish(topic=packet.topic, payload=packet.payload, retain=retain)
        if qos:
            number = next(each for each in session.ids if each not in session.waiting)
            out = Publish(
                topic=packet.topic, payload=packet.payload, qos=1, packet_id=number, retain=retain
            )
            session.waiting[number] = out
        if session.link is not None:
            session.link.send(out)


class _Link(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker
        self._framer = Framer()
        self._transport: asyncio.Transport | None = None
        self._version: Version | None = None
        self._session: _Session | None = None
        self._connect: Connect | None = None
        self._received: set[int] = set()
        self._aliases: dict[int, str] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what the client sent."""
        try:
            for packet in self._framer.feed(data):
                assert isinstance(packet, bytes)
                self._take(decode(packet, self._version, from_client=True))
        except RemoteProtocolError:
            self.end()

    def connection_lost(self, _exc: Exception | None) -> None:
        """Publish the will where the client left without a goodbye."""
        if self._session is None:
            return
        self._broker.left(self._session, self)
        will = self._connect.will if self._connect is not None else None
        if will is not None:
            self._broker.publish(
                Publish(
                    topic=will.topic,
                    payload=will.payload,
                    qos=will.qos,
                    packet_id=1 if will.qos else None,
                    retain=will.retain,
                )
            )

    def send(self, packet: Packet) -> None:
        """Send a packet to the client."""
        if self._transport is not None and self._version is not None:
            self._transport.write(encode(packet, self._version))

    def end(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()

    def _take(self, packet: Packet) -> None:
        session = self._session
        match packet:
            case Connect():
                self._greet(packet)
            case _ if session is None:
                self.end()
            case Publish():
                self._publish(packet)
            case PubRel():
                self._received.discard(packet.packet_id)
                self.send(PubComp(packet_id=packet.packet_id))
            case PubAck():
                session.waiting.pop(packet.packet_id, None)
            case Subscribe():
                self._subscribe(packet, session)
            case Unsubscribe():
                codes = tuple(
                    0 if session.subscriptions.pop(name, None) is not None else 0x11
                    for name in packet.topic_filters
                )
                five = self._version is Version.V5
                self.send(UnsubAck(packet_id=packet.packet_id, reason_codes=codes if five else ()))
            case PingReq():
                self.send(PingResp())
            case Disconnect():
                if packet.reason_code != 4:  # [MQTT-3.14.4-3]: the will is discarded
                    self._connect = None
                self.end()
            case _:
                pass

    def _greet(self, packet: Connect) -> None:
        self._version, self._connect = packet.version, packet
        self._session, present = self._broker.open(packet, self)
        self.send(ConnAck(session_present=present and packet.version is not Version.V31))
        for message in list(self._session.waiting.values()):
            self.send(message)

    def _publish(self, packet: Publish) -> None:
        alias = packet.properties.topic_alias if packet.properties is not None else None
        topic = packet.topic
        if alias is not None:
            topic = topic or self._aliases.get(alias, "")
            self._aliases[alias] = topic
        again = packet.packet_id in self._received and packet.qos == 2
        if not again:
            self._broker.publish(
                Publish(
                    topic=topic,
                    payload=packet.payload,
                    qos=packet.qos,
                    packet_id=packet.packet_id,
                    retain=packet.retain,
                )
            )
        if packet.qos == 1:
            self.send(PubAck(packet_id=packet.packet_id or 0))
        elif packet.qos == 2:
            self._received.add(packet.packet_id or 0)
            self.send(PubRec(packet_id=packet.packet_id or 0))

    def _subscribe(self, packet: Subscribe, session: _Session) -> None:
        codes = tuple(min(each.qos, 1) for each in packet.subscriptions)
        self.send(SubAck(packet_id=packet.packet_id, reason_codes=codes))
        for each, qos in zip(packet.subscriptions, codes, strict=True):
            session.subscriptions[each.topic_filter] = qos
            for topic, message in self._broker.retained.items():
                if matches(each.topic_filter, topic):
                    self._broker.deliver(session, message, qos, retain=True)
