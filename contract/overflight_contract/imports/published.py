"""Makes MQTT packets of messages that were recorded without them."""

from __future__ import annotations

from overflight_contract import mqtt
from overflight_contract.session import ConnectionOpened, Direction, Item, SessionPacket, Verdict


class Publisher:
    """Stands for the client that would have published the messages, in MQTT 3.1.1."""

    def __init__(self, client_id: str) -> None:
        """Name the client."""
        self._client_id = client_id
        self._packet_id = 0

    def begin(self, at_ns: int) -> list[Item]:
        """Return how its connection begins."""
        connect = mqtt.Connect(client_id=self._client_id, clean_start=True, keep_alive=60,
                               version=mqtt.Version.V311)  # fmt: skip
        return [
            ConnectionOpened(1, at_ns, "", "", "imported"),
            self._packet(at_ns, connect),
        ]

    def publish(
        self, at_ns: int, topic: str, payload: bytes, *, qos: int = 0, retain: bool = False
    ) -> SessionPacket:
        """Return the packet that carries a message."""
        packet_id = None
        if qos:
            self._packet_id = packet_id = self._packet_id % 65_535 + 1
        return self._packet(
            at_ns,
            mqtt.Publish(topic=topic, payload=payload, qos=qos, retain=retain,
                         packet_id=packet_id),
        )  # fmt: skip

    @staticmethod
    def _packet(at_ns: int, packet: mqtt.Packet) -> SessionPacket:
        data = mqtt.encode(packet, mqtt.Version.V311)
        return SessionPacket(at_ns, 1, Direction.UP, Verdict.OK, "", data)
