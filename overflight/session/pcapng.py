"""pcapng for Wireshark: the session as TCP between client and relay, synthesised.

A session holds MQTT packets, not TCP segments. Each connection becomes a TCP connection with
handshake, right sequence and acknowledgement numbers both ways, and its end. The server's port is
written as 1883 (8883 where TLS was passed through), whatever the relay listened on, since that is
how Wireshark knows MQTT; a connection that it would wrongly take for malformed has another. A
comment on the first packet says what was. Packets refused on their way to a client are left out:
they never reached it.

Sources: draft-ietf-opsawg-pcapng, RFC 791, RFC 8200, RFC 9293.
"""

from __future__ import annotations

import ipaddress
import struct
from typing import BinaryIO, Final

from overflight.session.cut import cut
from overflight.session.views import Selection
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    SessionReader,
    Verdict,
)

_LINKTYPE_RAW: Final = 101
_SEGMENT_BYTES: Final = 1400
_ACK_AFTER_BYTES: Final = 16_384
_WINDOW: Final = 65_535
_OTHER_PORT: Final = 21_883
_OLDER: Final = (
    "the broker answered an MQTT 5 CONNECT in the form of 3.1.1, which Wireshark takes for "
    f"malformed; decode port {_OTHER_PORT} as MQTT to see the packets"
)
_FIN, _SYN, _PSH, _ACK = 1, 2, 8, 16
_MASK: Final = 0xFFFFFFFF

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def write(session: SessionReader, selection: Selection, out: BinaryIO) -> int:
    """Write the session as pcapng; returns the number of packets of the session in it.

    Of what is selected, each connection's CONNECT and CONNACK come along (see `cut`): without them
    Wireshark can't tell the version.
    """
    capture = _Capture(out)
    streams: dict[int, _Stream] = {}
    ports = _Ports(_answered_in_older_form(session))
    count = 0
    for item in session if selection.everything else cut(session, selection):
        if isinstance(item, ConnectionOpened):
            streams[item.connection] = _Stream(capture, item, ports)
        elif isinstance(item, ConnectionClosed):
            stream = streams.pop(item.connection, None)
            if stream is not None:
                stream.end(item)
        elif isinstance(item, SessionPacket):
            if item.direction == Direction.DOWN and item.verdict == Verdict.REFUSED:
                continue
            if item.connection not in streams:
                opened = ConnectionOpened(item.connection, item.crossed_at_ns, "", "", "")
                streams[item.connection] = _Stream(capture, opened, ports)
            streams[item.connection].carry(item)
            count += 1
    return count


def _answered_in_older_form(session: SessionReader) -> set[int]:
    """Find connections whose MQTT 5 CONNECT got a CONNACK of 3.1.1.

    So does a broker answer that has no MQTT 5. Wireshark takes the connection for MQTT 5 and the
    answer, which has no properties, for malformed.
    """
    five: set[int] = set()
    found: set[int] = set()
    for packet in session.packets():
        data = packet.data
        if data[:1] == b"\x10" and packet.direction == Direction.UP:
            name = data.find(b"\x00\x04MQTT\x05", 2, 12)
            if name > 0:
                five.add(packet.connection)
        elif data[:2] == b"\x20\x02" and packet.connection in five:
            found.add(packet.connection)
    return found


