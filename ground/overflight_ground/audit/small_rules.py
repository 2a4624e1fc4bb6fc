"""The small packets: acknowledgements, PINGREQ, DISCONNECT; and what the broker's packets allow."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from overflight_ground.audit import walk
from overflight_ground.audit.judging import common, explained, fixed, unexplained
from overflight_ground.audit.sessions import Link
from overflight_ground.audit.tally import Judged
from overflight_ground.audit.traffic import Packet
from overflight_ground.audit.walk import Field

if TYPE_CHECKING:
    from overflight_ground.audit.explain import Explainer

PINGS_AT_ONCE: Final = 2.0
PING_EARLY: Final = 0.9
"""A ping is due after the keep-alive; the share of it at which one is accepted."""
SPELLINGS_BITS: Final = math.log2(3)
"""MQTT 5 spells success in three ways: no reason code, reason code 0, and with no properties."""


def from_broker(link: Link, data: bytes) -> None:
    """Take in what a packet of the broker lets the client answer."""
    kind = data[0] >> 4
    if kind == walk.PUBLISH:
        qos = data[0] >> 1 & 3
        if qos:
            for field in walk.walk(data, link.version):
                if field.name == "packet id":
                    number = int.from_bytes(data[field.start : field.end], "big")
                    link.owe(walk.PUBACK if qos == 1 else walk.PUBREC, number)
    elif kind in (walk.PUBACK, walk.PUBCOMP) and len(data) >= 4:
        link.ids.open.pop(int.from_bytes(data[2:4], "big"), None)
    elif kind == walk.PUBREC and len(data) >= 4:
        link.owe(walk.PUBREL, int.from_bytes(data[2:4], "big"))
    elif kind == walk.PUBREL and len(data) >= 4:
        link.owe(walk.PUBCOMP, int.from_bytes(data[2:4], "big"))
    elif kind == walk.SUBACK:
        if len(data) >= 4:
            link.ids.open.pop(int.from_bytes(data[2:4], "big"), None)
        link.subscriptions_left += data[-1] >= 0x80


def acknowledgement(_state: Explainer, link: Link, data: bytes, _packet: Packet) -> list[Judged]:
    """Judge a PUBACK, PUBREC, PUBREL or PUBCOMP: it answers a packet of the broker."""
    kind = data[0] >> 4
    judged: list[Judged] = []
    for field in walk.walk(data, link.version):
        value = data[field.start : field.end]
        if (plain := common(field)) is not None:
            judged += plain
        elif field.name == walk.HEADER:
            flags = 2 if kind == walk.PUBREL else 0
            fits = value[0] & 15 == flags
            judged += (
                fixed(field, _spellings(link))
                if fits
                else unexplained(field, "reserved flags are set")
            )
        elif field.name == "packet id":
            owed = len(link.to_acknowledge)
            fits = link.settle(kind, int.from_bytes(value, "big")) or link.midstream
            why = "answers nothing that the broker sent"
            bits = 16.0 if link.midstream else math.log2(owed) if owed > 1 else 0.0
            judged += explained(field, bits) if fits else unexplained(field, why)
        else:
            judged += _success(field, value)
    return judged


def _spellings(link: Link) -> float:
    return SPELLINGS_BITS if link.version == 5 else 0.0


def _success(field: Field, value: bytes) -> list[Judged]:
    if field.name == "reason code" and value == b"\x00":
        return explained(field)
    return unexplained(field, "a payload gives no reasons and sends no properties")


def ping(_state: Explainer, link: Link, data: bytes, packet: Packet) -> list[Judged]:
    """Judge a PINGREQ: its bytes are fixed, how often it comes is not."""
    judged: list[Judged] = []
    fits = data[0] == 0xC0 and _ping_is_due(link, packet.crossed_at_ns)
    for field in walk.walk(data, link.version):
        if field.name in (walk.HEADER, walk.LENGTH):
            why = "more often than the keep-alive asks for"
            judged += fixed(field) if fits else unexplained(field, why)
        else:
            judged += common(field) or unexplained(field, "a ping has no content")
    return judged


def _ping_is_due(link: Link, at_ns: int) -> bool:
    if link.ping_at_ns is not None and link.keep_alive_s:
        passed_s = (at_ns - link.ping_at_ns) / 1e9
        link.ping_credit += passed_s / (PING_EARLY * link.keep_alive_s)
        link.ping_credit = min(PINGS_AT_ONCE, link.ping_credit)
    link.ping_at_ns = at_ns
    if link.midstream and not link.keep_alive_s:
        return True
    if link.ping_credit < 1.0:
        return False
    link.ping_credit -= 1.0
    return True


def disconnect(_state: Explainer, link: Link, data: bytes, packet: Packet) -> list[Judged]:
    """Judge a DISCONNECT: without a reason."""
    link.ended = packet.crossed
    judged: list[Judged] = []
    for field in walk.walk(data, link.version):
        value = data[field.start : field.end]
        if field.name == walk.HEADER:
            fits = value == b"\xe0"
            judged += (
                fixed(field, _spellings(link))
                if fits
                else unexplained(field, "reserved flags are set")
            )
        else:
            judged += common(field) or _success(field, value)
    return judged
