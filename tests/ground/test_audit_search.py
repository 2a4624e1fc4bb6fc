"""The search finds pictures in every form, however cut, and nothing that is not there."""

from __future__ import annotations

import base64
import bz2
import codecs
import gzip
import lzma
import random
import zlib
from collections.abc import Callable

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight.leaks.scene import flight_messages, picture
from overflight_contract import messages as m
from overflight_contract.session.model import Part
from overflight_ground.audit.search.find import Finder, Picture, SearchResult
from overflight_ground.audit.search.fingerprints import SMALLEST_RUN, Index
from overflight_ground.audit.search.signatures import find_signatures
from overflight_ground.audit.search.streams import Collected
from overflight_ground.audit.tally import ByteClass, Judged
from overflight_ground.audit.traffic import Crossing, Packet

PICTURES = [picture(seed, 48) for seed in range(3)]


def collected(bodies: list[bytes], field: str = "message") -> Collected:
    made = Collected()
    for number, body in enumerate(bodies):
        data = b"\0\0" + body if field != "message" else body
        packet = Packet(number, 1, True, Crossing.MARKED, "", data, Part.WHOLE, number)
        made.packet(packet)
        judged = Judged(field, 0, len(data), ByteClass.UNEXPLAINED)
        made.unexplained(packet, judged, "PUBLISH", 4)
    return made


def search(bodies: list[bytes], field: str = "message") -> SearchResult:
    found = [
        Picture(f"{n}.jpg", "", len(body), lambda body=body: body)
        for n, body in enumerate(PICTURES)
    ]
    return Finder(found).search(collected(bodies, field))


def hexed(data: bytes) -> bytes:
    return data.hex().encode()


def raw_deflate(data: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(data) + machine.flush()


def base45(data: bytes) -> bytes:
    """Encode pairs of bytes as RFC 9285 does."""
    digits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
    pairs = [int.from_bytes(data[n : n + 2], "big") for n in range(0, len(data) - 1, 2)]
    text = "".join(digits[p % 45] + digits[p // 45 % 45] + digits[p // 2025] for p in pairs)
    return text.encode()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "as it is": bytes,
    "hex": hexed,
    "hex in capitals": lambda d: hexed(d).upper(),
    "hex with colons": lambda d: d.hex(":").encode(),
    "base64": base64.b64encode,
    "base64 in lines": base64.encodebytes,
    "base64 for URLs": base64.urlsafe_b64encode,
    "base32": base64.b32encode,
    "base32 in small letters": lambda d: base64.b32encode(d).lower(),
    "base32 hex": base64.b32hexencode,
    "Ascii85": base64.a85encode,
    "base85": base64.b85encode,
    "gzip": gzip.compress,
    "zlib": zlib.compress,
    "deflate": raw_deflate,
    "zstd": lambda d: zstandard.compress(d),
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "base64 of gzip": lambda d: base64.b64encode(gzip.compress(d)),
    "hex of base64 of zlib": lambda d: hexed(base64.b64encode(zlib.compress(d))),
    "numbers": lambda d: ",".join(map(str, d)).encode(),
    "bits": lambda d: "".join(f"{b:08b}" for b in d).encode(),
    "percent": lambda d: "".join(f"%{b:02X}" for b in d).encode(),
    "characters": lambda d: "".join(map(chr, d)).encode(),
    "backwards": lambda d: d[::-1],
    "XOR": lambda d: bytes(b ^ 0x5A for b in d),
    "a number added": lambda d: bytes(b + 42 & 255 for b in d),
    "differences": lambda d: bytes(b - a & 255 for a, b in zip(b"\0" + d, d, strict=False)),
    "bits turned round": lambda d: bytes(int(f"{b:08b}"[::-1], 2) for b in d),
    "halves of bytes swapped": lambda d: bytes(b >> 4 | (b & 15) << 4 for b in d),
    "every second byte": lambda d: bytes(x for b in d for x in (b, b * 7 & 255)),
    "base64 in UTF-16": lambda d: base64.b64encode(d).decode().encode("utf-16"),
    "base64 in ROT13": lambda d: codecs.encode(base64.b64encode(d).decode(), "rot13").encode(),
    "base45": lambda d: base45(d),
    "inside other bytes": lambda d: b"\x07" * 999 + d + b"\x07" * 999,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_found_and_named(form: str) -> None:
    result = search([FORMS[form](PICTURES[1])])
    assert [item.picture.name for item in result.found] == ["1.jpg"]
    assert result.found[0].matched_bytes >= len(PICTURES[1]) * 0.9


@pytest.mark.parametrize("size", [3, 7, 40])
@pytest.mark.parametrize("field", ["message", "client id", "topic", "password"])
def test_pieces_too_short_to_know_are_put_together(size: int, field: str) -> None:
    text = base64.b64encode(PICTURES[1])
    bodies = [text[at : at + size] for at in range(0, len(text), size)]
    result = search(bodies, field)
    assert [item.picture.name for item in result.found] == ["1.jpg"]
    assert result.found[0].matched_bytes >= len(PICTURES[1]) - 3


def test_pieces_that_come_last_first_are_put_together() -> None:
    bodies = [PICTURES[1][at : at + 9] for at in range(0, len(PICTURES[1]), 9)]
    assert [item.picture.name for item in search(bodies[::-1]).found] == ["1.jpg"]


def test_pieces_in_topics_are_freed_of_what_they_share() -> None:
    text = hexed(PICTURES[2])
    bodies = [b"overflight/1/HAB-01/position/" + text[n : n + 6] for n in range(0, len(text), 6)]
    assert [item.picture.name for item in search(bodies, "topic").found] == ["2.jpg"]


def test_pieces_in_a_json_key_are_put_together() -> None:
    text = base64.b64encode(PICTURES[0])
    bodies = [
        b'{"seq":%d,"x":"%s","lat_deg":1.5}' % (n, text[n : n + 5]) for n in range(0, len(text), 5)
    ]
    assert [item.picture.name for item in search(bodies).found] == ["0.jpg"]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 5000), st.integers(0, 3000), st.integers(0, 300))
def test_any_run_of_the_smallest_length_is_found(there: int, here: int, more: int) -> None:
    body = np.random.default_rng(1).integers(0, 256, 6000, dtype=np.uint8)
    other = np.random.default_rng(2).integers(0, 256, 4000, dtype=np.uint8)
    length = min(SMALLEST_RUN + more, 6000 - there, 4000 - here)
    other[here : here + length] = body[there : there + length]
    runs = Index.of(body).scan(other)
    assert any(
        run.here <= here and run.here + run.length >= here + length
        and run.here - run.there == here - there
        for run in runs
    )  # fmt: skip


def test_nothing_is_found_in_clean_traffic() -> None:
    clean = [m.encode(message) for message in flight_messages(500)]
    result = search([b"".join(clean)])
    assert (result.found, result.beginnings) == ([], [])


def test_noise_holds_neither_pictures_nor_signatures() -> None:
    noise = random.Random(4).randbytes(700_000)
    assert find_signatures(noise) == []
    assert search([noise]).found == []


def test_signatures_of_images_that_are_not_kept() -> None:
    other = picture(99, 32)
    result = search([b"{}" + other])
    assert [b.name for b in result.beginnings] == ["JPEG"]
    assert result.found == [] or result.found[0].matched_bytes < len(other)
    assert [s.name for s in find_signatures(b"..\x89PNG\r\n\x1a\n..")] == ["PNG"]
