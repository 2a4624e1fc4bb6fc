"""The fast path: runs of canonical PUBLISH packets, judged by one expression in C.

A payload that catches up sends thousands of PUBLISH packets in a row. One regular expression for
its connection finds them, and what it finds is good in every respect that the default policy
knows: topic, identity, schema, canonical spelling, no RETAIN, no properties. What remains to be
compared are two lengths and two numbers of each. It answers "all good" or nothing; who gets
nothing takes the slow path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from operator import gt
from typing import Final, NamedTuple

from overflight_contract import fastpath
from overflight_contract.mqtt import Version
from overflight_contract.topics import Kind, topic_for

LONGEST: Final = 1024
"""No packet that a check here accepts has as many bytes."""
_LENGTHS: Final = [
    bytes(((size - 3) & 127 | 128, (size - 3) >> 7)) if size > 130 else b""
    for size in range(LONGEST)
]
"""The remaining length, as it must be written, of a packet of so many bytes."""

_length_of = _LENGTHS.__getitem__


class Run(NamedTuple):
    """Packets from the start of some data, all good."""

    packets: tuple[bytes, ...]
    packet_ids: tuple[bytes, ...]
    used: int


QuickCheck = Callable[[bytes], Run | None]
LoneCheck = Callable[[bytes], bytes | None]
FIRST_BYTES: Final = {0: b"0", 1: b"2:", 2: b"4<"}
"""What a PUBLISH that is not to be retained begins with, by QoS: first sent, sent again."""


@lru_cache(maxsize=512)
def publish_check(payload: str, version: Version, qos: int) -> QuickCheck:
    """Return the check for PUBLISH packets of `payload`, one of its connections, one QoS."""
    findall = _pattern(payload, version, qos).findall

    def check(data: bytes) -> Run | None:
        found = findall(data)
        if not found:
            return None
        packets, lengths, _, packet_ids, seqs, helds = zip(*found, strict=True)
        sizes = list(map(len, packets))
        used = sum(sizes)
        if used != len(data) and not data.startswith(b"".join(packets)):
            return None
        if list(lengths) != list(map(_length_of, sizes)):
            return None
        if _any_above(helds, seqs):
            return None
        return Run(packets, packet_ids if qos else (), used)

    return check


def _any_above(left: Sequence[bytes], right: Sequence[bytes]) -> bool:
    """Tell whether any number on the left is greater than the one beside it."""
    if len({*map(len, left), *map(len, right)}) == 1:  # then text compares as numbers do
        return any(map(gt, left, right))
    return any(map(gt, map(int, left), map(int, right)))


@lru_cache(maxsize=512)
def lone_check(payload: str, version: Version, qos: int) -> LoneCheck:
    """Return the check for one PUBLISH that comes alone, which is what latency is made of.

    It returns the packet id (empty in QoS 0), or `None`.
    """
    fullmatch = _pattern(payload, version, qos).fullmatch

    def check(data: bytes) -> bytes | None:
        size = len(data)
        if size >= LONGEST or data[1:3] != _LENGTHS[size]:
            return None
        match = fullmatch(data)
        if match is None:
            return None
        packet_id, seq, held = match.group(4, 5, 6)
        return packet_id if int(held) <= int(seq) else None

    return check


@lru_cache(maxsize=512)
def _pattern(payload: str, version: Version, qos: int) -> re.Pattern[bytes]:
    return re.compile(_expression(payload, version, qos), re.DOTALL)


def _expression(payload: str, version: Version, qos: int) -> bytes:
    position = _text(topic_for(payload, Kind.POSITION))
    navigation = _text(topic_for(payload, Kind.NAVIGATION))
    first = b"[" + FIRST_BYTES[qos] + b"]"
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
    """Return the plain PUBACK packets that `data` starts with, if there are any."""
    found = _ACKS.findall(data)
    if not found:
        return None
    packets, packet_ids = zip(*found, strict=True)
    used = len(packets) * 4
    return Run(packets, packet_ids, used) if data.startswith(b"".join(packets)) else None
