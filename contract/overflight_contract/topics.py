"""Topics of the contract: ``overflight/1/{payload}/{kind}``; nothing else may cross."""

from __future__ import annotations

import enum
from typing import NamedTuple

from overflight_contract.errors import ContractError
from overflight_contract.identity import is_payload

SCHEMA_VERSION = 1
PREFIX = f"overflight/{SCHEMA_VERSION}/"


class Kind(enum.StrEnum):
    """The kinds of message; the last level of the topic."""

    POSITION = "position"
    NAVIGATION = "navigation"
    RECEIPT = "receipt"


UPWARD = (Kind.POSITION, Kind.NAVIGATION)
"""The kinds that a payload may publish."""

POSITION_FILTER = f"{PREFIX}+/{Kind.POSITION}"
NAVIGATION_FILTER = f"{PREFIX}+/{Kind.NAVIGATION}"
EVERYTHING_FILTER = "overflight/#"
"""What a ground subscribes to when it also wants to quarantine strays."""

_KINDS = {str(kind): kind for kind in Kind}


class Topic(NamedTuple):
    """A topic of the contract, taken apart."""

    payload: str
    kind: Kind


def topic_for(payload: str, kind: Kind) -> str:
    """Return the topic of `payload` (a valid name) for messages of `kind`."""
    return f"{PREFIX}{payload}/{kind}"


def parse_topic(topic: str) -> Topic:
    """Take a topic apart; raise `ContractError` (reason ``topic``) where it is no topic of ours."""
    parts = topic.split("/")
    if len(parts) != 4 or parts[0] != "overflight":
        raise ContractError("topic", f"topic {topic!r} is not of the contract")
    if parts[1] != str(SCHEMA_VERSION):
        raise ContractError("topic", f"topic {topic!r}: schema version {parts[1]!r} is not known")
    kind = _KINDS.get(parts[3])
    if kind is None:
        raise ContractError("topic", f"topic {topic!r}: no kind of message {parts[3]!r}")
    if not is_payload(parts[2]):
        raise ContractError("topic", f"topic {topic!r}: {parts[2]!r} can't name a payload")
    return Topic(parts[2], kind)
