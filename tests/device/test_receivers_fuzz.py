"""Any bytes at all: never a crash, never a position that the receiver did not send."""

from __future__ import annotations

import contextlib
import io
import json
import re
import struct
import sys
from functools import reduce
from operator import xor

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from overflight.cli import main
from overflight_device.fix import Fix
from overflight_device.receivers.encoding import message, sentence
from overflight_device.receivers.gpsd_json import GpsdDecoder
from overflight_device.receivers.stream import ReceiverDecoder

PLACES = [("4807.0380,N", "01131.0000,E"), ("3454.3735,S", "13836.4871,E"), ("0000.1,N", "1.0,W")]


def log() -> bytes:
    """Return some epochs in which every place is another."""
    parts = []
    for n in range(12):
        place = f"48{n:02d}.0380,N,011{n:02d}.0000,E"
        parts += [
            sentence(f"GNRMC,1200{n:02d}.00,A,{place},10.0,90.0,010223,,,A"),
            sentence(f"GNGGA,1200{n:02d}.00,{place},1,08,0.9,{500 + n}.0,M,46.9,M,,"),
            sentence("GNGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.8,0.9,1.5"),
            message(0x01, 0x61, bytes(4)),
        ]
    return b"".join(parts)


LOG = log()


def decode(data: bytes, step: int = 4096) -> list[Fix]:
    decoder = ReceiverDecoder()
    fixes = [f for at in range(0, len(data), step) for f in decoder.feed(data[at : at + step])]
    return fixes + decoder.settle() + decoder.finish()


def places(fixes: list[Fix]) -> set[tuple[float | None, float | None]]:
    return {(fix.lat_deg, fix.lon_deg) for fix in fixes}


SENT = places(decode(LOG)) | {(None, None)}
HEIGHTS = {fix.alt_msl_m for fix in decode(LOG)} | {None}

tokens = st.sampled_from(
    [b"$GPRMC,", b"$GNGGA,", b"$GPGSA,A,3,", b",", b"*", b"\r\n", b"A,", b"120000,", b"010223,",
     b"4807.038,N,01131.0,E,", b"\xb5b\x01\x07\x5c\x00", b"\xa0\xa2", b"\xd3\x00", b"!AIVDM,",
     b"-", b"1e999", b"nan", b"99999999999999999999"]
)  # fmt: skip


@given(st.binary(max_size=2000), st.integers(1, 200))
def test_any_bytes(data: bytes, step: int) -> None:
    decode(data, step)


@given(st.lists(st.one_of(tokens, st.binary(max_size=6)), max_size=60))
def test_bytes_that_look_like_a_receivers(parts: list[bytes]) -> None:
    decode(b"".join(parts))


@given(st.lists(st.lists(st.text("0123456789.,-ANSEWVM", max_size=9), max_size=20), max_size=8))
def test_sentences_with_any_fields(rows: list[list[str]]) -> None:
    kinds = ["GPRMC", "GNGGA", "GPGLL", "GNGNS", "GPGSA", "GPVTG", "GPZDA", "PGRMF", "PASHR,POS"]
    data = b"".join(sentence(",".join([kinds[n % len(kinds)], *row])) for n, row in enumerate(rows))
    for fix in decode(data):
        assert fix.lat_deg is None or abs(fix.lat_deg) <= 90
        assert fix.lon_deg is None or abs(fix.lon_deg) <= 180
        assert (fix.lat_deg is None) == (fix.mode.value == "none")


mutations = st.lists(
    st.tuples(
        st.sampled_from(["flip", "delete", "insert", "cut"]),
        st.integers(0, len(LOG) - 1),
        st.integers(1, 255),
    ),
    min_size=1,
    max_size=6,
    unique_by=lambda mutation: mutation[1] // 400,
)


def whole_sentences(data: bytes) -> set[bytes]:
    """Return what a checksum vouches for: XOR can't see that two halves are not of one sentence."""
    found = re.findall(rb"\$([^$*\r\n]*)\*([0-9A-Fa-f]{2})", data)
    return {body for body, stated in found if reduce(xor, body, 0) == int(stated, 16)}


@settings(max_examples=300)
@given(mutations)
def test_a_damaged_log_gives_no_place_that_was_not_sent(
    changes: list[tuple[str, int, int]],
) -> None:
    data = bytearray(LOG)
    for kind, place, value in sorted(changes, key=lambda change: -change[1]):
        if kind == "flip":
            data[place] ^= value
        elif kind == "delete":
            del data[place]
        elif kind == "insert":
            data.insert(place, value)
        else:
            del data[place : place + value]
    assume(whole_sentences(bytes(data)) <= whole_sentences(LOG))
    fixes = decode(bytes(data))
    assert places(fixes) <= SENT
    assert {fix.alt_msl_m for fix in fixes} <= HEIGHTS


@given(st.binary(max_size=500))
def test_any_bytes_as_gpsd_reports(data: bytes) -> None:
    decoder = GpsdDecoder()
    for line in (data, b'{"class":"TPV",' + data + b"}", b'{"class":"TPV","mode":[]}'):
        decoder.feed(line + b"\n")
    decoder.finish()


