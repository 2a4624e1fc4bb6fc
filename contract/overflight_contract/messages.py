"""The messages that may cross, and their one canonical encoding.

JSON, ASCII, keys in the order of the fields, no spaces, numbers in shortest form. A payload of a
message is valid only if decoding and encoding it again gives the same bytes: a JSON decoder
forgives spaces, doubled keys and odd spellings of numbers, and each is room to hide data in. For
the same reason numbers are quantised (`QUANTA`), times are whole milliseconds, negative zero is
refused, and unknown keys are refused. `None` (``null``) says that a value is missing.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Callable
from typing import Annotated, Final, TypeVar

import msgspec
from msgspec import Meta

from overflight_contract.errors import ContractError
from overflight_contract.identity import FLIGHT_PATTERN
from overflight_contract.times import to_ns
from overflight_contract.topics import Kind

MAX_PAYLOAD_BYTES: Final = 512
"""No valid message is longer than this; the longest possible one is about 330 bytes."""

MAX_SEQ: Final = 2**53 - 1
EARLIEST: Final = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
TOO_LATE: Final = dt.datetime(2200, 1, 1, tzinfo=dt.UTC)
"""Times between, in nanoseconds since 1970, fit into 64 bits everywhere."""

Flight = Annotated[str, Meta(pattern=FLIGHT_PATTERN, description="flight id, new per outbox")]
Seq = Annotated[
    int, Meta(ge=1, le=MAX_SEQ, description="counts per payload and flight over both kinds")
]
HeldFrom = Annotated[
    int, Meta(ge=1, le=MAX_SEQ, description="lowest seq that the payload can still deliver")
]
Time = Annotated[
    dt.datetime, Meta(tz=True, description="UTC, whole milliseconds, from the receiver")
]
Angle = Annotated[float, Meta(ge=0, lt=360, description="degrees from true north, step 0.1")]


class Fix(enum.StrEnum):
    """What the receiver says of its fix."""

    NONE = "none"
    TWO_D = "2d"
    THREE_D = "3d"


class Phase(enum.StrEnum):
    """Phase of the flight."""

    PRELAUNCH = "prelaunch"
    ASCENT = "ascent"
    FLOAT = "float"
    DESCENT = "descent"
    LANDED = "landed"


class Position(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the payload was, as its GNSS receiver said."""

    flight: Flight
    seq: Seq
    held_from: HeldFrom
    measured_at: Time
    lat_deg: Annotated[float, Meta(ge=-90, le=90, description="WGS-84, step 1e-5")] | None
    lon_deg: Annotated[float, Meta(ge=-180, lt=180, description="WGS-84, step 1e-5")] | None
    alt_msl_m: (
        Annotated[float, Meta(ge=-1000, le=60000, description="above mean sea level, step 0.1")]
        | None
    )
    alt_hae_m: (
        Annotated[float, Meta(ge=-1000, le=60000, description="above the ellipsoid, step 0.1")]
        | None
    )
    fix: Fix
    sats: Annotated[int, Meta(ge=0, le=99, description="satellites used")] | None
    hdop: Annotated[float, Meta(ge=0, le=99.9, description="step 0.1")] | None


class Waypoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The next waypoint: its number in the flight plan, never a name."""

    number: Annotated[int, Meta(ge=0, le=999)]
    distance_m: Annotated[int, Meta(ge=0, le=20_100_000, description="along the geodesic")]
    bearing_deg: Angle


class Navigation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the payload moved, and what it steers for."""

    flight: Flight
    seq: Seq
    held_from: HeldFrom
    measured_at: Time
    track_deg: Angle | None
    speed_mps: Annotated[float, Meta(ge=0, le=500, description="over ground, step 0.1")] | None
    climb_mps: Annotated[float, Meta(ge=-300, le=300, description="upward, step 0.1")] | None
    phase: Phase
    waypoint: Waypoint | None
    cross_track_m: (
        Annotated[
            int,
            Meta(ge=-20_100_000, le=20_100_000, description="right of the leg is positive"),
        ]
        | None
    )


