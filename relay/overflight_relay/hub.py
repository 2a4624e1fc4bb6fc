"""Live watchers of the tap. They never slow the traffic: who is too slow is told what it missed.

Looking into packets takes longer than carrying them, so it is done on the side, for a few
milliseconds at a time and only while somebody watches. What does not fit in that time is counted
as missed; packets that the policy refused or marked are looked at first.
"""

from __future__ import annotations

import asyncio
import collections
import time
from collections.abc import AsyncIterator, Callable, Sequence

import msgspec

from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    SessionPacket,
    Verdict,
)
from overflight_relay.effects import PlainRun, Record
from overflight_relay.notable import Notable
from overflight_relay.tap import Event

_TICK_S = 0.05
_BUDGET_S = 0.006
_MOST_WAITING = 20_000
_MOST_EVENTS = 200
_RECENT_PACKETS = 2_000
_RECENT_BYTES = 8 << 20
_CONNECT = 1

Predicate = Callable[[PacketView], bool]
_encode = msgspec.json.Encoder().encode


class Watcher:
    """One who watches: gets batches of views as JSON, and how many packets it missed."""

    def __init__(self, wanted: Predicate | None, *, whole: bool = False) -> None:
        """`whole` gives all bytes of each packet, not only the first."""
        self.wanted = wanted
        self._whole = whole
        self.missed = 0
        self._events: collections.deque[tuple[bytes, int]] = collections.deque()
        self._news = asyncio.Event()

    def offer(self, views: Sequence[PacketView], missed: int) -> None:
        """Take what was looked into, if there is room."""
        self.missed += missed
        wanted = self.wanted
        chosen = [view for view in views if wanted is None or wanted(view)]
        if chosen and len(self._events) >= _MOST_EVENTS:
            self.missed += len(chosen)
        elif chosen:
            data = _encode([self._told(view) for view in chosen])
            self._events.append((data, len(chosen)))
        if chosen or missed:
            self._news.set()

    def _told(self, view: PacketView) -> dict[str, object]:
        told = view.as_dict()
        return told | {"hex": view.data.hex()} if self._whole else told

    async def events(self, idle_s: float = 15.0) -> AsyncIterator[tuple[str, bytes]]:
        """Yield ``packets``, ``missed`` and, when nothing happens for `idle_s`, ``idle``."""
        while True:
            try:
                async with asyncio.timeout(idle_s):
                    await self._news.wait()
            except TimeoutError:
                yield "idle", b"{}"
                continue
            self._news.clear()
            if self.missed:
                missed, self.missed = self.missed, 0
                yield "missed", _encode({"missed": missed})
            while self._events:
                yield "packets", self._events.popleft()[0]


