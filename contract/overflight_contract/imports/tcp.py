"""TCP reassembly of MQTT connections: retransmissions, disorder, losses, starts in midstream."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from overflight_contract.mqtt import (
    Framer,
    Oversize,
    PacketType,
    Piece,
    RemoteProtocolError,
    Version,
    decode,
)
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Item,
    Note,
    Part,
    SessionPacket,
    Verdict,
    mask_credentials,
)

_FIN, _SYN, _RST = 1, 2, 4
_MASK: Final = 0xFFFFFFFF
_HALF: Final = 1 << 31
_MAX_WAITING_BYTES: Final = 1 << 20
"""What may wait behind a missing segment before that one is given up."""
_IP_OFFSET: Final = {0: 4, 12: 0, 14: 0, 101: 0, 108: 4, 113: 16, 228: 0, 229: 0, 276: 20}
"""Where the IP packet begins in a frame, by link type; Ethernet is looked at by itself."""


class Segment(NamedTuple):
    """One TCP segment."""

    source: bytes
    source_port: int
    target: bytes
    target_port: int
    sequence: int
    flags: int
    data: bytes


def segment_of(linktype: int, frame: bytes) -> Segment | None:
    """Take a frame apart; None where it holds no whole TCP segment."""
    try:
        at = _ethernet(frame) if linktype == 1 else _IP_OFFSET.get(linktype)
        if at is None:
            return None
        version = frame[at] >> 4
        if version == 4:
            return _ipv4(frame, at)
        return _ipv6(frame, at) if version == 6 else None
    except (IndexError, struct.error):
        return None


def _ethernet(frame: bytes) -> int | None:
    at = 12
    (kind,) = struct.unpack_from(">H", frame, at)
    while kind in (0x8100, 0x88A8):
        at += 4
        (kind,) = struct.unpack_from(">H", frame, at)
    return at + 2 if kind in (0x0800, 0x86DD) else None


def _ipv4(frame: bytes, at: int) -> Segment | None:
    head = (frame[at] & 15) * 4
    total, fragment, protocol = (
        *struct.unpack_from(">H2xH", frame, at + 2),
        frame[at + 9],
    )
    if protocol != 6 or fragment & 0x3FFF:
        return None
    end = at + total if total else len(frame)  # segmentation offload leaves a length of 0
    return _tcp(frame[at + 12 : at + 16], frame[at + 16 : at + 20], frame[at + head : end])


def _ipv6(frame: bytes, at: int) -> Segment | None:
    length, following = struct.unpack_from(">HB", frame, at + 4)
    end = at + 40 + length if length else len(frame)
    source, target = frame[at + 8 : at + 24], frame[at + 24 : at + 40]
    at += 40
    while following in (0, 43, 60):
        following, size = frame[at], frame[at + 1]
        at += 8 * (size + 1)
    return _tcp(source, target, frame[at:end]) if following == 6 else None


def _tcp(source: bytes, target: bytes, body: bytes) -> Segment | None:
    source_port, target_port, sequence, _, offset, flags = struct.unpack_from(">HHIIBB", body)
    return Segment(
        source, source_port, target, target_port, sequence, flags, body[(offset >> 4) * 4 :]
    )


class _Way:
    """One direction of a connection: from segments to packets."""

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self.expected: int | None = None
        """Sequence number of the next byte; None before the first segment."""
        self.ended = False
        self._waiting: dict[int, bytes] = {}
        self._framer = Framer()
        self._lost = False
        """Out of step with the packets: the beginning of one is looked for."""

    def begin(self, sequence: int) -> None:
        """Start after a SYN with this sequence number."""
        self.expected = (sequence + 1) & _MASK
        self._waiting.clear()
        self._framer, self._lost, self.ended = Framer(), False, False

    def add(self, sequence: int, data: bytes) -> Iterator[bytes | Oversize | Piece | str]:
        """Take a segment; yield packets, and sentences about what is missing."""
        if self.expected is None:
            self.expected, self._lost = sequence, True
        behind = (self.expected - sequence) & _MASK
        if behind < _HALF:
            data = data[behind:]  # sent again, wholly or in part
            if data:
                yield from self._take(data)
                yield from self._catch_up()
            return
        if len(data) > len(self._waiting.get(sequence, b"")):
            self._waiting[sequence] = data
        if sum(map(len, self._waiting.values())) > _MAX_WAITING_BYTES:
            yield from self.give_up()

    def give_up(self) -> Iterator[bytes | Oversize | Piece | str]:
        """Go on behind a segment that is missing."""
        while self._waiting and self.expected is not None:
            start = self.expected
            first = min(self._waiting, key=lambda number: (number - start) & _MASK)
            yield f"{(first - start) & _MASK} bytes are missing from the capture"
            self.expected, self._lost, self._framer = first, True, Framer()
            yield from self._catch_up()

    @property
    def pending(self) -> int:
        """Bytes of a packet that never ended."""
        return self._framer.pending

    def _catch_up(self) -> Iterator[bytes | Oversize | Piece | str]:
        found = True
        while found and self.expected is not None:
            found = False
            for sequence in sorted(self._waiting, key=lambda number: -len(self._waiting[number])):
                behind = (self.expected - sequence) & _MASK
                if behind < _HALF:
                    data = self._waiting.pop(sequence)[behind:]
                    found = True
                    if data:
                        yield from self._take(data)
                    break

    def _take(self, data: bytes) -> Iterator[bytes | Oversize | Piece | str]:
        assert self.expected is not None
        self.expected = (self.expected + len(data)) & _MASK
        if self._lost:
            if not _begins_packet(data):
                return
            self._lost = False
        try:
            yield from self._framer.feed(data)
        except RemoteProtocolError as error:
            self._framer, self._lost = Framer(), True
            yield f"what follows is no MQTT: {error}"


def _begins_packet(data: bytes) -> bool:
    """Tell whether a segment is likely to begin with a packet.

    It is when the first packet in it can be decoded in some version or, where that goes on beyond
    the segment, when it is a PUBLISH with a printable topic.
    """
    framer = Framer()
    try:
        found = framer.feed(data)
    except RemoteProtocolError:
        return False
    if found and isinstance(found[0], bytes):
        return any(_is_packet(found[0], version) for version in Version)
    return data[0] >> 4 == PacketType.PUBLISH and _has_topic(data)


def _is_packet(packet: bytes, version: Version) -> bool:
    try:
        decode(packet, None if packet[0] >> 4 == PacketType.CONNECT else version)
    except RemoteProtocolError:
        return False
    return True


def _has_topic(data: bytes) -> bool:
    at = 2
    while at < 5 and len(data) >= at and data[at - 1] >= 0x80:
        at += 1
    size = int.from_bytes(data[at : at + 2])
    topic = data[at + 2 : at + 2 + size]
    try:
        return 0 < size == len(topic) and topic.decode("utf-8").isprintable()
    except UnicodeDecodeError:
        return False


Endpoint = tuple[bytes, int]


class _Flow:
    """One TCP connection."""

    def __init__(self, client: Endpoint, server: Endpoint) -> None:
        self.number = 0
        self.client = client
        self.server = server
        self.up, self.down = _Way(Direction.UP), _Way(Direction.DOWN)
        self.begun_ns = 0
        self.opened = False
        self.closed_by = ("relay", "closed")


class Assembler:
    """Turns frames into the items of a session."""

    def __init__(self, ports: frozenset[int]) -> None:
        """`ports` are those of servers, for connections without a beginning."""
        self._ports = ports
        self._flows: dict[frozenset[Endpoint], _Flow] = {}
        self._count = 0
        self._last_ns = 0

    def frame(self, at_ns: int, linktype: int, data: bytes) -> Iterator[Item]:
        """Take a frame and yield what it completes."""
        self._last_ns = max(self._last_ns, at_ns)
        segment = segment_of(linktype, data)
        if segment is None:
            return
        source = (segment.source, segment.source_port)
        target = (segment.target, segment.target_port)
        key = frozenset((source, target))
        flow = self._flows.get(key)
        if segment.flags & _SYN:
            yield from self._syn(key, flow, segment, source, target, at_ns)
            return
        if flow is None:
            if not segment.data:
                return
            flow = self._flows[key] = self._midstream(source, target)
        way = flow.up if source == flow.client else flow.down
        if segment.data:
            yield from self._said(flow, way, way.add(segment.sequence, segment.data), at_ns)
        if segment.flags & (_FIN | _RST):
            yield from self._ended(key, flow, way, at_ns, reset=bool(segment.flags & _RST))

    def end(self) -> Iterator[Item]:
        """Yield what is left at the end of the capture."""
        for flow in self._flows.values():
            for way in (flow.up, flow.down):
                yield from self._said(flow, way, way.give_up(), self._last_ns)
                if way.pending and flow.opened:
                    yield _note(flow, way, self._last_ns, f"{way.pending} bytes of a packet whose "
                                "end is not in the capture")  # fmt: skip
        self._flows.clear()

    def _syn(
        self,
        key: frozenset[Endpoint],
        flow: _Flow | None,
        segment: Segment,
        source: Endpoint,
        target: Endpoint,
        at_ns: int,
    ) -> Iterator[Item]:
        answer = bool(segment.flags & 16)
        client, server = (target, source) if answer else (source, target)
        again = flow is not None and flow.up.expected == (segment.sequence + 1) & _MASK
        if flow is None or (not answer and not again):
            if flow is not None and flow.opened:
                yield ConnectionClosed(flow.number, at_ns, "a new one took its place", "client")
            flow = self._flows[key] = _Flow(client, server)
            flow.begun_ns = at_ns
        way = flow.down if answer else flow.up
        if way.expected is None:
            way.begin(segment.sequence)

    def _midstream(self, source: Endpoint, target: Endpoint) -> _Flow:
        from_server = source[1] in self._ports or (
            target[1] not in self._ports and source[1] < target[1]
        )
        return _Flow(target, source) if from_server else _Flow(source, target)

    def _said(
        self, flow: _Flow, way: _Way, found: Iterator[bytes | Oversize | Piece | str], at_ns: int
    ) -> Iterator[Item]:
        for entry in found:
            if isinstance(entry, str):
                if flow.opened:
                    yield _note(flow, way, at_ns, entry)
                continue
            if not flow.opened:
                yield self._open(flow, at_ns)
            yield _packet(flow, way, entry, at_ns)

    def _open(self, flow: _Flow, at_ns: int) -> ConnectionOpened:
        """Number a connection once it has spoken MQTT."""
        self._count += 1
        flow.number, flow.opened = self._count, True
        server = _text(flow.server)
        return ConnectionOpened(flow.number, flow.begun_ns or at_ns, _text(flow.client), server,
                                f"mqtt://{server}")  # fmt: skip

    def _ended(
        self, key: frozenset[Endpoint], flow: _Flow, way: _Way, at_ns: int, *, reset: bool
    ) -> Iterator[Item]:
        first = not (flow.up.ended or flow.down.ended)
        way.ended = True
        if first and flow.opened:
            by = "client" if way is flow.up else "broker"
            flow.closed_by = (by, "reset" if reset else "closed")
        if reset or (flow.up.ended and flow.down.ended):
            del self._flows[key]
            for side in (flow.up, flow.down):
                yield from self._said(flow, side, side.give_up(), at_ns)
            if flow.opened:
                by, reason = flow.closed_by
                yield ConnectionClosed(flow.number, at_ns, reason, by)


def _packet(flow: _Flow, way: _Way, entry: bytes | Oversize | Piece, at_ns: int) -> SessionPacket:
    masked = False
    if isinstance(entry, Oversize):
        data, part = entry.header, Part.FIRST
    elif isinstance(entry, Piece):
        data, part = entry.data, Part.LAST if entry.last else Part.MIDDLE
    else:
        data, part = mask_credentials(entry), Part.WHOLE
        masked = data != entry
    return SessionPacket(
        at_ns, flow.number, way.direction, Verdict.OK, "", data, part, masked=masked
    )


def _note(flow: _Flow, way: _Way, at_ns: int, text: str) -> Note:
    direction = way.direction.name.lower()
    detail = {"connection": str(flow.number), "direction": direction, "what": text}
    return Note(at_ns, "gap", detail)


def _text(endpoint: Endpoint) -> str:
    address = ipaddress.ip_address(endpoint[0])
    host = f"[{address}]" if address.version == 6 else str(address)
    return f"{host}:{endpoint[1]}"
