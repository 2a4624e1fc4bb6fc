"""PUBLISH: topic, flags, packet id, and the message itself."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from overflight_contract import messages
from overflight_contract.errors import ContractError
from overflight_contract.identity import is_payload
from overflight_contract.messages import Telemetry
from overflight_contract.topics import PREFIX, UPWARD, Kind
from overflight_ground.audit import walk
from overflight_ground.audit.connect_rules import packet_id
from overflight_ground.audit.judging import common, explained, fixed, text, unexplained
from overflight_ground.audit.room import FLIGHT_BITS, Implausible, choice
from overflight_ground.audit.sessions import Client, FlightState, Link
from overflight_ground.audit.tally import ByteClass, Judged
from overflight_ground.audit.traffic import Packet
from overflight_ground.audit.walk import Field

if TYPE_CHECKING:
    from overflight_ground.audit.explain import Explainer

_PREFIX: Final = PREFIX.encode()
_UPWARD: Final = {str(kind): kind for kind in UPWARD}


class _Content(NamedTuple):
    """What a PUBLISH says, as far as it parses: whose topic, which kind, and the message."""

    payload: str
    kind: Kind | None
    message: Telemetry | None
    wrong: str


def publish(state: Explainer, link: Link, data: bytes, packet: Packet) -> list[Judged]:
    """Judge a PUBLISH."""
    fields = walk.walk(data, link.version)
    by_name = {field.name: field for field in fields}
    content = _content(data, by_name.get("topic"), by_name.get("message"))
    message = by_name.get("message")
    if content.message is not None and message is not None:
        state.carried(packet, content.payload, content.message, data, message)
    if message is not None and message.start == message.end:
        return unexplained(Field("whole packet", 0, len(data)), "an empty message")
    own = content.kind is not None and content.payload == link.payload
    digest = _digest(data, message)
    judged: list[Judged] = []
    for field in fields:
        if (plain := common(field)) is not None:
            judged += plain
        elif field.name == walk.HEADER:
            judged += _flags(link, data, by_name.get("packet id"), digest)
        elif field.name == "topic":
            why = "is no topic that this connection may publish to"
            judged += text(field, 1.0) if own else unexplained(field, why)
        elif field.name == "packet id":
            judged += packet_id(link, field, data[field.start : field.end], digest)
        elif field.name == "message":
            judged += _message(state, data, field, content, packet, own=own)
        else:
            what = field.name.removeprefix(walk.PROPERTY_PREFIX)
            judged += unexplained(field, f"a payload sends no {what}")
    return judged


def note_message(state: Explainer, packet: Packet) -> None:
    """Take in the message of a PUBLISH that comes where none may, for the ledgers."""
    for version in (4, 5):
        by_name = {field.name: field for field in walk.walk(packet.data, version)}
        message = by_name.get("message")
        content = _content(packet.data, by_name.get("topic"), message)
        if content.message is not None and message is not None:
            state.carried(packet, content.payload, content.message, packet.data, message)
            return


def join_midstream(state: Explainer, link: Link, data: bytes) -> None:
    """Take up a connection that began before the session: what its first packet says stands."""
    link.connected = link.midstream = True
    for version in (4, 5):
        by_name = {field.name: field for field in walk.walk(data, version)}
        if walk.MALFORMED in by_name:
            continue
        link.version = version
        content = _content(data, by_name.get("topic"), by_name.get("message"))
        if content.message is not None:
            break
    else:
        content = _Content("", None, None, "")
    name = content.payload
    known = state.payloads is None or name in state.payloads | state.others
    if known and is_payload(name):
        link.payload = link.client_id = name
        link.client = state.clients.setdefault(name, Client())
    link.client.connections += 2
    link.ids = link.client.ids = link.client.ids.reconnected()


def _content(data: bytes, topic: Field | None, message: Field | None) -> _Content:
    if topic is None or message is None:
        return _Content("", None, None, "does not parse")
    name = data[topic.start + 2 : topic.end]
    if not name.startswith(_PREFIX):
        return _Content("", None, None, "on no topic of the contract")
    payload, _, last = name[len(_PREFIX) :].decode("utf-8", "replace").partition("/")
    kind = _UPWARD.get(last)
    if kind is None or not is_payload(payload):
        return _Content(payload, None, None, "on no topic of the contract")
    try:
        found = messages.decode(kind, data[message.start : message.end])
    except ContractError as error:
        return _Content(payload, kind, None, error.detail)
    assert not isinstance(found, messages.Receipt)
    return _Content(payload, kind, found, "")


def _digest(data: bytes, message: Field | None) -> bytes:
    body = data[message.start : message.end] if message else b""
    return hashlib.blake2b(body, digest_size=16).digest()


def _flags(link: Link, data: bytes, id_field: Field | None, digest: bytes) -> list[Judged]:
    field = Field(walk.HEADER, 0, 1)
    flags = data[0] & 15
    if flags & 1:
        return unexplained(field, "a payload retains nothing")
    if flags >> 1 & 3 != 1:
        return unexplained(field, f"QoS {flags >> 1 & 3}; messages of the contract have QoS 1")
    repeats = False
    if id_field is not None:
        number = int.from_bytes(data[id_field.start : id_field.end], "big")
        sent = number in link.ids.open and link.ids.open[number] in (None, digest)
        repeats = sent or link.client.connections > 1
    if flags & 8 and not repeats:
        return unexplained(field, "the DUP flag on what was not sent before")
    return fixed(field, float(repeats))


def _message(
    state: Explainer, data: bytes, field: Field, content: _Content, packet: Packet, *, own: bool
) -> list[Judged]:
    message = content.message
    if message is None:
        return unexplained(field, content.wrong)
    if not own:
        return unexplained(field, "in the name of another payload")
    key = (content.payload, message.flight)
    flight = state.flights.get(key)
    own_bits = choice(len(state.flights) + 1)
    if flight is None:
        own_bits += FLIGHT_BITS
        flight = FlightState()
    before = flight.sequence.seen.get(message.seq)
    digest = _digest(data, field)
    if before is not None:
        if before != digest:
            return unexplained(field, f"seq {message.seq} crossed before with other bytes")
        return explained(Field("message again", field.start, field.end), _again_bits(flight))
    if not packet.crossed:
        return explained(field)
    state.flights[key] = flight
    flight.sequence.seen[message.seq] = digest
    return _fields(field, data[field.start : field.end], message, flight, own_bits)


def _again_bits(flight: FlightState) -> float:
    return choice(len(flight.sequence.seen))


def _fields(
    field: Field, body: bytes, message: Telemetry, flight: FlightState, flight_bits: float
) -> list[Judged]:
    """Class the bytes of a valid message: spelling fixed, values explained with their room."""
    bits, wrong = flight.bits(message)
    judged = _implausible(field, body, wrong)
    judged.append(Judged("message flight", field.end, field.end, ByteClass.EXPLAINED, flight_bits))
    judged += [
        Judged(f"message {name}", field.end, field.end, ByteClass.EXPLAINED, room)
        for name, room in bits
    ]
    return judged


def _implausible(field: Field, body: bytes, wrong: list[Implausible]) -> list[Judged]:
    """Class the bytes of a message; the values that the limits of motion refuse apart."""
    marks: list[tuple[int, int, Implausible]] = []
    for found in wrong:
        for name in found.field.split(", "):
            at = body.find(f'"{name}":'.encode())
            start = at + len(name) + 3
            end = min(p for p in (body.find(b",", start), body.find(b"}", start)) if p >= 0)
            if at >= 0:
                marks.append((field.start + start, field.start + end, found))
    judged: list[Judged] = []
    at = field.start
    for start, end, found in sorted(set(marks), key=lambda mark: mark[0]):
        if start < at:
            continue
        judged.append(Judged("message", at, start, ByteClass.EXPLAINED))
        judged.append(
            Judged(f"message {found.field}", start, end, ByteClass.UNEXPLAINED, 0.0, found.why)
        )
        at = end
    judged.append(Judged("message", at, field.end, ByteClass.EXPLAINED))
    return judged
