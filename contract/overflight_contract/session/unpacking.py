"""Message records become items again: what every reader of a session goes through."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from typing import Any, Final

import msgspec

from overflight_contract.session import mcap
from overflight_contract.session.layout import (
    DIRECTION,
    EVENT_DECODERS,
    PACKET_CHANNELS,
    PACKET_CONTENT,
    SEQUENCE_MASK,
    VERDICT,
    widen,
)
from overflight_contract.session.mcap import McapError, Op
from overflight_contract.session.model import Item, SessionPacket

AT_ONCE: Final = 512
"""Items in a list: few enough to be used up while they are in the processor's cache, and before
the cycle collector looks for cycles in them."""

_KEY: Final = struct.Struct("<Q")
"""What a record begins with: its opcode and seven of the eight bytes of its length."""
_FIELDS: Final = struct.Struct("<IBBI")
_LENGTH: Final = struct.Struct("<I")
_MALFORMED: Final = (McapError, struct.error, IndexError, msgspec.MsgspecError, UnicodeDecodeError)
_KNOWN: Final = 4096
_LARGEST: Final = 1 << 40

_Plain = tuple[Callable[[bytes, int], tuple[Any, ...]], int, int]
_PLAIN: Final[dict[int, _Plain]] = {}
"""By the key of a record: what unpacks it, the lengths in it as one number, its size.

It unpacks channel, sequence, time, connection, part and masked as one number, length of reason
and of data as one number, data, and the key of the record after it.
"""


def unpack(records: bytes, base: int) -> Iterator[list[Item]]:
    """Yield the items of a chunk's records, `AT_ONCE` at a time.

    `base` is at or before the first sequence number. Raises `McapError` at a record that is not
    as `packing` makes them, after what stands before it.
    """
    position, end = 0, len(records)
    while position < end:
        items: list[Item] = []
        try:
            position = _unpack(records, position, base, items)
        except _MALFORMED as error:
            if items:
                yield items
            raise McapError(f"a record of a chunk is malformed: {error}") from error
        if items:
            yield items


def unpack_all(records: bytes, base: int) -> list[Item]:
    """Return the items of a chunk's records; as `unpack`."""
    return list(chain.from_iterable(unpack(records, base)))


def _unpack(records: bytes, position: int, base: int, items: list[Item]) -> int:
    """Unpack `AT_ONCE` records from `position` on into `items`; return where the rest begins."""
    keep, new, plain = items.append, tuple.__new__, _PLAIN.get
    directions, verdicts = DIRECTION, VERDICT
    wide, floor = base & ~SEQUENCE_MASK, base & SEQUENCE_MASK
    end, last = len(records), len(records) - _KEY.size
    (key,) = _KEY.unpack_from(records, position)
    for _ in repeat(None, AT_ONCE):
        take, lengths, size = plain(key) or _plain(key)
        after = position + size
        if after <= last:
            channel, low, at_ns, connection, flags, found, data, key = take(records, position)
            if found == lengths and channel < 7 and not flags:
                position = after
                sequence = wide + low if low >= floor else wide + low + 0x100000000
                direction, verdict = directions[channel], verdicts[channel]
                packet = (at_ns, connection, direction, verdict, "", data, 0, sequence, False)
                keep(new(SessionPacket, packet))
                continue
        position = _unpack_odd(records, position, base, items)
        if position == end:
            break
        (key,) = _KEY.unpack_from(records, position)
    return position


def _plain(key: int) -> _Plain:
    """Return how to unpack a packet with neither reason nor flags whose record has this key."""
    op, length = key & 0xFF, key >> 8
    data_bytes = length - PACKET_CONTENT
    if op != Op.MESSAGE or data_bytes < 0 or length > _LARGEST:
        return _nothing, 0, _LARGEST << 1
    take = struct.Struct(f"<9xHIQ8xIHQ{data_bytes}sQ").unpack_from
    found = take, data_bytes << 32, mcap.RECORD_HEADER.size + length
    if len(_PLAIN) < _KNOWN:
        _PLAIN[key] = found
    return found


def _nothing(records: bytes, position: int) -> tuple[Any, ...]:
    raise McapError(f"it is longer than the chunk at byte {position}")


def _unpack_odd(records: bytes, position: int, base: int, items: list[Item]) -> int:
    """Unpack a record that is no plain packet, or the last; return where the next one begins."""
    op, length = mcap.RECORD_HEADER.unpack_from(records, position)
    end: int = position + mcap.RECORD_HEADER.size + length
    if end > len(records):
        raise McapError(f"it is cut off at byte {position}")
    if op != Op.MESSAGE:
        return end
    start = position + mcap.RECORD_HEADER.size
    channel, low, at_ns, _ = mcap.MESSAGE_HEADER.unpack_from(records, start)
    start += mcap.MESSAGE_HEADER.size
    decoder = EVENT_DECODERS.get(channel)
    if decoder is not None:
        items.append(decoder.decode(records[start:end]))
        return end
    if channel not in PACKET_CHANNELS:
        return end
    connection, part, masked, reason_bytes = _FIELDS.unpack_from(records, start)
    start += _FIELDS.size
    reason = records[start : start + reason_bytes].decode("utf-8")
    start += reason_bytes
    (size,) = _LENGTH.unpack_from(records, start)
    if start + _LENGTH.size + size != end:
        raise McapError(f"the packet at byte {position} has a wrong length")
    data = records[start + _LENGTH.size : end]
    sequence, direction, verdict = widen(low, base), DIRECTION[channel], VERDICT[channel]
    packet = (at_ns, connection, direction, verdict, reason, data, part, sequence, masked != 0)
    items.append(SessionPacket._make(packet))
    return end
