"""One MQTT connection of a replay: sends what it is told, acknowledges what comes, live.

Built on the contract's MQTT core rather than a client library, because a replay has to send what
was recorded, property by property, and at rates that no general client reaches.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import msgspec

from overflight.replay.timeline import topic_end
from overflight_contract.errors import UnavailableError
from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    Packet,
    PingReq,
    Properties,
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
    encode_publish,
    split_publish,
)
from overflight_contract.mqtt.reasons import RETURN_CODES, reason_name
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES
from overflight_ground.ingest.address import BrokerAddress

WINDOW: Final = 1000
"""Messages of QoS 1 and 2 in flight, unless the broker allows fewer."""
CONNECT_TIMEOUT_S: Final = 10.0
_BUFFER: Final = 1 << 18
_UNSUPPORTED: Final = {1, 0x84}


class VersionRefusedError(UnavailableError):
    """The broker does not speak the version that was asked for."""


class Client(asyncio.Protocol):
    """One connection; `connect` is what it introduces itself with."""

    def __init__(
        self, connect: Connect, on_message: Callable[[Publish], None] | None = None
    ) -> None:
        self.connect = connect
        self.version = connect.version
        self.acknowledged = 0
        self.refused = 0
        self.received = 0
        self.lost: str | None = None
        self._on_message = on_message
        self._transport: asyncio.Transport | None = None
        self._framer = Framer()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._writable = asyncio.Event()
        self._writable.set()
        self._in_flight: dict[int, int] = {}  # packet id -> QoS; 0 for SUBSCRIBE
        self._window = WINDOW
        self._next_id = 0
        self._progress: asyncio.Future[None] | None = None
        loop = asyncio.get_running_loop()
        self._connack: asyncio.Future[ConnAck] = loop.create_future()
        self._ping: asyncio.TimerHandle | None = None
        self._inbound_qos2: dict[int, None] = {}
        self.reasons: deque[str] = deque(maxlen=5)

    # what the player calls

    @property
    def in_flight(self) -> int:
        """How many packets wait for their acknowledgement."""
        return len(self._in_flight)

    @property
    def full(self) -> bool:
        """Whether to `wait` before sending more."""
        return (
            len(self._in_flight) >= self._window
            or self._out_bytes >= _BUFFER
            or not self._writable.is_set()
        )

    def publish(self, packet: Publish) -> None:
        """Send a message; its packet id is made anew. Buffered until `flush`."""
        if packet.qos:
            packet_id = self._new_id(packet.qos)
            packet = msgspec.structs.replace(packet, packet_id=packet_id)
        if packet.retain or packet.properties not in (None, Properties()):
            self._send(encode(packet, self.version))
            return
        topic = packet.topic.encode()
        self.publish_plain(topic, packet.payload, packet.qos, packet.packet_id)

    def publish_plain(
        self, topic: bytes, payload: bytes, qos: int, packet_id: int | None = None
    ) -> None:
        """Send a message without properties or flags: the fast path."""
        if qos and packet_id is None:
            packet_id = self._new_id(qos)
        self._send(
            encode_publish(topic, payload, qos=qos, packet_id=packet_id, version=self.version)
        )

    def publish_recorded(self, packet: bytes, version: int) -> None:
        """Send a recorded PUBLISH without properties, its bytes as they are but for its id."""
        qos = packet[0] >> 1 & 3
        if (version == Version.V5) != (self.version is Version.V5):
            _, _, _, topic, _, offset = split_publish(packet, version)
            self.publish_plain(topic, packet[offset:], qos)
        elif qos:
            end = topic_end(packet)
            packet_id = self._new_id(qos).to_bytes(2)
            first = bytes((packet[0] & 0xF7,))
            self._send(b"".join((first, packet[1:end], packet_id, packet[end + 2 :])))
        else:
            self._send(packet)

    def subscribe(self, packet: Subscribe | Unsubscribe) -> None:
        """Send SUBSCRIBE or UNSUBSCRIBE under a new packet id."""
        packet = msgspec.structs.replace(packet, packet_id=self._new_id(0))
        self._send(encode(packet, self.version))

    def flush(self) -> None:
        """Hand over what is buffered."""
        if self._out and self._transport is not None and self.lost is None:
            self._transport.write(b"".join(self._out))
        self._out.clear()
        self._out_bytes = 0

    async def wait(self) -> None:
        """Wait until there is room for another packet, or the connection is lost."""
        self.flush()
        while self.full and self.lost is None:
            await self._more()

    async def settle(self, timeout_s: float) -> bool:
        """Wait until all is acknowledged; tell whether it was within `timeout_s` seconds."""
        self.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while (self._in_flight or not self._writable.is_set()) and self.lost is None:
                    await self._more()
        return not self._in_flight

    async def close(self, packet: Disconnect | None = None) -> None:
        """Say goodbye and close."""
        if self.lost is None and self._transport is not None:
            goodbye = packet or Disconnect()
            if self.version is not Version.V5:
                goodbye = Disconnect()
            self._send(encode(goodbye, self.version))
            self.flush()
        self._stop("closed")
        await asyncio.sleep(0)

    def drop(self) -> None:
        """Close without a goodbye, as a client that lost its link does."""
        if self._transport is not None:
            self._transport.abort()
        self._stop("dropped")

    # connecting

    async def open(self, address: BrokerAddress, tls: ssl.SSLContext | None) -> ConnAck:
        """Connect and wait for the CONNACK."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await loop.create_connection(
                    lambda: self, address.host, address.port, ssl=tls if address.tls else None
                )
                self._send(encode(self.connect, self.version))
                self.flush()
                answer = await self._connack
        except TimeoutError as error:
            self.drop()
            raise UnavailableError(f"the broker at {address} does not answer") from error
        except (OSError, ssl.SSLError) as error:
            raise UnavailableError(f"can't reach the broker at {address}: {error}") from error
        if answer.reason_code:
            self.drop()
            raise _refusal(answer, address, self.connect)
        properties = answer.properties or Properties()
        self._window = min(WINDOW, properties.receive_maximum or WINDOW)
        keep_alive = properties.server_keep_alive or self.connect.keep_alive
        if keep_alive:
            self._schedule_ping(keep_alive * 0.75)
        return answer

    def _schedule_ping(self, every_s: float) -> None:
        def ping() -> None:
            if self.lost is None:
                self._send(encode(PingReq(), self.version))
                self.flush()
                self._schedule_ping(every_s)

        self._ping = asyncio.get_running_loop().call_later(every_s, ping)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=1 << 20)

    def data_received(self, data: bytes) -> None:
        """Take what the broker sent."""
        try:
            for packet in self._framer.feed(data):
                assert isinstance(packet, bytes)
                self._received(decode(packet, self.version, from_client=False))
        except RemoteProtocolError as error:
            self._stop(f"the broker broke the protocol: {error}")
            if self._transport is not None:
                self._transport.abort()
            return
        self.flush()
        self._moved()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection is gone."""
        self._stop(str(exc) if exc else "the broker closed the connection")

    def pause_writing(self) -> None:
        """Stop sending until the broker has read."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Go on sending."""
        self._writable.set()
        self._moved()

    # inside

    def _received(self, packet: Packet) -> None:
        match packet:
            case Publish():
                self._message(packet)
            case PubAck() | PubComp():
                self._settled(packet.packet_id, packet.reason_code)
            case PubRec():
                if packet.reason_code >= 0x80:
                    self._settled(packet.packet_id, packet.reason_code)
                else:
                    self._send(encode(PubRel(packet_id=packet.packet_id), self.version))
            case PubRel():
                self._inbound_qos2.pop(packet.packet_id, None)
                self._send(encode(PubComp(packet_id=packet.packet_id), self.version))
            case SubAck() | UnsubAck():
                self._settled(packet.packet_id, max(packet.reason_codes, default=0))
            case ConnAck():
                if not self._connack.done():
                    self._connack.set_result(packet)
            case Disconnect():
                self._stop(f"the broker ended it: {reason_name(packet.reason_code)}")
            case _:
                pass

    def _message(self, packet: Publish) -> None:
        again = packet.qos == 2 and packet.packet_id in self._inbound_qos2
        if not again:
            self.received += 1
            if self._on_message is not None:
                self._on_message(packet)
        if packet.packet_id is None:
            return
        if packet.qos == 1:
            self._send(encode(PubAck(packet_id=packet.packet_id), self.version))
        else:
            self._inbound_qos2[packet.packet_id] = None
            self._send(encode(PubRec(packet_id=packet.packet_id), self.version))

    def _settled(self, packet_id: int, reason_code: int) -> None:
        qos = self._in_flight.pop(packet_id, None)
        if qos is None:
            return
        if reason_code >= 0x80:
            self.refused += 1
            self.reasons.append(reason_name(reason_code))
        elif qos:
            self.acknowledged += 1

    def _new_id(self, qos: int) -> int:
        while True:
            self._next_id = self._next_id % 65535 + 1
            if self._next_id not in self._in_flight:
                self._in_flight[self._next_id] = qos
                return self._next_id

    def _send(self, packet: bytes) -> None:
        self._out.append(packet)
        self._out_bytes += len(packet)

    async def _more(self) -> None:
        self._progress = asyncio.get_running_loop().create_future()
        await self._progress

    def _moved(self) -> None:
        if self._progress is not None and not self._progress.done():
            self._progress.set_result(None)

    def _stop(self, reason: str) -> None:
        if self.lost is None:
            self.lost = reason
        if self._ping is not None:
            self._ping.cancel()
        if not self._connack.done():
            self._connack.set_exception(ConnectionError(reason))
        if self._transport is not None:
            self._transport.close()
        self._moved()


