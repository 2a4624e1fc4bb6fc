"""The protocol as data: who may send what when, and how an exchange under a packet id goes on.

`PHASES` and `FLOWS` are the tables; docs/mqtt.md is drawn from them. `Protocol` walks through them
with the packets of one connection, whichever side one is on or in the middle, and raises
`RemoteProtocolError` at the first packet that does not fit.
"""

from __future__ import annotations

import enum
from typing import Final, NamedTuple

from overflight_contract.mqtt import packets as p
from overflight_contract.mqtt.errors import RemoteProtocolError
from overflight_contract.mqtt.properties import Properties
from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.vocabulary import PacketType as T
from overflight_contract.mqtt.vocabulary import Version


class Sender(enum.StrEnum):
    """The two ends."""

    CLIENT = "client"
    SERVER = "server"

    @property
    def other(self) -> Sender:
        """The other end."""
        return Sender.SERVER if self is Sender.CLIENT else Sender.CLIENT


class Phase(enum.StrEnum):
    """Where a connection stands."""

    NEW = "new"
    CONNECTING = "connecting"
    """CONNECT was sent, CONNACK not yet."""
    OPEN = "open"
    CLOSED = "closed"
    """DISCONNECT was sent, or CONNACK refused."""


class Step(NamedTuple):
    """One row of `PHASES`."""

    phase: Phase
    sender: Sender
    types: tuple[T, ...]
    then: Phase
    since: Version = Version.V31
    note: str = ""


_TALK = (T.PUBLISH, T.PUBACK, T.PUBREC, T.PUBREL, T.PUBCOMP)
_ASK = (T.SUBSCRIBE, T.UNSUBSCRIBE, T.PINGREQ)
_TELL = (T.SUBACK, T.UNSUBACK, T.PINGRESP)
_C, _S = Sender.CLIENT, Sender.SERVER

PHASES: Final[tuple[Step, ...]] = (
    Step(Phase.NEW, _C, (T.CONNECT,), Phase.CONNECTING),
    Step(
        Phase.CONNECTING,
        _C,
        (*_TALK, *_ASK),
        Phase.CONNECTING,
        note="a client need not wait for CONNACK, but in enhanced authentication",
    ),
    Step(Phase.CONNECTING, _C, (T.DISCONNECT,), Phase.CLOSED),
    Step(Phase.CONNECTING, _C, (T.AUTH,), Phase.CONNECTING, Version.V5),
    Step(Phase.CONNECTING, _S, (T.AUTH,), Phase.CONNECTING, Version.V5),
    Step(Phase.CONNECTING, _S, (T.CONNACK,), Phase.OPEN, note="closed where it refuses"),
    Step(Phase.CONNECTING, _S, (T.DISCONNECT,), Phase.CLOSED, Version.V5),
    Step(Phase.OPEN, _C, (*_TALK, *_ASK), Phase.OPEN),
    Step(Phase.OPEN, _S, (*_TALK, *_TELL), Phase.OPEN),
    Step(Phase.OPEN, _C, (T.AUTH,), Phase.OPEN, Version.V5),
    Step(Phase.OPEN, _S, (T.AUTH,), Phase.OPEN, Version.V5),
    Step(Phase.OPEN, _C, (T.DISCONNECT,), Phase.CLOSED),
    Step(Phase.OPEN, _S, (T.DISCONNECT,), Phase.CLOSED, Version.V5),
)
"""Who may send what in which phase, and the phase after it. What is not here is forbidden."""

_NEXT: Final = {(step.phase, step.sender, kind): step for step in PHASES for kind in step.types}


class Flow(enum.StrEnum):
    """Where an exchange under one packet id stands."""

    NONE = "none"
    PUBACK_DUE = "PUBACK due"
    PUBREC_DUE = "PUBREC due"
    PUBREL_DUE = "PUBREL due"
    PUBCOMP_DUE = "PUBCOMP due"
    SUBACK_DUE = "SUBACK due"
    UNSUBACK_DUE = "UNSUBACK due"


class Turn(NamedTuple):
    """One row of `FLOWS`; `by_opener` says whether the end that began the exchange sends it."""

    flow: Flow
    packet: str
    by_opener: bool
    then: Flow


