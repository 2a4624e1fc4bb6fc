"""Packed data (deflate, zlib, gzip, zstd, bzip2, xz), found by its first bytes and unpacked."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Final

import zstandard

from overflight_ground.audit.search.fingerprints import SMALLEST_RUN

LIMIT_BYTES: Final = 1 << 28
"""What one packed piece may unpack to; the rest of it is not searched."""
_TRIES: Final = 4096


def unpacked(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (form, bytes) for every packed piece that `data` holds, however cut off at its end."""
    for name, magics, unpack in _FORMS:
        for magic in magics:
            at, tries = data.find(magic), 0
            while at >= 0 and tries < _TRIES:
                out = unpack(data[at:])
                if len(out) >= SMALLEST_RUN:
                    yield name, out
                at, tries = data.find(magic, at + 1), tries + 1
    for offset in range(min(3, len(data))):
        raw = _inflate(data[offset:], -15)
        if len(raw) >= SMALLEST_RUN:
            yield "deflate", raw


def _inflate(data: bytes, window: int) -> bytes:
    machine = zlib.decompressobj(window)
    out = bytearray()
    view = memoryview(data)
    for start in range(0, len(data), 1 << 14):
        try:
            out += machine.decompress(view[start : start + (1 << 14)], LIMIT_BYTES - len(out) + 1)
        except zlib.error:
            break
        if machine.eof or len(out) > LIMIT_BYTES:
            break
    return bytes(out)


def _zstd(data: bytes) -> bytes:
    machine = zstandard.ZstdDecompressor(max_window_size=1 << 27).decompressobj()
    out = bytearray()
    for start in range(0, len(data), 1 << 12):
        try:
            out += machine.decompress(data[start : start + (1 << 12)])
        except zstandard.ZstdError:
            break
        if machine.eof or len(out) > LIMIT_BYTES:
            break
    return bytes(out)


def _steps(machine: bz2.BZ2Decompressor | lzma.LZMADecompressor, data: bytes) -> bytes:
    out = bytearray()
    for start in range(0, len(data), 1 << 12):
        try:
            out += machine.decompress(data[start : start + (1 << 12)])
        except (OSError, lzma.LZMAError, EOFError):
            break
        if machine.eof or len(out) > LIMIT_BYTES:
            break
    return bytes(out)


def _bzip2(data: bytes) -> bytes:
    return _steps(bz2.BZ2Decompressor(), data)


def _xz(data: bytes) -> bytes:
    return _steps(lzma.LZMADecompressor(memlimit=1 << 28), data)


def _zlib(data: bytes) -> bytes:
    return _inflate(data, 15)


def _gzip(data: bytes) -> bytes:
    return _inflate(data, 31)


_FORMS: Final[tuple[tuple[str, tuple[bytes, ...], Callable[[bytes], bytes]], ...]] = (
    ("gzip", (b"\x1f\x8b\x08",), _gzip),
    ("zstd", (b"\x28\xb5\x2f\xfd",), _zstd),
    ("zlib", (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda"), _zlib),
    ("bzip2", (b"BZh",), _bzip2),
    ("xz", (b"\xfd7zXZ\x00", b"\x5d\x00\x00"), _xz),
)
