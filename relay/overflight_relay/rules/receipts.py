"""What a payload may be sent: its own receipts."""

from __future__ import annotations

from overflight_contract import messages
from overflight_contract.errors import ContractError
from overflight_contract.mqtt import PacketType, Publish
from overflight_contract.topics import Kind, topic_for
from overflight_relay.known import Known
from overflight_relay.rule import FORMAT_INVALID, Rule, Settings


class ReceiptSettings(Settings):
    """`also`: further topics that may come down; ``{client_id}`` stands for the client id."""

    also: tuple[str, ...] = ()


def check(packet: Publish, known: Known, settings: ReceiptSettings) -> str | None:
    """Refuse a message for the payload that is not its receipt."""
    if packet.topic in [entry.replace("{client_id}", known.client_id) for entry in settings.also]:
        return None
    if known.payload is None or packet.topic != topic_for(known.payload, Kind.RECEIPT):
        return f"topic {packet.topic[:80]!r} is not the payload's own receipt topic"
    try:
        messages.decode(Kind.RECEIPT, packet.payload)
    except ContractError as error:
        return f"{error.reason}: {error.detail}"[:200]
    return None


RULE = Rule(
    "receipts",
    "a message to a payload is its own receipt",
    check,
    downward=frozenset({PacketType.PUBLISH}),
    settings=ReceiptSettings,
    reason_code=FORMAT_INVALID,
)
