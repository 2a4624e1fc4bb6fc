"""Cutting a stream of bytes into packets, without decoding them.

The fast path. A connection has one `Framer` for each direction. Memory is bounded by the largest
packet that is collected and the last piece fed: of a packet over that, only the fixed header is
held, and its body is passed on in pieces as it comes.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from overflight_contract.mqtt.errors import RemoteProtocolError
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.vocabulary import MAX_PACKET, PacketType, Version


class Oversize(NamedTuple):
    """A packet too large to be collected has begun; `Piece`s follow, none if it has no body."""

    header: bytes
    remaining_length: int


class Piece(NamedTuple):
    """The next bytes of the body of an oversize packet."""

    data: bytes
    last: bool


Framed = bytes | Oversize | Piece


def _first_byte_rule(first: int) -> Rule | None:
    """Return what is wrong with the first byte of a packet in every version, if anything is."""
    kind, flags = first >> 4, first & 15
    if kind == 0:
        return Rule.TYPE
    if kind == PacketType.CONNECT:
        return None  # 3.1 ignores its flags; `decode`, which reads the version, is exact
    if kind == PacketType.PUBLISH:
        if flags & 6 == 6:
            return Rule.QOS
        return Rule.DUP if flags & 14 == 8 else None
    if kind in (PacketType.PUBREL, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE):
        # 3.1 has DUP there too; `decode` is exact.
        return None if flags & 7 == 2 else Rule.FLAGS
    return Rule.FLAGS if flags else None


FIRST_BYTE: Final = tuple(_first_byte_rule(first) for first in range(256))


class Framer:
    """Cuts one direction of one connection into packets."""

    __slots__ = ("_error", "_held", "_left", "_max", "_need")

    def __init__(self, max_packet: int = MAX_PACKET) -> None:
        """`max_packet` counts the whole packet, fixed header included."""
        self._max = max_packet
        self._held = bytearray()  # the start of a packet that is not whole yet
        self._need = 0  # its whole size, once its header is known
        self._left = 0  # bytes of an oversize packet still to come
        self._error: RemoteProtocolError | None = None

    @property
    def pending(self) -> int:
        """How many bytes are held because their packet is not whole."""
        return len(self._held)

    @property
    def inside_oversize(self) -> bool:
        """Whether pieces of an oversize packet are still to come."""
        return self._left > 0

    def feed(self, data: bytes | bytearray | memoryview) -> list[Framed]:
        """Take the next bytes; return what they complete, in order.

        Raises `RemoteProtocolError` on a bad fixed header, now and ever after; its `framed` has
        the packets that were whole before it.
        """
        if self._error is not None:
            raise self._error
        if self._held:
            self._held += data
            if len(self._held) < self._need:
                return []
            chunk = bytes(self._held)
            self._held.clear()
            self._need = 0
        else:
            chunk = data if type(data) is bytes else bytes(data)
        out: list[Framed] = []
        start = self._pass_on(chunk, out) if self._left else 0
        try:
            self._cut(chunk, start, out)
        except RemoteProtocolError as error:
            self._error = error
            error.framed = tuple(out)
            raise
        return out

    def release(self) -> bytes:
        """Give up the start of a packet that is held, as if it had not been fed, and return it.

        For who cuts packets in another way, and feeds what is left over.
        """
        held = bytes(self._held)
        self._held.clear()
        self._need = 0
        return held

    def _cut(self, chunk: bytes, pos: int, out: list[Framed]) -> None:
        """Cut whole packets off `chunk` from `pos` on, and hold what is left."""
        size = len(chunk)
        rules, limit, append = FIRST_BYTE, self._max, out.append
        while pos + 1 < size:
            if rules[chunk[pos]] is not None:
                raise bad_first_byte(chunk[pos], None)
            length = chunk[pos + 1]
            if length < 128:
                body = pos + 2
            elif pos + 2 < size and chunk[pos + 2] < 128:
                length += (chunk[pos + 2] << 7) - 128
                body = pos + 3
            else:
                body, length = _long_header(chunk, pos)
                if not body:
                    break
            end = body + length
            if end - pos > limit:
                pos = self._begin_oversize(chunk, pos, body, length, out)
                continue
            if end > size:
                self._need = end - pos
                break
            append(chunk[pos:end])
            pos = end
        if pos < size:
            if rules[chunk[pos]] is not None:
                raise bad_first_byte(chunk[pos], None)
            self._held += memoryview(chunk)[pos:]

    def _begin_oversize(
        self, chunk: bytes, pos: int, body: int, length: int, out: list[Framed]
    ) -> int:
        out.append(Oversize(chunk[pos:body], length))
        self._left = length
        return self._pass_on(chunk, out, body) if body < len(chunk) and length else body

    def _pass_on(self, chunk: bytes, out: list[Framed], pos: int = 0) -> int:
        end = min(len(chunk), pos + self._left)
        if end == pos:
            return pos
        self._left -= end - pos
        out.append(Piece(chunk[pos:end], self._left == 0))
        return end


def bad_first_byte(first: int, version: Version | None) -> RemoteProtocolError:
    """Return the error that the first byte `first` of a packet is."""
    rule = FIRST_BYTE[first] or Rule.FLAGS
    detail = {
        Rule.TYPE: "packet type 0 is reserved",
        Rule.QOS: "a PUBLISH has QoS 3",
        Rule.DUP: "a PUBLISH of QoS 0 is marked as a duplicate",
    }.get(rule, f"the first byte {first:#04x} has reserved flags set")
    return RemoteProtocolError(rule, version, detail)


def _long_header(chunk: bytes, pos: int) -> tuple[int, int]:
    """Return (where the body starts, remaining length); 0 where the header is not whole."""
    length = shift = 0
    for at in range(pos + 1, min(pos + 5, len(chunk))):
        byte = chunk[at]
        length |= (byte & 127) << shift
        if byte < 128:
            return at + 1, length
        shift += 7
    if len(chunk) >= pos + 5:
        raise RemoteProtocolError(
            Rule.REMAINING_LENGTH, None, "the remaining length has over four bytes"
        )
    return 0, 0


def body_offset(packet: bytes) -> int:
    """Return where the body of a packet begins: behind its remaining length."""
    pos = 1
    while pos < len(packet) and pos < 5:
        pos += 1
        if packet[pos - 1] < 128:
            break
    return pos


_PUBLISH_FLAGS: Final = tuple(
    (flags >> 1 & 3, bool(flags & 8), bool(flags & 1)) for flags in range(16)
)


def split_publish(packet: bytes, version: int) -> tuple[int, bool, bool, bytes, int | None, int]:
    """Take a whole PUBLISH apart as far as the fast path needs it.

    Returns (qos, dup, retain, topic, packet_id or None, offset of the payload). In version 5 the
    properties lie just before the payload and are skipped; an empty topic says that there is an
    alias among them. Lengths and a packet id of 0 are checked; whether the topic is well formed
    is for `decode`, or for whoever compares it with topics that are. Raises
    `RemoteProtocolError`.
    """
    try:
        qos, dup, retain = _PUBLISH_FLAGS[packet[0] & 15]
        pos = 2
        while packet[pos - 1] >= 128:
            pos += 1
        end = pos + 2 + (packet[pos] << 8) + packet[pos + 1]
        topic = packet[pos + 2 : end]
        packet_id = None
        if qos:
            packet_id = (packet[end] << 8) + packet[end + 1]
            end += 2
        if version == 5:
            end = _skip_properties(packet, end)
    except IndexError:
        raise _short(version) from None
    if end > len(packet):
        raise _short(version)
    if packet_id == 0:
        raise RemoteProtocolError(Rule.PACKET_ID, Version(version), "a PUBLISH has packet id 0")
    return qos, dup, retain, topic, packet_id, end


def _skip_properties(packet: bytes, pos: int) -> int:
    """Return where the properties that start with their length at `pos` end."""
    length = shift = 0
    while True:
        byte = packet[pos]
        pos += 1
        length |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift > 21:
            raise RemoteProtocolError(
                Rule.VARINT, Version.V5, "the length of the properties has over four bytes"
            )
    if shift and byte == 0:
        raise RemoteProtocolError(
            Rule.VARINT_MINIMAL, Version.V5, "the length of the properties is over-long"
        )
    return pos + length


def _short(version: int) -> RemoteProtocolError:
    return RemoteProtocolError(
        Rule.TRUNCATED, Version(version), "a PUBLISH is shorter than its parts"
    )
