"""A payload's messages are not retained: the ground keeps them, not the broker."""

from __future__ import annotations

from overflight_contract.mqtt import PacketType, Publish
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings, always


def check(packet: Publish, known: Known, settings: Settings) -> str | None:
    """Refuse a PUBLISH with the RETAIN flag."""
    return "has the RETAIN flag" if packet.retain else None


RULE = Rule(
    "retained",
    "no RETAIN flag",
    check,
    upward=frozenset({PacketType.PUBLISH}),
    quick=always,
)
