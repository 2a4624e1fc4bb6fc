"""Sends leaks through a live relay, each on a connection of its own; says what became of them."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final, NamedTuple

from overflight_contract import mqtt
from overflight_contract.commandline import HostPort
from overflight_contract.errors import UnavailableError

KEEP_ALIVE_S: Final = 30
"""The payload's own, so that the connection looks like one of its."""
WAIT_S: Final = 3.0
_VERSION: Final = mqtt.Version.V311


class Sent(NamedTuple):
    """What became of one attempt."""

    what: str
    bytes: int
    outcome: str
    """``crossed`` (acknowledged), ``refused`` (the connection was closed), ``no answer``."""


def connect_packet(payload: str) -> bytes:
    """Return the CONNECT that the payload itself sends (MQTT 3.1.1)."""
    connect = mqtt.Connect(
        client_id=payload, clean_start=False, keep_alive=KEEP_ALIVE_S, version=_VERSION
    )
    return mqtt.encode(connect, _VERSION)


def publish_packet(topic: str, body: bytes, packet_id: int = 1) -> bytes:
    """Return a PUBLISH with QoS 1."""
    publish = mqtt.Publish(topic=topic, payload=body, qos=1, packet_id=packet_id)
    return mqtt.encode(publish, _VERSION)


def send(to: HostPort, payload: str, what: str, packets: Sequence[bytes]) -> Sent:
    """Connect as `payload`, send `packets`, wait for the answer to the last one."""
    size = sum(map(len, packets))
    try:
        with socket.create_connection((to.host, to.port), timeout=WAIT_S) as link:
            link.sendall(connect_packet(payload))
            if not _answer(link, mqtt.PacketType.CONNACK):
                return Sent(what, size, "refused")
            return Sent(what, size, _outcome(link, packets))
    except (ConnectionResetError, BrokenPipeError):
        return Sent(what, size, "refused")
    except TimeoutError:
        return Sent(what, size, "no answer")
    except OSError as error:
        raise UnavailableError(f"can't reach the relay at {to}: {error.strerror}") from error


def _outcome(link: socket.socket, packets: Sequence[bytes]) -> str:
    for packet in packets:
        link.sendall(packet)
    return "crossed" if _answer(link, mqtt.PacketType.PUBACK) else "refused"


def _answer(link: socket.socket, wanted: mqtt.PacketType) -> bool:
    """Wait for a packet of a type; False where the connection ends first."""
    framer = mqtt.Framer(max_packet=1 << 20)
    while data := link.recv(1 << 16):
        for packet in framer.feed(data):
            if isinstance(packet, bytes) and packet[0] >> 4 == wanted:
                return True
    return False
