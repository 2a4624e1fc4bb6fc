"""One line for each packet, for people: what it says, not how it is written."""

from __future__ import annotations

import functools

from overflight_contract import messages
from overflight_contract.errors import ContractError
from overflight_contract.messages import Fix, Message, Navigation, Position, Receipt
from overflight_contract.mqtt import packets as p
from overflight_contract.mqtt.reasons import RETURN_CODES, reason_name
from overflight_contract.mqtt.vocabulary import Version
from overflight_contract.topics import Topic, parse_topic

_PREVIEW = 40


@functools.lru_cache(maxsize=4096)
def known_topic(topic: str) -> Topic | None:
    """Take a topic of the contract apart; `None` for any other."""
    try:
        return parse_topic(topic)
    except ContractError:
        return None


def message_of(topic: str | None, payload: bytes) -> Message | str | None:
    """Decode the payload of a PUBLISH by its topic.

    Returns the message; or, on a topic of the contract, what does not fit, as text; or `None` on
    any other topic.
    """
    known = known_topic(topic or "")
    if known is None:
        return None
    try:
        return messages.decode(known.kind, payload)
    except ContractError as error:
        return error.detail


def summarise_message(message: Message) -> str:
    """Put a message of the contract into one line."""
    match message:
        case Position():
            return _position(message)
        case Navigation():
            return _navigation(message)
        case Receipt():
            return f"through {message.through} of {message.flight}"


def _position(position: Position) -> str:
    if position.lat_deg is None or position.lon_deg is None:
        where = "no fix"
    else:
        where = f"{position.lat_deg:.5f} {position.lon_deg:.5f}"
        if position.alt_msl_m is not None:
            where += f" {position.alt_msl_m:.0f} m"
        where += f" {position.fix}"
    sats = "" if position.sats is None else f" {position.sats} sats"
    late = "" if position.fix is not Fix.TWO_D else " (no altitude)"
    return where + sats + (late if position.alt_msl_m is None else "")


def _navigation(navigation: Navigation) -> str:
    parts: list[str] = [str(navigation.phase)]
    if navigation.track_deg is not None:
        parts.append(f"{navigation.track_deg:.0f}°")
    if navigation.speed_mps is not None:
        parts.append(f"{navigation.speed_mps:.1f} m/s")
    if navigation.climb_mps is not None:
        parts.append(f"{navigation.climb_mps:+.1f} m/s")
    if navigation.waypoint is not None:
        waypoint = navigation.waypoint
        parts.append(f"waypoint {waypoint.number} in {waypoint.distance_m / 1000:.1f} km")
    return " ".join(parts)


def preview(data: bytes) -> str:
    """Show the start of bytes that nobody knows: as text where it is text, else in hex."""
    if not data:
        return "empty"
    start = data[:_PREVIEW]
    more = "…" if len(data) > _PREVIEW else ""
    if all(32 <= byte < 127 for byte in start):
        return f"{start.decode('ascii')}{more}"
    return f"{start[:16].hex(' ')}{'…' if len(data) > 16 else ''}"


def summarise_packet(packet: p.Packet, version: Version | None) -> str:
    """Put any packet but PUBLISH into one line."""
    match packet:
        case p.Connect():
            return _connect(packet)
        case p.ConnAck():
            session = ", session present" if packet.session_present else ""
            return _code(packet.reason_code, packet, version) + session + _properties(packet)
        case p.Subscribe():
            wanted = (f"{each.topic_filter} QoS {each.qos}" for each in packet.subscriptions)
            return ", ".join(wanted)
        case p.SubAck():
            return ", ".join(_granted(code, version) for code in packet.reason_codes)
        case p.Unsubscribe():
            return ", ".join(packet.topic_filters)
        case p.UnsubAck():
            return ", ".join(reason_name(code) for code in packet.reason_codes)
        case p.PubAck() | p.PubRec() | p.PubRel() | p.PubComp():
            reason = reason_name(packet.reason_code) if packet.reason_code else ""
            return reason + _properties(packet)
        case p.Disconnect() | p.Auth():
            if version is not Version.V5:
                return ""
            return reason_name(packet.reason_code, packet.type) + _properties(packet)
        case _:
            return ""


def _connect(packet: p.Connect) -> str:
    parts = [f"MQTT {packet.version.label}", f"client {packet.client_id or '(none given)'}"]
    parts.append(f"keep-alive {packet.keep_alive} s")
    parts.append("clean start" if packet.clean_start else "session kept")
    if packet.username is not None:
        parts.append(f"user {packet.username}")
    if packet.password is not None:
        parts.append("password")
    if packet.will is not None:
        parts.append(f"will to {packet.will.topic}, {len(packet.will.payload)} bytes")
    return ", ".join(parts) + _properties(packet)


def _properties(packet: p.Connect | p.ConnAck | p.Acknowledgement | p.Disconnect | p.Auth) -> str:
    properties = packet.properties
    if properties is None:
        return ""
    found = f": {properties.reason_string}" if properties.reason_string else ""
    if properties.user_property:
        found += f", {len(properties.user_property)} user properties"
    return found


def _code(code: int, packet: p.ConnAck, version: Version | None) -> str:
    if version is Version.V5 and packet.properties is not None:
        return reason_name(code)
    return RETURN_CODES.get(code, f"{code:#04x}")


def _granted(code: int, version: Version | None) -> str:
    if code <= 2:
        return f"granted QoS {code}"
    return reason_name(code) if version is Version.V5 else "refused"