FLOWS: Final[tuple[Turn, ...]] = (
    Turn(Flow.NONE, "PUBLISH QoS 1", True, Flow.PUBACK_DUE),
    Turn(Flow.PUBACK_DUE, "PUBLISH QoS 1 DUP", True, Flow.PUBACK_DUE),
    Turn(Flow.PUBACK_DUE, "PUBACK", False, Flow.NONE),
    Turn(Flow.NONE, "PUBLISH QoS 2", True, Flow.PUBREC_DUE),
    Turn(Flow.PUBREC_DUE, "PUBLISH QoS 2", True, Flow.PUBREC_DUE),
    Turn(Flow.PUBREC_DUE, "PUBREC", False, Flow.PUBREL_DUE),
    Turn(Flow.PUBREC_DUE, "PUBREC refusing", False, Flow.NONE),
    Turn(Flow.PUBREL_DUE, "PUBLISH QoS 2", True, Flow.PUBREC_DUE),
    Turn(Flow.PUBREL_DUE, "PUBREC", False, Flow.PUBREL_DUE),
    Turn(Flow.PUBREL_DUE, "PUBREL", True, Flow.PUBCOMP_DUE),
    Turn(Flow.PUBCOMP_DUE, "PUBREL", True, Flow.PUBCOMP_DUE),
    Turn(Flow.PUBCOMP_DUE, "PUBREC", False, Flow.PUBCOMP_DUE),
    Turn(Flow.PUBCOMP_DUE, "PUBCOMP", False, Flow.NONE),
    Turn(Flow.NONE, "SUBSCRIBE", True, Flow.SUBACK_DUE),
    Turn(Flow.SUBACK_DUE, "SUBACK", False, Flow.NONE),
    Turn(Flow.NONE, "UNSUBSCRIBE", True, Flow.UNSUBACK_DUE),
    Turn(Flow.UNSUBACK_DUE, "UNSUBACK", False, Flow.NONE),
)
"""How an exchange goes on. An acknowledgement of what is not in flight is let pass: it may answer a
packet of the session's connection before. A PUBLISH of QoS 2 may come again, with DUP or without,
until its PUBREL has: the receiver must answer each with PUBREC ([MQTT-4.3.3-2] of 3.1.1,
[MQTT-4.3.3-10] of 5.0). A PUBREC that crosses the PUBREL on its way answers such a second one."""

_TURNS: Final = {(turn.flow, turn.packet, turn.by_opener): turn.then for turn in FLOWS}
_COUNTED: Final = frozenset({Flow.PUBACK_DUE, Flow.PUBREC_DUE, Flow.PUBREL_DUE, Flow.PUBCOMP_DUE})
_DEFAULT_RECEIVE_MAXIMUM: Final = 65_535


class Limits:
    """What one end takes, by its CONNECT or CONNACK; the defaults where it says nothing."""

    __slots__ = (
        "maximum_packet_size",
        "maximum_qos",
        "receive_maximum",
        "retain_available",
        "topic_alias_maximum",
    )

    def __init__(self, properties: Properties | None = None) -> None:
        given = properties or Properties()
        self.receive_maximum = given.receive_maximum or _DEFAULT_RECEIVE_MAXIMUM
        self.topic_alias_maximum = given.topic_alias_maximum or 0
        self.maximum_packet_size = given.maximum_packet_size
        self.maximum_qos = 2 if given.maximum_qos is None else given.maximum_qos
        self.retain_available = given.retain_available != 0

    def check_size(self, size: int, sender: Sender) -> None:
        """Raise `RemoteProtocolError` where a packet of `size` bytes is too large."""
        limit = self.maximum_packet_size
        if limit is not None and size > limit:
            detail = f"{size} bytes; the {sender.other} takes {limit}"
            raise RemoteProtocolError(Rule.PACKET_TOO_LARGE, Version.V5, detail)

    def check_publish(self, packet: p.Publish, sender: Sender) -> None:
        """Raise `RemoteProtocolError` where this end takes no such PUBLISH."""
        if packet.qos > self.maximum_qos:
            detail = f"QoS {packet.qos} is above the {sender.other}'s"
            raise RemoteProtocolError(Rule.MAXIMUM_QOS, Version.V5, detail)
        if packet.retain and not self.retain_available:
            detail = f"the {sender.other} retains nothing"
            raise RemoteProtocolError(Rule.RETAIN_UNAVAILABLE, Version.V5, detail)

    def check_alias(self, alias: int) -> None:
        """Raise `RemoteProtocolError` where `alias` is above what this end takes."""
        if alias > self.topic_alias_maximum:
            detail = f"topic alias {alias}; the limit is {self.topic_alias_maximum}"
            raise RemoteProtocolError(Rule.TOPIC_ALIAS, Version.V5, detail)

    def check_in_flight(self, count: int, sender: Sender) -> None:
        """Raise `RemoteProtocolError` where `count` messages in flight are too many."""
        if count > self.receive_maximum:
            detail = f"the {sender} has over {self.receive_maximum} messages in flight"
            raise RemoteProtocolError(Rule.RECEIVE_MAXIMUM, Version.V5, detail)