class Receipt(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The ground's watermark: every seq through `through` is committed, in quarantine or given up.

    A `through` of 0 says that nothing is yet.
    """

    flight: Flight
    through: Annotated[int, Meta(ge=0, le=MAX_SEQ)]


Message = Position | Navigation | Receipt
Telemetry = Position | Navigation

QUANTA: Final[dict[str, int]] = {
    "lat_deg": 5,
    "lon_deg": 5,
    "alt_msl_m": 1,
    "alt_hae_m": 1,
    "hdop": 1,
    "track_deg": 1,
    "speed_mps": 1,
    "climb_mps": 1,
    "bearing_deg": 1,
}
"""Decimal places that a field may have at the most."""

_M = TypeVar("_M", Position, Navigation, Receipt)

_encoder = msgspec.json.Encoder()
_position = msgspec.json.Decoder(Position)
_navigation = msgspec.json.Decoder(Navigation)
_receipt = msgspec.json.Decoder(Receipt)


def encode(message: Message) -> bytes:
    """Return the canonical bytes of `message`.

    The message is checked as a received one would be; `ContractError` says what does not fit.
    """
    payload = _encoder.encode(message)
    _DECODE[kind_of(message)](payload)
    return payload


def kind_of(message: Message) -> Kind:
    """Return the kind of `message`."""
    if isinstance(message, Position):
        return Kind.POSITION
    return Kind.NAVIGATION if isinstance(message, Navigation) else Kind.RECEIPT


def decode(kind: Kind, payload: bytes) -> Message:
    """Decode the payload of a message of `kind`.

    Raises `ContractError`: ``size``, ``schema`` (keys, types, ranges), ``canonical`` (other bytes
    than ours would be), ``range`` (finer than the quanta, inconsistent fields).
    """
    return _DECODE[kind](payload)


def decode_position(payload: bytes) -> Position:
    """Decode a position; errors as in `decode`."""
    message = _typed(_position, payload)
    _check_time(message.measured_at)
    lat, lon = message.lat_deg, message.lon_deg
    if (lat is None) != (lon is None) or (lat is None) != (message.fix is Fix.NONE):
        raise ContractError("range", "latitude and longitude go together with a fix")
    if lat is not None and lon is not None and (round(lat, 5) != lat or round(lon, 5) != lon):
        raise ContractError("range", "a position is finer than 1e-5 degrees")
    _check_tenths("alt_msl_m", message.alt_msl_m)
    _check_tenths("alt_hae_m", message.alt_hae_m)
    _check_tenths("hdop", message.hdop)
    _check_held(message.held_from, message.seq)
    return message


def decode_navigation(payload: bytes) -> Navigation:
    """Decode a navigation message; errors as in `decode`."""
    message = _typed(_navigation, payload)
    _check_time(message.measured_at)
    _check_tenths("track_deg", message.track_deg)
    _check_tenths("speed_mps", message.speed_mps)
    _check_tenths("climb_mps", message.climb_mps)
    if message.waypoint is not None:
        _check_tenths("bearing_deg", message.waypoint.bearing_deg)
    _check_held(message.held_from, message.seq)
    return message


def decode_receipt(payload: bytes) -> Receipt:
    """Decode a receipt; errors as in `decode`."""
    return _typed(_receipt, payload)


_DECODE: Final[dict[Kind, Callable[[bytes], Message]]] = {
    Kind.POSITION: decode_position,
    Kind.NAVIGATION: decode_navigation,
    Kind.RECEIPT: decode_receipt,
}


def quantise(value: float | None, field: str) -> float | None:
    """Round `value` to the decimals that `field` may have; NaN and infinity become `None`."""
    if value is None or not math.isfinite(value):
        return None
    return round(value, QUANTA[field]) + 0.0


def quantise_angle(value: float | None, field: str = "track_deg") -> float | None:
    """Round an angle into [0, 360)."""
    rounded = quantise(value, field)
    return None if rounded is None else quantise(rounded % 360.0, field)


def quantise_longitude(value: float) -> float:
    """Round a longitude in degrees into [-180, 180)."""
    rounded = round((value + 180.0) % 360.0 - 180.0, QUANTA["lon_deg"]) + 0.0
    return -180.0 if rounded >= 180.0 else rounded


def can_tell_time(time_ns: int) -> bool:
    """Tell whether a message may have been measured at `time_ns` (nanoseconds since 1970)."""
    return to_ns(EARLIEST) <= time_ns < to_ns(TOO_LATE)


def whole_milliseconds(moment: dt.datetime) -> dt.datetime:
    """Round an aware time down to whole milliseconds, in UTC."""
    utc = moment.astimezone(dt.UTC)
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


def _typed(decoder: msgspec.json.Decoder[_M], payload: bytes) -> _M:
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise ContractError(
            "size", f"{len(payload)} bytes; no message has over {MAX_PAYLOAD_BYTES}"
        )
    try:
        message = decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ContractError("schema", f"does not fit the schema: {error}") from error
    if _encoder.encode(message) != payload:
        raise ContractError("canonical", "is not spelt as its own encoding would be")
    if b"-0.0" in payload and (b":-0.0," in payload or b":-0.0}" in payload):
        raise ContractError("canonical", "has a negative zero")
    return message


def _check_time(moment: dt.datetime) -> None:
    if moment.microsecond % 1000 or moment.utcoffset() != dt.timedelta(0):
        raise ContractError("range", "measured_at is not in UTC and whole milliseconds")
    if not EARLIEST <= moment < TOO_LATE:
        raise ContractError("range", "measured_at is not from 1900 to 2199")


def _check_tenths(field: str, value: float | None) -> None:
    if value is not None and round(value, 1) != value:
        raise ContractError("range", f"{field} is finer than 0.1")


def _check_held(held_from: int, seq: int) -> None:
    if held_from > seq:
        raise ContractError("range", f"held_from {held_from} is beyond seq {seq}")
