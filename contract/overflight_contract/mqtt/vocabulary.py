"""Words of the standard: versions, packet types, property identifiers, who may send what."""

from __future__ import annotations

import enum
from typing import Final


class Version(enum.IntEnum):
    """The protocol versions, by the number that CONNECT carries."""

    V31 = 3
    V311 = 4
    V5 = 5

    @property
    def label(self) -> str:
        """The name that people use: ``3.1``, ``3.1.1``, ``5``."""
        return {3: "3.1", 4: "3.1.1", 5: "5"}[self.value]


class PacketType(enum.IntEnum):
    """The control packet types (MQTT 5.0 §2.1.2); AUTH is of version 5 only."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


PROTOCOL_NAMES: Final[dict[Version, str]] = {
    Version.V31: "MQIsdp",
    Version.V311: "MQTT",
    Version.V5: "MQTT",
}

CLIENT_ONLY: Final = frozenset(
    {PacketType.CONNECT, PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE, PacketType.PINGREQ}
)
"""Types that only a client sends (MQTT 5.0 §2.1.2); before 5 also DISCONNECT."""

SERVER_ONLY: Final = frozenset(
    {PacketType.CONNACK, PacketType.SUBACK, PacketType.UNSUBACK, PacketType.PINGRESP}
)
"""Types that only a server sends."""

FIXED_FLAGS: Final[dict[PacketType, int]] = {
    PacketType.PUBREL: 2,
    PacketType.SUBSCRIBE: 2,
    PacketType.UNSUBSCRIBE: 2,
}
"""Flags of the fixed header other than 0; those of PUBLISH mean something."""

MAX_REMAINING_LENGTH: Final = 268_435_455
"""Four bytes of seven bits (MQTT 5.0 §1.5.5)."""

MAX_PACKET: Final = MAX_REMAINING_LENGTH + 5
