"""Texts that stand for bytes: hex, base32, base64, base85 and kin, in every alphabet in use.

Runs of the alphabet's characters are decoded wherever they lie and at every phase, since a text may
be cut anywhere; white space within is skipped. All in numpy, linear in the length of the text.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from overflight_ground.audit.search.fingerprints import SMALLEST_RUN, Bytes, as_bytes

_DIGITS, _UPPER, _LOWER = string.digits, string.ascii_uppercase, string.ascii_lowercase
_RFC1924: Final = _DIGITS + _UPPER + _LOWER + "!#$%&()*+-;<=>?@^_`{|}~"
_Z85: Final = _DIGITS + _LOWER + _UPPER + ".-:+=^!/*?&<>()[]{}@%$#"
_OTHER: Final = 255
_VARIETY: Final = 12


class Alphabet(NamedTuple):
    """`bits` a character carries, or 0 for base 85; `table` gives a byte's value, 255 for none."""

    name: str
    bits: int
    table: Bytes


def _alphabet(name: str, bits: int, *spellings: str) -> Alphabet:
    table = np.full(256, _OTHER, dtype=np.uint8)
    for spelling in spellings:
        for value, character in enumerate(spelling):
            table[ord(character)] = value
    return Alphabet(name, bits, table)


ALPHABETS: Final = (
    _alphabet("hex", 4, _DIGITS + "abcdef", _DIGITS + "ABCDEF"),
    _alphabet("base64", 6, _UPPER + _LOWER + _DIGITS + "+/", _UPPER + _LOWER + _DIGITS + "-_"),
    _alphabet("base64 (crypt)", 6, "./" + _DIGITS + _UPPER + _LOWER),
    _alphabet("base64 (uuencode)", 6, "`" + "".join(map(chr, range(33, 96)))),
    _alphabet("base32", 5, _UPPER + "234567", _LOWER + "234567"),
    _alphabet("base32 (hex)", 5, _DIGITS + _UPPER[:22], _DIGITS + _LOWER[:22]),
    _alphabet(
        "base32 (Crockford)", 5, _DIGITS + "ABCDEFGHJKMNPQRSTVWXYZ",
        _DIGITS + "abcdefghjkmnpqrstvwxyz",
    ),
    _alphabet("base32 (z)", 5, "ybndrfg8ejkmcpqxot1uwisza345h769"),
    _alphabet("octal", 3, "01234567"),
    _alphabet("binary", 1, "01"),
    _alphabet("base85 (Ascii85)", 0, "".join(map(chr, range(33, 118)))),
    _alphabet("base85 (RFC 1924)", 0, _RFC1924),
    _alphabet("base85 (Z85)", 0, _Z85),
)  # fmt: skip
_SKIP: Final = np.zeros(256, dtype=bool)
_SKIP[[9, 10, 13, 32]] = True
_PADS: Final = np.zeros(256, dtype=bool)
_PADS[ord("=")] = True
_NUMBERS: Final = re.compile(rb"(?:\b\d{1,3}\b[\s,;:/|_-]*){%d,}" % SMALLEST_RUN)
_ESCAPES: Final = re.compile(rb"(?:%|=|\\x|\\u00|0x|&#x|:|-|,)([0-9A-Fa-f]{2});?")


def decoded(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (name of the form, bytes) for everything that `text` may stand for.

    All runs of an alphabet are decoded into one body, for each phase.
    """
    body = as_bytes(text)
    body = body[~_SKIP[body]]
    for alphabet in ALPHABETS:
        values = alphabet.table[body]
        runs = [
            values[start:end]
            for start, end in _runs(values != _OTHER, _needed(alphabet))
            if _varied(values[start:end], alphabet)
        ]
        for phase in range(_period(alphabet) if runs else 0):
            piece = b"".join(_decode(alphabet, run[phase:]) for run in runs)
            if len(piece) >= SMALLEST_RUN:
                yield alphabet.name, piece
    yield from _spelt(text)


def _varied(values: Bytes, alphabet: Alphabet) -> bool:
    """Tell a text from the same few characters over and over, as flat areas of a picture are."""
    wanted = min(_VARIETY, 1 << alphabet.bits >> 1) if alphabet.bits else _VARIETY
    return np.unique(values[:4096]).size >= wanted


def _period(alphabet: Alphabet) -> int:
    """Return at how many places of a run a byte may begin."""
    return 8 // int(np.gcd(8, alphabet.bits)) if alphabet.bits else 5


def _decode(alphabet: Alphabet, values: Bytes) -> bytes:
    return _packed(values, alphabet.bits) if alphabet.bits else _base85(values)


def _needed(alphabet: Alphabet) -> int:
    """Return how many characters hold `SMALLEST_RUN` bytes."""
    if alphabet.bits:
        return -(-SMALLEST_RUN * 8 // alphabet.bits)
    return SMALLEST_RUN * 5 // 4


def _runs(
    member: np.ndarray[tuple[int], np.dtype[np.bool_]], needed: int
) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], member, [False])).astype(np.int8)))
    starts, ends = edges[0::2], edges[1::2]
    long_enough = ends - starts >= needed
    yield from zip(starts[long_enough].tolist(), ends[long_enough].tolist(), strict=True)


def _packed(values: Bytes, bits: int) -> bytes:
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint8)
    stream = (values[:, None] >> shifts) & 1
    flat = stream.reshape(-1)
    return np.packbits(flat[: flat.size // 8 * 8]).tobytes()


def _base85(values: Bytes) -> bytes:
    whole = values[: values.size // 5 * 5].reshape(-1, 5).astype(np.uint64)
    powers = np.array([85**4, 85**3, 85**2, 85, 1], dtype=np.uint64)
    return (whole @ powers & np.uint64(0xFFFFFFFF)).astype(">u4").tobytes()


def _spelt(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield bytes spelt as lists of numbers, as escapes, and as the characters of a text."""
    for match in _NUMBERS.finditer(text):
        numbers = [int(word) for word in re.findall(rb"\d+", match.group())]
        yield "list of numbers", bytes(number & 255 for number in numbers)
    pairs = _ESCAPES.findall(text)
    if len(pairs) >= SMALLEST_RUN // 2:
        yield "escaped", bytes.fromhex(b"".join(pairs).decode())
        whole = _ESCAPES.sub(lambda match: bytes.fromhex(match[1].decode()), text)
        yield "escaped", whole
    if any(byte >= 0x80 for byte in text[:4096]) or b"\\u" in text:
        yield from _characters(text)


def _characters(text: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        points = np.frombuffer(text.decode("utf-8").encode("utf-32-le"), dtype="<u4")
    except UnicodeDecodeError:
        return
    if points.size >= SMALLEST_RUN:
        yield "characters", (points & 255).astype(np.uint8).tobytes()
        yield "characters", points.astype(">u2").tobytes()
