"""The broker's side of a recorded session, played to a payload under test; no I/O here."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from overflight.replay.comparing import Difference, Divergence, compare
from overflight.replay.conversation import SAID, Conversation, Turn
from overflight.replay.rewriting import Rewriter
from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.identity import FLIGHT_PATTERN
from overflight_contract.mqtt import (
    Framer,
    PingResp,
    PubAck,
    PubComp,
    Publish,
    PubRec,
    PubRel,
    RemoteProtocolError,
    SubAck,
    UnsubAck,
    Version,
    encode,
)
from overflight_contract.session.model import Direction, SessionPacket, Verdict

_FLIGHT = re.compile(FLIGHT_PATTERN.strip("^").removesuffix(r"\Z").encode())


@dataclass
class Progress:
    """How far the payload is through what was recorded."""

    matched: int = 0
    recorded: int = 0
    connections: int = 0


class BrokerSide:
    """Answers a payload as the recorded broker did, and compares what it says."""

    def __init__(
        self, several: list[Conversation], ignored: frozenset[str], rewriter: Rewriter | None = None
    ) -> None:
        self._waiting = list(several)
        self._ignored = ignored
        self._rewriter = rewriter or Rewriter()
        self._flights: dict[bytes, bytes] = {}
        self._dissector = Dissector()
        self._framer = Framer()
        self._turns: list[Turn] = []
        self._done: dict[int, Turn] = {}
        self._conversation: Conversation | None = None
        self.divergence: Divergence | None = None
        self.progress = Progress(recorded=sum(len(each.turns) for each in several))

    @property
    def finished(self) -> bool:
        """Whether everything was said, or something else was."""
        return self.divergence is not None or not (self._turns or self._waiting)

    @property
    def hangs_up(self) -> bool:
        """Whether to end the connection here: as recorded, or to let the next one begin."""
        if self.divergence is not None or self._turns or self._conversation is None:
            return self.divergence is not None
        left = self._conversation.turns[-1].said.type == "disconnect"
        return self._conversation.ended_by in ("broker", "relay") or bool(
            self._waiting and not left
        )

    def connected(self) -> None:
        """Begin the next recorded connection; the last one goes on where none is left."""
        self._framer = Framer()
        self._dissector = Dissector()
        self._done.clear()
        self.progress.connections += 1
        if self._turns:
            self._diverge(self._turns[0].said, None, ())
        elif self._waiting:
            self._conversation = self._waiting.pop(0)
            self._turns = list(self._conversation.turns)

    def closed(self) -> None:
        """The payload has closed its connection."""
        if self._turns and self.divergence is None:
            self._diverge(self._turns[0].said, None, ())

    def receive(self, data: bytes, now_ns: int = 0) -> list[bytes]:
        """Take bytes of the payload; return the packets to send."""
        out: list[bytes] = []
        try:
            for packet in self._framer.feed(data):
                assert isinstance(packet, bytes)
                out += self._packet(packet, now_ns)
        except RemoteProtocolError as error:
            said = self._turns[0].said if self._turns else None
            difference = Difference("protocol", "a packet", str(error))
            self._diverge(said, None, (difference,))
        return out

    def _packet(self, packet: bytes, now_ns: int) -> list[bytes]:
        view = self._dissector.view(SessionPacket(now_ns, 1, Direction.UP, Verdict.OK, "", packet))
        version = view.version or Version.V311
        match view.type:
            case "pingreq":
                return [encode(PingResp(), version)]
            case "pubrec":
                return [encode(PubRel(packet_id=view.packet_id or 0), version)]
            case "pubrel":
                return [encode(PubComp(packet_id=view.packet_id or 0), version)]
            case "publish" if view.dup and view.packet_id in self._done:
                return self._answer(self._done[view.packet_id], view, acks_only=True)
            case kind if kind in SAID:
                return self._said(view)
        return []

    def _said(self, view: PacketView) -> list[bytes]:
        if self.divergence is not None:
            return []
        if not self._turns:
            self._diverge(None, view, ())
            return []
        turn = self._expected(view)
        self._learn_flight(turn.said, view)
        differences = compare(turn.said, view, self._ignored, self._rewriter)
        if differences:
            self._diverge(turn.said, view, differences)
            return []
        self._turns.remove(turn)
        self.progress.matched += 1
        if view.packet_id is not None:
            self._done[view.packet_id] = turn
        return self._answer(turn, view)

    def _expected(self, view: PacketView) -> Turn:
        """Return the recorded packet that this one has to be like."""
        if "order" in self._ignored and view.type == "publish":
            key = _message_key(view, Rewriter())
            for turn in self._turns:
                if turn.said.type == "publish" and _message_key(turn.said, self._rewriter) == key:
                    return turn
        return self._turns[0]

    def _diverge(
        self,
        recorded: PacketView | None,
        sent: PacketView | None,
        differences: tuple[Difference, ...],
    ) -> None:
        if self.divergence is None:
            number = self.progress.matched + 1
            self.divergence = Divergence(number, recorded, sent, differences)

    def _answer(self, turn: Turn, view: PacketView, *, acks_only: bool = False) -> list[bytes]:
        version = view.version or Version.V311
        out = []
        for answer in turn.answers:
            packet = answer.decoded
            if isinstance(packet, (PubAck, PubRec, SubAck, UnsubAck)):
                packet = msgspec.structs.replace(packet, packet_id=view.packet_id)
            elif acks_only or packet is None:
                continue
            if isinstance(packet, Publish):
                packet = msgspec.structs.replace(
                    packet,
                    topic=self._rewriter.topic(answer.topic or packet.topic),
                    payload=self._translated(packet.payload),
                )
            out.append(encode(packet, version))
        return out

    def _learn_flight(self, recorded: PacketView, sent: PacketView) -> None:
        """Note under which id the recorded flight flies now."""
        before = getattr(recorded.message, "flight", None)
        now = getattr(sent.message, "flight", None)
        if before and now and "flight" in self._ignored:
            self._flights[before.encode()] = now.encode()

    def _translated(self, payload: bytes) -> bytes:
        if not self._flights:
            return payload
        return _FLIGHT.sub(lambda found: self._flights.get(found.group(), found.group()), payload)


def _message_key(view: PacketView, rewriter: Rewriter) -> tuple[str, object]:
    """Return what names a message: its topic, and its seq or else its bytes."""
    seq = getattr(view.message, "seq", None)
    return rewriter.topic(view.topic or ""), view.body if seq is None else seq
