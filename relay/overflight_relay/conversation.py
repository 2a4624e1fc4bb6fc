"""One connection without its sockets: bytes of either side in, what is to be done out.

The core of the relay. It cuts the bytes into packets, has each judged, and says which bytes go on,
which answers go back, what the tap gets, and whether the connection ends. It holds at most the
largest packet that is looked into, for each direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from overflight_contract.mqtt import Framed, Framer, Oversize, Piece, RemoteProtocolError
from overflight_contract.mqtt.begun import begun_at, check_begun
from overflight_contract.session import MASKED, Direction, Verdict, mask_credentials
from overflight_relay.answers import farewell, unavailable
from overflight_relay.effects import FIRST, LAST, MADE_HERE, MIDDLE, WHOLE, Effects, PlainRun
from overflight_relay.judge import Judge, Ruling
from overflight_relay.quick import (
    FIRST_BYTES,
    LoneCheck,
    QuickCheck,
    Run,
    lone_check,
    puback_run,
    publish_check,
)

_QUICK_AFTER: Final = 32
_QUICK_BYTES: Final = 1 << 14
"""PUBLISH packets, or bytes at once, for which compiling an expression is worth some 2 ms."""

_PUBACK: Final = 0x40
_PUBACK_BYTES: Final = 4
_PUBACK_HEADER: Final = b"\x40\x02"
_NO_PACKET_ID: Final = b"\0\0"
_CONNECT: Final = 1
_LARGEST_HEAD: Final = 66_000
"""First byte, topic and packet id of a PUBLISH fit in."""
_PUBLISH: Final = 3
_LONGEST_HEADER: Final = 5
_LARGEST_TAIL: Final = 1024
_MOST_SWALLOWED: Final = 16 << 20


class _Side:
    """One direction: its framer, and what is left of the last data."""

    __slots__ = ("broken", "end", "framer", "head", "oversize", "resting", "swallowed", "tail")

    def __init__(self, max_packet: int) -> None:
        self.framer = Framer(max_packet)
        self.tail = b""
        self.end = b""  # the last few bytes that the framer got
        self.head = b""  # of an oversize packet: first byte, and the body as far as needed
        self.oversize: Ruling | None = None
        self.swallowed = 0
        self.broken = ""
        self.resting = True  # whether the next byte begins a packet

    @property
    def clean(self) -> bool:
        """Whether the next byte begins a packet."""
        return not (self.framer.pending or self.oversize or self.broken)


class Conversation:
    """Both directions of connection `number`."""

    __slots__ = ("_down", "_keep_passwords", "_known", "_lone", "_quick", "_up", "judge", "number")

    def __init__(self, number: int, judge: Judge, *, keep_passwords: bool = False) -> None:
        """`keep_passwords` records them as they cross; else they are masked."""
        self._keep_passwords = keep_passwords
        self.number = number
        self.judge = judge
        self._known = judge.known
        self._up = _Side(judge.rules.max_packet)
        self._down = _Side(judge.rules.max_packet)
        self._quick: dict[int, QuickCheck] = {}
        self._lone: dict[int, LoneCheck] = {}  # by the first byte of the packet

    @property
    def pending(self) -> int:
        """Bytes that are held until their packets are whole."""
        up, down = self._up, self._down
        return up.framer.pending + down.framer.pending + len(up.tail) + len(down.tail)

    @property
    def unanswered(self) -> int:
        """How many messages of the client the broker has still to acknowledge."""
        return len(self._known.sent)

    @property
    def client_id(self) -> str | None:
        """Who the client is, once its CONNECT has come."""
        known = self.judge.known
        return None if known.version is None else known.client_id

    @property
    def server_name(self) -> str | None:
        """Nothing: what matters is inside."""
        return None

    def broker_unavailable(self) -> bytes:
        """Return what to tell a client whose broker can't be reached."""
        return unavailable(self.judge.known).packet

    def farewell(self, reason_code: int) -> bytes:
        """Return what to tell a client whose connection the relay ends."""
        return farewell(self.judge.known, reason_code).packet

    def passes_up(self, data: bytes) -> bool:
        """Tell whether `data` of the client is one packet that passes as it is; takes note of it.

        Where the answer is no, `from_client` says what becomes of `data`.
        """
        known = self._known
        check = self._lone.get(data[0])
        if check is None or not self._up.resting or len(known.sent) >= known.quota:
            return False
        packet_id = check(data)
        if packet_id is None:
            return False
        if packet_id:
            known.sent.add(packet_id)
        known.published += 1
        return True

    def passes_down(self, data: bytes) -> bool:
        """Tell whether `data` of the broker is one packet that passes as it is; takes note of it.

        Where the answer is no, `from_broker` says what becomes of `data`.
        """
        if len(data) != _PUBACK_BYTES or not data.startswith(_PUBACK_HEADER):
            return False
        packet_id, known = data[2:], self._known
        if packet_id == _NO_PACKET_ID or not self._down.resting or known.quota < 0:
            return False
        known.sent.discard(packet_id)
        return True

    def from_client(self, data: bytes, now_ns: int) -> Effects:
        """Take bytes of the client."""
        side, effects = self._up, Effects()
        self.judge.known.now_ns = now_ns
        if side.tail:
            data, side.tail = side.tail + data, b""
        if side.clean:
            known = self.judge.known
            worth = known.published >= _QUICK_AFTER or len(data) >= _QUICK_BYTES
            if worth and known.quota > 0:
                run = self._quick_run(data)
                if run is not None and len(known.sent) + len(run.packet_ids) <= known.quota:
                    self._take(run, Direction.UP, now_ns, effects)
                    data = data[run.used :]
            cut = begun_at(data)
            begun = data[cut:]
            if len(begun) < _LARGEST_TAIL:
                data, side.tail = data[:cut], begun
            self._slowly(side, Direction.UP, data, now_ns, effects)
            if begun:
                self._look_ahead(side, begun, now_ns, effects)
        else:
            self._slowly(side, Direction.UP, data, now_ns, effects)
        side.resting = side.clean and not side.tail
        return effects

    def _look_ahead(self, side: _Side, begun: bytes, now_ns: int, effects: Effects) -> None:
        """Judge a packet that has only begun, where its first bytes show that it is wrong."""
        if side.oversize is not None or side.broken or effects.ends:
            return
        try:
            check_begun(begun, self._known.version)
        except RemoteProtocolError as error:
            side.tail, side.framer = b"", Framer(self.judge.rules.max_packet)
            self._malformed(side, Direction.UP, begun, error, now_ns, effects)

    def from_broker(self, data: bytes, now_ns: int) -> Effects:
        """Take bytes of the broker."""
        side, effects = self._down, Effects()
        self.judge.known.now_ns = now_ns
        if side.tail:
            data, side.tail = side.tail + data, b""
        if data[0] == _PUBACK and side.clean and self.judge.known.quota >= 0:
            run = puback_run(data)
            if run is not None:
                self._take(run, Direction.DOWN, now_ns, effects)
                data = data[run.used :]
                if len(data) < _PUBACK_BYTES and _PUBACK_HEADER.startswith(data[:2]):
                    side.tail = data  # nothing, or the start of another one
                    side.resting = not data
                    return effects
        self._slowly(side, Direction.DOWN, data, now_ns, effects)
        side.resting = side.clean
        return effects

    def _quick_run(self, data: bytes) -> Run | None:
        """Return the good packets that `data` starts with, if the quick check can tell."""
        known = self.judge.known
        qos = data[0] >> 1 & 3 if data and data[0] >> 4 == 3 else 3
        check = self._quick.get(qos)
        if check is None:
            if known.payload is None or known.version is None or qos > known.maximum_qos:
                return None
            if not self.judge.rules.quick:
                return None
            check = self._quick[qos] = publish_check(known.payload, known.version, qos)
            lone = lone_check(known.payload, known.version, qos)
            self._lone.update(dict.fromkeys(FIRST_BYTES[qos], lone))
        return check(data)

    def _take(self, run: Run, direction: Direction, now_ns: int, effects: Effects) -> None:
        known = self.judge.known
        if direction is Direction.UP:
            known.sent.update(run.packet_ids)
            known.published += len(run.packets)
            effects.messages = len(run.packets)
        else:
            known.sent.difference_update(run.packet_ids)
        effects.bytes = run.used
        effects.packets = len(run.packets)
        effects.forward.extend(run.packets)
        effects.records = PlainRun(now_ns, self.number, direction, run.packets, run.used)

    def _slowly(
        self, side: _Side, direction: Direction, data: bytes, now_ns: int, effects: Effects
    ) -> None:
        if not data:
            return
        if side.broken:
            self._opaque(side, direction, data, now_ns, effects)
            return
        held = side.framer.pending
        try:
            framed = side.framer.feed(data)
        except RemoteProtocolError as error:
            whole = cast("tuple[Framed, ...]", error.framed)
            self._each(side, direction, whole, now_ns, effects)
            if not effects.ends:
                left = held + len(data) - sum(len(_bytes_of(item)) for item in whole)
                rest = (side.end + data)[-left:]
                self._malformed(side, direction, rest, error, now_ns, effects)
            return
        side.end = (side.end + data)[-_LONGEST_HEADER:]
        self._each(side, direction, framed, now_ns, effects)

    def _each(
        self,
        side: _Side,
        direction: Direction,
        framed: Sequence[Framed],
        now_ns: int,
        effects: Effects,
    ) -> None:
        judge = self.judge.up if direction is Direction.UP else self.judge.down
        for item in framed:
            if effects.ends:
                data = _bytes_of(item)
                ruling = Ruling(Verdict.REFUSED, f"after the end: {effects.ends}")
                self._apply(ruling, direction, data, WHOLE, now_ns, effects)
            elif type(item) is bytes:
                self._apply(judge(item), direction, item, WHOLE, now_ns, effects)
            else:
                self._stream(side, direction, item, now_ns, effects)

    def _stream(
        self,
        side: _Side,
        direction: Direction,
        item: Oversize | Piece | bytes,
        now_ns: int,
        effects: Effects,
    ) -> None:
        """Pass on, or swallow, the pieces of a packet above the size limit."""
        if isinstance(item, Oversize):
            side.oversize = self.judge.oversize(item, upward=direction is Direction.UP)
            side.swallowed = 0
            side.head = item.header[:1]
            self._part(side, direction, item.header, FIRST, now_ns, effects)
            if not item.remaining_length:
                self._end_of_oversize(side, now_ns, effects)
        elif isinstance(item, Piece):
            part = LAST if item.last else MIDDLE
            if len(side.head) < _LARGEST_HEAD:
                side.head += item.data[:_LARGEST_HEAD]
            self._part(side, direction, item.data, part, now_ns, effects)
            if item.last:
                self._end_of_oversize(side, now_ns, effects)

    def _part(
        self,
        side: _Side,
        direction: Direction,
        data: bytes,
        part: int,
        now_ns: int,
        effects: Effects,
    ) -> None:
        ruling = side.oversize or Ruling()
        plain = Ruling(ruling.verdict, ruling.reason)
        self._apply(plain, direction, data, part, now_ns, effects)
        side.swallowed += len(data)
        if ruling.verdict is Verdict.REFUSED and side.swallowed > _MOST_SWALLOWED:
            self._end_of_oversize(side, now_ns, effects, ends=True)

    def _end_of_oversize(
        self, side: _Side, now_ns: int, effects: Effects, *, ends: bool = False
    ) -> None:
        ruling, side.oversize = side.oversize, None
        if ruling is None:
            return
        if side is self._up and side.head[0] >> 4 == _CONNECT:
            self.judge.passed_connect(side.head[1:])
        if side is self._up and ruling.ends and not ends:
            ruling = self.judge.oversize_ends(ruling, side.head)
        if ruling.answer:
            back = Direction.DOWN if side is self._up else Direction.UP
            self._reply(ruling.answer, back, now_ns, effects)
        if ruling.ends or ends:
            effects.ends = ruling.reason

    def _malformed(
        self,
        side: _Side,
        direction: Direction,
        data: bytes,
        error: RemoteProtocolError,
        now_ns: int,
        effects: Effects,
    ) -> None:
        """Judge what can't be cut into packets; in observe the rest of the stream is opaque."""
        ruling = self.judge.malformed(error)
        side.broken = ruling.reason
        self._apply(ruling, direction, data, WHOLE, now_ns, effects)

    def _opaque(
        self, side: _Side, direction: Direction, data: bytes, now_ns: int, effects: Effects
    ) -> None:
        self._apply(Ruling(Verdict.MARKED, side.broken), direction, data, WHOLE, now_ns, effects)

    def _apply(
        self,
        ruling: Ruling,
        direction: Direction,
        data: bytes,
        part: int,
        now_ns: int,
        effects: Effects,
    ) -> None:
        verdict, reason, reply, ends = ruling
        number = self.number
        recorded = data
        if direction is Direction.UP and not self._keep_passwords:
            recorded = self._masked(data, part)
            part |= MASKED * (recorded != data)
        effects.add((now_ns, number, direction, verdict, reason, recorded, part))
        part &= LAST
        if verdict is Verdict.REFUSED:
            effects.refused += part < MIDDLE
        else:
            effects.forward.append(data)
            effects.bytes += len(data)
            effects.packets += part < MIDDLE
            effects.marked += verdict is Verdict.MARKED and part < MIDDLE
            effects.messages += data[0] >> 4 == _PUBLISH and part < MIDDLE
        if reply:
            back = Direction.DOWN if direction is Direction.UP else Direction.UP
            self._reply(reply, back, now_ns, effects)
        if ends:
            effects.ends = effects.ends or reason

    def _masked(self, data: bytes, part: int) -> bytes:
        """Return what is recorded: a CONNECT's password, or a piece that may hold it, masked."""
        if part in (MIDDLE, LAST):
            secret = self._up.head[:1] and self._up.head[0] >> 4 == _CONNECT
            return b"*" * len(data) if secret else data
        return mask_credentials(data) if data[0] >> 4 == _CONNECT else data

    def _reply(self, reply: bytes, back: Direction, now_ns: int, effects: Effects) -> None:
        effects.replies.append(reply)
        effects.add((now_ns, self.number, back, Verdict.OK, MADE_HERE, reply, WHOLE))


def _bytes_of(item: Framed) -> bytes:
    if isinstance(item, Oversize):
        return item.header
    return item.data if isinstance(item, Piece) else item
