"""MCAP files of other programs: each message as a PUBLISH to the topic of its channel."""

from __future__ import annotations

import importlib
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import zstandard

from overflight_contract.errors import InputError, UnavailableError
from overflight_contract.imports.published import Publisher
from overflight_contract.mqtt import LocalProtocolError
from overflight_contract.session import Item, mcap
from overflight_contract.session.mcap import McapError, Op

_MESSAGE = struct.Struct("<HIQQ")
_MAX_RECORD_BYTES = 1 << 31


def items(path: Path) -> Iterator[Item]:
    """Yield its messages, in the file's order; raises `InputError` where it is cut off."""
    publisher = Publisher("mcap")
    topics: dict[int, str] = {}
    begun = False
    with path.open("rb") as file:
        if file.read(len(mcap.MAGIC)) != mcap.MAGIC:
            raise InputError(f"{path} is no MCAP file")
        for op, content in _flat(file, path):
            if op == Op.CHANNEL:
                channel = mcap.parse_channel(content)
                topics[channel.id] = channel.topic.lstrip("/") or "mcap"
            elif op == Op.MESSAGE:
                if len(content) < _MESSAGE.size:
                    raise InputError(f"{path} has a message that is too short")
                number, _, at_ns, _ = _MESSAGE.unpack_from(content)
                topic = topics.get(number, f"channel-{number}")
                try:
                    packet = publisher.publish(at_ns, topic, content[_MESSAGE.size :])
                except LocalProtocolError as error:
                    raise InputError(f"{path}: no MQTT message can be that: {error}") from error
                if not begun:
                    yield from publisher.begin(at_ns)
                    begun = True
                yield packet


def _flat(file: BinaryIO, path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the records of the data section, those of chunks among them."""
    while True:
        head = file.read(mcap.RECORD_HEADER.size)
        if len(head) < mcap.RECORD_HEADER.size:
            raise InputError(f"{path} is cut off: it has no end of data")
        op, length = mcap.RECORD_HEADER.unpack(head)
        if op == Op.DATA_END:
            return
        content = file.read(length) if length <= _MAX_RECORD_BYTES else b""
        if len(content) != length:
            raise InputError(f"{path} is cut off or damaged")
        if op != Op.CHUNK:
            yield op, content
            continue
        records = _decompress(content)
        position = 0
        while position + mcap.RECORD_HEADER.size <= len(records):
            inner, size = mcap.RECORD_HEADER.unpack_from(records, position)
            position += mcap.RECORD_HEADER.size
            yield inner, records[position : position + size]
            position += size


def _decompress(content: bytes) -> bytes:
    head = mcap.parse_chunk_head(content)
    body = content[head.body_offset : head.body_offset + head.compressed_bytes]
    if head.compression == "":
        return body
    if head.compression == "zstd":
        try:
            return zstandard.ZstdDecompressor().decompress(
                body, max_output_size=head.uncompressed_bytes
            )
        except zstandard.ZstdError as error:
            raise McapError(f"a chunk can't be decompressed: {error}") from error
    if head.compression == "lz4":
        try:
            lz4 = importlib.import_module("lz4.frame")
        except ModuleNotFoundError as error:
            raise UnavailableError(
                "this MCAP file is compressed by lz4: pip install lz4"
            ) from error
        return bytes(lz4.decompress(body))
    raise McapError(f"a chunk is compressed by {head.compression!r}, which is not known")
