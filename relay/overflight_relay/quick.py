"""The fast path: runs of canonical PUBLISH packets, judged by one expression in C.

A payload that catches up sends thousands of PUBLISH packets in a row. One regular expression for
its connection finds them, and what it finds is good in every respect that the default policy
knows: topic, identity, schema, canonical spelling, no RETAIN, no properties. What remains to be
compared are two lengths and two numbers of each. It answers "all good" or nothing; who gets
nothing takes the slow path.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from operator import gt
from typing import Final, NamedTuple

from overflight_contract import fastpath
from overflight_contract.mqtt import Version
from overflight_contract.topics import Kind, topic_for

_LONGEST: Final = 1024
_LENGTHS: Final = [
    bytes(((size - 3) & 127 | 128, (size - 3) >> 7)) if size > 130 else b""
    for size in range(_LONGEST)
]
"""The remaining length, as it must be written, of a packet of so many bytes."""

_length_of = _LENGTHS.__getitem__


class Run(NamedTuple):
    """Packets from the start of some data, all good."""

    packets: tuple[bytes, ...]
    packet_ids: tuple[bytes, ...]
    used: int


QuickCheck = Callable[[bytes], Run | None]


@lru_cache(maxsize=512)
def publish_check(payload: str, version: Version, qos: int) -> QuickCheck:
    """Return the check for PUBLISH packets of `payload`, one of its connections, one QoS."""
    pattern = re.compile(_expression(payload, version, qos), re.DOTALL)
    findall = pattern.findall

    def check(data: bytes) -> Run | None:
        found = findall(data)
        if len(found) < 2:
            return _one(found[0], data, qos) if found else None
        packets, lengths, _, packet_ids, seqs, helds = zip(*found, strict=True)
        sizes = list(map(len, packets))
        used = sum(sizes)
        if used != len(data) and not data.startswith(b"".join(packets)):
            return None
        if list(lengths) != list(map(_length_of, sizes)):
            return None
        if any(map(gt, map(int, helds), map(int, seqs))):
            return None
        return Run(packets, packet_ids if qos else (), used)

    return check


def _one(found: tuple[bytes, ...], data: bytes, qos: int) -> Run | None:
    """Check a lone packet: what latency is made of when they come one at a time."""
    packet, length, _, packet_id, seq, held = found
    size = len(packet)
    if not data.startswith(packet) or length != _LENGTHS[size] or int(held) > int(seq):
        return None
    return Run((packet,), (packet_id,) if qos else (), size)


def _expression(payload: str, version: Version, qos: int) -> bytes:
    position = _text(topic_for(payload, Kind.POSITION))
    navigation = _text(topic_for(payload, Kind.NAVIGATION))
    first = {0: rb"0", 1: rb"[2:]", 2: rb"[4<]"}[qos]
    packet_id = rb"((?!\x00\x00)..)" if qos else rb"()"
    properties = rb"\x00" if version is Version.V5 else rb""
    return (
        rb"("
        + first
        + rb"([\x80-\xff].)(?:"
        + position
        + rb"()|"
        + navigation
        + rb")"
        + packet_id
        + properties
        + fastpath.HEAD
        + rb"(?(3)"
        + fastpath.POSITION_TAIL
        + rb"|"
        + fastpath.NAVIGATION_TAIL
        + rb"))"
    )


def _text(topic: str) -> bytes:
    return re.escape(len(topic).to_bytes(2) + topic.encode())


_ACKS = re.compile(rb"(@\x02((?!\x00\x00)..))", re.DOTALL)


def puback_run(data: bytes) -> Run | None:
    """Return the plain PUBACK packets that `data` starts with, if there are several."""
    if len(data) == 4 and data[:2] == b"@\x02" and data[2:] != b"\0\0":
        return Run((data,), (data[2:],), 4)
    found = _ACKS.findall(data)
    if not found:
        return None
    packets, packet_ids = zip(*found, strict=True)
    used = len(packets) * 4
    return Run(packets, packet_ids, used) if data.startswith(b"".join(packets)) else None
