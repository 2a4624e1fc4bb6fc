"""Acknowledgements answer something: one for a message that nobody sent is sixteen free bits."""

from __future__ import annotations

from overflight_contract.mqtt import Acknowledgement, PacketType, PubRel, Rule
from overflight_relay.known import Known
from overflight_relay.rule import Rule as PolicyRule
from overflight_relay.rule import Settings

_NOT_FOUND = 0x92


def check(packet: Acknowledgement, known: Known, settings: Settings) -> str | None:
    """Refuse a reason code other than success, and a packet id that is not in flight."""
    if packet.reason_code and packet.reason_code != _NOT_FOUND:
        return f"{packet.type.name} has the reason code {packet.reason_code:#04x}"
    packet_id = packet.packet_id.to_bytes(2)
    if isinstance(packet, PubRel):
        in_flight = packet_id in known.sent or known.session_present
    else:
        in_flight = packet_id in known.received or packet_id in known.released
    if not in_flight:
        paragraph = Rule.PACKET_ID_UNKNOWN.paragraph(known.version)
        detail = f"{packet.type.name} for packet id {packet.packet_id}, which is not in flight"
        return f"{detail} {paragraph}"
    return None


RULE = PolicyRule(
    "acknowledgements",
    "an acknowledgement is for a message in flight, and says success",
    check,
    upward=frozenset({PacketType.PUBACK, PacketType.PUBREC, PacketType.PUBREL, PacketType.PUBCOMP}),
)
