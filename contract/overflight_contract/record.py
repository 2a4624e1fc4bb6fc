"""The payload's own record: every message as encoded, in an append-only log chained by SHA-256.

One line of ASCII a message::

    {"n":1,"flight":"…","kind":"position","seq":1,"message":"<JSON text>","chain":"<hex>"}

``n`` counts lines from 1. ``chain`` is SHA-256 over the chain value of the line before (32 bytes;
32 zero bytes for the first) and the bytes of this line up to ``,"chain":``. So the chain shows
damage and edits; it can't show a device that rewrites the whole of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from overflight_contract.errors import InputError
from overflight_contract.topics import Kind

FILE_NAME: Final = "record.jsonl"
GENESIS: Final = bytes(32)
_SEPARATOR: Final = b',"chain":'


class RecordEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One message of the record."""

    n: int
    flight: str
    kind: Kind
    seq: int
    message: str
    chain: str

    @property
    def payload(self) -> bytes:
        """The bytes of the message as they were encoded."""
        return self.message.encode("utf-8")


class RecordDamage(msgspec.Struct, frozen=True, kw_only=True):
    """A line that the chain does not vouch for."""

    line: int
    reason: str


class _Body(msgspec.Struct, frozen=True):
    n: int
    flight: str
    kind: Kind
    seq: int
    message: str


_decoder = msgspec.json.Decoder(RecordEntry)


class RecordWriter:
    """Appends to a record; one writer at a time. Every `append` is on disk when it returns."""

    def __init__(self, path: Path) -> None:
        """Open `path` to go on where it ends; a torn last line (a power cut) is cut off."""
        self.path = path
        self._n, self._chain, keep = _tail(path)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        if os.fstat(self._fd).st_size > keep:
            os.ftruncate(self._fd, keep)
            os.fsync(self._fd)

    def append(self, messages: Iterable[tuple[str, Kind, int, bytes]]) -> None:
        """Append messages as (flight, kind, seq, payload), in one write, then fsync.

        An `OSError` leaves the record as it was before the call.
        """
        n, chain, lines = self._n, self._chain, []
        for flight, kind, seq, payload in messages:
            n += 1
            body = msgspec.json.encode(_Body(n, flight, kind, seq, payload.decode("utf-8")))[:-1]
            chain = hashlib.sha256(chain + body).digest()
            lines.append(body + _SEPARATOR + b'"' + chain.hex().encode() + b'"}\n')
        block = b"".join(lines)
        size = os.fstat(self._fd).st_size
        try:
            written = os.write(self._fd, block)
            if written != len(block):
                raise OSError(28, "no space left for the record")
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        self._n, self._chain = n, chain

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def read_record(path: Path) -> Iterator[RecordEntry | RecordDamage]:
    """Yield every line of a record, in order; what the chain does not vouch for as damage.

    After a damaged line the chain goes on from what the next line claims, so that one edit is
    named as one line (the edited one, and the next where the edit changed its chain).
    """
    chain, expected = GENESIS, 1
    try:
        file = path.open("rb")
    except OSError as error:
        raise InputError(f"can't read the record {path}: {error.strerror}") from error
    with file:
        for number, line in enumerate(file, 1):
            body, _, tail = line.rpartition(_SEPARATOR)
            try:
                entry = _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                torn = not line.endswith(b"\n")
                yield RecordDamage(
                    line=number, reason="is cut off" if torn else f"is not readable: {error}"
                )
                expected += 1
                continue
            actual = hashlib.sha256(chain + body).digest()
            if tail != b'"' + entry.chain.encode() + b'"}\n' or actual.hex() != entry.chain:
                yield RecordDamage(line=number, reason="does not fit the chain")
            elif entry.n != expected:
                yield RecordDamage(line=number, reason=f"is numbered {entry.n}, not {expected}")
            yield entry
            chain, expected = _hex(entry.chain), entry.n + 1


def _hex(text: str) -> bytes:
    try:
        value = bytes.fromhex(text)
    except ValueError:
        return GENESIS
    return value if len(value) == 32 else GENESIS


def _tail(path: Path) -> tuple[int, bytes, int]:
    """Return (number of the last whole line, its chain value, bytes up to its end)."""
    if not path.exists():
        return 0, GENESIS, 0
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        window = min(size, 1 << 16)
        file.seek(size - window)
        block = file.read(window)
    end = block.rfind(b"\n") + 1
    if end == 0:
        return 0, GENESIS, 0
    start = block.rfind(b"\n", 0, end - 1) + 1
    try:
        entry = _decoder.decode(block[start:end])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(
            f"the record {path} ends in a damaged line; move it away to begin a new one"
        ) from error
    return entry.n, _hex(entry.chain), size - window + end
