"""Cuts a session: the packets of a time or of a filter, with what is needed to read them."""

from __future__ import annotations

from collections.abc import Iterator

from overflight.session.views import Selection
from overflight_contract.dissect import Dissector
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Item,
    Note,
    SessionPacket,
    SessionReader,
)

_FIRST = ("connect", "connack")


def cut(session: SessionReader, selection: Selection) -> Iterator[Item]:
    """Yield what is selected.

    Of a connection that has packets in it, its opening, CONNECT and CONNACK come along from
    before the cut with their own times, and its end where that is not after the cut; so versions,
    client ids and topics stay known. Notes from before the start come along too: they say under
    which policy and link the rest crossed.
    """
    return _Cut(selection).items(session)


class _Cut:
    def __init__(self, selection: Selection) -> None:
        self._selection = selection
        self._dissector = Dissector()
        self._before: dict[int, list[Item]] = {}
        """What connections begin with, of those that had no packet in the cut yet."""
        self._inside: set[int] = set()

    def items(self, session: SessionReader) -> Iterator[Item]:
        start = self._selection.start_ns or 0
        end = 1 << 64 if self._selection.end_ns is None else self._selection.end_ns
        for item in session:
            if isinstance(item, SessionPacket):
                yield from self._packet(item, start, end)
            elif isinstance(item, Note):
                if item.at_ns < end:
                    yield item
            elif isinstance(item, ConnectionOpened):
                self._dissector.opened(item.connection, opaque=item.tls == "passthrough")
                self._before[item.connection] = [item]
            elif isinstance(item, ConnectionClosed):
                self._dissector.closed(item.connection)
                self._before.pop(item.connection, None)
                if item.connection in self._inside and item.at_ns < end:
                    yield item
                self._inside.discard(item.connection)

    def _packet(self, packet: SessionPacket, start: int, end: int) -> Iterator[Item]:
        view = self._dissector.view(packet)
        matches = self._selection.matches
        wanted = start <= packet.crossed_at_ns < end and (matches is None or matches(view))
        if wanted:
            if packet.connection not in self._inside:
                self._inside.add(packet.connection)
                yield from self._before.pop(packet.connection, [])
            yield packet
        elif view.type in _FIRST and packet.crossed_at_ns < end:
            if packet.connection in self._inside:
                yield packet
            else:
                self._before.setdefault(packet.connection, []).append(packet)