async def open_client(
    connect: Connect,
    address: BrokerAddress,
    tls: ssl.SSLContext | None,
    on_message: Callable[[Publish], None] | None = None,
) -> Client:
    """Connect as `connect` says; where the broker does not speak that version, in 3.1.1."""
    try:
        client = Client(connect, on_message)
        await client.open(address, tls)
    except UnavailableError as error:
        closed = isinstance(error.__cause__, ConnectionError) and client.version is not Version.V311
        if connect.version is Version.V311 or not (
            isinstance(error, VersionRefusedError) or closed
        ):
            raise
        client = Client(older(connect), on_message)
        await client.open(address, tls)
    return client


def older(connect: Connect) -> Connect:
    """Return the same CONNECT for version 3.1.1."""
    will = connect.will
    return msgspec.structs.replace(
        connect,
        version=Version.V311,
        protocol_name=PROTOCOL_NAMES[Version.V311],
        properties=None,
        clean_start=connect.clean_start or not connect.client_id,
        will=None if will is None else msgspec.structs.replace(will, properties=None),
    )


def _refusal(answer: ConnAck, address: BrokerAddress, connect: Connect) -> UnavailableError:
    code = answer.reason_code
    if code in _UNSUPPORTED:
        return VersionRefusedError(f"the broker at {address} has no MQTT {connect.version.label}")
    said = reason_name(code) if connect.version is Version.V5 else RETURN_CODES.get(code, str(code))
    hint = "; give --username and --password-file" if code in (4, 5, 0x86, 0x87) else ""
    return UnavailableError(
        f"the broker at {address} refuses client {connect.client_id!r}: {said}{hint}"
    )
