"""The payload of a PUBLISH is a message of its topic's kind, in its one canonical encoding."""

from __future__ import annotations

from overflight_contract import fastpath, messages
from overflight_contract.errors import ContractError
from overflight_contract.mqtt import PacketType, Publish
from overflight_contract.topics import UPWARD, parse_topic
from overflight_relay.known import Known
from overflight_relay.rule import FORMAT_INVALID, Rule, Settings, always


def check(packet: Publish, known: Known, settings: Settings) -> str | None:
    """Refuse what does not decode, or is not spelt as its own encoding would be."""
    try:
        kind = parse_topic(known.topic_of(packet)).kind
    except ContractError:
        return None  # for the rule of topics
    if kind not in UPWARD:
        return None
    if fastpath.looks_valid(kind, packet.payload):
        return None
    try:
        messages.decode(kind, packet.payload)
    except ContractError as error:
        return f"{error.reason}: {error.detail}"[:200]
    return None


RULE = Rule(
    "schema",
    "the payload is a canonical message of the contract",
    check,
    upward=frozenset({PacketType.PUBLISH}),
    reason_code=FORMAT_INVALID,
    quick=always,
)
