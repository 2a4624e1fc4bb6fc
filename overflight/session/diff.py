"""Compares two sessions by what was said, not when: each client's packets, both ways."""

from __future__ import annotations

import hashlib
from array import array
from typing import Any, NamedTuple

from overflight.session.views import Selection, selected
from overflight_contract.dissect import PacketView
from overflight_contract.session import SessionPacket, SessionReader

_WITH_ID = ("puback", "pubrec", "pubrel", "pubcomp", "subscribe", "suback", "unsubscribe",
            "unsuback")  # fmt: skip

Key = tuple[str, int, str]
"""Client id, which of its connections (from 1), direction."""


class Difference(NamedTuple):
    """Where two sessions part on one stream of packets."""

    client_id: str
    connection: int
    direction: str
    number: int
    """Number of the packet in its stream, from 1."""
    left: str | None
    right: str | None


class Comparison(NamedTuple):
    """What two sessions have in common and where they part."""

    same: bool
    packets_left: int
    packets_right: int
    streams: int
    streams_left_only: list[Key]
    streams_right_only: list[Key]
    differences: list[Difference]
    """The first difference of each stream."""

    def as_dict(self) -> dict[str, Any]:
        """Return it for JSON."""
        return self._asdict() | {"differences": [item._asdict() for item in self.differences]}


def compare(
    left: SessionReader, right: SessionReader, selection: Selection, *, exact: bool = False
) -> Comparison:
    """Compare two sessions; packet ids and DUP flags count only with `exact`.

    Eight bytes a packet are held in memory.
    """
    sides = [_Side(session, selection, exact) for session in (left, right)]
    ours, theirs = sides[0].streams, sides[1].streams
    common = sorted(ours.keys() & theirs.keys())
    parted = {key: _first_difference(ours[key], theirs[key]) for key in common}
    wanted = {key: index for key, index in parted.items() if index is not None}
    texts = [side.describe(wanted) for side in sides]
    differences = [
        Difference(*key, index + 1, texts[0].get(key), texts[1].get(key))
        for key, index in sorted(wanted.items(), key=lambda entry: (entry[1], entry[0]))
    ]
    only_left, only_right = sorted(ours.keys() - theirs), sorted(theirs.keys() - ours)
    return Comparison(
        not (differences or only_left or only_right),
        sum(map(len, ours.values())),
        sum(map(len, theirs.values())),
        len(common),
        only_left,
        only_right,
        differences,
    )


class _Side:
    def __init__(self, session: SessionReader, selection: Selection, exact: bool) -> None:
        self._session = session
        self._selection = selection
        self._exact = exact
        self.streams: dict[Key, array[int]] = {}
        for key, packet, view in self._packets():
            said = packet.data if exact else normal(packet, view)
            digest = hashlib.blake2b(said + bytes((packet.verdict,)), digest_size=8).digest()
            self.streams.setdefault(key, array("Q")).append(int.from_bytes(digest))

    def describe(self, wanted: dict[Key, int]) -> dict[Key, str]:
        """Describe the packets at the given places."""
        if not wanted:
            return {}
        counts: dict[Key, int] = {}
        found = {}
        for key, packet, view in self._packets():
            index = counts.get(key, 0)
            counts[key] = index + 1
            if wanted.get(key) == index:
                found[key] = f"{view.type} {view.topic or ''} {view.summary}".replace("  ", " ")
                if packet.reason:
                    found[key] += f" ({view.verdict}: {packet.reason})"
        return found

    def _packets(self) -> Any:
        names: dict[int, tuple[str, int]] = {}
        connections: dict[str, int] = {}
        for entry in selected(self._session, self._selection):
            if not isinstance(entry, tuple):
                continue
            packet, view = entry
            if packet.connection not in names:
                number = connections.get(view.client_id, 0) + 1
                connections[view.client_id] = number
                names[packet.connection] = (view.client_id, number)
            yield (*names[packet.connection], view.direction), packet, view


def normal(packet: SessionPacket, view: PacketView) -> bytes:
    """Return a packet's bytes without its packet id and DUP flag."""
    data = packet.data
    if packet.part or view.packet_id is None:
        return data
    start = 1
    while start < 5 and data[start] >= 0x80:
        start += 1
    at = start + 1
    if view.type == "publish":
        at += 2 + int.from_bytes(data[at : at + 2])
        data = bytes((data[0] & 0xF7,)) + data[1:]
    elif view.type not in _WITH_ID:
        return data
    return data[:at] + b"\0\0" + data[at + 2 :]


def _first_difference(left: array[int], right: array[int]) -> int | None:
    if left == right:
        return None
    for index, (ours, theirs) in enumerate(zip(left, right, strict=False)):
        if ours != theirs:
            return index
    return min(len(left), len(right))


def comparison_text(left: str, right: str, found: Comparison) -> str:
    """Return a comparison for a person."""
    counts = f"{left}: {found.packets_left:,} packets; {right}: {found.packets_right:,} packets"
    streams = "1 stream" if found.streams == 1 else f"{found.streams} streams"
    lines = [f"{counts}; {streams} in both"]
    for name, keys in ((left, found.streams_left_only), (right, found.streams_right_only)):
        lines += [
            f"only in {name}: {client or '(no client id)'}, connection {number}, {direction}"
            for client, number, direction in keys
        ]
    for item in found.differences[:20]:
        where = f"{item.client_id or '(no client id)'}, connection {item.connection}"
        lines.append(f"{where}, {item.direction}, packet {item.number}:")
        lines.append(f"  - {item.left or '(nothing)'}")
        lines.append(f"  + {item.right or '(nothing)'}")
    lines.append("the same" if found.same else "different")
    return "\n".join(lines) + "\n"
