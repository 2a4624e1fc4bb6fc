"""The wire as the page shows it, narrowed by the filter language of `overflight watch`.

Two sources: ``arrivals`` are stored and quarantined messages (*strays*); ``provider`` are the
packets of the relay's tap that are held in memory. A filter asks `PacketView`s, so an arrival is
dressed up as the PUBLISH that brought it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Row

from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.filters import compile_filter
from overflight_contract.mqtt import Publish, Version, encode
from overflight_contract.session import SessionPacket
from overflight_contract.session.model import Direction, Verdict
from overflight_ground.feed import wire_json
from overflight_ground.ingest.judge import Arrival, Rejected
from overflight_ground.ingest.stored import Stored
from overflight_ground.store import Store, reading

SCANNED: Final = 20_000
STEP: Final = 1_000
STRAYS_SCANNED: Final = 2_000
STRAYS_STEP: Final = 200
_VERDICTS: Final = {"ok": Verdict.OK, "marked": Verdict.MARKED, "refused": Verdict.REFUSED}

Predicate = Callable[[PacketView], bool]


class Place(NamedTuple):
    """Where a line of what arrived stands: the newest message and stray up to and with it."""

    message: int
    stray: int | None

    def __str__(self) -> str:
        return str(self.message) if self.stray is None else f"{self.message}.{self.stray}"


def place_of(text: str) -> Place:
    """Read the ``sequence`` of a line, or the ``id`` of a message, which knows of no stray."""
    message, _, stray = text.partition(".")
    return Place(int(message), int(stray) if stray else None)


def arrivals(
    store: Store,
    text: str,
    *,
    after: Place | None,
    limit: int,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> list[dict[str, Any]]:
    """Return the newest arrivals that fit the filter, oldest first; `FilterError` where it is none.

    `since_ns` and `until_ns` go by when they were measured, which is not known of quarantined ones:
    these are left out then. Looks at no more than `SCANNED` messages and `STRAYS_SCANNED` others.
    ``sequence`` is where to go on after a line.
    """
    wanted = compile_filter(text) if text else None
    span = reading.MessageFilter(since_ns=since_ns, until_ns=until_ns)
    found: list[dict[str, Any]] = []
    with store.reading() as connection:
        after = after and _reached(connection, after)
        stored = _stored(connection, span, after)
        strays, floor = _strays(connection, after), after or Place(0, 0)
        if since_ns is not None or until_ns is not None:
            strays, floor = iter(()), Place(0, None)
        for row, place in _merged(stored, strays, floor):
            line = _line(row, wanted)
            if line is not None:
                found.append({**line, "sequence": str(place)})
                if len(found) == limit:
                    break
    return found[::-1]


def _reached(connection: Connection, after: Place) -> Place:
    """Return a place without what the store has not come to, which is of another store."""
    strays = reading.quarantine_page(connection, payload=None, before_id=None, limit=1)
    message = after.message if after.message <= reading.last_id(connection) else 0
    if after.stray is None or not strays or strays[0].id >= after.stray:
        return Place(message, after.stray)
    return Place(message, 0)


def _stored(
    connection: Connection, span: reading.MessageFilter, after: Place | None
) -> Iterator[Row[Any]]:
    """Yield messages after a place, newest first."""
    before: int | None = None
    for _ in range(SCANNED // STEP):
        rows = reading.messages_page(connection, span, before_id=before, limit=STEP)
        for row in rows:
            if after is not None and row.id <= after.message:
                return
            yield row
        if len(rows) < STEP:
            return
        before = rows[-1].id


def _strays(connection: Connection, after: Place | None) -> Iterator[Row[Any]]:
    """Yield quarantined messages after a place, newest first."""
    before: int | None = None
    known_ns = 0
    if after is not None and after.stray is None:
        last = reading.message(connection, after.message)
        known_ns = last.received_at_ns if last is not None else 0
    for _ in range(STRAYS_SCANNED // STRAYS_STEP):
        rows = reading.quarantine_page(
            connection, payload=None, before_id=before, limit=STRAYS_STEP
        )
        for row in rows:
            if row.received_at_ns < known_ns or (after and row.id <= (after.stray or 0)):
                return
            yield row
        if len(rows) < STRAYS_STEP:
            return
        before = rows[-1].id


def _merged(
    stored: Iterator[Row[Any]], strays: Iterator[Row[Any]], floor: Place
) -> Iterator[tuple[Row[Any], Place]]:
    """Yield both by when they arrived, newest first, each with its place; `floor` is before all."""
    message, stray = next(stored, None), next(strays, None)
    while message is not None or stray is not None:
        place = Place(
            floor.message if message is None else message.id,
            floor.stray if stray is None else stray.id,
        )
        if stray is None or (message is not None and message.received_at_ns > stray.received_at_ns):
            assert message is not None
            yield message, place
            message = next(stored, None)
        else:
            yield stray, place
            stray = next(strays, None)


def _line(row: Row[Any], wanted: Predicate | None) -> dict[str, Any] | None:
    """Return an arrival as the stream has it; `None` where it does not fit."""
    if "reason" in row._mapping:  # noqa: SLF001
        stray = rejected_of(row)
        if wanted is not None and not wanted(view_of_stray(stray)):
            return None
        return {**wire_json(stray), "measured_at_ms": None}
    stored = reading.stored_of(row)
    if wanted is not None and not wanted(view_of(stored)):
        return None
    return {**wire_json(stored), "measured_at_ms": stored.accepted.measured_at_ns // 1_000_000}


def view_of(stored: Stored) -> PacketView:
    """Dress a stored message up as the packet that brought it."""
    item = stored.accepted
    arrival = item.arrival
    packet = Publish(
        topic=item.topic,
        payload=arrival.raw,
        qos=arrival.qos,
        dup=arrival.dup,
        retain=arrival.retained,
        packet_id=1 if arrival.qos else None,
    )
    return _view(arrival.received_at_ns, encode(packet, Version.V311), stored.id)


def rejected_of(row: Row[Any]) -> Rejected:
    """Make of a row of ``quarantine`` what ingest made of the message."""
    topic = row.topic.encode()
    raw, flags = bytes(row.raw), (row.qos, bool(row.retained), bool(row.dup))
    arrival = Arrival(topic, raw, *flags, row.received_at_ns, size=row.bytes)
    identity = (row.payload, row.flight, row.seq)
    return Rejected(arrival, row.topic, row.reason, row.detail, *identity)


def view_of_stray(stray: Rejected) -> PacketView:
    """Dress a quarantined message up as a PUBLISH, which need not be one that can be encoded."""
    arrival = stray.arrival
    view = _view(arrival.received_at_ns, b"", 0, reason=stray.reason)
    view.type, view.topic, view.payload = "publish", stray.topic, stray.payload
    view.qos, view.dup, view.retain = arrival.qos, arrival.dup, arrival.retained
    view.data, view.payload_offset = arrival.raw, 0
    rest = 2 + len(arrival.topic) + (2 if arrival.qos else 0) + arrival.size
    view.size = 1 + max(1, -(-rest.bit_length() // 7)) + rest  # MQTT 3.1.1 §2.2.3
    return view


def _view(
    at_ns: int,
    data: bytes,
    sequence: int,
    direction: Direction = Direction.UP,
    verdict: Verdict = Verdict.OK,
    reason: str = "",
) -> PacketView:
    packet = SessionPacket(at_ns, 0, direction, verdict, reason, data, 0, sequence)
    return Dissector().view(packet)


def provider(
    packets: Iterable[dict[str, Any]], text: str, *, after: int | None, limit: int
) -> list[dict[str, Any]]:
    """Return the newest packets of the tap that fit the filter, oldest first."""
    wanted = compile_filter(text) if text else None
    found = []
    for packet in packets:
        if after is not None and packet.get("sequence", 0) <= after:
            continue
        if wanted is None or wanted(_provider_view(packet)):
            found.append(packet)
    return found[-limit:]


def _provider_view(packet: dict[str, Any]) -> PacketView:
    """Make a view of the tap's JSON; what the tap worked out is taken over from it."""
    view = _view(
        int(packet.get("at_ns", 0)),
        bytes.fromhex(str(packet.get("hex", ""))),
        int(packet.get("sequence", 0)),
        Direction.UP if packet.get("direction") == "up" else Direction.DOWN,
        _VERDICTS.get(str(packet.get("verdict")), Verdict.OK),
        str(packet.get("reason", "")),
    )
    for name in ("connection", "client_id", "payload", "type", "topic", "size", "qos", "packet_id"):
        if name in packet:
            setattr(view, name, packet[name])
    return view
