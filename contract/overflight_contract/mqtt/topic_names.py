"""Topic names and topic filters (MQTT 5.0 §4.7, §4.8.2)."""

from __future__ import annotations

from typing import Final

from overflight_contract.mqtt.rules import Rule
from overflight_contract.mqtt.vocabulary import Version
from overflight_contract.mqtt.wire import Reader

SHARE: Final = "$share/"


def check_name(reader: Reader, name: str, what: str, wildcard: Rule) -> None:
    """Check a topic that a message is published to: not empty, without wildcards."""
    if not name:
        raise reader.error(Rule.TOPIC_EMPTY, f"the {what} is empty")
    if "+" in name or "#" in name:
        raise reader.error(wildcard, f"the {what} {name!r} has a wildcard in it")


def check_filter(reader: Reader, topic_filter: str) -> None:
    """Check a topic filter; in version 5 also the form of a shared subscription."""
    rest = topic_filter
    if reader.version is Version.V5 and topic_filter.startswith(SHARE):
        share, slash, rest = topic_filter.removeprefix(SHARE).partition("/")
        if not share or "+" in share or "#" in share:
            raise reader.error(Rule.SHARE_NAME, f"{topic_filter!r} has no valid share name")
        if not slash:
            raise reader.error(
                Rule.SHARE_FILTER, f"{topic_filter!r} has no filter behind its share"
            )
    if not rest:
        raise reader.error(Rule.TOPIC_EMPTY, "a topic filter is empty")
    if "#" in rest and (rest.index("#") != len(rest) - 1 or rest[-2:-1] not in ("", "/")):
        raise reader.error(Rule.FILTER_HASH, f"in {topic_filter!r} the # does not stand at its end")
    if "+" in rest and any("+" in level and level != "+" for level in rest.split("/")):
        raise reader.error(Rule.FILTER_PLUS, f"in {topic_filter!r} a + does not fill its level")


def matches(topic_filter: str, topic: str) -> bool:
    """Tell whether a message to `topic` goes to a subscription of `topic_filter`."""
    if topic_filter.startswith(SHARE):
        topic_filter = topic_filter.removeprefix(SHARE).partition("/")[2]
    wanted, given = topic_filter.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False  # [MQTT-4.7.2-1]
    for position, level in enumerate(wanted):
        if level == "#":
            return True
        if position >= len(given) or level not in ("+", given[position]):
            return False
    return len(wanted) == len(given)