def next_step(phase: Phase, sender: Sender, kind: T, version: Version | None) -> Step:
    """Return the row of `PHASES` for a packet; raise `RemoteProtocolError` if there is none."""
    step = _NEXT.get((phase, sender, kind))
    if step is None or (version is not None and version < step.since):
        raise _misplaced(phase, sender, kind, version)
    return step


def _misplaced(
    phase: Phase, sender: Sender, kind: T, version: Version | None
) -> RemoteProtocolError:
    if phase is Phase.CLOSED:
        rule, when = Rule.AFTER_DISCONNECT, "after the end"
    elif phase is Phase.NEW:
        rule, when = Rule.CONNECT_FIRST, "before CONNECT"
    elif kind is T.CONNECT and sender is Sender.CLIENT:
        rule, when = Rule.CONNECT_TWICE, "again"
    elif kind is T.CONNACK and sender is Sender.SERVER:
        rule, when = Rule.CONNACK_TWICE, "again"
    elif phase is Phase.CONNECTING and sender is Sender.SERVER:
        rule, when = Rule.CONNACK_FIRST, "before CONNACK"
    else:
        rule, when = Rule.SENDER, "at all"
    return RemoteProtocolError(rule, version, f"the {sender} can't send {kind.name} {when}")


class End:
    """What one end has in flight, and what it said that it takes."""

    def __init__(self) -> None:
        self.flights: dict[int, Flow] = {}
        self.filters: dict[int, int] = {}
        self.aliases: dict[int, str] = {}
        self.limits = Limits()

    @property
    def in_flight(self) -> int:
        """How many messages of QoS 1 and 2 of this end are not acknowledged in full."""
        return sum(flow in _COUNTED for flow in self.flights.values())