scalars = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8)
json_values = scalars | st.lists(scalars, max_size=2)
KEYS = ["time", "mode", "lat", "lon", "altMSL", "speed", "satellites", "uSat"]


@given(
    st.sampled_from(["TPV", "SKY", "VERSION", "DEVICES"]),
    st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, json_values)),
)
def test_reports_with_any_values(kind: str, values: dict[str, object]) -> None:
    decoder = GpsdDecoder()
    line = json.dumps({"class": kind, "time": "2023-02-01T12:00:00Z", "mode": 3, **values})
    for fix in decoder.feed(line.encode() + b"\n") + decoder.finish():
        assert fix.lat_deg is None or abs(fix.lat_deg) <= 90


def fix_message(n: int) -> bytes:
    """Return a NAV-PVT of a place of its own."""
    tow_ms = 302_418_000 + n * 1000
    head = struct.pack("<IH6BIi4B", tow_ms, 2023, 2, 1, 12, 0, n, 7, 0, 0, 3, 1, 0, 9)
    place = struct.pack("<4iII", 110_000_000 + n, 480_000_000 + n, 592_300, 545_400 + n, 9, 9)
    motion = struct.pack("<5iII", 0, 5000, -1500, 5000, 9_000_000, 100, 100)
    rest = struct.pack("<H6xi2h", 150, 0, 0, 0)
    return message(0x01, 0x07, head + place + motion + rest)


MESSAGES = b"".join(fix_message(n) + message(0x01, 0x61, bytes(4)) for n in range(12))
SENT_IN_MESSAGES = {((480_000_000 + n) / 1e7, (110_000_000 + n) / 1e7) for n in range(12)}


@given(
    st.sampled_from(["\r\n", "\n", "\r", "\n\n", "\0", "", " \r\n", "\x00\xff\r\n"]), st.booleans()
)
def test_however_sentences_are_parted_the_fixes_are_the_same(end: str, lower_case: bool) -> None:
    sentences = re.findall(r"\$[^*]*\*..", LOG.decode("latin-1"))
    assert len(sentences) == 36
    written = [line[:-2] + line[-2:].lower() if lower_case else line for line in sentences]
    data = "".join(line + end for line in written).encode("latin-1")
    decoder, expected = ReceiverDecoder(), ReceiverDecoder()
    fixes = expected.feed("\r\n".join(sentences).encode()) + expected.finish()
    assert len(fixes) == 12
    assert decoder.feed(data) + decoder.finish() == fixes


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(0, len(MESSAGES) - 1), st.integers(1, 255)), max_size=20))
def test_damaged_messages_give_no_place_that_was_not_sent(flips: list[tuple[int, int]]) -> None:
    data = bytearray(MESSAGES)
    for place, value in flips:
        data[place] ^= value
    assert places(decode(bytes(data))) <= SENT_IN_MESSAGES | {(None, None)}


@given(st.lists(st.sampled_from([*LOG.split(b"\r\n"), *MESSAGES.split(b"\xb5b")]), max_size=40))
def test_pieces_in_any_order_give_no_place_that_was_not_sent(pieces: list[bytes]) -> None:
    parted = (piece + b"\r\n" if piece[:1] == b"$" else b"\xb5b" + piece for piece in pieces)
    assert places(decode(b"".join(parted))) <= SENT | SENT_IN_MESSAGES


KEYS_OF_A_ROW = [
    "measured_at", "fix", "lat_deg", "lon_deg", "alt_msl_m", "alt_hae_m", "speed_mps", "track_deg",
    "climb_mps", "sats", "hdop",
]  # fmt: skip
pieces_of_logs = st.sampled_from(
    [LOG[:400], MESSAGES[:300], LOG[401:900], MESSAGES[301:800], b'{"class":"VERSION"}\n', b"{",
     b'{"class":"TPV","mode":3,"time":"2023-02-01T12:00:00Z","lat":1,"lon":2}\n', b"# Date: 2008\n",
     b"\xa0\xa2\x00\x02\x29\x00\x00\x29\xb0\xb3", b"\xd3\x00\x00\x47\xea\x4b", b"\x10\x8f\xab"]
)  # fmt: skip


@settings(max_examples=200)
@given(st.lists(st.one_of(pieces_of_logs, st.binary(max_size=40)), max_size=12))
def test_the_command_ends_well_on_any_bytes(parts: list[bytes]) -> None:
    stdin, stdout, stderr = sys.stdin, io.StringIO(), io.StringIO()
    sys.stdin = io.TextIOWrapper(io.BytesIO(b"".join(parts)))
    try:
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            assert main(["device", "decode", "-"]) == 0
    finally:
        sys.stdin = stdin
    for line in stdout.getvalue().splitlines():
        row = json.loads(line)
        assert list(row) == KEYS_OF_A_ROW
        assert (row["lat_deg"] is None) == (row["fix"] == "none")
    for line in stderr.getvalue().splitlines():
        assert line.startswith("skipped ")
