"""Properties of MQTT 5: user properties, reason strings and most others are room to hide in."""

from __future__ import annotations

from typing import Final

from overflight_contract.mqtt import Packet, PacketType, Properties
from overflight_relay.known import Known
from overflight_relay.rule import Rule, Settings, always

_DEFAULTS: Final = Properties()
_LARGEST: Final = {0xFFFF, 0xFFFFFFFF, 268_435_455, 268_435_460}


class PropertiesSettings(Settings):
    """Names of the properties that each packet type may have.

    Their numbers must be round: a power of two, up to two significant decimal digits, a whole
    number of hours, or the largest possible value.
    """

    connect: tuple[str, ...] = (
        "session_expiry_interval",
        "receive_maximum",
        "maximum_packet_size",
        "topic_alias_maximum",
        "request_problem_information",
        "request_response_information",
    )
    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    unsubscribe: tuple[str, ...] = ()
    acknowledgement: tuple[str, ...] = ()
    disconnect: tuple[str, ...] = ()
    auth: tuple[str, ...] = ()
    round_numbers: bool = True


_LISTS: Final = {
    PacketType.CONNECT: "connect",
    PacketType.PUBLISH: "publish",
    PacketType.SUBSCRIBE: "subscribe",
    PacketType.UNSUBSCRIBE: "unsubscribe",
    PacketType.PUBACK: "acknowledgement",
    PacketType.PUBREC: "acknowledgement",
    PacketType.PUBREL: "acknowledgement",
    PacketType.PUBCOMP: "acknowledgement",
    PacketType.DISCONNECT: "disconnect",
    PacketType.AUTH: "auth",
}


def check(packet: Packet, known: Known, settings: PropertiesSettings) -> str | None:
    """Refuse a property that the settings do not name, and an odd number in one that they do."""
    properties: Properties | None = getattr(packet, "properties", None)
    if properties is None or properties == _DEFAULTS:
        return None
    allowed = getattr(settings, _LISTS[packet.type])
    for name in Properties.__struct_fields__:
        value = getattr(properties, name)
        if name == "order" or value == getattr(_DEFAULTS, name):
            continue
        if name not in allowed:
            return f"{packet.type.name} has the property {name}"
        if settings.round_numbers and isinstance(value, int) and not is_round(value):
            return f"{name} of {value} is not a round number"
    return None


def is_round(value: int) -> bool:
    """Tell whether `value` is one of the few that a person would choose."""
    if value in _LARGEST or value & (value - 1) == 0 or value % 3600 == 0:
        return True
    return len(str(value).rstrip("0")) <= 2


RULE = Rule(
    "properties",
    "only the listed properties of MQTT 5, with round numbers; no user properties, no texts",
    check,
    upward=frozenset(_LISTS),
    settings=PropertiesSettings,
    quick=always,
)
