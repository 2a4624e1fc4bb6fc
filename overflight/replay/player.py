"""Plays a timeline to a broker: the one place of a replay that waits and sends."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from overflight.replay.client import Client, open_client
from overflight.replay.clock import Clock
from overflight.replay.report import Lateness, Report
from overflight.replay.rewriting import Rewriter
from overflight.replay.scene import Scene, Standing
from overflight.replay.timeline import Cue, Timeline
from overflight_contract.dissect import PacketView
from overflight_contract.errors import UnavailableError
from overflight_contract.mqtt import (
    Connect,
    Disconnect,
    Publish,
    Subscribe,
    Unsubscribe,
    Version,
)
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES
from overflight_ground.ingest.address import BrokerAddress

SETTLE_S: Final = 30.0
"""How long acknowledgements may take at the end of a connection."""
_YIELD_EVERY: Final = 200
FLAT: Final = 0
"""Number of the one connection of a flat replay."""


@dataclass(frozen=True)
class Target:
    """Where to play to, and as whom."""

    address: BrokerAddress
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: bytes | None = None
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


class Player:
    """Plays; `clock`, `seek`, `step` and `stop` are its controls while it runs."""

    def __init__(
        self,
        timeline: Timeline,
        target: Target,
        manner: Manner,
        clock: Clock,
        *,
        on_message: Callable[[Publish], None] | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.report = Report()
        self.position_ns = 0
        self._timeline = timeline
        self._target = target
        self._manner = manner
        self._on_message = on_message
        self._now = now
        self._late = Lateness()
        self._clients: dict[int, Client] = {}
        self._standing: dict[int, Standing] = {}
        self._retained: set[str] = set()
        self._wake = asyncio.Event()
        self._seek_ns: int | None = None
        self._steps = 0
        self._stopped = False

    # controls

    def seek(self, position_ns: int) -> None:
        """Go to a position; state is restored there, retained values as well."""
        self._seek_ns = max(0, position_ns)
        self._wake.set()

    def step(self) -> None:
        """Play one packet while paused."""
        self._steps += 1
        self._wake.set()

    def changed(self) -> None:
        """Say that the clock was changed."""
        self._wake.set()

    def stop(self) -> None:
        """End the replay early."""
        self._stopped = True
        self._wake.set()

    # running

    async def run(self) -> Report:
        """Play it all; return what was done. Raises `UnavailableError`."""
        started = self._now()
        try:
            while not self._stopped and self._goes_on():
                self.clock.seek(0)
                await self._once()
                await self._end_connections()
                self.report.loops += 1
        finally:
            for client in self._clients.values():
                client.drop()
        self._finish(started)
        return self.report

    def _goes_on(self) -> bool:
        return self._manner.loops is None or self.report.loops < self._manner.loops

    async def _once(self) -> None:
        target_ns = 0
        while True:
            found = await self._from(target_ns)
            if found is None:
                return
            target_ns = found
            self.report.seeks += 1

    async def _from(self, start_ns: int) -> int | None:
        """Play from a position on; return where to seek to, or `None` at the end."""
        scene: Scene | None = Scene()
        self.clock.seek(start_ns)
        number = 0
        for cue in self._timeline.cues():
            if scene is not None:
                if cue.position_ns < start_ns:
                    scene.take(cue)
                    continue
                await self._enter(scene)
                self.clock.seek(start_ns)
                scene = None
            number += 1
            if not await self._wait_for(cue.position_ns, number):
                return self._taken_seek()
            await self._play(cue)
        if scene is not None:
            await self._enter(scene)
        return None

    def _taken_seek(self) -> int | None:
        found, self._seek_ns = self._seek_ns, None
        return None if self._stopped else found

    async def _wait_for(self, position_ns: int, number: int) -> bool:
        """Wait until a position is due; `False` where a seek or the end comes first."""
        while True:
            if self._seek_ns is not None or self._stopped:
                return False
            due_s = self.clock.due_s(position_ns)
            if due_s is not None:
                late_s = self._now() - due_s
                if late_s >= 0:
                    if self.clock.speed is not None:
                        self._late.add(late_s)
                    elif number % _YIELD_EVERY == 0:
                        self._flush()
                        await asyncio.sleep(0)
                    return True
            elif self._steps:
                self._steps -= 1
                self.clock.seek(position_ns)
                return True
            self._flush()
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(None if due_s is None else -late_s):
                    await self._wake.wait()

    def _flush(self) -> None:
        for client in self._clients.values():
            client.flush()

    def _finish(self, started: float) -> None:
        report = self.report
        report.elapsed_s = self._now() - started
        report.late_p50_ms = self._late.quantile_ms(0.5)
        report.late_p99_ms = self._late.quantile_ms(0.99)
        report.late_last_ms = self._late.last_ms
        report.left_out = self._timeline.left_out

    # playing

    async def _play(self, cue: Cue) -> None:
        self.position_ns = cue.position_ns
        view = cue.view
        if view is None or view.type == "disconnect":
            await self._part(cue.connection, None if view is None else view.decoded)
        elif view.type == "publish":
            await self._publish(cue.connection, view)
        else:
            await self._converse(cue.connection, view)

    async def _converse(self, connection: int, view: PacketView) -> None:
        packet = view.decoded
        if self._manner.flat:
            return
        self.report.packets += 1
        if isinstance(packet, Connect):
            await self._part(connection, None)
            self._standing[connection] = Standing(packet)
            if not self._manner.lazy:
                await self._client(connection)
            return
        client = await self._client(connection)
        rewriter = self._manner.rewriter
        if isinstance(packet, Subscribe):
            client.subscribe(rewriter.subscribe(packet, client.version))
        elif isinstance(packet, Unsubscribe):
            client.subscribe(rewriter.unsubscribe(packet, client.version))

    async def _publish(self, connection: int, view: PacketView) -> None:
        packet = view.decoded
        if not isinstance(packet, Publish) or view.topic is None:
            self._timeline.left_out.malformed += 1
            return
        client = await self._client(FLAT if self._manner.flat else connection)
        if client.full:
            await client.wait()
        if client.lost is not None:
            self.report.not_sent += 1
            return
        self._send(client, packet, view.topic)
        self.report.packets += 1
        self.report.messages += 1
        self.report.bytes += view.size

    def _send(self, client: Client, packet: Publish, topic: str) -> None:
        sent = self._manner.rewriter.publish(packet, topic, client.version)
        qos = self._manner.qos
        if qos is not None and qos != sent.qos:
            sent = msgspec.structs.replace(sent, qos=qos, packet_id=None)
        if sent.retain:
            (self._retained.add if sent.payload else self._retained.discard)(sent.topic)
        client.publish(sent)

    async def _part(self, connection: int, packet: object) -> None:
        """End one connection as it was ended: with DISCONNECT, or without."""
        self._standing.pop(connection, None)
        client = self._clients.pop(connection, None)
        if client is None:
            return
        await client.settle(SETTLE_S)
        if isinstance(packet, Disconnect):
            self.report.packets += 1
            await client.close(packet)
        else:
            client.drop()
        self._account(client)

    async def _end_connections(self) -> None:
        """Say goodbye on what is still open at the end of the session."""
        for connection in list(self._clients):
            client = self._clients.pop(connection)
            await client.settle(SETTLE_S)
            await client.close()
            self._account(client)
        self._standing.clear()

    def _account(self, client: Client) -> None:
        report = self.report
        report.acknowledged += client.acknowledged
        report.refused_by_broker += client.refused
        report.unacknowledged += client.in_flight
        report.received += client.received
        report.reasons += client.reasons

    # connections

    async def _client(self, connection: int) -> Client:
        """Return the open client of a connection; open it, or open it again after a loss."""
        client = self._clients.get(connection)
        if client is not None and client.lost is None:
            return client
        if client is not None:
            self.report.lost_connections += 1
            self._account(client)
            if self.report.lost_connections > MAX_LOST:
                raise UnavailableError(f"the broker keeps closing connections: {client.lost}")
        standing = self._standing.get(connection)
        connect = self._introduction(connection, standing)
        client = await open_client(
            connect, self._target.address, self._target.tls, self._on_message
        )
        self._clients[connection] = client
        self.report.connections += 1
        label = client.version.label
        self.report.versions[label] = self.report.versions.get(label, 0) + 1
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
        return msgspec.structs.replace(
            made, username=target.username or _username(made, target), password=target.password
        )

    async def _enter(self, scene: Scene) -> None:
        """Bring about the state of a scene: connections, subscriptions, retained values."""
        if self._manner.flat:
            await self._restore(scene, FLAT)
            return
        for connection in list(self._clients):
            if connection not in scene.connections:
                await self._part(connection, Disconnect())
        for connection, standing in scene.connections.items():
            known = connection in self._clients
            self._standing[connection] = standing
            if known or self._manner.lazy:
                continue
            client = await self._client(connection)
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
        client = await self._client(connection)
        for topic in sorted(gone):
            client.publish(Publish(topic=topic, retain=True))
            self._retained.discard(topic)
        for topic, view in scene.retained.items():
            packet = view.decoded
            assert isinstance(packet, Publish)
            self._send(client, packet, topic)
            self.report.restored += 1
        await client.settle(SETTLE_S)


MAX_LOST: Final = 100


def _username(made: Connect, target: Target) -> str | None:
    """Return the recorded user name; before version 5 one without a password is kept too."""
    return made.username if target.password is None else made.username or made.client_id
