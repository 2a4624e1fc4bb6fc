"""How large the payload of a PUBLISH may be."""

from __future__ import annotations

from overflight_contract.messages import MAX_PAYLOAD_BYTES
from overflight_contract.mqtt import PacketType, Publish
from overflight_relay.known import Known
from overflight_relay.rule import FORMAT_INVALID, Rule, Settings


class SizeSettings(Settings):
    """`max_payload` in bytes."""

    max_payload: int = MAX_PAYLOAD_BYTES


def check(packet: Publish, known: Known, settings: SizeSettings) -> str | None:
    """Refuse a payload over the limit."""
    if len(packet.payload) > settings.max_payload:
        return f"{len(packet.payload)} bytes of payload; at most {settings.max_payload} may be"
    return None


RULE = Rule(
    "size",
    "the payload of a PUBLISH has at most 512 bytes",
    check,
    upward=frozenset({PacketType.PUBLISH}),
    settings=SizeSettings,
    reason_code=FORMAT_INVALID,
    quick=lambda settings: settings.max_payload >= MAX_PAYLOAD_BYTES,
)
