"""From the packets of a session to what people look at and filter by.

A `Dissector` is fed the packets of a session in order. It remembers, for each connection, what
later packets need to be understood: the version and the client id of CONNECT, topic aliases by
direction, whose payload it is, and how far an oversize packet has come. Each packet becomes a
`PacketView`, whose costly parts are worked out when asked for.
"""

from __future__ import annotations

import functools
from typing import Final, Protocol

from overflight_contract import summaries
from overflight_contract.identity import is_payload
from overflight_contract.json_places import places
from overflight_contract.messages import Message
from overflight_contract.mqtt import packets as p
from overflight_contract.mqtt.connect_packet import peek_connect
from overflight_contract.mqtt.decoding import decode
from overflight_contract.mqtt.errors import RemoteProtocolError
from overflight_contract.mqtt.framing import body_offset, split_publish
from overflight_contract.mqtt.tracing import Field, trace
from overflight_contract.mqtt.vocabulary import PacketType, Version
from overflight_contract.session.model import Part
from overflight_contract.times import iso

UP, DOWN = 0, 1
WHOLE, FIRST, MIDDLE, LAST = map(int, Part)  # plain numbers, which are quicker
VERDICTS: Final = ("ok", "marked", "refused")
DIRECTIONS: Final = ("up", "down")
TYPES: Final = tuple(kind.name.lower() for kind in PacketType)
_PLAIN_ACKS: Final = frozenset({b"\x40\2", b"\x50\2", b"\x62\2", b"\x70\2"})
_PLAIN_ACK_BYTES: Final = 4
MAX_HEX_BYTES: Final = 4096
"""How much of a packet its JSON view has in hex."""


class Crossed(Protocol):
    """What is fed in: the fields of a session's packet."""

    @property
    def crossed_at_ns(self) -> int: ...  # noqa: D102
    @property
    def connection(self) -> int: ...  # noqa: D102
    @property
    def direction(self) -> int: ...  # noqa: D102
    @property
    def verdict(self) -> int: ...  # noqa: D102
    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def data(self) -> bytes: ...  # noqa: D102
    @property
    def part(self) -> int: ...  # noqa: D102
    @property
    def sequence(self) -> int: ...  # noqa: D102


class _Connection:
    """What is remembered of one connection."""

    __slots__ = ("aliases", "client_id", "opaque", "oversize", "payload", "version")

    def __init__(self, *, opaque: bool = False) -> None:
        self.version: Version | None = None
        self.client_id = ""
        self.payload: str | None = None
        self.opaque = opaque  # TLS that was passed through unread
        self.aliases: tuple[dict[int, bytes], dict[int, bytes]] = ({}, {})
        self.oversize: list[PacketView | None] = [None, None]


