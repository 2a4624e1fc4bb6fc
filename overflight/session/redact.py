"""Redacts a session, so that it can be shown: coarser places, other names, no credentials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from overflight_contract import mqtt
from overflight_contract.dissect import Dissector, PacketView
from overflight_contract.messages import Message, Position, encode
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Item,
    SessionPacket,
    SessionReader,
)

_ADDRESS: Final = "192.0.2"
"""Addresses for documentation (RFC 5737)."""


class Redaction:
    """What to take out; credentials, addresses and contents outside the contract always go."""

    def __init__(
        self, *, decimals: int | None = None, names: Mapping[str, str] | None = None
    ) -> None:
        """Round places to `decimals` of a degree (None: as they are); replace payloads' names."""
        self._decimals = decimals
        self._names = dict(names or {})
        self.renamed: set[str] = set()
        """Which of `names` were met."""
        self._dissector = Dissector()
        self._addresses: dict[str, str] = {}
        self._opaque: set[int] = set()

    def items(self, session: SessionReader) -> Iterator[Item]:
        """Yield the session's items, redacted."""
        for item in session:
            if isinstance(item, SessionPacket):
                yield self._packet(item)
            elif isinstance(item, ConnectionOpened):
                opaque = item.tls == "passthrough"
                self._dissector.opened(item.connection, opaque=opaque)
                yield self._opened(item)
            else:
                if isinstance(item, ConnectionClosed):
                    self._dissector.closed(item.connection)
                yield item

    def _opened(self, opened: ConnectionOpened) -> ConnectionOpened:
        return msgspec.structs.replace(
            opened,
            peer=self._address(opened.peer),
            listener=self._address(opened.listener),
            upstream="redacted",
            sni=None if opened.sni is None else "redacted",
        )

    def _address(self, text: str) -> str:
        host, _, port = text.rpartition(":")
        number = len(self._addresses) + 1
        return f"{self._addresses.setdefault(host, f'{_ADDRESS}.{number % 254 or 254}')}:{port}"

    def _packet(self, packet: SessionPacket) -> SessionPacket:
        view = self._dissector.view(packet)
        found = view.decoded
        if found is None or packet.part:
            return packet._replace(data=_starred(packet.data), reason=_reason(packet))
        version = view.version or mqtt.Version.V311
        changed = self._changed(found, view)
        data = packet.data if changed is found else mqtt.encode(changed, version)
        masked = packet.masked or (isinstance(found, mqtt.Connect) and found.password is not None)
        return packet._replace(data=data, masked=masked, reason=_reason(packet))

    def _changed(self, found: mqtt.Packet, view: PacketView) -> mqtt.Packet:
        if isinstance(found, mqtt.Publish):
            return self._publish(found, view)
        if isinstance(found, mqtt.Connect):
            return self._connect(found)
        if isinstance(found, mqtt.Subscribe):
            filters = tuple(
                msgspec.structs.replace(item, topic_filter=self._topic(item.topic_filter))
                for item in found.subscriptions
            )
            return msgspec.structs.replace(found, subscriptions=filters)
        if isinstance(found, mqtt.Unsubscribe):
            topics = tuple(self._topic(text) for text in found.topic_filters)
            return msgspec.structs.replace(found, topic_filters=topics)
        properties = getattr(found, "properties", None)
        if properties is None or isinstance(found, mqtt.PingReq | mqtt.PingResp):
            return found
        return msgspec.structs.replace(found, properties=_quiet(properties))

    def _publish(self, found: mqtt.Publish, view: PacketView) -> mqtt.Publish:
        message = view.message
        if message is None:
            payload = b"*" * len(found.payload)
            topic = "*" * len(found.topic)
        else:
            payload = encode(self._coarse(message))
            topic = self._topic(found.topic)
        return msgspec.structs.replace(
            found, topic=topic, payload=payload, properties=_quiet(found.properties)
        )

    def _connect(self, found: mqtt.Connect) -> mqtt.Connect:
        will = found.will
        if will is not None:
            will = mqtt.Will(topic="*", payload=b"*" * len(will.payload), qos=will.qos,
                             retain=will.retain)  # fmt: skip
        return msgspec.structs.replace(
            found,
            client_id=self._name(found.client_id),
            username=None if found.username is None else "*" * len(found.username),
            password=None if found.password is None else b"*" * len(found.password),
            will=will,
            properties=_quiet(found.properties),
        )

    def _coarse(self, message: Message) -> Message:
        if self._decimals is None or not isinstance(message, Position):
            return message
        lat, lon = message.lat_deg, message.lon_deg
        if lat is None or lon is None:
            return message
        rounded = round(lon, self._decimals) + 0.0
        return msgspec.structs.replace(
            message,
            lat_deg=round(lat, self._decimals) + 0.0,
            lon_deg=rounded - 360.0 if rounded >= 180 else rounded,
        )

    def _topic(self, topic: str) -> str:
        levels = topic.split("/")
        self.renamed.update(level for level in levels if level in self._names)
        return "/".join(self._names.get(level, level) for level in levels)

    def _name(self, name: str) -> str:
        for old, new in self._names.items():
            if name == old or name.startswith((f"{old}-", f"{old}/")):
                self.renamed.add(old)
                return new + name[len(old) :]
        return name


def _quiet(properties: mqtt.Properties | None) -> mqtt.Properties | None:
    """Leave out the properties that hold free text or data."""
    if properties is None:
        return None
    fields = {name: None for name in _FREE if getattr(properties, name) is not None}
    return msgspec.structs.replace(properties, user_property=(), **fields)


_FREE: Final = (
    "reason_string",
    "authentication_data",
    "authentication_method",
    "correlation_data",
    "response_topic",
    "response_information",
    "server_reference",
    "content_type",
)


def _starred(data: bytes) -> bytes:
    """Keep a packet's fixed header and length, nothing of what it says."""
    end = 1
    while end < min(len(data), 5):
        end += 1
        if data[end - 1] < 0x80:
            break
    return data[:end] + b"*" * (len(data) - end)


def _reason(packet: SessionPacket) -> str:
    """Keep the rule that fired; what it quotes may be what is to be taken out."""
    return packet.reason.partition(":")[0]
