"""Texts that stand for bytes: hex, base32, base64, base85 and kin, in every alphabet in use.

Runs of the alphabet's characters are decoded wherever they lie and at every phase, since a text may
be cut anywhere; white space within is skipped. All in numpy, linear in the length of the text.
"""

from __future__ import annotations

import codecs
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


class Group(NamedTuple):
    """How characters make bytes where none has a whole number of bits: by place value."""

    weights: tuple[int, ...]
    """What each character of a group counts."""
    kind: str
    """The bytes that a group makes, as a type of numpy."""


_BASE85: Final = Group((85**4, 85**3, 85**2, 85, 1), ">u4")
_BASE45: Final = Group((1, 45, 45**2), ">u2")


class Alphabet(NamedTuple):
    """`code`: the bits of a character, or a group; `table`: a byte's value, 255 for none."""

    name: str
    code: int | Group
    table: Bytes


def _alphabet(name: str, code: int | Group, *spellings: str) -> Alphabet:
    table = np.full(256, _OTHER, dtype=np.uint8)
    for spelling in spellings:
        for value, character in enumerate(spelling):
            table[ord(character)] = value
    return Alphabet(name, code, table)


ALPHABETS: Final = (
    _alphabet("hex", 4, _DIGITS + "abcdef", _DIGITS + "ABCDEF"),
    _alphabet("base64", 6, _UPPER + _LOWER + _DIGITS + "+/", _UPPER + _LOWER + _DIGITS + "-_"),
    _alphabet("base64 (ROT13)", 6, codecs.encode(_UPPER + _LOWER, "rot13") + _DIGITS + "+/"),
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
    _alphabet("base85 (Ascii85)", _BASE85, "".join(map(chr, range(33, 118)))),
    _alphabet("base85 (RFC 1924)", _BASE85, _RFC1924),
    _alphabet("base85 (Z85)", _BASE85, _Z85),
    _alphabet("base45", _BASE45, _DIGITS + _UPPER + " $%*+-./:"),
)  # fmt: skip
_SKIP: Final = np.zeros(256, dtype=bool)
_SKIP[[9, 10, 13, 32]] = True
_SPACE: Final = 32
_NUMBERS: Final = re.compile(rb"(?:\b\d{1,3}\b[\s,;:/|_-]*){%d,}" % SMALLEST_RUN)
_ESCAPES: Final = re.compile(rb"(?:%|=|\\x|\\u00|0x|&#x|:|-|,)([0-9A-Fa-f]{2});?")


def decoded(text: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield (name of the form, bytes) for everything that `text` may stand for.

    All runs of an alphabet are decoded into one body, for each phase.
    """
    whole = as_bytes(text)
    dense = whole[~_SKIP[whole]]
    for alphabet in ALPHABETS:
        values = alphabet.table[dense if alphabet.table[_SPACE] == _OTHER else whole]
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
    bits = alphabet.code
    wanted = min(_VARIETY, 1 << bits >> 1) if isinstance(bits, int) else _VARIETY
    return np.unique(values[:4096]).size >= wanted


def _period(alphabet: Alphabet) -> int:
    """Return at how many places of a run a byte may begin."""
    code = alphabet.code
    return 8 // int(np.gcd(8, code)) if isinstance(code, int) else len(code.weights)


def _decode(alphabet: Alphabet, values: Bytes) -> bytes:
    code = alphabet.code
    return _packed(values, code) if isinstance(code, int) else _grouped(values, code)


def _needed(alphabet: Alphabet) -> int:
    """Return how many characters hold `SMALLEST_RUN` bytes."""
    code = alphabet.code
    if isinstance(code, int):
        return -(-SMALLEST_RUN * 8 // code)
    return SMALLEST_RUN * len(code.weights) // np.dtype(code.kind).itemsize


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


def _grouped(values: Bytes, code: Group) -> bytes:
    count = len(code.weights)
    whole = values[: values.size // count * count].reshape(-1, count).astype(np.uint64)
    return (whole @ np.array(code.weights, dtype=np.uint64)).astype(code.kind).tobytes()


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
    if text.count(0) > len(text) // 4:
        yield "wide characters", text.replace(b"\0", b"")
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
