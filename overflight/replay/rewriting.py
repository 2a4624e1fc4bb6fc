"""Changing what is played: names, times, and what the target's MQTT version can't carry."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from overflight_contract import messages
from overflight_contract.errors import ContractError
from overflight_contract.mqtt import Connect, Properties, Publish, Subscribe, Unsubscribe, Version
from overflight_contract.mqtt.vocabulary import PROTOCOL_NAMES
from overflight_contract.topics import parse_topic

_STAMP = "%Y%m%dT%H%M%SZ"


@dataclass(frozen=True)
class Rewriter:
    """Applies ``--rename`` and ``--shift-time``."""

    names: Mapping[str, str] = field(default_factory=dict)
    shift: dt.timedelta = dt.timedelta(0)

    def name(self, name: str) -> str:
        """Return the new name of a client or a user."""
        return self.names.get(name, name)

    def topic(self, topic: str) -> str:
        """Rename each level of a topic or a topic filter that is a renamed name."""
        if not self.names:
            return topic
        return "/".join(self.names.get(level, level) for level in topic.split("/"))

    def payload(self, topic: str, payload: bytes) -> bytes:
        """Shift the times of a message of the contract; other payloads stay as they are.

        The flight id, which begins with a time, shifts along: the same seq of the same flight with
        other bytes would be a conflict.
        """
        if not self.shift:
            return payload
        try:
            message = messages.decode(parse_topic(topic).kind, payload)
            flight = shift_flight(message.flight, self.shift)
            if isinstance(message, messages.Receipt):
                return messages.encode(msgspec.structs.replace(message, flight=flight))
            measured_at = messages.whole_milliseconds(message.measured_at + self.shift)
            moved = msgspec.structs.replace(message, flight=flight, measured_at=measured_at)
            return messages.encode(moved)
        except (ContractError, OverflowError, ValueError):
            return payload

    def connect(self, packet: Connect, version: Version) -> Connect:
        """Return a CONNECT under its new names, in `version`."""
        will = packet.will
        if will is not None:
            topic = self.topic(will.topic)
            properties = will.properties if version is Version.V5 else None
            will = msgspec.structs.replace(will, topic=topic, properties=properties)
        return msgspec.structs.replace(
            packet,
            client_id=self.name(packet.client_id),
            username=None if packet.username is None else self.name(packet.username),
            will=will,
            version=version,
            protocol_name=PROTOCOL_NAMES[version],
            properties=_introduction(packet.properties, version),
        )

    def publish(self, packet: Publish, topic: str, version: Version) -> Publish:
        """Return a PUBLISH to `topic` (aliases resolved) as it is to be sent in `version`."""
        topic = self.topic(topic)
        return msgspec.structs.replace(
            packet,
            topic=topic,
            payload=self.payload(topic, packet.payload),
            dup=False,
            properties=_kept(packet.properties, version),
        )

    def subscribe(self, packet: Subscribe, version: Version) -> Subscribe:
        """Return a SUBSCRIBE with its filters renamed, in `version`."""
        wanted = []
        for each in packet.subscriptions:
            renamed = msgspec.structs.replace(each, topic_filter=self.topic(each.topic_filter))
            if version is not Version.V5:
                renamed = msgspec.structs.replace(
                    renamed, no_local=False, retain_as_published=False, retain_handling=0
                )
            wanted.append(renamed)
        properties = _kept(packet.properties, version)
        return msgspec.structs.replace(
            packet, subscriptions=tuple(wanted), properties=properties, dup=False
        )

    def unsubscribe(self, packet: Unsubscribe, version: Version) -> Unsubscribe:
        """Return an UNSUBSCRIBE with its filters renamed, in `version`."""
        filters = tuple(self.topic(each) for each in packet.topic_filters)
        properties = _kept(packet.properties, version)
        return msgspec.structs.replace(
            packet, topic_filters=filters, properties=properties, dup=False
        )


def shift_flight(flight: str, shift: dt.timedelta) -> str:
    """Shift the time that a flight id begins with."""
    stamp, _, rest = flight.partition("-")
    started = dt.datetime.strptime(stamp, _STAMP).replace(tzinfo=dt.UTC)
    return f"{(started + shift).strftime(_STAMP)}-{rest}"


def _kept(properties: Properties | None, version: Version) -> Properties | None:
    """Return the properties that a replay may send: aliases are resolved, 3.1.1 has none."""
    if version is not Version.V5:
        return None
    if properties is None:
        return Properties()
    if properties.topic_alias is None:
        return properties
    order = tuple(number for number in properties.order if number != 0x23)
    return msgspec.structs.replace(properties, topic_alias=None, order=order)


def _introduction(properties: Properties | None, version: Version) -> Properties | None:
    """Return the properties that a CONNECT is played with.

    Enhanced authentication can't be played again, and aliases are not asked for.
    """
    kept = _kept(properties, version)
    if kept is None:
        return None
    gone = {0x15, 0x16, 0x22}
    order = tuple(number for number in kept.order if number not in gone)
    return msgspec.structs.replace(
        kept,
        authentication_method=None,
        authentication_data=None,
        topic_alias_maximum=None,
        order=order,
    )
