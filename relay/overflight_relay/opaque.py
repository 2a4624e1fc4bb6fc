"""What a provider sees of a connection that is encrypted end to end: sizes, times, server name.

Each TLS record (RFC 8446 §5.1) counts as one packet; its bytes are recorded as they are. No rule
of the policy can look inside, so nothing is refused but what is no TLS at all.
"""

from __future__ import annotations

from typing import Final

from overflight_contract.session import Direction, Verdict
from overflight_relay.effects import WHOLE, Effects

_HEADER: Final = 5
_HANDSHAKE: Final = 22
_CONTENT_TYPES: Final = range(20, 25)
_LONGEST: Final = (1 << 14) + 2048


class SealedConversation:
    """Both directions of a TLS connection that passes through unread."""

    __slots__ = ("_broken", "_enforce", "_held", "_name", "_records", "number")

    def __init__(self, number: int, *, enforce: bool) -> None:
        self.number = number
        self._name: str | None = None
        self._enforce = enforce
        self._held = [b"", b""]
        self._broken = ["", ""]
        self._records = 0

    @property
    def client_id(self) -> str | None:
        """Nobody says who the client is; once it has spoken, the empty name stands for it."""
        return "" if self._records else None

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for in its hello."""
        return self._name

    @property
    def pending(self) -> int:
        """Bytes held back until their record is whole."""
        return len(self._held[0]) + len(self._held[1])

    @property
    def unanswered(self) -> int:
        """Nothing is known of messages."""
        return 0

    def passes_up(self, data: bytes) -> bool:
        """Nothing is known before the records are cut."""
        return False

    def passes_down(self, data: bytes) -> bool:
        """Nothing is known before the records are cut."""
        return False

    def from_client(self, data: bytes, now_ns: int) -> Effects:
        """Take bytes of the client."""
        return self._take(Direction.UP, data, now_ns)

    def from_broker(self, data: bytes, now_ns: int) -> Effects:
        """Take bytes of the broker."""
        return self._take(Direction.DOWN, data, now_ns)

    def broker_unavailable(self) -> bytes:
        """Nothing can be said to a client in TLS that is not ours."""
        return b""

    def farewell(self, reason_code: int) -> bytes:
        """Nothing can be said to a client in TLS that is not ours."""
        return b""

    def _take(self, direction: Direction, data: bytes, now_ns: int) -> Effects:
        effects = Effects()
        data = self._held[direction] + data
        self._held[direction] = b""
        pos = 0
        while pos < len(data):
            if self._broken[direction] or not _is_record(data, pos):
                self._no_tls(direction, data[pos:], now_ns, effects)
                return effects
            size = _HEADER + int.from_bytes(data[pos + 3 : pos + 5])
            if len(data) - pos < max(_HEADER, size):
                self._held[direction] = data[pos:]
                break
            self._record(direction, data[pos : pos + size], now_ns, effects)
            pos += size
        return effects

    def _record(self, direction: Direction, record: bytes, now_ns: int, effects: Effects) -> None:
        if direction is Direction.UP and not self._records:
            self._name = server_name(record)
        self._records += 1
        effects.add((now_ns, self.number, direction, Verdict.OK, "", record, WHOLE))
        effects.forward.append(record)
        effects.bytes += len(record)
        effects.packets += 1

    def _no_tls(self, direction: Direction, data: bytes, now_ns: int, effects: Effects) -> None:
        reason = "sealed: is no TLS record"
        self._broken[direction] = reason
        self._records += 1
        verdict = Verdict.REFUSED if self._enforce else Verdict.MARKED
        effects.add((now_ns, self.number, direction, verdict, reason, data, WHOLE))
        if self._enforce:
            effects.refused += 1
            effects.ends = reason
        else:
            effects.marked += 1
            effects.bytes += len(data)
            effects.forward.append(data)


def _is_record(data: bytes, pos: int) -> bool:
    if data[pos] not in _CONTENT_TYPES or (len(data) > pos + 1 and data[pos + 1] != 3):
        return False
    return len(data) < pos + _HEADER or int.from_bytes(data[pos + 3 : pos + 5]) <= _LONGEST


def server_name(record: bytes) -> str | None:
    """Return the server name (RFC 6066 §3) in the record of a ClientHello, if it has one."""
    try:
        return _server_name(record)
    except (IndexError, UnicodeDecodeError):
        return None


def _server_name(record: bytes) -> str | None:
    if record[0] != _HANDSHAKE or record[5] != 1:
        return None
    pos = 9 + 2 + 32  # handshake header, version, random
    pos += 1 + record[pos]  # session id
    pos += 2 + int.from_bytes(record[pos : pos + 2])  # cipher suites
    pos += 1 + record[pos]  # compression
    end = pos + 2 + int.from_bytes(record[pos : pos + 2])
    pos += 2
    while pos + 4 <= min(end, len(record)):
        kind = int.from_bytes(record[pos : pos + 2])
        size = int.from_bytes(record[pos + 2 : pos + 4])
        if kind == 0 and record[pos + 6] == 0:
            length = int.from_bytes(record[pos + 7 : pos + 9])
            return record[pos + 9 : pos + 9 + length].decode("ascii") or None
        pos += 4 + size
    return None
