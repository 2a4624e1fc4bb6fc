"""Leaks within the contract: values, numbers and times that it accepts, chosen to say something."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterator, Sequence

import msgspec

from overflight.leaks.attempt import Attempt, bits_of, chunks, leak
from overflight.leaks.scene import steered
from overflight_contract import messages as m


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
    """Change positions, and what follows from them: else the navigation would give it away."""
    wanted = iter(values)
    for index, message in enumerate(a.messages):
        if isinstance(message, m.Position) and message.lat_deg and message.lon_deg:
            lat = _low(message.lat_deg, next(wanted), "lat_deg")
            lon = _low(message.lon_deg, next(wanted), "lon_deg")
            position = msgspec.structs.replace(message, lat_deg=lat, lon_deg=lon)
            waypoint, cross_track_m = steered(position)
            a.messages[index] = position
            a.messages[index + 1] = msgspec.structs.replace(
                a.messages[index + 1], waypoint=waypoint, cross_track_m=cross_track_m
            )


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
    for index, message, byte in _navigation(a):
        point = message.waypoint
        assert point is not None
        distance = point.distance_m // 256 * 256 + byte
        point = msgspec.structs.replace(point, distance_m=distance)
        a.messages[index] = msgspec.structs.replace(message, waypoint=point)
        a.carried += 1


@leak("distance within its tolerance")
def waypoint_nibbles(a: Attempt) -> None:
    """Four bits in the distance to the waypoint: no further off than rounding might be."""
    for index, message, byte in _navigation(a):
        point = message.waypoint
        assert point is not None
        point = msgspec.structs.replace(point, distance_m=point.distance_m + byte % 16 - 8)
        a.messages[index] = msgspec.structs.replace(message, waypoint=point)
        a.carried += 1
    a.carried //= 2


@leak("waypoints made up")
def waypoints(a: Attempt) -> None:
    """Five bytes a message as another waypoint: its number, distance and bearing."""
    values = iter(a.picture)
    for index, message, byte in _navigation(a):
        distance = next(values) << 16 | next(values) << 8 | next(values)
        point = m.Waypoint(number=byte, distance_m=distance, bearing_deg=float(next(values)))
        a.messages[index] = msgspec.structs.replace(message, waypoint=point)
        a.carried += 5


@leak("track, speed and climb")
def motion(a: Attempt) -> None:
    """Three bytes a message as how the balloon moves."""
    values = iter(a.picture)
    for index, message, byte in _navigation(a):
        a.messages[index] = msgspec.structs.replace(
            message, track_deg=byte / 10, speed_mps=next(values) / 10, climb_mps=next(values) / 10
        )
        a.carried += 3


def _navigation(a: Attempt) -> Iterator[tuple[int, m.Navigation, int]]:
    """Yield each navigation message with its place and the picture's next byte."""
    values = iter(a.picture)
    for index, message in enumerate(a.messages):
        if isinstance(message, m.Navigation):
            yield index, message, next(values)


@leak("altitudes")
def altitudes(a: Attempt) -> None:
    """Two bytes a position: metres above the sea, and how far the ellipsoid lies below."""
    values = iter(a.picture)
    for index, message in enumerate(a.messages):
        if isinstance(message, m.Position):
            above = 18_000 + next(values)
            a.messages[index] = msgspec.structs.replace(
                message, alt_msl_m=float(above), alt_hae_m=float(above + next(values) - 128)
            )
            a.carried += 2


@leak("values left out")
def missing(a: Attempt) -> None:
    """Three bits a message: each of its measured values is there, or is not."""
    bits = bits_of(a.picture)
    for index, message in enumerate(a.messages):
        names = (
            ("alt_msl_m", "alt_hae_m", "hdop")
            if isinstance(message, m.Position)
            else ("track_deg", "speed_mps", "climb_mps")
        )
        gone = {name: None for name in names if next(bits)}
        a.messages[index] = msgspec.structs.replace(message, **gone)
        a.carried += 3
    a.carried //= 8


@leak("names of flights")
def flights(a: Attempt) -> None:
    """Seven bytes a message as the name of a new flight, of which it is the first message."""
    for index, (message, piece) in enumerate(zip(a.messages, chunks(a.picture, 7), strict=False)):
        digits = f"{int.from_bytes(piece[:5], 'big'):014}"
        name = f"{digits[:8]}T{digits[8:]}Z-{piece[5:].hex()}"
        a.messages[index] = msgspec.structs.replace(message, flight=name, seq=1, held_from=1)
        a.carried += len(piece)


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
    for message, bit in zip(a.messages, bits_of(a.picture), strict=False):
        if bit:
            a.again.append(message.seq)
        a.carried += 1
    a.carried //= 8


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
