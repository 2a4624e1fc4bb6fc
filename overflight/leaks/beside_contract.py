"""Leaks beside the contract: packets, fields and spellings that it does not have."""

from __future__ import annotations

import base64
import gzip
import io
import random
import zlib

import msgspec
from PIL import Image

from overflight.leaks.attempt import POSITION, V5, Attempt, chunks, leak
from overflight.leaks.scene import FLIGHT, PAYLOAD
from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.topics import topic_for


def shaped(**extra: object) -> bytes:
    """Return a message shaped as a position, with keys that the contract does not have."""
    return msgspec.json.encode({"flight": FLIGHT, "seq": 1, "lat_deg": 48.1, **extra})


@leak("raw")
def raw(a: Attempt) -> None:
    """The picture as it is, as the payload of a position."""
    a.connect()
    a.publish(POSITION, a.picture)
    a.carried = len(a.picture)


@leak("base64")
def in_base64(a: Attempt) -> None:
    """The picture as base64 in a key of a position message."""
    a.connect()
    a.publish(POSITION, shaped(note=base64.b64encode(a.picture).decode()))
    a.carried = len(a.picture)


@leak("chunked over positions")
def chunked(a: Attempt) -> None:
    """Nine bytes at a time as base64, in a key of many position messages."""
    a.connect()
    for piece in chunks(a.picture, 9):
        a.publish(POSITION, shaped(note=base64.b64encode(piece).decode()))
    a.carried = len(a.picture)


@leak("another topic")
def another_topic(a: Attempt) -> None:
    """The picture in a topic that the contract does not have."""
    a.connect()
    a.publish(f"overflight/1/{PAYLOAD}/image", a.picture)
    a.carried = len(a.picture)


@leak("gzip, then hex, chunked")
def packed(a: Attempt) -> None:
    """The picture gzipped, in hex, forty characters a message."""
    a.connect()
    for piece in chunks(gzip.compress(a.picture).hex().encode(), 40):
        a.publish(POSITION, shaped(note=piece.decode()))
    a.carried = len(a.picture)


@leak("deflate, then base85")
def deflated(a: Attempt) -> None:
    """The picture deflated without a header, as base85."""
    machine = zlib.compressobj(wbits=-15)
    body = machine.compress(a.picture) + machine.flush()
    a.connect()
    a.publish(POSITION, shaped(note=base64.b85encode(body).decode()))
    a.carried = len(a.picture)


@leak("encrypted")
def encrypted(a: Attempt) -> None:
    """The picture under a one-time pad."""
    pad = random.Random(1).randbytes(len(a.picture))
    a.connect()
    a.publish(POSITION, bytes(x ^ y for x, y in zip(a.picture, pad, strict=True)))
    a.carried = len(a.picture)


@leak("one key for all bytes")
def one_key(a: Attempt) -> None:
    """The picture with each byte XORed with 0x5A."""
    a.connect()
    a.publish(POSITION, bytes(byte ^ 0x5A for byte in a.picture))
    a.carried = len(a.picture)


@leak("backwards")
def backwards(a: Attempt) -> None:
    """The picture from its last byte to its first."""
    a.connect()
    a.publish(POSITION, a.picture[::-1])
    a.carried = len(a.picture)


@leak("thumbnail")
def thumbnail(a: Attempt) -> None:
    """A smaller version of the picture, as it is."""
    small = Image.open(io.BytesIO(a.picture)).resize((24, 24))
    out = io.BytesIO()
    small.save(out, "PNG")
    a.connect()
    a.publish(POSITION, out.getvalue())
    a.carried = len(out.getvalue())


@leak("v5 user properties")
def user_properties(a: Attempt) -> None:
    """Hex in the values of user properties of well-formed positions."""
    a.version = V5
    a.connect()
    for message, piece in zip(a.messages, chunks(a.picture, 30), strict=False):
        body = m.encode(message)
        a.publish(POSITION, body, user_property=(("q", piece.hex()),))
        a.carried += len(piece)


@leak("v5 correlation data")
def correlation(a: Attempt) -> None:
    """The picture's bytes as correlation data."""
    a.version = V5
    a.connect()
    for piece in chunks(a.picture[:2000], 100):
        a.publish(POSITION, m.encode(a.messages[0]), correlation_data=piece)
        a.carried += len(piece)


@leak("will")
def will(a: Attempt) -> None:
    """The picture as the message that the broker publishes when the connection ends."""
    a.connect(will=mqtt.Will(topic="x", payload=a.picture[:60_000], qos=1))
    a.carried = len(a.picture)


@leak("client id")
def client_id(a: Attempt) -> None:
    """Ten bytes at a time as base32, as the names of payloads that connect."""
    for piece in chunks(a.picture[:1000], 10):
        a.connect(client_id=base64.b32encode(piece).decode().rstrip("="))
        a.carried += len(piece)


