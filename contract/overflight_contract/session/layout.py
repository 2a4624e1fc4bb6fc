"""How items become MCAP messages: channels, schemas, packing and unpacking.

A packet's message is serialised as ROS 1 would (``ros1msg``), an event as JSON, so that any MCAP
tool can take a session apart without knowing Overflight. The channel says direction and verdict,
so counts by verdict stand in the file's statistics and refused packets are found by index.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, repeat
from operator import add
from typing import Any, Final, NamedTuple

import msgspec

from overflight_contract.session import mcap
from overflight_contract.session.mcap import McapError, Op
from overflight_contract.session.model import (
    MASKED,
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Event,
    Item,
    Note,
    SessionPacket,
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
_EVENT_CHANNEL: Final = {kind: number for number, kind in _EVENTS.items()}
_DECODERS: Final = {number: msgspec.json.Decoder(kind) for number, kind in _EVENTS.items()}
_encode = msgspec.json.Encoder().encode

DIRECTION: Final = (Direction.UP, *(Direction.UP, Direction.DOWN) * 3)
VERDICT: Final = (Verdict.OK, *(v for v in Verdict for _ in Direction))

_HEAD: Final = struct.Struct("<BQHIQQIBBII")
"""Record header, message header and packet fields where there is no reason."""
PACKET_OVERHEAD: Final = _HEAD.size
_CONTENT: Final = _HEAD.size - mcap.RECORD_HEADER.size
_REASONED: Final = struct.Struct("<BQHIQQIBBI")
_LENGTH: Final = struct.Struct("<I")
_MESSAGE: Final = struct.Struct("<BQHIQQ")


class Block(NamedTuple):
    """Message records of consecutive sequence numbers, and what an index needs of them."""

    records: bytes
    times: Sequence[int]
    channels: Sequence[int]
    sizes: Sequence[int]
    top_connection: int
    """The highest connection number in the block; 0 where there is none."""


SCHEMAS: Final = (
    mcap.Schema(1, "overflight/Packet", "ros1msg", PACKET_DEFINITION),
    *(
        mcap.Schema(
            number,
            f"overflight/{kind.__name__}",
            "jsonschema",
            _encode(msgspec.json.schema(kind, ref_template="#/$defs/{name}")),
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


def pack_packets(
    packets: Sequence[tuple[int, int, int, int, str, bytes, int]], first: int
) -> Block:
    """Pack (crossed_at_ns, connection, direction, verdict, reason, data, part), from `first` on."""
    if len(packets) == 1:
        return _pack_one(packets[0], first)
    times, connections, directions, verdicts, reasons, datas, parts = zip(*packets, strict=True)
    lengths = list(map(len, datas))
    if any(verdicts) or any(parts) or any(reasons):
        return _pack_slowly(packets, first)
    channel_ids = list(map(add, directions, repeat(1)))
    sizes = list(map(add, lengths, repeat(_HEAD.size)))
    heads = map(
        _HEAD.pack,
        repeat(Op.MESSAGE),
        map(add, lengths, repeat(_CONTENT)),
        channel_ids,
        _low(first, len(packets)),
        times,
        times,
        connections,
        repeat(0),
        repeat(0),
        repeat(0),
        lengths,
    )
    records = b"".join(chain.from_iterable(zip(heads, datas, strict=False)))
    return Block(records, times, channel_ids, sizes, max(connections))


def _pack_one(packet: tuple[int, int, int, int, str, bytes, int], first: int) -> Block:
    """Pack one packet: what latency is made of when they come one at a time."""
    at_ns, connection, direction, verdict, reason, data, part = packet
    if verdict or part or reason:
        return _pack_slowly((packet,), first)
    size, channel_id = len(data), direction + 1
    head = _HEAD.pack(
        Op.MESSAGE,
        size + _CONTENT,
        channel_id,
        first & SEQUENCE_MASK,
        at_ns,
        at_ns,
        connection,
        0,
        0,
        0,
        size,
    )
    return Block(head + data, (at_ns,), (channel_id,), (size + _HEAD.size,), connection)


def pack_items(items: Sequence[Item], first: int) -> Block:
    """Pack items of any kind, numbered from `first` on."""
    records, times, channel_ids, top = [], [], [], 0
    for sequence, item in enumerate(items, first):
        if isinstance(item, SessionPacket):
            part = item.part | (MASKED if item.masked else 0)
            channel_id, record = _packet_record(sequence, (*item[:6], part))
            at_ns, top = item.crossed_at_ns, max(top, item.connection)
        else:
            channel_id, at_ns = _EVENT_CHANNEL[type(item)], item.at_ns
            record = mcap.message(channel_id, sequence, at_ns, _encode(item))
            if not isinstance(item, Note):
                top = max(top, item.connection)
        records.append(record)
        times.append(at_ns)
        channel_ids.append(channel_id)
    return Block(b"".join(records), times, channel_ids, list(map(len, records)), top)


def _pack_slowly(
    packets: Sequence[tuple[int, int, int, int, str, bytes, int]], first: int
) -> Block:
    packed = [_packet_record(sequence, packet) for sequence, packet in enumerate(packets, first)]
    records = [record for _, record in packed]
    return Block(
        b"".join(records),
        [packet[0] for packet in packets],
        [channel_id for channel_id, _ in packed],
        list(map(len, records)),
        max(packet[1] for packet in packets),
    )


def _packet_record(
    sequence: int, packet: tuple[int, int, int, int, str, bytes, int]
) -> tuple[int, bytes]:
    at_ns, connection, direction, verdict, reason, data, part = packet
    channel_id = 1 + direction + 2 * verdict
    text = reason.encode("utf-8", "backslashreplace")
    head = _REASONED.pack(
        Op.MESSAGE,
        _CONTENT + len(text) + len(data),
        channel_id,
        sequence & SEQUENCE_MASK,
        at_ns,
        at_ns,
        connection,
        part & 3,
        part >> 2,
        len(text),
    )
    return channel_id, b"".join((head, text, _LENGTH.pack(len(data)), data))


def _low(first: int, count: int) -> Sequence[int]:
    """Return the low 32 bits of `count` sequence numbers."""
    low = first & SEQUENCE_MASK
    if low + count <= SEQUENCE_MASK:
        return range(low, low + count)
    return [number & SEQUENCE_MASK for number in range(first, first + count)]


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


_PlainLayout = tuple[Callable[[bytes, int], tuple[Any, ...]], int]
_PLAIN: Final[dict[int, _PlainLayout]] = {}


def _plain(length: int) -> _PlainLayout:
    """Return what unpacks a packet without a reason, and its two lengths as one number.

    The fields are channel, sequence, time, connection, part and masked as one number, length of
    reason and of data as one number, data.
    """
    size = length - _CONTENT
    found = struct.Struct(f"<9xHIQ8xIHQ{size}s").unpack_from, size << 32
    if len(_PLAIN) < 4096:
        _PLAIN[length] = found
    return found


def unpack(records: bytes, base: int) -> list[Item]:
    """Return the items of a chunk's records; `base` is at or before the first sequence number.

    Raises `McapError` where the records are not as `pack_packets` and `pack_items` make them.
    """
    items: list[Item] = []
    keep, new, layout_of = items.append, tuple.__new__, _PLAIN.get
    header, directions, verdicts = mcap.RECORD_HEADER.unpack_from, DIRECTION, VERDICT
    position, end, wide = 0, len(records), base & ~SEQUENCE_MASK
    floor = base & SEQUENCE_MASK
    try:
        while position < end:
            op, length = header(records, position)
            if op != 5 or length < _CONTENT:
                position = _unpack_odd(records, position, items, base)
                continue
            take, expected = layout_of(length) or _plain(length)
            channel_id, low, at_ns, connection, flags, lengths, data = take(records, position)
            if lengths != expected or channel_id > 6 or flags:
                position = _unpack_odd(records, position, items, base)
                continue
            position += length + 9
            sequence = wide + low if low >= floor else wide + low + 0x100000000
            direction, verdict = directions[channel_id], verdicts[channel_id]
            keep(
                new(
                    SessionPacket,
                    (at_ns, connection, direction, verdict, "", data, 0, sequence, False),
                )
            )
    except (struct.error, IndexError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise McapError(
            f"a record at byte {position} of its chunk is malformed: {error}"
        ) from error
    return items


def _unpack_odd(records: bytes, position: int, items: list[Item], base: int) -> int:
    """Unpack a record that is no plain packet; return where the next one begins."""
    op, length = mcap.RECORD_HEADER.unpack_from(records, position)
    end: int = position + mcap.RECORD_HEADER.size + length
    if end > len(records):
        raise McapError(f"a record is cut off at byte {position} of its chunk")
    if op != Op.MESSAGE:
        return end
    _, _, channel_id, low, at_ns, _ = _MESSAGE.unpack_from(records, position)
    start = position + _MESSAGE.size
    decoder = _DECODERS.get(channel_id)
    if decoder is not None:
        items.append(decoder.decode(records[start:end]))
        return end
    if channel_id not in PACKET_CHANNELS:
        return end
    connection, part, masked, reason_bytes = struct.unpack_from("<IBBI", records, start)
    start += 10
    reason = records[start : start + reason_bytes].decode("utf-8")
    start += reason_bytes
    (size,) = _LENGTH.unpack_from(records, start)
    if start + 4 + size != end:
        raise McapError(f"the packet at byte {position} of its chunk has a wrong length")
    data = records[start + 4 : end]
    sequence = widen(low, base)
    direction, verdict = DIRECTION[channel_id], VERDICT[channel_id]
    items.append(
        SessionPacket(
            at_ns, connection, direction, verdict, reason, data, part, sequence, masked != 0
        )
    )
    return end
