"""What the relay knows of one connection, from the packets that crossed on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from overflight_contract.identity import is_payload
from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Packet,
    PacketType,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    SubAck,
    Subscribe,
    UnsubAck,
    Unsubscribe,
    Version,
)
from overflight_contract.mqtt.state import Limits, Phase, Sender
from overflight_relay.quick import LONGEST

_FAILED: Final = 0x80
_NONE: Final = -1
_DEFAULTS: Final = {Sender.CLIENT: Limits(), Sender.SERVER: Limits()}


class Known:
    """The state of one connection that rules and refusals depend on.

    `sent` are the packet ids (two bytes) of the client's messages that are in flight upstream,
    `asked` those of its SUBSCRIBE and UNSUBSCRIBE; `received` those of the broker that the client
    may acknowledge. `limits` are what each end said that it takes. `quota` is how many messages
    may be in flight for the quick checks to be asked: -1 where they can't know what passes.
    """

    __slots__ = (
        "aliases",
        "asked",
        "authenticates",
        "certificate_name",
        "client_id",
        "closed_by",
        "credential",
        "credentials",
        "limits",
        "now_ns",
        "packet",
        "payload",
        "phase",
        "published",
        "quota",
        "rate_window",
        "received",
        "released",
        "sent",
        "session_present",
        "username",
        "version",
    )

    def __init__(
        self,
        credentials: Mapping[str, str] | None = None,
        certificate_name: str | None = None,
    ) -> None:
        """`credentials` are the configured user names and passwords."""
        self.credentials = credentials or {}
        self.certificate_name = certificate_name
        self.version: Version | None = None
        self.client_id = ""
        self.payload: str | None = None
        self.username: str | None = None
        self.credential = "none"
        self.session_present = False
        self.phase = Phase.NEW
        self.closed_by: Sender | None = None
        self.authenticates = False
        self.limits = _DEFAULTS
        self.quota = _NONE
        self.packet = b""
        self.now_ns = 0
        self.published = 0
        self.rate_window: list[float] = []
        self.aliases: dict[int, str] = {}
        self.sent: set[bytes] = set()
        self.asked: set[bytes] = set()
        self.received: set[bytes] = set()
        self.released: set[bytes] = set()

    def topic_of(self, publish: Publish) -> str:
        """Return the topic of a PUBLISH of the client, its alias resolved; "" where unknown."""
        alias = publish.properties.topic_alias if publish.properties is not None else None
        if publish.topic or alias is None:
            return publish.topic
        return self.aliases.get(alias, "")

    @property
    def maximum_qos(self) -> int:
        """The highest QoS that the broker takes."""
        return self.limits[Sender.SERVER].maximum_qos

    def in_flight(self, packet_id: int) -> bool:
        """Tell whether the broker has still to answer a packet of the client with this id."""
        raw = packet_id.to_bytes(2)
        return raw in self.sent or raw in self.asked

    def connected(self, connect: Connect) -> None:
        """Take note of the CONNECT, before it is judged."""
        self.version = connect.version
        self.phase = Phase.CONNECTING
        properties = connect.properties
        if properties is not None:
            self.authenticates = properties.authentication_method is not None
            self.limits = {Sender.CLIENT: Limits(properties), Sender.SERVER: Limits()}
        self.client_id = connect.client_id
        self.payload = connect.client_id if is_payload(connect.client_id) else None
        self.username = connect.username
        self.credential = self._credential(connect)

    def claimed(self, version: Version, client_id: str) -> None:
        """Take note of a CONNECT that passed though it could not be looked into."""
        self.version, self.phase = version, Phase.CONNECTING
        self.client_id = client_id
        self.payload = client_id if is_payload(client_id) else None

    def _credential(self, connect: Connect) -> str:
        """Say how user name and password fit the configuration: none, matched or unknown."""
        if connect.username is None and connect.password is None:
            return "none"
        if connect.password is None and connect.username == connect.client_id:
            return "matched"
        expected = self.credentials.get(connect.username or "")
        if expected is not None and (connect.password or b"") == expected.encode():
            return "matched"
        return "unknown"

    def forwarded_up(self, packet: Packet) -> None:
        """Take note of a packet of the client that goes on to the broker."""
        if isinstance(packet, Publish):
            self._published(packet)
        elif isinstance(packet, Subscribe | Unsubscribe):
            self.asked.add(packet.packet_id.to_bytes(2))
        elif isinstance(packet, PubAck | PubComp):
            self.received.discard(packet.packet_id.to_bytes(2))
            self.released.discard(packet.packet_id.to_bytes(2))
        elif isinstance(packet, PubRec):
            if packet.reason_code >= _FAILED:
                self.received.discard(packet.packet_id.to_bytes(2))
        elif packet.type is PacketType.DISCONNECT:
            self._closed(Sender.CLIENT)

    def _closed(self, by: Sender) -> None:
        self.phase, self.quota = Phase.CLOSED, _NONE
        self.closed_by = self.closed_by or by

    def _published(self, packet: Publish) -> None:
        self.published += 1
        if packet.packet_id is not None:
            self.sent.add(packet.packet_id.to_bytes(2))
        if packet.properties is not None and packet.properties.topic_alias and packet.topic:
            self.aliases[packet.properties.topic_alias] = packet.topic

    def forwarded_down(self, packet: Packet) -> None:
        """Take note of a packet of the broker that goes on to the client."""
        if isinstance(packet, Publish):
            if packet.packet_id is not None:
                self.received.add(packet.packet_id.to_bytes(2))
        elif isinstance(packet, PubAck | PubComp):
            self.sent.discard(packet.packet_id.to_bytes(2))
        elif isinstance(packet, SubAck | UnsubAck):
            self.asked.discard(packet.packet_id.to_bytes(2))
        elif isinstance(packet, PubRec):
            if packet.reason_code >= _FAILED:
                self.sent.discard(packet.packet_id.to_bytes(2))
        elif isinstance(packet, PubRel):
            self.released.add(packet.packet_id.to_bytes(2))
        elif isinstance(packet, ConnAck):
            self._answered(packet)
        elif packet.type is PacketType.DISCONNECT:
            self._closed(Sender.SERVER)

    def _answered(self, connack: ConnAck) -> None:
        self.session_present = connack.session_present
        if connack.reason_code:
            self._closed(Sender.SERVER)
        elif self.phase is Phase.CONNECTING:
            self.phase = Phase.OPEN
            server = Limits(connack.properties)
            self.limits = {Sender.CLIENT: self.limits[Sender.CLIENT], Sender.SERVER: server}
            largest = server.maximum_packet_size
            small = largest is not None and largest < LONGEST
            self.quota = _NONE if small else server.receive_maximum
