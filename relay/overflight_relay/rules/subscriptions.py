"""A payload subscribes to its own receipts, and to nothing else."""

from __future__ import annotations

from overflight_contract.mqtt import PacketType, Subscribe, Unsubscribe
from overflight_contract.topics import Kind, topic_for
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings


class SubscriptionSettings(Settings):
    """`also`: further topic filters; ``{client_id}`` in one stands for the client id."""

    also: tuple[str, ...] = ()


def check(
    packet: Subscribe | Unsubscribe, known: Known, settings: SubscriptionSettings
) -> str | None:
    """Refuse filters other than the receipt topic, and options that say nothing to a receipt."""
    allowed = {entry.replace("{client_id}", known.client_id) for entry in settings.also}
    if known.payload is not None:
        allowed.add(topic_for(known.payload, Kind.RECEIPT))
    if isinstance(packet, Unsubscribe):
        filters = packet.topic_filters
    else:
        filters = tuple(entry.topic_filter for entry in packet.subscriptions)
    if len(filters) > len(allowed) or len(set(filters)) < len(filters):
        return f"names {len(filters)} topic filters; {len(allowed)} can be wanted"
    for topic_filter in filters:
        if topic_filter not in allowed:
            return f"topic filter {topic_filter[:80]!r} is not the payload's own receipt topic"
    return None


RULE = Rule(
    "subscriptions",
    "SUBSCRIBE and UNSUBSCRIBE name only the payload's own receipt topic",
    check,
    upward=frozenset({PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE}),
    settings=SubscriptionSettings,
)