class PacketView:
    """One packet as people see it; times in nanoseconds since 1970, sizes in bytes."""

    def __init__(self, packet: Crossed, connection: _Connection) -> None:
        self.at_ns = packet.crossed_at_ns
        self.sequence = packet.sequence
        self.connection = packet.connection
        self.direction = DIRECTIONS[packet.direction]
        self.verdict = VERDICTS[packet.verdict]
        self.reason = packet.reason
        self.data = packet.data
        self.part = packet.part
        self.size = len(packet.data)
        self.version = connection.version
        self.client_id = connection.client_id
        self.payload = connection.payload
        self.type = "opaque" if connection.opaque else "malformed"
        self.topic: str | None = None
        self.qos: int | None = None
        self.dup = False
        self.retain = False
        self.packet_id: int | None = None
        self.payload_offset: int | None = None
        self.note = ""

    @property
    def body(self) -> bytes:
        """The payload of a PUBLISH, as far as this packet has it; else empty."""
        return b"" if self.payload_offset is None else self.data[self.payload_offset :]

    @functools.cached_property
    def decoded(self) -> p.Packet | None:
        """The typed packet; `None` for pieces, for what is malformed and for what is opaque."""
        if self.part != WHOLE or self.type == "opaque":
            return None
        try:
            return decode(self.data, self.version)
        except RemoteProtocolError:
            return None

    @functools.cached_property
    def malformed(self) -> str:
        """What is wrong with a malformed packet, with the paragraph; empty where nothing is."""
        if self.part != WHOLE or self.type == "opaque":
            return ""
        try:
            decode(self.data, self.version, from_client=self.direction == "up")
        except RemoteProtocolError as error:
            return str(error)
        return ""

    @functools.cached_property
    def message(self) -> Message | None:
        """The message of the contract that a PUBLISH carries, if it does."""
        found = self._message
        return None if isinstance(found, str) else found

    @functools.cached_property
    def _message(self) -> Message | str | None:
        if self.payload_offset is None or self.part != WHOLE:
            return None
        return summaries.message_of(self.topic, self.body)

    @functools.cached_property
    def summary(self) -> str:
        """One line that says what the packet says."""
        if self.note:
            return self.note
        if self.type == "publish":
            return self._publish_summary()
        if self.packet_id and self.data[:2] in _PLAIN_ACKS and len(self.data) == _PLAIN_ACK_BYTES:
            return ""  # the many, which need no decoding
        if self.decoded is None:
            return f"malformed: {self.malformed}"
        return summaries.summarise_packet(self.decoded, self.version)

    def _publish_summary(self) -> str:
        found = self._message
        if isinstance(found, str):
            return f"not of the contract: {found}"
        if found is not None:
            return summaries.summarise_message(found)
        if self.part == WHOLE and self.decoded is None:
            return f"malformed: {self.malformed}"
        return f"{len(self.body)} bytes: {summaries.preview(self.body)}"

    def fields(self) -> list[Field]:
        """Return every field with where its bytes lie, for a view beside the hex."""
        if self.type == "opaque" or self.part in (MIDDLE, LAST):
            return [Field("bytes", len(self.data), 0, len(self.data))]
        found = trace(self.data, self.version)
        return found + _json_fields(self) if self.message is not None else found

    def as_dict(self) -> dict[str, object]:
        """Return what goes into JSON, as the relay's tap and ``watch --json`` give it."""
        return {
            "at": iso(self.at_ns),
            "at_ns": self.at_ns,
            "sequence": self.sequence,
            "direction": self.direction,
            "connection": self.connection,
            "client_id": self.client_id,
            "payload": self.payload,
            "version": None if self.version is None else self.version.label,
            "type": self.type,
            "qos": self.qos,
            "dup": self.dup,
            "retain": self.retain,
            "packet_id": self.packet_id,
            "size": self.size,
            "part": self.part,
            "topic": self.topic,
            "summary": self.summary,
            "verdict": self.verdict,
            "reason": self.reason,
            "hex": self.data[:MAX_HEX_BYTES].hex(),
        }


class Dissector:
    """Makes views of packets, fed in the order in which they crossed.

    One for a session, or one for each connection: it keeps connections apart either way.
    """

    def __init__(self) -> None:
        self._connections: dict[int, _Connection] = {}

    def opened(self, connection: int, *, opaque: bool = False) -> None:
        """Note that a connection has begun; `opaque` if its TLS is passed through unread."""
        self._connections[connection] = _Connection(opaque=opaque)

    def closed(self, connection: int) -> None:
        """Forget a connection that has ended."""
        self._connections.pop(connection, None)

    def view(self, packet: Crossed) -> PacketView:
        """Make the view of the next packet."""
        state = self._connections.get(packet.connection)
        if state is None:
            state = self._connections[packet.connection] = _Connection()
        view = PacketView(packet, state)
        if state.opaque:
            view.note = f"{view.size} bytes of TLS, unread"
        elif packet.part in (MIDDLE, LAST):
            _continue(view, state, packet.direction)
        elif packet.data:
            _take_apart(view, state, packet.direction)
        return view


def _take_apart(view: PacketView, state: _Connection, direction: int) -> None:
    """Fill in what a whole packet, or the first piece of one, says."""
    kind = view.data[0] >> 4
    if kind == 0:
        return
    view.type = TYPES[kind - 1]
    if view.part == FIRST:
        state.oversize[direction] = view
        view.size = _declared_size(view.data)
    if kind == PacketType.PUBLISH:
        _publish(view, state, direction)
    elif kind == PacketType.CONNECT and direction == UP:
        _connect(view, state)
    elif kind in _NUMBERED:
        _numbered(view)
    elif kind == PacketType.CONNACK and direction == DOWN:
        _connack(view, state)
    if view.part == FIRST and not view.note:
        view.note = f"begins; {view.size} bytes in all, captured in pieces"


_NUMBERED: Final = frozenset(range(PacketType.PUBACK, PacketType.PINGREQ))


def _numbered(view: PacketView) -> None:
    start = body_offset(view.data)
    raw = view.data[start : start + 2]
    if len(raw) == 2:
        view.packet_id = int.from_bytes(raw)


