"""No will message: it would be published where the relay does not see it."""

from __future__ import annotations

from overflight_contract.mqtt import Connect, PacketType
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings


def check(packet: Connect, known: Known, settings: Settings) -> str | None:
    """Refuse a CONNECT with a will."""
    return None if packet.will is None else "has a will message"


RULE = Rule("will", "no will message", check, upward=frozenset({PacketType.CONNECT}))
