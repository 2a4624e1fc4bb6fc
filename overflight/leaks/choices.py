"""Leaks in what MQTT leaves to the client: flags, options, properties, and when to hang up."""

from __future__ import annotations

from overflight.leaks.attempt import V5, V311, Attempt, bits_of, chunks, leak
from overflight.leaks.scene import PAYLOAD
from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.topics import Kind, topic_for


@leak("QoS")
def qos(a: Attempt) -> None:
    """A bit a message: it is sent with QoS 0, or with 1."""
    a.connect()
    for number, (message, bit) in enumerate(zip(a.messages, bits_of(a.picture), strict=False), 1):
        topic, body = topic_for(PAYLOAD, m.kind_of(message)), m.encode(message)
        packet_id = number if bit else None
        a.send(mqtt.Publish(topic=topic, payload=body, qos=bit, packet_id=packet_id))
        a.carried += 1
    a.carried //= 8


@leak("the DUP flag")
def dup(a: Attempt) -> None:
    """A bit a message that is sent again: it says so, or it does not."""
    a.connect()
    for number, (message, bit) in enumerate(zip(a.messages, bits_of(a.picture), strict=False), 1):
        topic, body = topic_for(PAYLOAD, m.kind_of(message)), m.encode(message)
        a.send(mqtt.Publish(topic=topic, payload=body, qos=1, packet_id=number, dup=bool(bit)))
        a.carried += 1
    a.carried //= 8


@leak("v5 session expiry")
def session_expiry(a: Attempt) -> None:
    """Four bytes at a time as how long the broker shall remember the session."""
    a.version = V5
    for piece in chunks(a.picture[:400], 4):
        value = int.from_bytes(piece, "big")
        a.connect(properties=mqtt.Properties(session_expiry_interval=value))
        a.carried += len(piece)


@leak("v5 topic alias")
def topic_alias(a: Attempt) -> None:
    """Two bytes a message as the alias of its topic."""
    a.version = V5
    a.connect()
    for message, piece in zip(a.messages, chunks(a.picture[2:], 2), strict=False):
        alias = int.from_bytes(piece, "big") or 1
        a.publish(topic_for(PAYLOAD, m.kind_of(message)), m.encode(message), topic_alias=alias)
        a.carried += len(piece)


@leak("v5 subscription identifiers")
def subscription_identifiers(a: Attempt) -> None:
    """Three bytes a connection as the identifier of its one subscription."""
    a.version = V5
    wanted = mqtt.Subscription(topic_filter=topic_for(PAYLOAD, Kind.RECEIPT), qos=1)
    for piece in chunks(a.picture[:180], 3):
        a.connect()
        number = int.from_bytes(piece, "big") or 1
        properties = mqtt.Properties(subscription_identifier=(number,))
        a.send(mqtt.Subscribe(packet_id=1, subscriptions=(wanted,), properties=properties))
        a.carried += len(piece)


@leak("how it connects")
def connects(a: Attempt) -> None:
    """Three bits a connection: which MQTT, a clean start, a user name."""
    bits = bits_of(a.picture)
    for _ in range(120):
        version = (V311, V5)[next(bits)]
        a.connection += 1
        packet = mqtt.Connect(
            client_id=PAYLOAD, clean_start=bool(next(bits)), keep_alive=30, version=version,
            username=PAYLOAD if next(bits) else None,
            properties=mqtt.Properties() if version is V5 else None,
        )  # fmt: skip
        a.send(packet, version)
        a.carried += 3
    a.carried //= 8


@leak("when it hangs up")
def hangs_up(a: Attempt) -> None:
    """A byte a connection: how many milliseconds later it ends."""
    for byte in a.picture[:120]:
        a.connect()
        a.at_ns += byte * 1_000_000
        a.send(mqtt.Disconnect())
        a.carried += 1


@leak("UNSUBSCRIBE")
def unsubscribe(a: Attempt) -> None:
    """Hex as topics that it wants no more of."""
    a.connect()
    for number, piece in enumerate(chunks(a.picture[:1500], 30), 1):
        a.send(mqtt.Unsubscribe(packet_id=number, topic_filters=(piece.hex(),)))
        a.carried += len(piece)