class _Capture:
    """Writes blocks of a pcapng file."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out
        header = struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)
        application = _option(4, b"overflight session export")
        self._block(0x0A0D0D0A, header + application + _END)
        interface = struct.pack("<HHI", _LINKTYPE_RAW, 0, 0)
        options = _option(2, b"overflight") + _option(9, b"\x09")  # nanoseconds
        self._block(1, interface + options + _END)

    def packet(self, at_ns: int, data: bytes, comment: str = "") -> None:
        head = struct.pack("<IIIII", 0, at_ns >> 32, at_ns & _MASK, len(data), len(data))
        options = _option(1, comment.encode()[:60_000]) + _END if comment else b""
        self._block(6, head + _padded(data) + options)

    def _block(self, kind: int, body: bytes) -> None:
        length = struct.pack("<I", len(body) + 12)
        self._out.write(b"".join((struct.pack("<I", kind), length, body, length)))


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


_END: Final = bytes(4)


class _Ports:
    """Gives each connection a client address of its own, so that no port seems used again."""

    def __init__(self, older: set[int]) -> None:
        self.older = older
        """Connections that are not to be taken for MQTT, though they are."""
        self._used: set[tuple[Address, int, Address, int]] = set()
        self._spare = 1024

    def take(self, client: Address, port: int, server: Address, server_port: int) -> int:
        while (client, port, server, server_port) in self._used or port == 0:
            self._spare = 1024 + (self._spare - 1023) % 64_512
            port = self._spare
            if len(self._used) >= 64_000:
                self._used.clear()
        self._used.add((client, port, server, server_port))
        return port


class _Side:
    """One end of a TCP connection."""

    def __init__(self, address: Address, port: int, first: int) -> None:
        self.address = address
        self.port = port
        self.next = first
        """Sequence number of its next byte."""
        self.acknowledged = first
        """What the other side has acknowledged of it."""


class _Stream:
    """One connection as TCP."""

    def __init__(self, capture: _Capture, opened: ConnectionOpened, ports: _Ports) -> None:
        self._capture = capture
        self._last_ns = opened.at_ns
        server_port = 8883 if opened.tls == "passthrough" else 1883
        self._note = ""
        if opened.connection in ports.older:
            server_port = _OTHER_PORT
            self._note = f"; {_OLDER}"
        peer, listener = address_of(opened.peer), address_of(opened.listener)
        fallback = ipaddress.ip_address("127.0.0.1")
        client_address, client_port = peer or (fallback, 0)
        server_address = listener[0] if listener else fallback
        if client_address.version != server_address.version or server_address.is_unspecified:
            server_address = client_address
        client_port = ports.take(client_address, client_port, server_address, server_port)
        first = opened.connection * 1_000_003
        self._client = _Side(client_address, client_port, first & _MASK)
        self._server = _Side(server_address, server_port, (first + 500_000) & _MASK)
        self._handshake(opened)

    def carry(self, packet: SessionPacket) -> None:
        """Send the bytes of a packet, in segments."""
        self._last_ns = packet.crossed_at_ns
        up = packet.direction == Direction.UP
        comment = ""
        if packet.verdict != Verdict.OK:
            comment = f"{packet.verdict.name.lower()}: {packet.reason}"
        if packet.masked:
            comment = f"{comment}; password masked".removeprefix("; ")
        for at in range(0, len(packet.data), _SEGMENT_BYTES):
            segment = packet.data[at : at + _SEGMENT_BYTES]
            self._send(up, _PSH | _ACK, segment, comment=comment)
            comment = ""
            sender, _ = self._sides(up)
            if (sender.next - sender.acknowledged) & _MASK >= _ACK_AFTER_BYTES:
                self._send(not up, _ACK)

    def end(self, closed: ConnectionClosed) -> None:
        """End the connection from the side that did."""
        self._last_ns = max(self._last_ns, closed.at_ns)
        first = closed.by == "client"
        self._send(first, _FIN | _ACK, comment=f"closed by {closed.by}: {closed.reason}")
        self._send(not first, _FIN | _ACK)
        self._send(first, _ACK)

    def _handshake(self, opened: ConnectionOpened) -> None:
        comment = f"connection {opened.connection}"
        if opened.peer:
            comment += f": {opened.peer} came to {opened.listener}, carried to {opened.upstream}"
        comment += self._note
        self._send(True, _SYN, comment=comment)
        self._send(False, _SYN | _ACK)
        self._send(True, _ACK)

    def _sides(self, up: bool) -> tuple[_Side, _Side]:
        return (self._client, self._server) if up else (self._server, self._client)

    def _send(self, up: bool, flags: int, data: bytes = b"", *, comment: str = "") -> None:
        sender, receiver = self._sides(up)
        acknowledge = receiver.next if flags & _ACK else 0
        if flags & _ACK:
            receiver.acknowledged = receiver.next
        segment = _tcp(sender, receiver, acknowledge, flags, data)
        self._capture.packet(self._last_ns, _ip(sender, receiver, segment), comment)
        sender.next = (sender.next + len(data) + (flags & (_SYN | _FIN) != 0)) & _MASK


def address_of(text: str) -> tuple[Address, int] | None:
    """Parse ``HOST:PORT`` with a numeric host; None for anything else."""
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
        return address, int(port)
    except ValueError:
        return None


def _tcp(sender: _Side, receiver: _Side, acknowledge: int, flags: int, data: bytes) -> bytes:
    options = b"\x02\x04" + struct.pack(">H", 65_495) if flags & _SYN else b""
    words = 5 + len(options) // 4
    head = struct.pack(
        ">HHIIBBHHH",
        sender.port,
        receiver.port,
        sender.next,
        acknowledge,
        words << 4,
        flags,
        _WINDOW,
        0,
        0,
    )
    segment = head + options + data
    length = len(segment)
    addresses = sender.address.packed + receiver.address.packed
    if sender.address.version == 4:
        pseudo = addresses + struct.pack(">BBH", 0, 6, length)
    else:
        pseudo = addresses + struct.pack(">IHBB", length, 0, 0, 6)
    checksum = _checksum(pseudo + segment)
    return segment[:16] + struct.pack(">H", checksum) + segment[18:]


def _ip(sender: _Side, receiver: _Side, segment: bytes) -> bytes:
    addresses = sender.address.packed + receiver.address.packed
    if sender.address.version == 6:
        return struct.pack(">IHBB", 6 << 28, len(segment), 6, 64) + addresses + segment
    head = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, 0) + addresses
    checksum = struct.pack(">H", _checksum(head))
    return head[:10] + checksum + head[12:] + segment


def _checksum(data: bytes) -> int:
    """Return the internet checksum (RFC 1071): the sum modulo 65535, complemented."""
    if len(data) % 2:
        data += b"\0"
    return 0xFFFF - (int.from_bytes(data) % 0xFFFF)
