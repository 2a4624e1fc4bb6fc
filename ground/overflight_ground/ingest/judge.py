"""Judges one arrival by the contract: accepted with its decoded message, or rejected with a reason.

Pure. A rejected message still has an *identity* where its topic names a payload and its JSON has a
well-formed flight and seq; the watermark then counts the seq as handled, so that a payload does
not send a hopeless message for ever.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final, NamedTuple, TypeVar, cast

import msgspec

from overflight_contract.errors import ContractError
from overflight_contract.identity import is_flight, is_payload
from overflight_contract.messages import (
    MAX_SEQ,
    Telemetry,
    decode_navigation,
    decode_position,
    decode_receipt,
)
from overflight_contract.times import to_ns
from overflight_contract.topics import UPWARD, Kind, Topic, parse_topic
from overflight_ground.ingest.known import SHORT_WAYS


class Arrival(NamedTuple):
    """One PUBLISH as it came. `raw` may be cut short; `size` is what was sent."""

    topic: bytes
    raw: bytes
    qos: int
    retained: bool
    dup: bool
    received_at_ns: int
    packet_id: int | None = None
    size: int = -1


class Accepted(NamedTuple):
    """A message that fits the contract."""

    arrival: Arrival
    payload: str
    kind: Kind
    topic: str
    message: Telemetry
    measured_at_ns: int


class Rejected(NamedTuple):
    """A message for quarantine: why, and whose it claims to be."""

    arrival: Arrival
    topic: str
    reason: str
    detail: str
    payload: str | None = None
    flight: str | None = None
    seq: int | None = None


class _Identity(msgspec.Struct):
    flight: str
    seq: int


Made = TypeVar("Made", bound=tuple[object, ...])


def maker(kind: type[Made]) -> Callable[[tuple[object, ...]], Made]:
    """Return what makes a named tuple as its ``_make`` does, without a call of Python."""
    return cast("Callable[[tuple[object, ...]], Made]", partial(tuple.__new__, kind))


_identity: Final = msgspec.json.Decoder(_Identity)
_RETAINED_KEPT: Final = 4096
Judged = Accepted | Rejected | None


def judge_all(arrivals: Iterable[Arrival]) -> list[Judged]:
    """Judge each of `arrivals` as `judge` does, canonical messages the short way."""
    judged: list[Judged] = []
    for arrival in arrivals:
        topic, raw, _, _, _, _, _, size = arrival
        way = short_way(topic)
        if way is not None:
            payload, kind, text, fits, decode = way
            if fits(raw) is not None and size <= len(raw):
                message = decode(raw)
                if message.held_from <= message.seq:
                    at_ns = to_ns(message.measured_at)
                    judged.append(_accepted((arrival, payload, kind, text, message, at_ns)))
                    continue
        judged.append(judge(arrival))
    return judged


_accepted: Final = maker(Accepted)


class Way(NamedTuple):
    """What a topic says, and how its messages are judged quickly."""

    payload: str
    kind: Kind
    topic: str
    fits: Callable[[bytes], object]
    decode: Callable[[bytes], Telemetry]


@functools.lru_cache(maxsize=_RETAINED_KEPT)
def short_way(topic: bytes) -> Way | None:
    """Return the short way for `topic`; `None` where it is none of telemetry."""
    try:
        (payload, kind), text = _topic(topic)
    except ContractError:
        return None
    way = SHORT_WAYS.get(kind)
    return None if way is None else Way(payload, kind, text, *way)


def judge(arrival: Arrival) -> Accepted | Rejected | None:
    """Judge `arrival`; `None` for a valid receipt, which is the ground's own."""
    try:
        topic, text = _topic(arrival.topic)
    except ContractError as error:
        text = arrival.topic.decode("utf-8", "replace")
        return Rejected(arrival, text, error.reason, str(error), _payload_of(text))
    kind = topic.kind
    try:
        if 0 <= len(arrival.raw) < arrival.size:
            raise ContractError("size", f"{arrival.size} bytes; the first are kept")
        if kind is Kind.RECEIPT:
            decode_receipt(arrival.raw)
            return None
        position = kind is Kind.POSITION
        message = (decode_position if position else decode_navigation)(arrival.raw)
    except ContractError as error:
        flight, seq = _identify(arrival.raw) if kind in UPWARD else (None, None)
        return Rejected(arrival, text, error.reason, str(error), topic.payload, flight, seq)
    measured_at_ns = to_ns(message.measured_at)
    return Accepted(arrival, topic.payload, kind, text, message, measured_at_ns)


@functools.lru_cache(maxsize=_RETAINED_KEPT)
def _topic(topic: bytes) -> tuple[Topic, str]:
    try:
        text = topic.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ContractError("topic", f"topic {topic!r} is not UTF-8") from error
    return parse_topic(text), text


def _payload_of(topic: str) -> str | None:
    """Guess whose a stray topic is: the third level, where it can name a payload."""
    parts = topic.split("/")
    return parts[2] if len(parts) > 2 and is_payload(parts[2]) else None


def _identify(raw: bytes) -> tuple[str, int] | tuple[None, None]:
    try:
        claimed = _identity.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None, None
    if is_flight(claimed.flight) and 1 <= claimed.seq <= MAX_SEQ:
        return claimed.flight, claimed.seq
    return None, None
