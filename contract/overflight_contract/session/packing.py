"""Items become MCAP message records: what goes into the journal, and later into a chunk.

A relay under load hands over hundreds of packets at a time, so `pack_packets` works on columns:
no Python code runs for each packet.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, compress, repeat
from operator import add
from typing import Final, NamedTuple

from overflight_contract.session import mcap
from overflight_contract.session.layout import (
    EVENT_CHANNEL,
    PACKET_CONTENT,
    PACKET_OVERHEAD,
    SEQUENCE_MASK,
    encode_event,
)
from overflight_contract.session.mcap import Op
from overflight_contract.session.model import MASKED, Item, Note, SessionPacket

Packet = tuple[int, int, int, int, str, bytes, int]
"""crossed_at_ns, connection, direction, verdict, reason, data, part; as in `SessionPacket`.

`MASKED` may be added to the part.
"""

_PLAIN: Final = struct.Struct("<BI4xHIQQI6xI")
"""Record header, message header and packet fields of a whole packet without a reason.

Of the record's length the upper half is always 0, as are part, masked and length of the reason.
"""
_RUN: Final = struct.Struct("<BI4xHI26sI")
"""The same, with `_SAME` in it: time, time, connection and zeros, packed once for a whole run."""
_SAME: Final = struct.Struct("<QQI6x")
_REASONED: Final = struct.Struct("<BQHIQQIBBI")
_LENGTH: Final = struct.Struct("<I")
_PAIR: Final = struct.Struct("<QQ")


class Block(NamedTuple):
    """Message records of consecutive sequence numbers, and what their chunk says of them."""

    records: bytes
    at: int
    """Offset of the records in the chunk."""
    total: int
    start_ns: int
    end_ns: int
    pairs: Sequence[tuple[int, bytes]]
    """By channel, time and offset in the chunk of each record (`mcap.index_pairs`)."""
    top_connection: int
    """The highest connection number in the block; 0 where there is none."""


def pack_packets(packets: Sequence[Packet], first: int, at: int = 0) -> Block:
    """Pack packets, numbered from `first` on, for the offset `at` of a chunk."""
    count = len(packets)
    if count == 1:
        return _pack_one(packets[0], first, at)
    times, connections, directions, verdicts, reasons, datas, parts = zip(*packets, strict=True)
    if any(verdicts) or any(parts) or any(reasons):
        return _pack_slowly(packets, first, at)
    at_ns, connection, direction = packets[0][:3]
    same_way = directions.count(direction) == count
    if same_way and times.count(at_ns) == count and connections.count(connection) == count:
        return pack_run(datas, at_ns, connection, direction, first, at)
    lengths = list(map(len, datas))
    channels = (
        bytes((direction + 1,)) * count if same_way else bytes(map(add, directions, repeat(1)))
    )
    pieces = [b""] * (2 * count)
    pieces[::2] = map(
        _PLAIN.pack,
        repeat(Op.MESSAGE),
        map(add, lengths, repeat(PACKET_CONTENT)),
        channels,
        _low(first, count),
        times,
        times,
        connections,
        lengths,
    )
    pieces[1::2] = datas
    sizes = map(add, lengths, repeat(PACKET_OVERHEAD))
    return block(b"".join(pieces), at, times, channels, sizes, max(connections))


def pack_run(
    packets: Sequence[bytes], at_ns: int, connection: int, direction: int, first: int, at: int = 0
) -> Block:
    """Pack whole packets that crossed at one time on one connection in one direction."""
    count, channel = len(packets), direction + 1
    lengths = list(map(len, packets))
    pieces = [b""] * (2 * count)
    pieces[::2] = map(
        _RUN.pack,
        repeat(5),
        map(add, lengths, repeat(PACKET_CONTENT)),
        repeat(channel),
        _low(first, count),
        repeat(_SAME.pack(at_ns, at_ns, connection)),
        lengths,
    )
    pieces[1::2] = packets
    offsets = list(accumulate(map(add, lengths, repeat(PACKET_OVERHEAD)), initial=at))
    offsets.pop()
    index = [(channel, mcap.index_pairs(array("Q", (at_ns,)) * count, offsets))]
    return Block(b"".join(pieces), at, count, at_ns, at_ns, index, connection)


def _pack_one(packet: Packet, first: int, at: int) -> Block:
    """Pack one packet without the machinery of batches."""
    at_ns, connection, direction, verdict, reason, data, part = packet
    if verdict or part or reason:
        return _pack_slowly((packet,), first, at)
    return pack_packet(data, at_ns, connection, direction, first, at)


def pack_packet(
    data: bytes, at_ns: int, connection: int, direction: int, first: int, at: int = 0
) -> Block:
    """Pack one whole packet that passed."""
    size, channel, low = len(data), direction + 1, first & SEQUENCE_MASK
    head = _PLAIN.pack(5, size + PACKET_CONTENT, channel, low, at_ns, at_ns, connection, size)
    index = [(channel, _PAIR.pack(at_ns, at))]
    return Block(head + data, at, 1, at_ns, at_ns, index, connection)


def _pack_slowly(packets: Sequence[Packet], first: int, at: int) -> Block:
    packed = [_packet_record(sequence, packet) for sequence, packet in enumerate(packets, first)]
    records = [record for _, record in packed]
    times = [packet[0] for packet in packets]
    channels = bytes(channel for channel, _ in packed)
    top = max(packet[1] for packet in packets)
    return block(b"".join(records), at, times, channels, map(len, records), top)


def pack_items(items: Sequence[Item], first: int, at: int = 0) -> Block:
    """Pack items of any kind, numbered from `first` on, for the offset `at` of a chunk."""
    records, times, channels, top = [], [], bytearray(), 0
    for sequence, item in enumerate(items, first):
        if isinstance(item, SessionPacket):
            part = item.part | (MASKED if item.masked else 0)
            channel, record = _packet_record(sequence, (*item[:6], part))
            at_ns, top = item.crossed_at_ns, max(top, item.connection)
        else:
            channel, at_ns = EVENT_CHANNEL[type(item)], item.at_ns
            record = mcap.message(channel, sequence, at_ns, encode_event(item))
            if not isinstance(item, Note):
                top = max(top, item.connection)
        records.append(record)
        times.append(at_ns)
        channels.append(channel)
    return block(b"".join(records), at, times, bytes(channels), map(len, records), top)


def block(
    records: bytes,
    at: int,
    times: Sequence[int],
    channels: bytes,
    sizes: Iterable[int],
    top_connection: int,
) -> Block:
    """Make a block of records with these times, channels and sizes."""
    offsets = list(accumulate(sizes, initial=at))[:-1]
    first = channels[0]
    if channels.count(first) == len(channels):
        index = [(first, mcap.index_pairs(times, offsets))]
    else:
        index = []
        for channel in sorted(set(channels)):
            mine = [found == channel for found in channels]
            pairs = mcap.index_pairs(list(compress(times, mine)), list(compress(offsets, mine)))
            index.append((channel, pairs))
    return Block(records, at, len(times), min(times), max(times), index, top_connection)


def moved(pairs: bytes, by: int) -> bytes:
    """Return index pairs whose offsets are less by so many bytes."""
    numbers = struct.unpack(f"<{len(pairs) // 8}Q", pairs)
    return mcap.index_pairs(numbers[::2], [offset - by for offset in numbers[1::2]])


def _packet_record(sequence: int, packet: Packet) -> tuple[int, bytes]:
    at_ns, connection, direction, verdict, reason, data, part = packet
    channel = 1 + direction + 2 * verdict
    text = reason.encode("utf-8", "backslashreplace")
    head = _REASONED.pack(
        Op.MESSAGE,
        PACKET_CONTENT + len(text) + len(data),
        channel,
        sequence & SEQUENCE_MASK,
        at_ns,
        at_ns,
        connection,
        part & 3,
        part >> 2,
        len(text),
    )
    return channel, b"".join((head, text, _LENGTH.pack(len(data)), data))


def _low(first: int, count: int) -> Sequence[int]:
    """Return the low 32 bits of `count` sequence numbers."""
    low = first & SEQUENCE_MASK
    if low + count <= SEQUENCE_MASK:
        return range(low, low + count)
    return [number & SEQUENCE_MASK for number in range(first, first + count)]
