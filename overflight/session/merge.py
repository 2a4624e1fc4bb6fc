"""Merges sessions by time: several relays, or parts of one flight."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from overflight_contract.session import Item, Note, SessionPacket, SessionReader


def merge(sessions: Sequence[SessionReader]) -> Iterator[Item]:
    """Yield the items of all sessions in the order of their times.

    Connections are numbered anew, so that they stay apart; a note says which session it is from.
    Within a session the recorded order stays as it is, also where its clock was set back.
    """
    numbers: dict[tuple[int, int], int] = {}
    streams = [_timed(index, session) for index, session in enumerate(sessions)]
    for _, source, _, item in heapq.merge(*streams, key=lambda entry: entry[:3]):
        if isinstance(item, Note):
            detail = item.detail | {"session": str(sessions[source].path.name)}
            yield Note(item.at_ns, item.kind, detail)
            continue
        number = numbers.setdefault((source, item.connection), len(numbers) + 1)
        if isinstance(item, SessionPacket):
            yield item._replace(connection=number)
        else:
            changed: Any = msgspec.structs.replace(item, connection=number)
            yield changed


def _timed(source: int, session: SessionReader) -> Iterator[tuple[int, int, int, Item]]:
    latest = 0
    for index, item in enumerate(session):
        at_ns = item.crossed_at_ns if isinstance(item, SessionPacket) else item.at_ns
        latest = max(latest, at_ns)
        yield latest, source, index, item
