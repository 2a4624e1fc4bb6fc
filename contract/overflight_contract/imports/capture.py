"""Packet captures (pcap and pcapng) of MQTT over TCP as sessions.

Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from overflight_contract.errors import InputError
from overflight_contract.imports import tcp
from overflight_contract.session import Item

PORTS: Final = frozenset((1883,))
_PCAP: Final = {
    b"\xd4\xc3\xb2\xa1": ("<", 1000),
    b"\xa1\xb2\xc3\xd4": (">", 1000),
    b"\x4d\x3c\xb2\xa1": ("<", 1),
    b"\xa1\xb2\x3c\x4d": (">", 1),
}
_SECTION: Final = b"\n\r\r\n"
_MAX_BLOCK_BYTES: Final = 1 << 26


class Frame(NamedTuple):
    """One captured frame."""

    at_ns: int
    linktype: int
    data: bytes


def is_capture(magic: bytes) -> bool:
    """Tell whether a file begins as pcap or pcapng does."""
    return magic[:4] in _PCAP or magic[:4] == _SECTION


def items(path: Path, ports: frozenset[int]) -> Iterator[Item]:
    """Yield the MQTT packets of a capture, with the connections' beginnings and ends."""
    assembler = tcp.Assembler(ports)
    for frame in frames(path):
        yield from assembler.frame(frame.at_ns, frame.linktype, frame.data)
    yield from assembler.end()


def frames(path: Path) -> Iterator[Frame]:
    """Yield the frames of a capture; one that is cut off gives what is whole."""
    with path.open("rb") as file:
        magic = file.read(4)
        if magic in _PCAP:
            yield from _pcap(file, *_PCAP[magic])
        elif magic == _SECTION:
            file.seek(0)
            yield from _pcapng(file, path)
        else:
            raise InputError(f"{path} is neither pcap nor pcapng")


def _pcap(file: BinaryIO, order: str, unit_ns: int) -> Iterator[Frame]:
    rest = file.read(20)
    if len(rest) < 20:
        return
    linktype = struct.unpack(f"{order}HHiIII", rest)[5] & 0xFFFF
    head = struct.Struct(f"{order}IIII")
    while len(raw := file.read(head.size)) == head.size:
        seconds, fraction, size, _ = head.unpack(raw)
        data = file.read(size) if size <= _MAX_BLOCK_BYTES else b""
        if len(data) < size:
            return
        yield Frame(seconds * 1_000_000_000 + fraction * unit_ns, linktype, data)


def _pcapng(file: BinaryIO, path: Path) -> Iterator[Frame]:
    order, interfaces = "<", list[tuple[int, int]]()
    while len(head := file.read(8)) == 8:
        if head.startswith(_SECTION):
            mark = file.read(4)
            order = "<" if mark == b"\x4d\x3c\x2b\x1a" else ">"
            (length,) = struct.unpack(f"{order}I", head[4:])
            body = mark + file.read(max(length - 12, 0))
            interfaces = []
            continue
        kind, length = struct.unpack(f"{order}II", head)
        if length < 12 or length > _MAX_BLOCK_BYTES:
            raise InputError(f"{path} has a block of {length} bytes; it is damaged")
        body = file.read(length - 8)
        if len(body) < length - 8:
            return
        if kind == 1:
            interfaces.append(_interface(body, order))
        elif kind == 6 and len(body) >= 24:
            number, high, low, size, _ = struct.unpack_from(f"{order}IIIII", body)
            if number < len(interfaces):
                linktype, per_second = interfaces[number]
                at_ns = (high << 32 | low) * 1_000_000_000 // per_second
                yield Frame(at_ns, linktype, body[20 : 20 + size])


def _interface(body: bytes, order: str) -> tuple[int, int]:
    """Return link type and ticks a second of an interface."""
    (linktype,) = struct.unpack_from(f"{order}H", body)
    position, per_second = 8, 1_000_000
    while position + 4 <= len(body) - 4:
        code, size = struct.unpack_from(f"{order}HH", body, position)
        if code == 0:
            break
        if code == 9 and size:
            resolution = body[position + 4]
            power = resolution & 0x7F
            per_second = 2**power if resolution & 0x80 else 10**power
        position += 4 + size + -size % 4
    return linktype, per_second
