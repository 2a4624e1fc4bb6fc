"""Comparing what a payload sends with what was recorded, exactly or by rules."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from overflight.replay.rewriting import Rewriter
from overflight_contract.dissect import PacketView
from overflight_contract.mqtt import (
    Connect,
    Disconnect,
    Packet,
    Properties,
    Publish,
    Subscribe,
    Unsubscribe,
)
from overflight_contract.summaries import preview
from overflight_contract.times import iso

IGNORABLE: Final[dict[str, str]] = {
    "packet-id": "packet ids, which every run may choose anew",
    "flight": "flight ids, new for every outbox",
    "time": "measured_at and held_from of messages",
    "client-id": "client ids and user names",
    "keep-alive": "the keep-alive of CONNECT",
    "properties": "properties of MQTT 5",
    "values": "all of a message but its topic and seq",
    "order": "in which order messages come",
}
DEFAULT_IGNORED: Final = frozenset({"packet-id", "flight"})
_TIMES: Final = ("measured_at", "held_from")


class Difference(NamedTuple):
    """One field that is not as recorded."""

    name: str
    recorded: str
    sent: str


class Divergence(NamedTuple):
    """The first packet that is not as recorded."""

    number: int
    recorded: PacketView | None
    sent: PacketView | None
    differences: tuple[Difference, ...]

    def lines(self) -> list[str]:
        """Put it so that people see what is different."""
        if self.recorded is None:
            if self.sent is None:
                return [f"packet {self.number}: {each.sent}" for each in self.differences]
            return [f"packet {self.number} was not recorded: {_line(self.sent)}"]
        where = f"(sequence {self.recorded.sequence}, {iso(self.recorded.at_ns)})"
        if self.sent is None and not self.differences:
            return [f"packet {self.number} was not sent {where}: {_line(self.recorded)}"]
        width = max(len(each.name) for each in self.differences)
        lines = [f"packet {self.number} is not as recorded {where}:"]
        for each in self.differences:
            lines.append(f"  {each.name:<{width}}  recorded  {each.recorded}")
            lines.append(f"  {'':<{width}}  sent      {each.sent}")
        return lines

    def as_dict(self) -> dict[str, object]:
        """Return what goes into JSON."""
        return {
            "packet": self.number,
            "recorded": self.recorded and self.recorded.as_dict(),
            "sent": self.sent and self.sent.as_dict(),
            "differences": [each._asdict() for each in self.differences],
        }


def ignoring(text: str) -> frozenset[str]:
    """Parse ``--ignore``: names of `IGNORABLE` with commas between, or ``nothing``."""
    if text.strip() == "nothing":
        return frozenset()
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    for name in names - IGNORABLE.keys():
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(IGNORABLE)}, nothing")
    return names


def compare(
    recorded: PacketView, sent: PacketView, ignored: frozenset[str], rewriter: Rewriter
) -> tuple[Difference, ...]:
    """Return what of `sent` is not as in `recorded` (renamed by `rewriter`)."""
    if recorded.type != sent.type:
        return (Difference("type", _line(recorded), _line(sent)),)
    want, have = _facts(recorded, ignored, rewriter), _facts(sent, ignored, Rewriter())
    return tuple(
        Difference(name, want.get(name, "(absent)"), have.get(name, "(absent)"))
        for name in dict.fromkeys((*want, *have))
        if want.get(name) != have.get(name)
    )


def _line(view: PacketView) -> str:
    topic = f" {view.topic}" if view.topic else ""
    return f"{view.type.upper()}{topic} {view.summary}".rstrip()


def _facts(view: PacketView, ignored: frozenset[str], rewriter: Rewriter) -> dict[str, str]:
    """Return what is compared of a packet, by name, as text."""
    facts: dict[str, str] = {}
    packet = view.decoded
    match packet:
        case Connect():
            facts.update(_of_connect(packet, ignored, rewriter))
        case Publish():
            facts.update(_of_publish(view, packet, ignored, rewriter))
        case Subscribe():
            for each in packet.subscriptions:
                options = msgspec.structs.asdict(each)
                topic_filter = rewriter.topic(str(options.pop("topic_filter")))
                facts[f"filter {topic_filter}"] = _options(options)
        case Unsubscribe():
            facts["filters"] = ", ".join(map(rewriter.topic, packet.topic_filters))
        case Disconnect():
            facts["reason_code"] = f"{packet.reason_code:#04x}"
        case _:
            facts["bytes"] = view.data.hex(" ")
    if "packet-id" not in ignored and view.packet_id is not None:
        facts["packet_id"] = str(view.packet_id)
    if "properties" not in ignored:
        facts.update(_of_properties(packet))
    return facts


def _of_connect(packet: Connect, ignored: frozenset[str], rewriter: Rewriter) -> Mapping[str, str]:
    facts = {"version": packet.version.label, "clean_start": str(packet.clean_start)}
    if "client-id" not in ignored:
        facts["client_id"] = rewriter.name(packet.client_id)
        facts["username"] = rewriter.name(packet.username or "")
    if "keep-alive" not in ignored:
        facts["keep_alive"] = str(packet.keep_alive)
    if packet.will is not None:
        will = packet.will
        facts["will"] = f"{rewriter.topic(will.topic)} QoS {will.qos} {preview(will.payload)}"
    return facts


def _of_publish(
    view: PacketView, packet: Publish, ignored: frozenset[str], rewriter: Rewriter
) -> Mapping[str, str]:
    facts = {
        "topic": rewriter.topic(view.topic or ""),
        "qos": str(packet.qos),
        "retain": str(packet.retain),
    }
    message = view.message
    if message is None:
        if "values" not in ignored:
            facts["payload"] = f"{len(packet.payload)} bytes: {packet.payload.hex(' ')}"
        return facts
    for name, value in msgspec.to_builtins(message).items():
        facts[name] = str(value)
    if "values" in ignored:
        for name in set(facts) - {"topic", "qos", "retain", "flight", "seq"}:
            facts.pop(name)
    for name in (*(_TIMES if "time" in ignored else ()), *({"flight"} & ignored)):
        facts.pop(name, None)
    return facts


def _of_properties(packet: Packet | None) -> Mapping[str, str]:
    properties: Properties | None = getattr(packet, "properties", None)
    if properties is None:
        return {}
    values = msgspec.structs.asdict(properties)
    for name in ("order", "topic_alias"):
        values.pop(name)
    return {name: str(value) for name, value in values.items() if value not in (None, ())}


def _options(options: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in options.items())
