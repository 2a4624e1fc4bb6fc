"""AUTH and DISCONNECT say nothing but that."""

from __future__ import annotations

from overflight_contract.mqtt import Auth, Disconnect, PacketType
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings


def check(packet: Auth | Disconnect, known: Known, settings: Settings) -> str | None:
    """Refuse AUTH, and a DISCONNECT with a reason code."""
    if isinstance(packet, Auth):
        return "authentication data may not cross"
    return (
        f"DISCONNECT has the reason code {packet.reason_code:#04x}" if packet.reason_code else None
    )


RULE = Rule(
    "goodbye",
    "no AUTH, and DISCONNECT without a reason code",
    check,
    upward=frozenset({PacketType.AUTH, PacketType.DISCONNECT}),
)
