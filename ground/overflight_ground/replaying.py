"""Takes a session file straight into a store, without a broker. The same file twice adds nothing.

What counts are the PUBLISH packets that payloads sent and the relay let through; `received_at` is
when each crossed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from overflight_contract.dissect import FIRST, MIDDLE, Dissector, PacketView
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    SessionReader,
    Verdict,
    open_session,
)
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival

BATCH: Final = 2_000


@dataclass(slots=True)
class Taken:
    """What a file brought."""

    messages: int = 0
    stored: int = 0
    duplicates: int = 0
    quarantined: int = 0


def take_in(file: Path, intake: Intake) -> Taken:
    """Store what crossed in `file`; raises `InputError` where it is no session."""
    with open_session(file) as session:
        return take_session(session, intake)


def take_session(session: SessionReader, intake: Intake) -> Taken:
    """Store what crossed in an open session."""
    taken = Taken()
    batch: list[Arrival] = []
    for arrival in arrivals(session):
        batch.append(arrival)
        if len(batch) >= BATCH:
            _commit(batch, intake, taken)
            batch = []
    _commit(batch, intake, taken)
    return taken


def _commit(batch: list[Arrival], intake: Intake, taken: Taken) -> None:
    if not batch:
        return
    outcome = intake.commit(batch)
    taken.messages += len(batch)
    taken.stored += len(outcome.stored)
    taken.duplicates += outcome.duplicates
    taken.quarantined += len(outcome.quarantined)


def arrivals(session: SessionReader) -> Iterator[Arrival]:
    """Yield the messages of payloads that went on to the broker, in the order of crossing."""
    dissector = Dissector()
    for item in session:
        if isinstance(item, SessionPacket):
            view = dissector.view(item)
            if item.direction == Direction.UP and item.verdict != Verdict.REFUSED:
                arrival = _arrival(view)
                if arrival is not None:
                    yield arrival
        elif isinstance(item, ConnectionOpened):
            dissector.opened(item.connection, opaque=item.tls == "passthrough")
        elif isinstance(item, ConnectionClosed):
            dissector.closed(item.connection)


def _arrival(view: PacketView) -> Arrival | None:
    if view.type != "publish" or view.topic is None or view.part >= MIDDLE:
        return None
    size = -1
    if view.part == FIRST and view.payload_offset is not None:
        size = view.size - view.payload_offset
    return Arrival(
        view.topic.encode("utf-8", "surrogateescape"),
        view.body,
        view.qos or 0,
        view.retain,
        view.dup,
        view.at_ns,
        size=size,
    )
