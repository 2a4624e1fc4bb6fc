"""The wire as the page shows it, narrowed by the filter language of `overflight watch`.

Two sources: ``arrivals`` are stored and quarantined messages; ``provider`` are the packets of the
relay's tap that are held in memory. A filter asks `PacketView`s, so an arrival is dressed up as
the PUBLISH that brought it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.filters import compile_filter
from overflight_contract.mqtt import Publish, Version, encode
from overflight_contract.session import SessionPacket
from overflight_contract.session.model import Direction, Verdict
from overflight_ground.feed import wire_json
from overflight_ground.ingest.stored import Stored
from overflight_ground.store import Store, reading

SCANNED: Final = 20_000
STEP: Final = 1_000
_VERDICTS: Final = {"ok": Verdict.OK, "marked": Verdict.MARKED, "refused": Verdict.REFUSED}

Predicate = Callable[[PacketView], bool]


def arrivals(
    store: Store,
    text: str,
    *,
    after: int | None,
    limit: int,
    since_ns: int | None = None,
    until_ns: int | None = None,
) -> list[dict[str, Any]]:
    """Return the newest arrivals that fit the filter, oldest first; `FilterError` where it is none.

    `since_ns` and `until_ns` go by when they were measured. Looks at no more than `SCANNED`.
    """
    wanted = compile_filter(text) if text else None
    span = reading.MessageFilter(since_ns=since_ns, until_ns=until_ns)
    found: list[dict[str, Any]] = []
    before: int | None = None
    with store.reading() as connection:
        for _ in range(SCANNED // STEP):
            rows = reading.messages_page(connection, span, before_id=before, limit=STEP)
            fresh = [row for row in rows if after is None or row.id > after]
            for row in fresh:
                stored = reading.stored_of(row)
                if wanted is None or wanted(view_of(stored)):
                    measured_at_ms = stored.accepted.measured_at_ns // 1_000_000
                    found.append({**wire_json(stored), "measured_at_ms": measured_at_ms})
            if len(found) >= limit or len(fresh) < STEP:
                break
            before = fresh[-1].id
    return found[:limit][::-1]


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
