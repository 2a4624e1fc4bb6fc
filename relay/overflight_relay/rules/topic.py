"""A payload publishes to its own two topics."""

from __future__ import annotations

from overflight_contract.errors import ContractError
from overflight_contract.mqtt import PacketType, Publish
from overflight_contract.topics import UPWARD, parse_topic
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings, always


class TopicSettings(Settings):
    """`also`: further topics; ``{client_id}`` in one stands for the client id."""

    also: tuple[str, ...] = ()


def check(packet: Publish, known: Known, settings: TopicSettings) -> str | None:
    """Refuse a topic that is not of the contract, or another payload's."""
    topic = known.topic_of(packet)
    if topic in [entry.replace("{client_id}", known.client_id) for entry in settings.also]:
        return None
    try:
        parsed = parse_topic(topic)
    except ContractError as error:
        return error.detail[:200]
    if parsed.kind not in UPWARD:
        return f"a payload may not publish a {parsed.kind}"
    if parsed.payload != known.client_id:
        return f"topic of {parsed.payload}, on a connection of {known.client_id[:40]!r}"
    return None


RULE = Rule(
    "topic",
    "PUBLISH goes to the position or navigation topic of the payload that the client id names",
    check,
    upward=frozenset({PacketType.PUBLISH}),
    settings=TopicSettings,
    quick=always,
)