class Hub:
    """Listener of the tap that serves the watchers."""

    def __init__(self, first_sequence: int = 0) -> None:
        self._watchers: set[Watcher] = set()
        self._dissector = Dissector()
        self._fresh: set[int] = set()
        self._waiting: collections.deque[tuple[int, Record]] = collections.deque()
        self._missed = 0
        self._recent: collections.deque[tuple[int, Sequence[Record]]] = collections.deque()
        self._recent_packets = self._recent_bytes = 0
        self._notable = Notable()
        self._sequence = first_sequence

    # -- from the tap ---------------------------------------------------------------------------

    def packets(self, records: Sequence[Record]) -> None:
        """Take packets; at once, in constant time where nobody watches."""
        first = self._sequence
        self._sequence += len(records)
        self._remember(first, records)
        if self._fresh:
            self._greet(first, records)
        if not self._watchers:
            return
        room = _MOST_WAITING - len(self._waiting)
        if room < len(records):
            self._missed += len(records) - max(0, room)
            records = records[: max(0, room)]
        self._waiting.extend(enumerate(records, first))

    def event(self, event: Event) -> None:
        """Take what happened to a connection."""
        self._sequence += 1
        if isinstance(event, ConnectionOpened):
            self._dissector.opened(event.connection, opaque=event.tls == "passthrough")
            self._fresh.add(event.connection)
        elif isinstance(event, ConnectionClosed):
            self._fresh.discard(event.connection)
            self._forget(event.connection)

    def _forget(self, connection: int) -> None:
        """Drop what is known of a connection, once its last packets were looked at."""
        if not self._waiting:
            self._dissector.closed(connection)

    def _greet(self, first: int, records: Sequence[Record]) -> None:
        """Look into the CONNECT of a new connection, so that all later packets have a name."""
        for offset, record in enumerate(records):
            if record[1] in self._fresh:
                self._fresh.discard(record[1])
                if record[5][:1] and record[5][0] >> 4 == _CONNECT:
                    self._dissector.view(_packet(first + offset, record))

    def _remember(self, first: int, records: Sequence[Record]) -> None:
        size = _rough_size(records)
        self._recent.append((first, records))
        self._recent_packets += len(records)
        self._recent_bytes += size
        while len(self._recent) > 1 and (
            self._recent_packets > _RECENT_PACKETS or self._recent_bytes > _RECENT_BYTES
        ):
            number, old = self._recent.popleft()
            self._notable.take(number, old)
            self._recent_packets -= len(old)
            self._recent_bytes -= _rough_size(old)

    # -- to the watchers ------------------------------------------------------------------------

    @property
    def watching(self) -> int:
        """How many watch."""
        return len(self._watchers)

    def subscribe(
        self, wanted: Predicate | None, tail: int = 0, *, whole: bool = False, notable: int = 0
    ) -> Watcher:
        """Add a watcher; it begins with the last `tail` packets that it wants.

        Of the packets before, `notable` that were refused or marked come first; where it wants
        only some, they are among the `tail` anyhow.
        """
        watcher = Watcher(wanted, whole=whole)
        if tail > 0:
            earlier = self._chosen(self._notable.last(), wanted)
            recent = self._chosen(self._last(), wanted)[-tail:]
            room = max(notable, tail - len(recent) if wanted is not None else 0)
            watcher.offer((earlier[-room:] if room else []) + recent, 0)
        self._watchers.add(watcher)
        return watcher

    def _chosen(
        self, entries: Sequence[tuple[int, Record]], wanted: Predicate | None
    ) -> list[PacketView]:
        views = [self._dissector.view(_packet(*entry)) for entry in entries]
        return [view for view in views if wanted is None or wanted(view)]

    def unsubscribe(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        self._watchers.discard(watcher)
        if not self._watchers:
            self._waiting.clear()
            self._missed = 0

    def _last(self) -> list[tuple[int, Record]]:
        entries = [
            (first + offset, record)
            for first, records in self._recent
            for offset, record in enumerate(
                records[-_RECENT_PACKETS:], max(0, len(records) - _RECENT_PACKETS)
            )
        ]
        return entries[-_RECENT_PACKETS:]

    async def run(self) -> None:
        """Look into packets, a few milliseconds at a time, for ever."""
        while True:
            await asyncio.sleep(_TICK_S)
            if self._watchers:
                self.look()

    def look(self, budget_s: float = _BUDGET_S) -> None:
        """Look into what waits, for about `budget_s`, and hand it to the watchers."""
        waiting = self._waiting
        if not waiting and not self._missed:
            return
        deadline = time.perf_counter() + budget_s
        views: list[PacketView] = []
        while waiting and (time.perf_counter() < deadline):
            views.append(self._dissector.view(_packet(*waiting.popleft())))
        missed, self._missed = self._missed, 0
        if len(waiting) > len(views):
            important = [entry for entry in waiting if entry[1][3] is not Verdict.OK][:500]
            missed += len(waiting) - len(important)
            waiting.clear()
            views += [self._dissector.view(_packet(*entry)) for entry in important]
        for watcher in self._watchers:
            watcher.offer(views, missed)


def _rough_size(records: Sequence[Record]) -> int:
    """Estimate the bytes of a batch, in constant time."""
    if type(records) is PlainRun:
        return records.bytes
    if len(records) == 1:
        return len(records[0][5])
    return sum([len(record[5]) for record in records[:16]]) * len(records) // min(16, len(records))


def _packet(sequence: int, record: Record) -> SessionPacket:
    at_ns, connection, direction, verdict, reason, data, part = record
    return SessionPacket(at_ns, connection, direction, verdict, reason, data, part & 3, sequence)
