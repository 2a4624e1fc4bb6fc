"""How binary messages are framed: by what they begin with, how long they are, what proves them.

u-blox (interface description §3), and others that are recognised to be told apart from noise:
RTCM 10403.3 §4, SiRF binary protocol reference §2, SkyTraq AN0028, Allystar (as u-blox but for its
first bytes), CASIC of Zhongke (L76K protocol specification §2).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache, reduce
from itertools import accumulate
from operator import xor
from typing import Final, NamedTuple

MAX_BINARY: Final = 4096
"""No message in use is longer; the largest of u-blox, RXM-RAWX with 64 signals, has 2,072 bytes."""
UBX: Final = "UBX"
_RTCM3_NUMBERS: Final = (range(1001, 1400), range(4001, 4096))


class Framing(NamedTuple):
    """One protocol.

    `size` tells the bytes of a whole message by its first `head`; `None`: by those it can't be
    one. `good` tells whether a whole message proves itself.
    """

    name: str
    magic: bytes
    head: int
    size: Callable[[bytes], int | None]
    good: Callable[[bytes], bool]


class NeedMoreError(Exception):
    """The message that begins here is not complete yet."""


def message_at(buffer: bytearray, start: int) -> tuple[str, bytes] | None:
    """Return the protocol and the whole message at `start`; `None` where there is none."""
    for framing in _BY_FIRST.get(buffer[start], ()):
        head = bytes(buffer[start : start + framing.head])
        if not head.startswith(framing.magic[: len(head)]):
            continue
        if len(head) < framing.head:
            raise NeedMoreError
        size = framing.size(head)
        if size is None or size > MAX_BINARY:
            continue
        message = bytes(buffer[start : start + size])
        if len(message) < size:
            raise NeedMoreError
        if framing.good(message):
            return framing.name, message
    return None


def xor_of(data: bytes) -> int:
    """Return the exclusive or of all bytes: the checksum of NMEA and of SkyTraq."""
    return reduce(xor, data, 0)


def fletcher8(data: bytes | bytearray | memoryview) -> tuple[int, int]:
    """Return the two checksum bytes of a UBX message (u-blox interface description §3.4)."""
    return sum(data) & 0xFF, sum(accumulate(data)) & 0xFF


def _ubx_is_good(message: bytes) -> bool:
    return fletcher8(message[2:-2]) == (message[-2], message[-1])


def _rtcm3_size(head: bytes) -> int | None:
    """Six zero bits, ten bits of length, then the twelve bits of the message's number."""
    length = (head[1] & 3) << 8 | head[2]
    number = head[3] << 4 | head[4] >> 4
    plausible = length == 0 or any(number in numbers for numbers in _RTCM3_NUMBERS)
    return length + 6 if plausible and not head[1] & 0xFC else None


def _rtcm3_is_good(message: bytes) -> bool:
    return int.from_bytes(message[-3:], "big") == _crc24q(message[:-3])


def _crc24q(data: bytes) -> int:
    table = _crc24q_table()
    crc = 0
    for octet in data:
        crc = (crc << 8 & 0xFFFFFF) ^ table[crc >> 16 ^ octet]
    return crc


@cache
def _crc24q_table() -> list[int]:
    table = list(range(0, 256 << 16, 1 << 16))
    for _ in range(8):
        table = [crc << 1 ^ (0x1864CFB if crc & 0x800000 else 0) for crc in table]
    return table


def _sirf_is_good(message: bytes) -> bool:
    stated = int.from_bytes(message[-4:-2], "big")
    return message.endswith(b"\xb0\xb3") and sum(message[4:-4]) & 0x7FFF == stated


def _skytraq_is_good(message: bytes) -> bool:
    return message.endswith(b"\r\n") and xor_of(message[4:-3]) == message[-3]


def _casic_size(head: bytes) -> int | None:
    length = int.from_bytes(head[2:4], "little")
    return length + 10 if length % 4 == 0 else None


def _casic_is_good(message: bytes) -> bool:
    """The length, the class and the number make the first word, so it is a sum of words."""
    *words, stated = struct.unpack(f"<{len(message) // 4}I", message[2:])
    return bool(sum(words) & 0xFFFFFFFF == stated)


def _sized(at: int, order: str, more: int) -> Callable[[bytes], int]:
    read = struct.Struct(f"{order}H").unpack_from
    return lambda head: int(read(head, at)[0]) + more


FRAMINGS: Final = (
    Framing(UBX, b"\xb5\x62", 6, _sized(4, "<", 8), _ubx_is_good),
    Framing("RTCM 3", b"\xd3", 5, _rtcm3_size, _rtcm3_is_good),
    Framing("SiRF binary", b"\xa0\xa2", 4, _sized(2, ">", 8), _sirf_is_good),
    Framing("SkyTraq binary", b"\xa0\xa1", 4, _sized(2, ">", 7), _skytraq_is_good),
    Framing("Allystar binary", b"\xf1\xd9", 6, _sized(4, "<", 8), _ubx_is_good),
    Framing("CASIC binary", b"\xba\xce", 4, _casic_size, _casic_is_good),
)
FIRST_BYTES: Final = bytes(sorted({framing.magic[0] for framing in FRAMINGS}))
_BY_FIRST: Final = {
    first: tuple(framing for framing in FRAMINGS if framing.magic[0] == first)
    for first in FIRST_BYTES
}
