"""What a session is in MCAP: its channels, its schemas, where its message records stand.

A packet's message is serialised as ROS 1 would (``ros1msg``), an event as JSON, so that any MCAP
tool can take a session apart without knowing Overflight. The channel says direction and verdict,
so counts by verdict stand in the file's statistics and refused packets are found by index.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from overflight_contract.session import mcap
from overflight_contract.session.mcap import McapError, Op
from overflight_contract.session.model import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Event,
    Note,
    Verdict,
)

PROFILE: Final = "overflight"
FORMAT_VERSION: Final = 1
LIBRARY: Final = "overflight"
CLOSED_RECORD: Final = "overflight.closed"
"""Name of the metadata record with which a closed file's data end."""

PACKET_DEFINITION: Final = b"""\
uint32 connection  # number of the client's connection, from 1
uint8 part         # 0 whole packet, 1 first piece of a too large one, 2 middle, 3 last
bool masked        # the password in a CONNECT was replaced by as many asterisks
string reason      # why the policy fired; empty where it did not
uint8[] data       # the bytes as they crossed, MQTT fixed header included
"""

_OPENED, _CLOSED, _NOTE = 7, 8, 9
PACKET_CHANNELS: Final = range(1, 7)
CHANNELS: Final = tuple(range(1, 10))
SEQUENCE_MASK: Final = 0xFFFFFFFF

_TOPICS: Final = {
    1: "packets/up",
    2: "packets/down",
    3: "packets/up/marked",
    4: "packets/down/marked",
    5: "packets/up/refused",
    6: "packets/down/refused",
    _OPENED: "connections/opened",
    _CLOSED: "connections/closed",
    _NOTE: "notes",
}
_EVENTS: Final[dict[int, type[Event]]] = {
    _OPENED: ConnectionOpened,
    _CLOSED: ConnectionClosed,
    _NOTE: Note,
}
EVENT_CHANNEL: Final = {kind: number for number, kind in _EVENTS.items()}
EVENT_DECODERS: Final = {number: msgspec.json.Decoder(kind) for number, kind in _EVENTS.items()}
encode_event = msgspec.json.Encoder().encode

DIRECTION: Final = (Direction.UP, *(Direction.UP, Direction.DOWN) * 3)
VERDICT: Final = (Verdict.OK, *(v for v in Verdict for _ in Direction))

PACKET_CONTENT: Final = mcap.MESSAGE_HEADER.size + 14
"""Bytes of a packet's message record after its header, beside the packet itself."""
PACKET_OVERHEAD: Final = mcap.RECORD_HEADER.size + PACKET_CONTENT
_MESSAGE: Final = struct.Struct("<BQHIQQ")


SCHEMAS: Final = (
    mcap.Schema(1, "overflight/Packet", "ros1msg", PACKET_DEFINITION),
    *(
        mcap.Schema(
            number,
            f"overflight/{kind.__name__}",
            "jsonschema",
            encode_event(msgspec.json.schema(kind, ref_template="#/$defs/{name}")),
        )
        for number, kind in _EVENTS.items()
    ),
)


def preamble() -> bytes:
    """Return the schema and channel records, the same in every session file."""
    return b"".join([*map(mcap.schema, SCHEMAS), *map(mcap.channel, channels())])


def channels() -> list[mcap.Channel]:
    """List the channels of a session file."""
    found = []
    for number, topic in _TOPICS.items():
        packets = number in PACKET_CHANNELS
        schema, encoding = (1, "ros1") if packets else (number, "json")
        found.append(mcap.Channel(number, schema, topic, encoding, {}))
    return found


class Found(NamedTuple):
    """One message record among others."""

    offset: int
    size: int
    channel_id: int
    low_sequence: int
    log_time_ns: int


def walk(records: bytes) -> Iterator[Found]:
    """Yield where each message record stands; raise `McapError` at the first that is cut off."""
    position, end = 0, len(records)
    while position < end:
        if position + mcap.RECORD_HEADER.size > end:
            raise McapError(f"a record is cut off at byte {position} of its chunk")
        op, length = mcap.RECORD_HEADER.unpack_from(records, position)
        size = mcap.RECORD_HEADER.size + length
        if position + size > end:
            raise McapError(f"a record is cut off at byte {position} of its chunk")
        if op == Op.MESSAGE:
            if length < mcap.MESSAGE_HEADER.size:
                raise McapError(f"a message is too short at byte {position} of its chunk")
            _, _, channel_id, low, log_time, _ = _MESSAGE.unpack_from(records, position)
            yield Found(position, size, channel_id, low, log_time)
        position += size


def widen(low: int, base: int) -> int:
    """Return the full sequence number of which `low` are the low 32 bits, at or after `base`."""
    return base + ((low - base) & SEQUENCE_MASK)
