"""One connection to a broker: MQTT out of the socket in batches, acknowledgements when told.

A thin shell over the contract's MQTT core. Everything that one socket read completes is handed on
in one call; nothing is acknowledged here by itself.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from array import array
from collections.abc import Callable
from typing import Any, Final

from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    Oversize,
    PacketType,
    Piece,
    PingReq,
    Publish,
    RemoteProtocolError,
    SubAck,
    Subscribe,
    Subscription,
    Version,
    decode,
    encode,
    split_publish,
)
from overflight_contract.mqtt.framing import Framed
from overflight_ground.ingest.judge import Arrival, maker
from overflight_ground.ingest.run import LEAST_BYTES, LONGEST, Taken, pieces

log = logging.getLogger(__name__)
_arrival: Final = maker(Arrival)

READ_BYTES: Final = 256 * 1024
MAX_PACKET: Final = 16 * 2**20
READS_APART: Final = 16
"""After messages of so many flights that none came in a row, so many reads are not tried for it."""
OVERSIZE_KEPT: Final = 64 * 1024
PUBACK_HEAD: Final = 0x4002
_PUBLISH: Final = int(PacketType.PUBLISH)


class LinkError(Exception):
    """The connection could not be made or ended; the text says why."""


class VersionRefusedError(LinkError):
    """The broker does not speak this version of MQTT."""


class BrokerLink(asyncio.BufferedProtocol):
    """Speaks MQTT as a client. `ready` resolves to the CONNACK, `closed` to the reason."""

    def __init__(
        self,
        connect: Connect,
        on_arrivals: Callable[[BrokerLink, list[Arrival]], None],
        on_taken: Callable[[BrokerLink, Taken], None],
        now_ns: Callable[[], int],
    ) -> None:
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[ConnAck] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()
        self.last_read_s = loop.time()
        self._loop = loop
        self._connect = connect
        self._version: Version = connect.version
        self._on_arrivals = on_arrivals
        self._on_taken = on_taken
        self._now_ns = now_ns
        self._framer = Framer(MAX_PACKET)
        self._buffer = memoryview(bytearray(READ_BYTES))
        self._transport: asyncio.Transport | None = None
        self._subscribed: dict[int, asyncio.Future[SubAck]] = {}
        self._packet_id = 0
        self._oversize: _Oversized | None = None
        self._paused = self._gathering = False
        self._apart = 0
        self._why = ""

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(encode(self._connect, self._version))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take bytes; hand on every message that they complete."""
        self.last_read_s = self._loop.time()
        data = self._buffer[:nbytes]
        framer = self._framer
        try:
            self._apart -= 1
            if (
                nbytes < LEAST_BYTES
                or self._apart > 0
                or framer.pending > LONGEST
                or framer.inside_oversize
            ):
                self._feed(data)
            else:
                self._take_runs(framer.release() + data)
        except RemoteProtocolError as error:
            self.end(f"the broker broke the protocol: {error}")

    def _take_runs(self, data: bytes) -> None:
        """Take runs out of `data`, and what lies between them by itself."""
        found = pieces(data, self._version, self._now_ns())
        if found is None:
            self._feed(data)
            return
        framer = self._framer
        for piece in found:
            if piece.before:
                self._feed(piece.before)
            if piece.taken is not None and not framer.pending and not framer.inside_oversize:
                if piece.taken.singles:
                    self._apart = READS_APART
                self._on_taken(self, piece.taken)
            else:
                self._feed(piece.data)

    def _feed(self, data: bytes | memoryview) -> None:
        """Cut packets off and take each by itself."""
        try:
            framed = self._framer.feed(data)
        except RemoteProtocolError as error:
            self._take([item for item in error.framed if isinstance(item, bytes)])
            raise
        self._take(framed)

    def connection_lost(self, error: Exception | None) -> None:
        """Tell everybody who waits."""
        why = self._why or (str(error) if error else "the broker closed the connection")
        _fail(self.ready, why)
        for waiting in self._subscribed.values():
            _fail(waiting, why)
        if not self.closed.done():
            self.closed.set_result(why)

    # What the ground calls.

    @property
    def version(self) -> Version:
        """The version of MQTT that is spoken."""
        return self._version

    async def subscribe(self, filters: list[str]) -> SubAck:
        """Subscribe with QoS 1; raises `LinkError` where the connection ends first."""
        packet_id = self._next_packet_id()
        waiting: asyncio.Future[SubAck] = self._loop.create_future()
        self._subscribed[packet_id] = waiting
        v5 = self._version is Version.V5
        packet = Subscribe(
            packet_id=packet_id,
            subscriptions=tuple(
                Subscription(topic_filter=name, qos=1, retain_as_published=v5) for name in filters
            ),
        )
        self._write(encode(packet, self._version))
        return await waiting

    def acknowledge(self, acknowledgements: bytes) -> None:
        """Send PUBACK packets (see `pubacks`); does nothing once the connection has ended."""
        if acknowledgements and not self.closed.done():
            self._write(acknowledgements)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish a retained message with QoS 1; its PUBACK is not waited for."""
        packet = Publish(
            topic=topic, payload=payload, qos=1, retain=True, packet_id=self._next_packet_id()
        )
        self._write(encode(packet, self._version))

    def ping(self) -> None:
        """Send PINGREQ."""
        self._write(encode(PingReq(), self._version))

    def pause(self) -> None:
        """Stop reading, so that the broker holds what comes."""
        self._hold(pause=True, gather=self._gathering)

    def resume(self) -> None:
        """Go on reading."""
        if self._paused:
            self.last_read_s = self._loop.time()
        self._hold(pause=False, gather=self._gathering)

    def gather(self, seconds: float) -> None:
        """Let more come together before the next read: each costs the same, however little came."""
        if not self._gathering:
            self._hold(pause=self._paused, gather=True)
            self._loop.call_later(seconds, self._gathered)

    def _gathered(self) -> None:
        self._hold(pause=self._paused, gather=False)

    def _hold(self, *, pause: bool, gather: bool) -> None:
        held = self._paused or self._gathering
        self._paused, self._gathering = pause, gather
        if self._transport is None or self.closed.done() or held == (pause or gather):
            return
        if held:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    @property
    def paused(self) -> bool:
        """Whether reading is stopped."""
        return self._paused

    def end(self, why: str, *, politely: bool = False) -> None:
        """Close the connection."""
        self._why = self._why or why
        if self._transport is None:
            return
        if politely and not self._transport.is_closing():
            self._write(encode(Disconnect(), self._version))
            self._transport.close()
        else:
            self._transport.abort()

    # Inside.

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _next_packet_id(self) -> int:
        self._packet_id = self._packet_id % 65_535 + 1
        return self._packet_id

    def _take(self, framed: list[Framed] | list[bytes]) -> None:
        """Hand on messages, also those before a packet that is none."""
        arrivals: list[Arrival] = []
        try:
            self._collect(framed, arrivals)
        finally:
            if arrivals:
                self._on_arrivals(self, arrivals)

    def _collect(self, framed: list[Framed] | list[bytes], arrivals: list[Arrival]) -> None:
        received_at_ns, version = self._now_ns(), self._version
        for item in framed:
            if type(item) is not bytes:
                assert isinstance(item, (Oversize, Piece))
                self._large(item, arrivals)
            elif item[0] >> 4 == _PUBLISH:
                qos, dup, retain, topic, packet_id, offset = split_publish(item, version)
                arrivals.append(
                    _arrival(
                        (topic, item[offset:], qos, retain, dup, received_at_ns, packet_id, -1)
                    )
                )
            else:
                self._control(item)

    def _large(self, item: Oversize | Piece, arrivals: list[Arrival]) -> None:
        """Keep the start of a packet that is too large, and its size."""
        if isinstance(item, Oversize):
            self._oversize = _Oversized(item)
            return
        large = self._oversize
        assert large is not None
        large.add(item.data)
        if item.last:
            self._oversize = None
            if large.header[0] >> 4 == _PUBLISH:
                arrivals.append(large.arrival(self._version, self._now_ns()))

    def _control(self, packet: bytes) -> None:
        decoded = decode(packet, self._version, from_client=False)
        if isinstance(decoded, ConnAck):
            self._connected(decoded)
        elif isinstance(decoded, SubAck):
            waiting = self._subscribed.pop(decoded.packet_id, None)
            if waiting is not None and not waiting.done():
                waiting.set_result(decoded)
        elif isinstance(decoded, Disconnect):
            self.end(f"the broker disconnected us (reason {decoded.reason_code:#04x})")

    def _connected(self, ack: ConnAck) -> None:
        if self.ready.done():
            self.end("a second CONNACK")
        elif ack.reason_code == 0:
            self.ready.set_result(ack)
        else:
            self.ready.set_exception(refusal(ack.reason_code, self._version))
            self.end(f"refused with reason {ack.reason_code:#04x}")


def pubacks(packet_ids: list[int]) -> bytes:
    """Write a PUBACK for each of `packet_ids` (of four bytes in every version)."""
    words = array("H", [PUBACK_HEAD]) * (2 * len(packet_ids))
    words[1::2] = array("H", packet_ids)
    if sys.byteorder == "little":
        words.byteswap()
    return words.tobytes()


def _fail(waiting: asyncio.Future[Any], why: str) -> None:
    if not waiting.done():
        waiting.set_exception(LinkError(why))
        waiting.exception()  # nobody may be waiting any more


def refusal(code: int, version: Version) -> LinkError:
    """Say what a CONNACK that refuses means (MQTT 3.1.1 table 3.1, MQTT 5.0 table 3-1)."""
    old = {2: "client id", 3: "server unavailable", 4: "user name or password", 5: "authorisation"}
    new = {0x85: "client id", 0x86: "user name or password", 0x87: "authorisation", 0x8A: "banned"}
    if code in (1, 0x84) or (version is Version.V5 and code < 0x80):
        return VersionRefusedError("the broker does not speak this version of MQTT")
    words = (new if version is Version.V5 else old).get(code, "no reason that we know")
    return LinkError(f"the broker refused us: {words} ({code:#04x})")


class _Oversized:
    """The kept start of a PUBLISH that is larger than what is collected."""

    def __init__(self, item: Oversize) -> None:
        self.header = item.header
        self._size = item.remaining_length
        self._kept = bytearray()

    def add(self, data: bytes) -> None:
        if len(self._kept) < OVERSIZE_KEPT:
            self._kept += data[: OVERSIZE_KEPT - len(self._kept)]

    def arrival(self, version: Version, now_ns: int) -> Arrival:
        body = bytes(self._kept)
        header = self.header[:1] + _varint(len(body))
        qos, dup, retain, topic, packet_id, offset = split_publish(header + body, version)
        raw = (header + body)[offset:]
        size = self._size - (offset - len(header))
        return Arrival(topic, raw, qos, retain, dup, now_ns, packet_id, size)


def _varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, digit = divmod(value, 128)
        out.append(digit | (0x80 if value else 0))
        if not value:
            return bytes(out)