def _publish(view: PacketView, state: _Connection, direction: int) -> None:
    try:
        parts = split_publish(view.data, view.version or Version.V311)
    except RemoteProtocolError:
        return
    view.qos, view.dup, view.retain, topic, view.packet_id, view.payload_offset = parts
    if view.version is Version.V5:
        topic = _resolve(view, topic, state.aliases[direction])
    view.topic = topic.decode("utf-8", "backslashreplace") if topic else None
    if view.topic is not None and view.topic.startswith("overflight/"):
        _whose(view, state, direction)


def _whose(view: PacketView, state: _Connection, direction: int) -> None:
    known = summaries.known_topic(view.topic or "")
    if known is None:
        return
    view.payload = known.payload
    if direction == UP and state.payload is None:
        state.payload = view.payload


def _resolve(view: PacketView, topic: bytes, aliases: dict[int, bytes]) -> bytes:
    """Return the topic of a version 5 PUBLISH, and remember the alias that it sets.

    A refused packet never reached the receiver, so its alias does not count.
    """
    start = body_offset(view.data)
    fixed = start + 2 + len(topic) + (2 if view.qos else 0)
    if view.payload_offset == fixed + 1:
        return topic  # no properties
    packet = view.decoded
    properties = packet.properties if isinstance(packet, p.Publish) else None
    if properties is None or properties.topic_alias is None:
        return topic
    if topic:
        if view.verdict != "refused":
            aliases[properties.topic_alias] = topic
        return topic
    return aliases.get(properties.topic_alias, b"")


def _connect(view: PacketView, state: _Connection, body: bytes = b"") -> None:
    """Take note of who the client is; `body` is what follows on the piece that `view` is."""
    packet = view.decoded
    if isinstance(packet, p.Connect):
        found: tuple[Version, str] | None = packet.version, packet.client_id
    else:
        found = peek_connect(view.data[body_offset(view.data) :] + body)
    if found is not None:
        _introduce(view, state, *found)


def _introduce(view: PacketView, state: _Connection, version: Version, client_id: str) -> None:
    state.version = view.version = version
    state.client_id = view.client_id = client_id
    if is_payload(client_id):
        state.payload = view.payload = client_id


def _connack(view: PacketView, state: _Connection) -> None:
    packet = view.decoded
    assigned = getattr(getattr(packet, "properties", None), "assigned_client_identifier", None)
    if assigned and not state.client_id:
        state.client_id = view.client_id = assigned


def _continue(view: PacketView, state: _Connection, direction: int) -> None:
    """Fill in a later piece of an oversize packet from its first."""
    first = state.oversize[direction]
    if first is None:
        view.note = "a piece whose beginning is not here"
        return
    if first.type == "publish" and first.qos is None:
        _late_topic(first, view, state, direction)
    elif first.type == "connect" and state.version is None:
        _connect(first, state, view.data)
        view.version, view.client_id = first.version, first.client_id
    view.type, view.topic, view.payload = first.type, first.topic, first.payload
    view.qos, view.dup, view.retain = first.qos, first.dup, first.retain
    view.packet_id = first.packet_id
    view.payload_offset = view.payload_offset or 0
    if view.part == LAST:
        state.oversize[direction] = None
        view.note = "ends"
    else:
        view.note = "goes on"


def _late_topic(first: PacketView, view: PacketView, state: _Connection, direction: int) -> None:
    """Read what an oversize PUBLISH is about: the relay judged it by its fixed header alone."""
    try:
        parts = split_publish(first.data + view.data, first.version or Version.V311)
    except RemoteProtocolError:
        return
    first.qos, first.dup, first.retain, topic, first.packet_id, offset = parts
    first.topic = topic.decode("utf-8", "backslashreplace") or None
    view.payload_offset = max(0, offset - len(first.data))
    if first.topic is not None and first.topic.startswith("overflight/"):
        _whose(first, state, direction)


def _declared_size(data: bytes) -> int:
    end = body_offset(data)
    length = 0
    for shift, byte in enumerate(data[1:end]):
        length |= (byte & 127) << 7 * shift
    return end + length


def _json_fields(view: PacketView) -> list[Field]:
    """Return the keys of a canonical message with where their values lie."""
    assert view.payload_offset is not None
    found: list[Field] = []
    for name, start, end in places(view.body):
        offset = view.payload_offset + start
        value = view.body[start:end].decode("ascii").strip('"')
        found.append(Field(name, value, offset, end - start))
    return found
