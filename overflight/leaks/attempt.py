"""What a leak may do to a clean flight, and the gallery that leaks are entered into."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from overflight.leaks.scene import KEEP_ALIVE_S, PAYLOAD, START_NS, Up
from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.topics import Kind, topic_for

V311, V5 = mqtt.Version.V311, mqtt.Version.V5
POSITION: Final = topic_for(PAYLOAD, Kind.POSITION)
FIRST_CONNECTION: Final = 10
_AT_NS: Final = START_NS + 1_800_000_000_777
_STEP_NS: Final = 40_000_000


@dataclass(slots=True)
class Attempt:
    """A flight that leaks: what the leak may change, and how many bytes it got into it."""

    picture: bytes
    messages: list[m.Telemetry]
    version: mqtt.Version = V311
    extra: list[Up] = field(default_factory=list)
    delays_ns: dict[int, int] = field(default_factory=dict)
    """Extra delay of the message with this seq."""
    again: list[int] = field(default_factory=list)
    """Numbers of messages that are sent again."""
    carried: int = 0
    at_ns: int = _AT_NS
    connection: int = FIRST_CONNECTION

    def send(self, packet: mqtt.Packet | bytes, version: mqtt.Version | None = None) -> None:
        """Send a packet on the leak's connection."""
        data = packet if isinstance(packet, bytes) else mqtt.encode(packet, version or self.version)
        self.extra.append(Up(self.at_ns, self.connection, data))
        self.at_ns += _STEP_NS

    def connect(self, **fields: object) -> None:
        """Open a connection as the payload does, but for `fields`."""
        five = self.version is V5
        given: dict[str, object] = {
            "client_id": PAYLOAD,
            "clean_start": five,
            "keep_alive": KEEP_ALIVE_S,
            "version": self.version,
            "properties": mqtt.Properties(session_expiry_interval=86_400) if five else None,
        }
        self.connection += bool(self.extra)
        self.send(mqtt.Connect(**{**given, **fields}))  # type: ignore[arg-type]

    def publish(self, topic: str, body: bytes, *, packet_id: int = 0, **properties: object) -> None:
        """Publish a message with QoS 1 on the leak's connection."""
        made = mqtt.Properties(**properties) if self.version is V5 else None  # type: ignore[arg-type]
        number = packet_id or 1 + sum(up.connection == self.connection for up in self.extra)
        self.send(mqtt.Publish(topic=topic, payload=body, qos=1, packet_id=number, properties=made))


class Leak(NamedTuple):
    """One way out."""

    name: str
    what: str
    run: Callable[[Attempt], None]
    covers: str = ""
    """Why nothing here can see it, for those that cross unseen."""


GALLERY: Final[dict[str, Leak]] = {}


def leak(name: str, covers: str = "") -> Callable[[Callable[[Attempt], None]], Leak]:
    """Put a function into the gallery; its docstring says what it does."""

    def enter(function: Callable[[Attempt], None]) -> Leak:
        made = Leak(name, (function.__doc__ or "").strip(), function, covers)
        GALLERY[name] = made
        return made

    return enter


def chunks(data: bytes, size: int) -> Iterator[bytes]:
    """Cut data into pieces."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def bits_of(data: bytes) -> Iterator[int]:
    """Yield the bits of data, the highest first."""
    for byte in data:
        yield from (byte >> shift & 1 for shift in range(7, -1, -1))
