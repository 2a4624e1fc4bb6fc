"""One direction of one connection between the verdict and the socket: the link's delay."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable, Sequence
from typing import Protocol

from overflight_relay.link.model import Line, Outage, Way


class Link(Protocol):
    """The link that is in force now."""

    def now_s(self) -> float:
        """Return the time in the session."""

    @property
    def perfect(self) -> bool:
        """Whether nothing is changed or delayed."""

    def way(self, direction: int) -> tuple[Way, tuple[Outage, ...]]:
        """Return one direction of the profile in force."""


class LinkQueue:
    """Packets on their way: written at once where the link is perfect and none waits."""

    __slots__ = (
        "_after",
        "_bytes",
        "_direction",
        "_hold",
        "_limit",
        "_link",
        "_loop",
        "_reset",
        "_timer",
        "_waiting",
        "_write",
        "line",
    )

    def __init__(
        self,
        link: Link,
        direction: int,
        *,
        write: Callable[[bytes], None],
        hold: Callable[[bool], None],
        reset: Callable[[], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`hold` asks the sending side to wait (or go on); `reset` cuts the connection."""
        self._link = link
        self._direction = direction
        self._write = write
        self._hold = hold
        self._reset = reset
        self._loop = loop
        self._waiting: collections.deque[tuple[float, bytes]] | None = None
        self._bytes = 0
        self._limit = 0
        self._timer: asyncio.TimerHandle | None = None
        self._after: Callable[[], None] | None = None
        self.line: Line | None = None

    def push(self, packets: Sequence[bytes]) -> list[str]:
        """Send packets on; returns what a hostile link did to them ("" for most), or nothing."""
        if not self._link.perfect and self.line is not None:
            return self._carry(packets, *self._link.way(self._direction))
        if self._waiting:
            last_s = self._waiting[-1][0]
            self._waiting.extend((last_s, packet) for packet in packets)
            self._bytes += sum(map(len, packets))
        else:
            self._write(b"".join(packets))
        return []

    def _carry(self, packets: Sequence[bytes], way: Way, outages: tuple[Outage, ...]) -> list[str]:
        assert self.line is not None
        if self._waiting is None:
            self._waiting = collections.deque()
        now_s, done = self._link.now_s(), []
        for packet in packets:
            fate = self.line.carry(way, outages, packet, now_s)
            if fate.reset:
                self._reset()
                break
            for _ in range(fate.copies):
                self._waiting.append((fate.at_s, packet))
                self._bytes += len(packet)
            done.append({0: "dropped", 1: ""}.get(fate.copies, "doubled"))
        self._limit = way.queue_bytes
        if self._bytes > self._limit:
            self._hold(True)
        self._deliver()
        return done

    def _deliver(self) -> None:
        """Write what is due, and come back for the next."""
        waiting = self._waiting
        if not waiting:
            return
        now_s, due = self._link.now_s(), []
        while waiting and waiting[0][0] <= now_s:
            due.append(waiting.popleft()[1])
        if due:
            self._bytes -= sum(map(len, due))
            self._write(b"".join(due))
            if self._bytes <= self._limit // 2:
                self._hold(False)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if waiting:
            self._timer = self._loop.call_later(max(0.0, waiting[0][0] - now_s), self._deliver)
        elif self._after is not None:
            after, self._after = self._after, None
            after()

    def finish(self, after: Callable[[], None]) -> None:
        """Call `after` when nothing waits any more."""
        if self._waiting:
            self._after = after
        else:
            after()

    def drop(self) -> None:
        """Forget what waits: the connection is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting = None
        self._after = None
        self._bytes = 0
