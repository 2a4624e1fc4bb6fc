"""What the standard forbids of a packet that is well formed: by the state tables of the MQTT core.

Who may send what when, what the other end said in CONNECT or CONNACK that it takes, and how many
messages may be in flight. Whether a packet id is free is left to the broker: what the relay does
not know of the sessions before it can't tell.
"""

from __future__ import annotations

from typing import Final

from overflight_contract.mqtt import (
    Packet,
    PacketType,
    Publish,
    RemoteProtocolError,
    Rule,
    Version,
)
from overflight_contract.mqtt.state import PHASES, Phase, Sender, next_step
from overflight_relay.known import Known

_WHILE_AUTHENTICATING: Final = (PacketType.CONNECT, PacketType.AUTH, PacketType.DISCONNECT)
_OTHER: Final = {sender: sender.other for sender in Sender}
_ANY_TIME: Final = {
    sender: frozenset(
        kind
        for step in PHASES
        if step.phase is step.then is Phase.OPEN and step.sender is sender
        for kind in step.types
        if step.since is Version.V31 and kind is not PacketType.PUBLISH
    )
    for sender in Sender
}
"""What each end may send of an open connection in every version, whatever the other takes."""


def breach(packet: Packet, known: Known, sender: Sender) -> RemoteProtocolError | None:
    """Return what the next packet breaks; `known.packet` are its bytes."""
    limits = known.limits[_OTHER[sender]]
    if (
        known.phase is Phase.OPEN
        and packet.type in _ANY_TIME[sender]
        and limits.maximum_packet_size is None
    ):
        return None
    if known.closed_by is not None and known.closed_by is not sender:
        return None  # was under way when the other end closed
    try:
        next_step(known.phase, sender, packet.type, known.version)
        _check_authentication(packet, known, sender)
        limits.check_size(len(known.packet), sender)
        if isinstance(packet, Publish):
            limits.check_publish(packet, sender)
            _check_alias(packet, known, sender)
            _check_in_flight(packet, known, sender)
    except RemoteProtocolError as error:
        return error
    return None


def _check_authentication(packet: Packet, known: Known, sender: Sender) -> None:
    if not known.authenticates or known.phase is not Phase.CONNECTING:
        return
    if sender is Sender.CLIENT and packet.type not in _WHILE_AUTHENTICATING:
        detail = f"the client sends {packet.type.name} before it is authenticated"
        raise RemoteProtocolError(Rule.BEFORE_CONNACK, known.version, detail)


def _check_alias(packet: Publish, known: Known, sender: Sender) -> None:
    alias = packet.properties.topic_alias if packet.properties is not None else None
    if alias is None:
        return
    if known.phase is Phase.OPEN:
        known.limits[_OTHER[sender]].check_alias(alias)
    if sender is Sender.CLIENT and not packet.topic and alias not in known.aliases:
        detail = f"topic alias {alias} has no topic yet"
        raise RemoteProtocolError(Rule.TOPIC_ALIAS_UNKNOWN, known.version, detail)


def _check_in_flight(packet: Publish, known: Known, sender: Sender) -> None:
    if packet.packet_id is None:
        return
    in_flight = known.sent if sender is Sender.CLIENT else known.received
    if packet.packet_id.to_bytes(2) not in in_flight:
        known.limits[_OTHER[sender]].check_in_flight(len(in_flight) + 1, sender)
