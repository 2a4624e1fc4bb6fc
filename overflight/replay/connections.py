"""The connections of a replay: opened as recorded, brought into the state of a scene, ended."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import msgspec

from overflight.replay.client import Client, open_client
from overflight.replay.report import Report
from overflight.replay.rewriting import Rewriter
from overflight.replay.scene import Scene, Standing
from overflight_contract.errors import UnavailableError
from overflight_contract.mqtt import Connect, Disconnect, Publish, Subscribe, Version
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES
from overflight_ground.ingest.address import BrokerAddress

SETTLE_S: Final = 30.0
"""How long acknowledgements may take at the end of a connection."""
FLAT: Final = 0
"""Number of the one connection of a flat replay."""
MAX_LOST: Final = 100
"""After so many lost connections a replay gives up."""


@dataclass(frozen=True)
class Target:
    """Where to play to, and as whom."""

    address: BrokerAddress
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: bytes | None = None
    passwords: Mapping[str, bytes] = field(default_factory=dict)
    """Passwords by user name or client id, for sessions of several clients."""
    version: Version | None = None
    """Instead of the recorded one; a flat replay takes 3.1.1 without it."""
    client_id: str = ""
    """Of a flat replay."""


@dataclass(frozen=True)
class Manner:
    """How to play."""

    flat: bool = False
    qos: int | None = None
    """Instead of the recorded one."""
    loops: int | None = 1
    """How often; `None` is for ever."""
    lazy: bool = False
    """Open a connection only when it has something to say."""
    rewriter: Rewriter = field(default_factory=Rewriter)


class Connections:
    """All connections of one replay; counts into `report`."""

    def __init__(
        self,
        target: Target,
        manner: Manner,
        report: Report,
        on_message: Callable[[Publish], None] | None,
    ) -> None:
        self._target = target
        self._manner = manner
        self._report = report
        self._on_message = on_message
        self._clients: dict[int, Client] = {}
        self._standing: dict[int, Standing] = {}
        self._retained: set[str] = set()

    def flush(self) -> None:
        """Hand over what every connection has buffered."""
        for client in self._clients.values():
            client.flush()

    def drop_all(self) -> None:
        """Let go of everything at once."""
        for client in self._clients.values():
            client.drop()

    async def begin(self, connection: int, packet: Connect) -> None:
        """Let a recorded connection begin."""
        await self.end(connection)
        await self._settle_namesakes(packet.client_id)
        self._standing[connection] = Standing(packet)
        if not self._manner.lazy:
            await self.client(connection)

    async def _settle_namesakes(self, client_id: str) -> None:
        """Let what a client has in flight arrive before the broker ends it for a newer one."""
        name = self._manner.rewriter.name(client_id)
        for client in list(self._clients.values()):
            if client.connect.client_id == name:
                await client.settle(SETTLE_S)

    def send(self, client: Client, packet: Publish, topic: str) -> None:
        """Send a message on `client`, rewritten as asked for."""
        sent = self._manner.rewriter.publish(packet, topic, client.version)
        qos = self._manner.qos
        if qos is not None and qos != sent.qos:
            sent = msgspec.structs.replace(sent, qos=qos, packet_id=None)
        if sent.retain:
            (self._retained.add if sent.payload else self._retained.discard)(sent.topic)
        client.publish(sent)

    async def end(self, connection: int, packet: object = None) -> None:
        """End one connection as it was ended: with DISCONNECT, or without."""
        self._standing.pop(connection, None)
        client = self._clients.pop(connection, None)
        if client is None:
            return
        await client.settle(SETTLE_S)
        if isinstance(packet, Disconnect):
            self._report.packets += 1
            await client.close(packet)
        else:
            client.drop()
        self._account(client)

    async def end_all(self) -> None:
        """Say goodbye on what is still open at the end of the session."""
        for connection in list(self._clients):
            client = self._clients.pop(connection)
            await client.settle(SETTLE_S)
            await client.close()
            self._account(client)
        self._standing.clear()

    def _account(self, client: Client) -> None:
        report = self._report
        report.acknowledged += client.acknowledged
        report.refused_by_broker += client.refused
        report.unacknowledged += client.in_flight
        report.received += client.received
        report.reasons += client.reasons

    def ready(self, connection: int) -> Client | None:
        """Return the client of a connection if it is open."""
        client = self._clients.get(connection)
        return client if client is not None and client.lost is None else None

    async def client(self, connection: int) -> Client:
        """Return the open client of a connection; open it, or open it again after a loss."""
        client = self._clients.get(connection)
        if client is not None and client.lost is None:
            return client
        if client is not None:
            self._report.lost_connections += 1
            self._account(client)
            if self._report.lost_connections > MAX_LOST:
                raise UnavailableError(f"the broker keeps closing connections: {client.lost}")
        standing = self._standing.get(connection)
        connect = self._introduction(connection, standing)
        client = await open_client(
            connect, self._target.address, self._target.tls, self._on_message
        )
        self._clients[connection] = client
        self._report.connections += 1
        label = client.version.label
        self._report.versions[label] = self._report.versions.get(label, 0) + 1
        return client

    def _introduction(self, connection: int, standing: Standing | None) -> Connect:
        """Return the CONNECT to send: the recorded one under new names, or one of our own."""
        target = self._target
        version = target.version
        if self._manner.flat or standing is None or standing.connect is None:
            chosen = version or Version.V311
            made = Connect(
                client_id=target.client_id if self._manner.flat else f"replay-{connection}",
                keep_alive=60,
                version=chosen,
                protocol_name=PROTOCOL_NAMES[chosen],
            )
        else:
            recorded = standing.connect
            made = self._manner.rewriter.connect(recorded, version or recorded.version)
        username, password = _credentials(made, target)
        return msgspec.structs.replace(made, username=username, password=password)

    async def enter(self, scene: Scene) -> None:
        """Bring about the state of a scene: connections, subscriptions, retained values."""
        if self._manner.flat:
            await self._restore(scene, FLAT)
            return
        for connection in list(self._clients):
            if connection not in scene.connections:
                await self.end(connection, Disconnect())
        for connection, standing in scene.connections.items():
            known = connection in self._clients
            self._standing[connection] = standing
            if known or self._manner.lazy:
                continue
            client = await self.client(connection)
            if standing.subscriptions:
                wanted = Subscribe(
                    packet_id=1, subscriptions=tuple(standing.subscriptions.values())
                )
                client.subscribe(self._manner.rewriter.subscribe(wanted, client.version))
        await self._restore(scene, next(iter(scene.connections), FLAT))

    async def _restore(self, scene: Scene, connection: int) -> None:
        """Publish the retained values of a scene, and clear those that it does not have."""
        rename = self._manner.rewriter.topic
        gone = self._retained - {rename(topic) for topic in scene.retained}
        if not scene.retained and not gone:
            return
        client = await self.client(connection)
        for topic in sorted(gone):
            client.publish(Publish(topic=topic, retain=True))
            self._retained.discard(topic)
        for topic, view in scene.retained.items():
            packet = view.decoded
            assert isinstance(packet, Publish)
            self.send(client, packet, topic)
            self._report.restored += 1
        await client.settle(SETTLE_S)


def _credentials(made: Connect, target: Target) -> tuple[str | None, bytes | None]:
    """Return user name and password; with a password given, the name is at least the client id."""
    username = target.username or made.username
    own = target.passwords.get(username or made.client_id)
    password = target.password if own is None else own
    return (username if password is None else username or made.client_id), password
