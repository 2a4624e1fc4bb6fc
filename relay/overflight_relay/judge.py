"""The verdict on each packet, before a byte of it goes on."""

from __future__ import annotations

from typing import Final, NamedTuple

from overflight_contract.mqtt import (
    Connect,
    Oversize,
    Packet,
    PacketType,
    Publish,
    RemoteProtocolError,
    decode,
)
from overflight_contract.session import Verdict
from overflight_relay.answers import PROTOCOL, Answer, answer, answer_down, farewell
from overflight_relay.known import Known
from overflight_relay.rule import Refusal
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
            return self._malformed(error)
        refusal = self._out_of_place(packet)
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
        refusal = self.rules.downward(packet, known)
        if refusal is None or not self.enforce:
            known.forwarded_down(packet)
            return OK if refusal is None else Ruling(Verdict.MARKED, refusal.reason)
        reply = answer_down(packet, refusal, known) if isinstance(packet, Publish) else Answer()
        return _refused(refusal, reply)

    def malformed(self, error: RemoteProtocolError) -> Ruling:
        """Judge bytes that are no MQTT."""
        return self._malformed(error)

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

    def _malformed(self, error: RemoteProtocolError) -> Ruling:
        refusal = Refusal("malformed", str(error), error.reason_code or _MALFORMED)
        if not self.enforce:
            return Ruling(Verdict.MARKED, refusal.reason)
        return Ruling(
            Verdict.REFUSED, refusal.reason, farewell(self.known, _MALFORMED).packet, True
        )

    def _out_of_place(self, packet: Packet) -> Refusal | None:
        if isinstance(packet, Connect) and self.known.version is not None:
            return Refusal(PROTOCOL, "a second CONNECT [MQTT-3.1.0-2]", _PROTOCOL_ERROR)
        if self.known.ended:
            return Refusal(PROTOCOL, "follows a DISCONNECT [MQTT-3.14.4-2]", _PROTOCOL_ERROR)
        return None


def _refused(refusal: Refusal, reply: Answer) -> Ruling:
    return Ruling(Verdict.REFUSED, refusal.reason, reply.packet, reply.ends)
