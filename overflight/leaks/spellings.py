"""Leaks in other spellings: of the picture, so that it is not known again, and of messages."""

from __future__ import annotations

import base64
import codecs
import json
import random

from overflight.leaks.attempt import POSITION, V311, Attempt, bits_of, chunks, leak
from overflight.leaks.beside_contract import shaped
from overflight.leaks.scene import PAYLOAD
from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.topics import Kind, topic_for

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@leak("base64 in ROT13, in UTF-16")
def wide(a: Attempt) -> None:
    """Base64 with its letters turned by thirteen, two bytes a character."""
    text = codecs.encode(base64.b64encode(a.picture).decode(), "rot13")
    a.connect()
    a.publish(POSITION, text.encode("utf-16"))
    a.carried = len(a.picture)


@leak("base58")
def base58(a: Attempt) -> None:
    """The picture as one number, in base 58."""
    number, text = int.from_bytes(a.picture, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    a.connect()
    a.publish(POSITION, shaped(note=text))
    a.carried = len(a.picture)


@leak("a key of two bytes")
def two_keys(a: Attempt) -> None:
    """The picture XORed with 0xA5 and 0x37 by turns."""
    a.connect()
    a.publish(POSITION, bytes(b ^ (0xA5, 0x37)[n % 2] for n, b in enumerate(a.picture)))
    a.carried = len(a.picture)


@leak("last piece first")
def last_first(a: Attempt) -> None:
    """Nine bytes a message, from the picture's end to its beginning."""
    a.connect()
    for piece in reversed(list(chunks(a.picture, 9))):
        a.publish(POSITION, piece)
    a.carried = len(a.picture)


@leak("over two clients by turns")
def by_turns(a: Attempt) -> None:
    """Twelve bytes here, twelve bytes there: two payloads, two connections."""
    names = (PAYLOAD, "HAB-02")
    for turn, piece in enumerate(chunks(a.picture, 12)):
        a.connection = 10 + turn % 2
        name = names[turn % 2]
        if turn < 2:
            a.send(mqtt.Connect(client_id=name, clean_start=False, keep_alive=30, version=V311))
        a.publish(topic_for(name, Kind.POSITION), piece)
    a.carried = len(a.picture)


@leak("order of JSON keys")
def key_order(a: Attempt) -> None:
    """A byte a message: which of its keys comes after which."""
    a.connect()
    for message, byte in zip(a.messages, a.picture, strict=False):
        values = list(json.loads(m.encode(message)).items())
        random.Random(byte).shuffle(values)
        body = json.dumps(dict(values), separators=(",", ":")).encode()
        a.publish(topic_for(PAYLOAD, m.kind_of(message)), body)
        a.carried += 1


@leak("spellings of JSON")
def json_spellings(a: Attempt) -> None:
    """Two bits a message: an exponent, an escape, or not."""
    a.connect()
    bits = bits_of(a.picture)
    for message in a.messages:
        body = m.encode(message)
        if next(bits):
            body = body.replace(b'"seq":%d' % message.seq, b'"seq":%de0' % message.seq)
        if next(bits):
            body = body.replace(b'"flight":"2', b'"flight":"\\u0032')
        a.publish(topic_for(PAYLOAD, m.kind_of(message)), body)
        a.carried += 2
    a.carried //= 8


@leak("lengths spelt longer")
def padded(a: Attempt) -> None:
    """A bit a ping: its length takes one byte, or two."""
    a.connect()
    for bit in bits_of(a.picture[:8]):
        a.at_ns += 30 * 10**9
        a.send(b"\xc0\x80\x00" if bit else b"\xc0\x00")
    a.carried = 8


@leak("bytes after the CONNECT")
def trailing(a: Attempt) -> None:
    """Ninety bytes within each CONNECT, behind all that it says."""
    honest = mqtt.encode(
        mqtt.Connect(client_id=PAYLOAD, clean_start=False, keep_alive=30, version=V311), V311
    )
    for piece in chunks(a.picture, 90):
        a.connection += 1
        a.send(honest[:1] + bytes([len(honest) - 2 + len(piece)]) + honest[2:] + piece)
    a.carried = len(a.picture)


@leak("bytes after the DISCONNECT")
def afterwards(a: Attempt) -> None:
    """A message when the connection is over already."""
    a.connect()
    a.send(mqtt.Disconnect())
    a.publish(POSITION, a.picture, packet_id=1)
    a.carried = len(a.picture)


@leak("not MQTT at all")
def no_mqtt(a: Attempt) -> None:
    """A request of HTTP with the picture in its path."""
    path = base64.urlsafe_b64encode(a.picture)
    a.send(b"GET /" + path + b" HTTP/1.1\r\nUpgrade: websocket\r\n\r\n")
    a.carried = len(a.picture)
