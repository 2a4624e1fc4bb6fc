"""Which packets of a session are played, and at which position each.

Pure: a source of items goes in, cues come out. Positions are nanoseconds from the start of what is
played, pauses already shortened.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.filters import Predicate
from overflight_contract.mqtt.vocabulary import Version
from overflight_contract.session.model import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Item,
    Part,
    SessionPacket,
    Verdict,
)

_PLAYED = frozenset(
    {"connect", "publish", "subscribe", "unsubscribe", "disconnect"},
)


class Raw(NamedTuple):
    """Messages that can be sent as they were recorded: no alias, not retained, unchanged.

    One, or, in a burst, several that follow each other on one connection.
    """

    packets: list[bytes]
    version: int


MAX_RUN: Final = 200
"""Messages of a burst that are handed over at once."""


class Cue(NamedTuple):
    """One thing to do: play a packet, or let a connection end."""

    position_ns: int
    at_ns: int
    """When it crossed, recorded time."""
    connection: int
    view: PacketView | Raw | None
    """The packet; `None` says that the connection was closed."""


_Wanted = tuple[int, int, PacketView | bytes | None, int]
"""Time, connection, what it is, and, of the bytes of a plain message, the version."""


@dataclass(frozen=True)
class Selection:
    """What to play; times in recorded nanoseconds."""

    from_ns: int | None = None
    until_ns: int | None = None
    only: Predicate | None = None
    gap_ns: int | None = None
    count: int | None = None
    refused: bool = False
    flat: bool = False
    raw: bool = False
    """Nothing is changed on the way, so most messages need not be taken apart."""


@dataclass
class LeftOut:
    """What was there and is not played, so that nothing is missing without a word."""

    acknowledgements: int = 0
    """Acknowledgements, pings and AUTH: made live."""
    from_broker: int = 0
    refused: int = 0
    filtered: int = 0
    malformed: int = 0
    unread: int = 0
    """Packets under TLS, and pieces of packets whose other pieces are missing."""


class Timeline:
    """Cues of a session; can be gone through again and again, from any position.

    `items` opens the session anew each time.
    """

    def __init__(self, items: Callable[[], Iterable[Item]], selection: Selection) -> None:
        self._items = items
        self._selection = selection
        self.left_out = LeftOut()
        self.burst = False
        """Whether messages may come several at once, because their times do not count."""

    def cues(self) -> Iterator[Cue]:
        """Yield all cues in order, those before ``--from`` too (at positions below 0).

        What lies before is not played but makes the state that the clients are in by then.
        """
        self.left_out = LeftOut()
        chosen = self._selection
        limits = (chosen.from_ns, chosen.until_ns, chosen.count, chosen.gap_ns)
        if limits == (None, None, None, None):
            return self._all(self._wanted())
        return self._within(self._wanted())

    def _within(self, wanted: Iterator[_Wanted]) -> Iterator[Cue]:
        chosen = self._selection
        position, before_ns, count = 0, None, 0
        for at_ns, connection, what, version in wanted:
            if chosen.until_ns is not None and at_ns >= chosen.until_ns:
                return
            view = Raw([what], version) if isinstance(what, bytes) else what
            if chosen.from_ns is not None and at_ns < chosen.from_ns:
                yield Cue(at_ns - chosen.from_ns, at_ns, connection, view)
                continue
            if before_ns is None:
                before_ns = at_ns if chosen.from_ns is None else chosen.from_ns
            step = max(0, at_ns - before_ns)
            position += step if chosen.gap_ns is None else min(step, chosen.gap_ns)
            before_ns = max(at_ns, before_ns)
            yield Cue(position, at_ns, connection, view)
            count += isinstance(view, Raw) or (view is not None and view.type == "publish")
            if chosen.count is not None and count >= chosen.count:
                return

    def _all(self, wanted: Iterator[_Wanted]) -> Iterator[Cue]:
        """Yield cues without limits; in a burst, plain messages several at once."""
        begins_ns: int | None = None
        position = 0
        run: list[bytes] = []
        run_of = (0, 0)
        for at_ns, connection, what, version in wanted:
            if begins_ns is None:
                begins_ns = at_ns
            if run and ((connection, version) != run_of or not self.burst or len(run) == MAX_RUN):
                yield Cue(position, begins_ns + position, run_of[0], Raw(run, run_of[1]))
                run = []
            if isinstance(what, bytes):
                run.append(what)
                if len(run) > 1:
                    continue
                position, run_of = max(position, at_ns - begins_ns), (connection, version)
                if not self.burst:
                    yield Cue(position, at_ns, connection, Raw(run, version))
                    run = []
                continue
            if run:
                yield Cue(position, begins_ns + position, run_of[0], Raw(run, run_of[1]))
                run = []
            position = max(position, at_ns - begins_ns)
            yield Cue(position, at_ns, connection, what)
        if run:
            yield Cue(position, (begins_ns or 0) + position, run_of[0], Raw(run, run_of[1]))

    def _wanted(self) -> Iterator[_Wanted]:
        dissector = Dissector()
        raw = self._selection.raw and self._selection.only is None
        versions: dict[int, int] = {}
        for item in self._whole():
            if isinstance(item, SessionPacket):
                version = versions.get(item.connection)
                if version is not None and raw and _is_raw(item, version):
                    yield item.crossed_at_ns, item.connection, item.data, version
                    continue
                view = dissector.view(item)
                if view.type == "connect" and view.version is not None:
                    versions[item.connection] = view.version
                if self._is_played(item, view):
                    yield item.crossed_at_ns, item.connection, view, 0
            elif isinstance(item, ConnectionOpened):
                dissector.opened(item.connection, opaque=item.tls == "passthrough")
            elif isinstance(item, ConnectionClosed):
                dissector.closed(item.connection)
                versions.pop(item.connection, None)
                yield item.at_ns, item.connection, None, 0

    def _whole(self) -> Iterator[Item]:
        """Yield the items, with packets that were captured in pieces put together again."""
        begun: dict[int, list[bytes]] = {}
        for item in self._items():
            if not isinstance(item, SessionPacket) or not item.part or item.direction:
                yield item
            elif item.part == Part.FIRST:
                begun[item.connection] = [item.data]
            elif item.connection not in begun:
                self.left_out.unread += 1
            else:
                begun[item.connection].append(item.data)
                if item.part == Part.LAST:
                    data = b"".join(begun.pop(item.connection))
                    yield item._replace(data=data, part=Part.WHOLE)
        self.left_out.unread += len(begun)

    def _is_played(self, packet: SessionPacket, view: PacketView) -> bool:
        left_out, chosen = self.left_out, self._selection
        if packet.direction != Direction.UP:
            left_out.from_broker += 1
        elif view.type == "opaque":
            left_out.unread += 1
        elif view.type not in _PLAYED:
            left_out.acknowledgements += 1
        elif packet.verdict == Verdict.REFUSED and not chosen.refused:
            left_out.refused += 1
        elif view.type == "connect":
            return view.decoded is not None
        elif view.type == "publish" and view.topic is None:
            left_out.malformed += 1
        elif chosen.only is not None and view.type != "disconnect" and not chosen.only(view):
            left_out.filtered += 1
        else:
            return not chosen.flat or view.type == "publish"
        return False


def _is_raw(packet: SessionPacket, version: int) -> bool:
    """Tell whether a packet is a whole PUBLISH that the relay let through, plain and not retained.

    In version 5 only those without properties, since an alias is one.
    """
    data = packet.data
    if data[0] & 0xF1 != 0x30 or packet.direction or packet.verdict or packet.part:
        return False
    if version != Version.V5:
        return True
    end = topic_end(data) + (2 if data[0] & 6 else 0)
    return end < len(data) and data[end] == 0


def topic_end(publish: bytes) -> int:
    """Return where the topic of a whole PUBLISH ends."""
    start = 2
    while publish[start - 1] > 127:
        start += 1
    return start + 2 + (publish[start] << 8) + publish[start + 1]
