"""The gallery: ways to get a picture, or some bits, out past a contract, as small functions.

Each takes a clean flight (`Attempt`) and changes it as a device would that leaks: packets of its
own, or other values in its messages, or other times. What is changed in messages is changed before
the device writes its record, so that record, traffic and store agree. Nothing here is a secret;
a new leak is one more function with `@leak`.
"""

from __future__ import annotations

import base64
import datetime as dt
import gzip
import random
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from overflight.leaks.scene import FLIGHT, KEEP_ALIVE_S, PAYLOAD, START_NS, Up
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


def _shaped(**extra: object) -> bytes:
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
    a.publish(POSITION, _shaped(note=base64.b64encode(a.picture).decode()))
    a.carried = len(a.picture)


@leak("chunked over positions")
def chunked(a: Attempt) -> None:
    """Nine bytes at a time as base64, in a key of many position messages."""
    a.connect()
    for piece in chunks(a.picture, 9):
        a.publish(POSITION, _shaped(note=base64.b64encode(piece).decode()))
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
        a.publish(POSITION, _shaped(note=piece.decode()))
    a.carried = len(a.picture)


@leak("deflate, then base85")
def deflated(a: Attempt) -> None:
    """The picture deflated without a header, as base85."""
    machine = zlib.compressobj(wbits=-15)
    body = machine.compress(a.picture) + machine.flush()
    a.connect()
    a.publish(POSITION, _shaped(note=base64.b85encode(body).decode()))
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
    import io

    from PIL import Image

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


@leak("low digits, text")
def low_digits_text(a: Attempt) -> None:
    """The last two digits of latitude and longitude carry letters of a text."""
    text = b"the quick brown fox jumps over the lazy dog and meets the courier at nine " * 20
    _digits(a, [letter % 100 for letter in text])
    a.carried = 2 * sum(isinstance(message, m.Position) for message in a.messages)


@leak("low digits, packed")
def low_digits_packed(a: Attempt) -> None:
    """The last two digits of latitude and longitude carry bytes that look like noise."""
    noise = gzip.compress(a.picture)[16:]
    _digits(a, [byte % 100 for byte in noise])
    a.carried = 2 * sum(isinstance(message, m.Position) for message in a.messages) * 6 // 8


def _digits(a: Attempt, values: Sequence[int]) -> None:
    wanted = iter(values)
    for index, message in enumerate(a.messages):
        if isinstance(message, m.Position) and message.lat_deg and message.lon_deg:
            lat = _low(message.lat_deg, next(wanted), "lat_deg")
            lon = _low(message.lon_deg, next(wanted), "lon_deg")
            a.messages[index] = msgspec.structs.replace(message, lat_deg=lat, lon_deg=lon)


def _low(value: float, digits: int, name: str) -> float | None:
    steps = round(value * 1e5)
    sign = -1 if steps < 0 else 1
    return m.quantise(sign * (abs(steps) // 100 * 100 + digits) / 1e5, name)


@leak("leaps of position")
def leaps(a: Attempt) -> None:
    """Whole bytes as latitude and longitude: the balloon is everywhere."""
    values = iter(a.picture)
    for index, message in enumerate(a.messages):
        if isinstance(message, m.Position):
            lat = m.quantise(next(values) / 256 * 170 - 85, "lat_deg")
            lon = m.quantise_longitude(next(values) / 256 * 360 - 180)
            a.messages[index] = msgspec.structs.replace(message, lat_deg=lat, lon_deg=lon)
            a.carried += 2


@leak("low digits of distance")
def waypoint_digits(a: Attempt) -> None:
    """A byte in the last digits of the distance to the waypoint."""
    values = iter(a.picture)
    for index, message in enumerate(a.messages):
        if isinstance(message, m.Navigation) and message.waypoint is not None:
            distance = message.waypoint.distance_m // 256 * 256 + next(values)
            point = msgspec.structs.replace(message.waypoint, distance_m=distance)
            a.messages[index] = msgspec.structs.replace(message, waypoint=point)
            a.carried += 1


@leak("satellites and hdop")
def satellites(a: Attempt) -> None:
    """A byte a position in the number of satellites and the dilution."""
    values = iter(a.picture)
    for index, message in enumerate(a.messages):
        if isinstance(message, m.Position):
            high, low = divmod(next(values), 16)
            hdop = m.quantise(0.7 + low / 10, "hdop")
            a.messages[index] = msgspec.structs.replace(message, sats=4 + high, hdop=hdop)
            a.carried += 1


@leak("milliseconds of measured_at")
def milliseconds(a: Attempt) -> None:
    """Nine bits a message in the milliseconds of its time."""
    values = iter(a.picture)
    for index, message in enumerate(a.messages):
        late = dt.timedelta(milliseconds=next(values) * 3)
        a.messages[index] = msgspec.structs.replace(message, measured_at=message.measured_at + late)
        a.carried += 1


@leak("seq gaps")
def seq_gaps(a: Attempt) -> None:
    """The payload leaves numbers out: how many says a nibble."""
    values = iter(a.picture)
    shift = 0
    for index, message in enumerate(a.messages):
        shift += next(values) % 16
        a.messages[index] = msgspec.structs.replace(message, seq=message.seq + shift)
        a.carried += 1
    a.carried //= 2


@leak("held_from")
def held_from(a: Attempt) -> None:
    """The payload claims to have given up more or fewer messages, as the bits say."""
    values = iter(a.picture)
    lowest = 1
    for index, message in enumerate(a.messages):
        room = message.seq - lowest
        lowest += next(values) % (room + 1) if room < 256 else next(values)
        a.messages[index] = msgspec.structs.replace(message, held_from=lowest)
    a.carried = len(a.messages) // 8


@leak("timing")
def timing(a: Attempt) -> None:
    """A byte a message: how many milliseconds late it is sent."""
    for message, byte in zip(a.messages, a.picture, strict=False):
        a.delays_ns[message.seq] = byte * 1_000_000
        a.carried += 1


@leak("order")
def order(a: Attempt) -> None:
    """A bit a pair: navigation comes before its position, or after it."""
    for message in a.messages:
        if message.seq % 2 and a.picture[message.seq // 16] >> message.seq // 2 % 8 & 1:
            a.delays_ns[message.seq] = 60_000_000
        a.carried += message.seq % 2
    a.carried //= 8


@leak("resends")
def resends(a: Attempt) -> None:
    """A bit a message: it is sent again, or it is not."""
    for message, bit in zip(a.messages, _bits(a.picture), strict=False):
        if bit:
            a.again.append(message.seq)
        a.carried += 1
    a.carried //= 8


def _bits(data: bytes) -> Iterator[int]:
    for byte in data:
        yield from (byte >> shift & 1 for shift in range(7, -1, -1))


@leak("microseconds", covers="times finer than a millisecond are not counted")
def microseconds(a: Attempt) -> None:
    """Eight bits a message in the time below a millisecond."""
    for message, byte in zip(a.messages, a.picture, strict=False):
        a.delays_ns[message.seq] = byte * 3_000
        a.carried += 1


@leak("another way out", covers="what does not pass the relay is in no session")
def elsewhere(a: Attempt) -> None:
    """A radio of its own, a memory card thrown overboard."""
    a.carried = len(a.picture)


def attempt_of(picture: bytes, messages: Sequence[m.Telemetry], name: str) -> Attempt:
    """Run the leak `name` over a clean flight."""
    made = Attempt(picture, list(messages))
    GALLERY[name].run(made)
    return made


__all__ = ["GALLERY", "Attempt", "Leak", "attempt_of"]
