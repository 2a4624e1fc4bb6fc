"""When to send what: the core of the uplink, without a socket or a clock.

On a new connection the newest fix goes first so that the map is current, then the backlog from the
ground's watermark on; what is written meanwhile goes ahead of the backlog. A PUBACK says that the
broker has a message, which is no proof that the ground does: only a receipt lets the outbox forget.
Where no receipt moves for a while, everything past the watermark goes again, and again after twice
that time.

MQTT 5 names a refused message in its PUBACK. MQTT 3.1.1 cannot: there a refusal closes the
connection. So a message that was in flight, with no PUBACK, at the end of two connections becomes a
suspect; suspects go one at a time, and one that, alone in flight, ends the connection within
seconds is refused.
"""

from __future__ import annotations

from typing import Final

from overflight_contract.messages import Receipt
from overflight_device.outbox import Outbox, Pending

REFUSALS: Final = 3
_ENDS_BEFORE_SUSPICION: Final = 2
_REFUSAL_WITHIN_S: Final = 5.0
_FIRST_UNSPECIFIED: Final = 0x80


class Sender:
    """Chooses messages to publish; fed with what happens. Times are monotonic seconds."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        window: int = 64,
        receipts: bool = True,
        receipt_timeout_s: float = 15.0,
        receipt_timeout_cap_s: float = 300.0,
        puback_timeout_s: float = 30.0,
    ) -> None:
        """`window`: messages in flight (sent, no PUBACK yet) at the most."""
        self._outbox = outbox
        self._window = self._window_limit = window
        self._receipts = receipts
        self._receipt_timeout_s = self._patience_s = receipt_timeout_s
        self._receipt_cap_s = receipt_timeout_cap_s
        self._puback_timeout_s = puback_timeout_s
        self._in_flight: dict[int, float] = {}
        self._known_last = outbox.next_seq - 1
        self._is_connected = False
        self._suspects: set[int] = set()
        self._ended_with: dict[int, int] = {}
        self._moved_at_s = 0.0
        self._priority: list[Pending] = []
        self._backlog_at = self._backlog_end = self._fresh_at = 0
        self.resends = 0
        self.ignored_receipts = 0
        self.last_receipt: int | None = None

    @property
    def in_flight(self) -> int:
        """Messages sent and not yet acknowledged by the broker."""
        return len(self._in_flight)

    @property
    def settled(self) -> bool:
        """True where nothing waits for a receipt any more."""
        return self._outbox.depth.pending == 0

    def connected(self, now_s: float, *, receive_maximum: int | None = None) -> None:
        """Note that a connection is up; the MQTT client itself sends what is in flight again."""
        self._is_connected = True
        self._window = min(self._window_limit, receive_maximum or self._window_limit)
        self._in_flight = dict.fromkeys(self._in_flight, now_s)
        self._patience_s = self._receipt_timeout_s
        self._start_pass(now_s)

    @property
    def suspicious(self) -> bool:
        """True where the next connection should begin with nothing in flight."""
        return bool(self._suspects)

    def disconnected(self, now_s: float) -> None:
        """Note that the connection is gone; what was in flight still is."""
        if self._is_connected and self._in_flight:
            seq, sent_at_s = next(iter(self._in_flight.items()))
            alone = len(self._in_flight) == 1 and seq in self._suspects
            if alone and now_s - sent_at_s < _REFUSAL_WITHIN_S:
                self._strike(seq)
            elif not alone:
                self._suspect()
        self._is_connected = False

    def forget_in_flight(self) -> None:
        """Note that the MQTT client has lost what was in flight; it will be sent again."""
        self._in_flight.clear()

    def next_messages(self, now_s: float) -> list[Pending]:
        """Return what to publish now; each counts as in flight from here on."""
        if not self._is_connected:
            return []
        if self._receipts and self._stalled(now_s):
            self.resends += 1
            self._patience_s = min(self._patience_s * 2, self._receipt_cap_s)
            self._start_pass(now_s)
        room = (1 if self._suspects else self._window) - len(self._in_flight)
        if room <= 0:
            return []
        chosen = [m for m in self._choose(room) if m.seq not in self._in_flight]
        if chosen and not self._in_flight:
            self._moved_at_s = now_s
        for message in chosen:
            self._in_flight[message.seq] = now_s
            self._known_last = max(self._known_last, message.seq)
        return chosen

    def acknowledged(self, seq: int, reason_code: int = 0) -> bool:
        """Take a PUBACK for `seq`; True where this was its last refusal."""
        if self._in_flight.pop(seq, None) is None:
            return False
        if reason_code >= _FIRST_UNSPECIFIED:
            self._suspects.discard(seq)
            if self._outbox.refused(seq, limit=REFUSALS):
                return True
            self._backlog_at = min(self._backlog_at, seq - 1)
            self._backlog_end = max(self._backlog_end, seq)
            return False
        self._ended_with.pop(seq, None)
        self._suspects.discard(seq)
        if not self._receipts:
            self._outbox.release(seq)
        return False

    def received(self, receipt: Receipt, now_s: float) -> int:
        """Take a receipt; return how many messages it let go.

        Ignored: another flight's, a seq not sent yet, one that we have had already.
        """
        if receipt.flight != self._outbox.flight or receipt.through > self._known_last:
            self.ignored_receipts += 1
            return 0
        gone = self._outbox.receipted(receipt.through)
        self.last_receipt = max(self.last_receipt or 0, receipt.through)
        if gone:
            self._moved_at_s = now_s
            self._patience_s = self._receipt_timeout_s
            for seq in [seq for seq in self._in_flight if seq <= receipt.through]:
                self._in_flight[seq] = now_s
        return gone

    def overdue(self, now_s: float) -> bool:
        """Tell whether a PUBACK is so late that only a new connection helps."""
        if not self._is_connected or not self._in_flight:
            return False
        return now_s - min(self._in_flight.values()) > self._puback_timeout_s

    def wakes_at_s(self, now_s: float) -> float:
        """Return when `next_messages` or `overdue` may have news without an event."""
        times = [now_s + 1.0]
        if self._in_flight:
            times.append(min(self._in_flight.values()) + self._puback_timeout_s)
        return min(times)

    def _stalled(self, now_s: float) -> bool:
        waits = self._outbox.held_from < self._outbox.next_seq
        return (
            waits
            and not self._in_flight
            and self._caught_up()
            and now_s - self._moved_at_s > self._patience_s
        )

    def _caught_up(self) -> bool:
        return (
            not self._priority
            and self._fresh_at >= self._outbox.next_seq - 1
            and self._backlog_at >= self._backlog_end
        )

    def _start_pass(self, now_s: float) -> None:
        last = self._outbox.next_seq - 1
        self._moved_at_s = now_s
        self._priority = self._outbox.after(last - 2, upto=last, limit=2)
        self._backlog_at = self._outbox.held_from - 1
        self._backlog_end = last - 2
        self._fresh_at = last

    def _choose(self, room: int) -> list[Pending]:
        while self._suspects:
            suspect = min(self._suspects)
            found = self._outbox.after(suspect - 1, upto=suspect, limit=1)
            if found:
                return found
            self._suspects.discard(suspect)
        chosen, self._priority = self._priority[:room], self._priority[room:]
        last = self._outbox.next_seq - 1
        if len(chosen) < room and self._fresh_at < last:
            fresh = self._outbox.after(self._fresh_at, upto=last, limit=room - len(chosen))
            self._fresh_at = fresh[-1].seq if fresh else last
            chosen += fresh
        if len(chosen) < room and self._backlog_at < self._backlog_end:
            wanted = room - len(chosen)
            old = self._outbox.after(self._backlog_at, upto=self._backlog_end, limit=wanted)
            self._backlog_at = old[-1].seq if len(old) == wanted else self._backlog_end
            chosen += old
        return chosen

    def _suspect(self) -> None:
        self._ended_with = {seq: self._ended_with.get(seq, 0) + 1 for seq in self._in_flight}
        ends = self._ended_with.items()
        self._suspects.update(seq for seq, count in ends if count >= _ENDS_BEFORE_SUSPICION)

    def _strike(self, seq: int) -> None:
        if self._outbox.refused(seq, limit=REFUSALS):
            self._in_flight.pop(seq, None)
            self._suspects.discard(seq)
