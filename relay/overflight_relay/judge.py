"""The verdict on each packet, before a byte of it goes on."""

from __future__ import annotations

from typing import Final, NamedTuple

from overflight_contract.mqtt import (
    Connect,
    Oversize,
    Packet,
    PacketType,
    PubAck,
    Publish,
    PubRec,
    RemoteProtocolError,
    Rule,
    Version,
    decode,
    encode,
)
from overflight_contract.mqtt.connect_packet import peek_connect
from overflight_contract.mqtt.framing import body_offset
from overflight_contract.mqtt.state import Sender
from overflight_contract.session import Verdict
from overflight_relay.answers import (
    PROTOCOL,
    Answer,
    answer,
    answer_down,
    farewell,
    misfit,
    no_connection,
)
from overflight_relay.known import Known
from overflight_relay.protocol import breach
from overflight_relay.rule import FORMAT_INVALID, Refusal
from overflight_relay.ruleset import RuleSet

_PROTOCOL_ERROR: Final = 0x82
_MALFORMED: Final = 0x81
_TOO_LARGE: Final = 0x95


class Ruling(NamedTuple):
    """What becomes of a packet."""

    verdict: Verdict = Verdict.OK
    reason: str = ""
    answer: bytes = b""
    """Goes back to who sent the packet."""
    ends: bool = False
    """Whether the connection ends after the answer."""


OK: Final = Ruling()


class Judge:
    """Judges both directions of one connection.

    `enforce` refuses what the rules refuse; otherwise it is marked, and passes.
    """

    __slots__ = ("enforce", "known", "rules")

    def __init__(self, rules: RuleSet, known: Known, *, enforce: bool) -> None:
        self.rules = rules
        self.known = known
        self.enforce = enforce

    def up(self, data: bytes) -> Ruling:
        """Judge a packet of the client."""
        known = self.known
        known.packet = data
        try:
            packet = decode(data, known.version, from_client=True)
        except RemoteProtocolError as error:
            ruling = self._malformed(error)
            if data[0] >> 4 == PacketType.CONNECT and known.version is None:
                ruling = self._malformed_connect(ruling, error, data[body_offset(data) :])
            return ruling
        refusal = self._breach(packet, Sender.CLIENT)
        if refusal is None and isinstance(packet, Connect):
            known.connected(packet)
        if refusal is None:
            refusal = self.rules.upward(packet, known)
        if refusal is None:
            known.forwarded_up(packet)
            return OK
        if not self.enforce:
            known.forwarded_up(packet)
            return Ruling(Verdict.MARKED, refusal.reason)
        return _refused(refusal, answer(packet, refusal, known))

    def down(self, data: bytes) -> Ruling:
        """Judge a packet of the broker."""
        known = self.known
        known.packet = data
        try:
            packet = decode(data, known.version, from_client=False)
        except RemoteProtocolError as error:
            return self._malformed(error)
        refusal = self._breach(packet, Sender.SERVER) or self.rules.downward(packet, known)
        if refusal is None or not self.enforce:
            known.forwarded_down(packet)
            return OK if refusal is None else Ruling(Verdict.MARKED, refusal.reason)
        if refusal.rule == PROTOCOL:
            return _refused(refusal, farewell(known, _PROTOCOL_ERROR))
        reply = answer_down(packet, refusal, known) if isinstance(packet, Publish) else Answer()
        return _refused(refusal, reply)

    def malformed(self, error: RemoteProtocolError) -> Ruling:
        """Judge bytes that are no MQTT."""
        return self._malformed(error)

    def passed_connect(self, body: bytes) -> None:
        """Take note of what the start of a CONNECT claims that could not be looked into.

        To observe only: else it does not pass. A broker may be more lenient, and what follows is
        to be understood.
        """
        if self.enforce or self.known.version is not None:
            return
        found = peek_connect(body)
        if found is not None:
            self.known.claimed(*found)

    def oversize(self, header: Oversize, *, upward: bool) -> Ruling:
        """Judge a packet above the size limit by its fixed header."""
        size = len(header.header) + header.remaining_length
        detail = f"packet of {size} bytes; at most {self.rules.max_packet} are looked into"
        refusal = Refusal("size", detail, _TOO_LARGE)
        kind = header.header[0] >> 4
        if upward and kind == PacketType.CONNECT:
            refusal = Refusal("size", detail, _PROTOCOL_ERROR)
        if not self.enforce:
            return Ruling(Verdict.MARKED, refusal.reason)
        dropped = kind == PacketType.PUBLISH and not header.header[0] & 6
        if dropped:
            return Ruling(Verdict.REFUSED, refusal.reason)
        return _refused(refusal, farewell(self.known, _TOO_LARGE) if upward else Answer(ends=True))

    def oversize_ends(self, ruling: Ruling, head: bytes) -> Ruling:
        """Judge how a refused packet above the limit is answered, all of it having come.

        `head` is its first byte and the start of its body. In version 5 a PUBLISH without
        properties gets its PUBACK or PUBREC, so that the connection may go on.
        """
        found = plain_publish(head) if self.known.version is Version.V5 else None
        if found is None or self.known.in_flight(found):
            return ruling
        kind = PubAck if head[0] & 6 == 2 else PubRec
        reply = encode(kind(packet_id=found, reason_code=FORMAT_INVALID), Version.V5)
        return Ruling(ruling.verdict, ruling.reason, reply, ends=False)

    def _malformed(self, error: RemoteProtocolError) -> Ruling:
        misplaced = error.rule in (Rule.CONNECT_FIRST, Rule.CONNECT_TWICE, Rule.SENDER)
        code = _PROTOCOL_ERROR if misplaced else _MALFORMED
        refusal = Refusal(PROTOCOL if misplaced else "malformed", str(error), code)
        if not self.enforce:
            return Ruling(Verdict.MARKED, refusal.reason)
        return _refused(refusal, misfit(error, self.known, code))

    def _malformed_connect(self, ruling: Ruling, error: RemoteProtocolError, body: bytes) -> Ruling:
        if self.enforce:
            return ruling._replace(answer=no_connection(error, body).packet)
        self.passed_connect(body)
        return ruling

    def _breach(self, packet: Packet, sender: Sender) -> Refusal | None:
        error = breach(packet, self.known, sender)
        if error is None:
            return None
        return Refusal(PROTOCOL, str(error), error.reason_code or _PROTOCOL_ERROR)


def _refused(refusal: Refusal, reply: Answer) -> Ruling:
    return Ruling(Verdict.REFUSED, refusal.reason, reply.packet, reply.ends)


def plain_publish(head: bytes) -> int | None:
    """Return the packet id of a PUBLISH of QoS 1 or 2 (version 5) that has no properties.

    `head` is the first byte of its fixed header and the start of its body.
    """
    if not head or head[0] >> 4 != PacketType.PUBLISH or head[0] & 6 not in (2, 4):
        return None
    end = 3 + int.from_bytes(head[1:3])
    packet_id = int.from_bytes(head[end : end + 2])
    return packet_id if head[end + 2 : end + 3] == b"\0" and packet_id else None