class Protocol:
    """The state of one connection; feed it every packet of both ends, in order."""

    def __init__(self) -> None:
        self.phase = Phase.NEW
        self.version: Version | None = None
        self.keep_alive_s = 0
        self.closed_by: Sender | None = None
        self.ends: dict[Sender, End] = {Sender.CLIENT: End(), Sender.SERVER: End()}
        self._authenticates = False
        self._clean = False
        self._ends_with_connection = False

    def take(self, packet: p.Packet, sender: Sender, size: int = 0) -> None:
        """Take a decoded packet of `size` bytes; raise `RemoteProtocolError` if it does not fit."""
        if isinstance(packet, p.Connect) and self.phase is Phase.NEW:
            self.version = packet.version
        if self.closed_by is not None and sender is not self.closed_by:
            return  # was under way when the other end closed
        step = self._step(packet.type, sender)
        self.ends[sender.other].limits.check_size(size, sender)
        match packet:
            case p.Connect():
                self._connect(packet)
            case p.ConnAck():
                step = self._connack(packet, step)
            case p.Publish():
                self._publish(packet, sender)
            case p.PubAck() | p.PubRec() | p.PubComp() | p.SubAck() | p.UnsubAck():
                self._acknowledge(packet, sender.other)
            case p.PubRel():
                self._turn(sender, packet.packet_id, "PUBREL", by_opener=True)
            case p.Subscribe() | p.Unsubscribe():
                self._ask(packet, sender)
            case p.Disconnect():
                self._disconnect(packet, sender)
            case _:
                pass
        self.phase = step.then
        if self.phase is Phase.CLOSED:
            self.closed_by = sender

    def silent_too_long(self, silent_s: float) -> bool:
        """Tell whether a client that said nothing for `silent_s` is to be cut off."""
        return self.keep_alive_s > 0 and silent_s > 1.5 * self.keep_alive_s

    def _step(self, kind: T, sender: Sender) -> Step:
        step = next_step(self.phase, sender, kind, self.version)
        if (
            self._authenticates
            and self.phase is Phase.CONNECTING
            and sender is Sender.CLIENT
            and kind not in (T.AUTH, T.DISCONNECT)
        ):
            raise self._error(
                Rule.BEFORE_CONNACK, f"the client sends {kind.name} before it is authenticated"
            )
        return step

    def _error(self, rule: Rule, detail: str) -> RemoteProtocolError:
        return RemoteProtocolError(rule, self.version, detail)

    def _connect(self, packet: p.Connect) -> None:
        self.keep_alive_s = packet.keep_alive
        self._clean = packet.clean_start
        self.ends[Sender.CLIENT].limits = Limits(packet.properties)
        method = packet.properties.authentication_method if packet.properties else None
        self._authenticates = method is not None
        expiry = packet.properties.session_expiry_interval if packet.properties else None
        self._ends_with_connection = not expiry

    def _connack(self, packet: p.ConnAck, step: Step) -> Step:
        if packet.session_present and self._clean:
            raise self._error(Rule.SESSION_PRESENT, "a session is present after a clean start")
        if packet.properties is not None and packet.properties.server_keep_alive is not None:
            self.keep_alive_s = packet.properties.server_keep_alive
        self.ends[Sender.SERVER].limits = Limits(packet.properties)
        return step._replace(then=Phase.CLOSED) if packet.reason_code else step

    def _ask(self, packet: p.Subscribe | p.Unsubscribe, sender: Sender) -> None:
        filters = packet.subscriptions if isinstance(packet, p.Subscribe) else packet.topic_filters
        self._open(sender, packet.packet_id, packet.type.name)
        self.ends[sender].filters[packet.packet_id] = len(filters)

    def _disconnect(self, packet: p.Disconnect, sender: Sender) -> None:
        expiry = packet.properties.session_expiry_interval if packet.properties else None
        if expiry and self._ends_with_connection and sender is Sender.CLIENT:
            raise self._error(
                Rule.SESSION_EXPIRY_ZERO, "a session that ends with its connection can't be kept"
            )

    def _publish(self, packet: p.Publish, sender: Sender) -> None:
        limits = self.ends[sender.other].limits
        limits.check_publish(packet, sender)
        alias = packet.properties.topic_alias if packet.properties is not None else None
        if alias is not None:
            self._alias(packet, alias, sender)
        if packet.packet_id is None:
            return
        end, name = self.ends[sender], f"PUBLISH QoS {packet.qos}"
        again = f"{name} DUP" if packet.qos == 1 and packet.dup else name
        flow = end.flights.get(packet.packet_id)
        if flow is not None and (packet.dup or (flow, again, True) in _TURNS):
            self._turn(sender, packet.packet_id, again, by_opener=True)
            return
        self._open(sender, packet.packet_id, name)
        limits.check_in_flight(end.in_flight, sender)

    def _alias(self, packet: p.Publish, alias: int, sender: Sender) -> None:
        aliases = self.ends[sender].aliases
        if self.phase is Phase.OPEN:
            self.ends[sender.other].limits.check_alias(alias)
        if packet.topic:
            aliases[alias] = packet.topic
        elif alias not in aliases:
            raise self._error(Rule.TOPIC_ALIAS_UNKNOWN, f"topic alias {alias} has no topic yet")

    def _open(self, sender: Sender, packet_id: int, name: str) -> None:
        flights = self.ends[sender].flights
        if packet_id in flights:
            raise self._error(
                Rule.PACKET_ID_IN_USE,
                f"packet id {packet_id} is in use ({flights[packet_id]}), but {name} takes it",
            )
        flights[packet_id] = _TURNS[Flow.NONE, name, True]

    def _acknowledge(
        self, packet: p.PubAck | p.PubRec | p.PubComp | p.SubAck | p.UnsubAck, opener: Sender
    ) -> None:
        if isinstance(packet, (p.SubAck, p.UnsubAck)):
            wanted = self.ends[opener].filters.pop(packet.packet_id, None)
            codes = len(packet.reason_codes)
            if wanted is not None and codes != wanted and not _codeless(packet, self.version):
                rule = Rule.SUBACK_EMPTY if isinstance(packet, p.SubAck) else Rule.UNSUBACK_EMPTY
                raise self._error(rule, f"{codes} reason codes answer {wanted} topic filters")
        refusing = isinstance(packet, p.PubRec) and packet.reason_code >= 0x80
        name = f"{packet.type.name} refusing" if refusing else packet.type.name
        self._turn(opener, packet.packet_id, name, by_opener=False)

    def _turn(self, opener: Sender, packet_id: int, name: str, *, by_opener: bool) -> None:
        flights = self.ends[opener].flights
        flow = flights.get(packet_id)
        if flow is None:
            return
        then = _TURNS.get((flow, name, by_opener))
        if then is None:
            raise self._error(
                Rule.PACKET_ID_UNKNOWN, f"{name} for packet id {packet_id}, where {flow}"
            )
        if then is Flow.NONE:
            del flights[packet_id]
        else:
            flights[packet_id] = then


def _codeless(packet: p.SubAck | p.UnsubAck, version: Version | None) -> bool:
    """Tell whether this acknowledgement has no codes at all: UNSUBACK before version 5."""
    return isinstance(packet, p.UnsubAck) and version is not Version.V5