@leak("password")
def password(a: Attempt) -> None:
    """The picture's bytes as passwords."""
    for piece in chunks(a.picture[:4000], 400):
        a.connect(username=PAYLOAD, password=piece)
        a.carried += len(piece)


@leak("user name")
def username(a: Attempt) -> None:
    """Base64 as user names."""
    for piece in chunks(a.picture[:1000], 60):
        a.connect(username=base64.b64encode(piece).decode())
        a.carried += len(piece)


@leak("keep alive")
def keep_alive(a: Attempt) -> None:
    """Two bytes at a time as the keep alive of new connections."""
    for piece in chunks(a.picture[:200], 2):
        a.connect(keep_alive=int.from_bytes(piece, "big"))
        a.carried += len(piece)


@leak("SUBSCRIBE filters")
def filters(a: Attempt) -> None:
    """Base64 as topic filters."""
    a.connect()
    for number, piece in enumerate(chunks(a.picture[:1500], 45), 1):
        wanted = mqtt.Subscription(topic_filter=base64.urlsafe_b64encode(piece).decode(), qos=0)
        properties = mqtt.Properties() if a.version is V5 else None
        a.send(mqtt.Subscribe(packet_id=number, subscriptions=(wanted,), properties=properties))
        a.carried += len(piece)


@leak("topic names")
def topics(a: Attempt) -> None:
    """Hex as a fifth level of the topic."""
    a.connect()
    for message, piece in zip(a.messages, chunks(a.picture, 20), strict=False):
        a.publish(f"{POSITION}/{piece.hex()}", m.encode(message))
        a.carried += len(piece)


@leak("spaces of JSON")
def spaces(a: Attempt) -> None:
    """A bit in each comma of real messages: a space after it, or none."""
    a.connect()
    stream = "".join(f"{byte:08b}" for byte in a.picture)
    bits = iter(stream)
    for message in a.messages:
        parts = m.encode(message).split(b",")
        body = parts[0] + b"".join(
            (b", " if next(bits, "0") == "1" else b",") + part for part in parts[1:]
        )
        a.carried += len(parts) - 1
        a.publish(topic_for(PAYLOAD, m.kind_of(message)), body)
    a.carried //= 8


@leak("doubled keys of JSON")
def doubled(a: Attempt) -> None:
    """Base64 in a key that comes again with its right value."""
    a.connect()
    for message, piece in zip(a.messages, chunks(a.picture, 33), strict=False):
        body = m.encode(message)
        text = base64.b64encode(piece)
        a.publish(topic_for(PAYLOAD, m.kind_of(message)), b'{"flight":"' + text + b'",' + body[1:])
        a.carried += len(piece)


@leak("characters")
def characters(a: Attempt) -> None:
    """Each byte as the character of that number, in UTF-8, in a user property."""
    a.version = V5
    a.connect()
    for message, piece in zip(a.messages, chunks(a.picture, 100), strict=False):
        text = "".join(chr(0x100 + byte) for byte in piece)
        a.publish(POSITION, m.encode(message), user_property=(("q", text),))
        a.carried += len(piece)


@leak("packet ids")
def packet_ids(a: Attempt) -> None:
    """Two bytes at a time as the packet ids of messages sent again."""
    a.connect()
    for message, piece in zip(a.messages, chunks(a.picture[2:], 2), strict=False):
        number = int.from_bytes(piece, "big") or 1
        a.publish(topic_for(PAYLOAD, m.kind_of(message)), m.encode(message), packet_id=number)
        a.carried += len(piece)


@leak("acknowledgements")
def acknowledgements(a: Attempt) -> None:
    """Two bytes at a time as PUBACKs for messages that were never sent."""
    a.connect()
    for piece in chunks(a.picture[:400], 2):
        a.send(mqtt.PubAck(packet_id=int.from_bytes(piece, "big") or 1))
        a.carried += len(piece)


@leak("DISCONNECT reason")
def disconnect(a: Attempt) -> None:
    """Base64 as the reason string of DISCONNECT."""
    a.version = V5
    for piece in chunks(a.picture[:1000], 100):
        a.connect()
        text = base64.b64encode(piece).decode()
        a.send(mqtt.Disconnect(reason_code=0, properties=mqtt.Properties(reason_string=text)))
        a.carried += len(piece)


@leak("AUTH")
def auth(a: Attempt) -> None:
    """The picture's bytes as authentication data."""
    a.version = V5
    a.connect()
    made = mqtt.Properties(authentication_method="q", authentication_data=a.picture[:4000])
    a.send(mqtt.Auth(reason_code=0x18, properties=made))
    a.carried = 4000


@leak("pings")
def pings(a: Attempt) -> None:
    """A bit a ping: one comes at once, or after a pause."""
    a.connect()
    for byte in a.picture[:64]:
        for bit in f"{byte:08b}":
            a.at_ns += 30_000_000 * int(bit)
            a.send(mqtt.PingReq())
        a.carried += 1
