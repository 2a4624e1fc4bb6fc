"""A packet is spelt in the one shortest way: spare bytes of a length are room to hide data in."""

from __future__ import annotations

from overflight_contract.mqtt import LocalProtocolError, Packet, PacketType, Version, encode
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings, always


def check(packet: Packet, known: Known, settings: Settings) -> str | None:
    """Refuse a packet that our own encoder would write otherwise."""
    try:
        same = encode(packet, known.version or Version.V5) == known.packet
    except LocalProtocolError as error:
        return f"can't be encoded again: {error}"
    return None if same else "is not in its shortest spelling"


RULE = Rule(
    "encoding",
    "a packet is spelt as a plain encoder would",
    check,
    upward=frozenset(PacketType) - {PacketType.CONNACK},
    quick=always,
)
