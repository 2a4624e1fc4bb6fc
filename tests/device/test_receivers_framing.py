"""Cutting a receiver's bytes into frames: whole, byte by byte, torn, mixed, in noise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_device.receivers.binary_frames import MAX_BINARY
from overflight_device.receivers.encoding import message, sentence
from overflight_device.receivers.framing import Comment, Framer, Sentence, Ubx

BODY = "GPRMC,120000,A,4807.0,N,01131.0,E,10,90,010223,,"
RMC = sentence(BODY)
PVT = message(0x01, 0x07, bytes(92))
EXPECTED = [
    Sentence(tuple(BODY.split(",")), True),
    Ubx(0x01, 0x07, bytes(92)),
]


def frames(data: bytes) -> list[object]:
    framer = Framer()
    return [*framer.feed(data), *framer.finish()]


def test_whole_and_byte_by_byte() -> None:
    assert frames(RMC + PVT) == EXPECTED
    framer = Framer()
    found = [frame for octet in RMC + PVT for frame in framer.feed(bytes([octet]))]
    assert found + framer.finish() == EXPECTED
    assert not framer.skipped.pieces


@pytest.mark.parametrize("data", [RMC, PVT], ids=["sentence", "ubx"])
def test_every_prefix_is_incomplete_and_never_a_frame(data: bytes) -> None:
    end = len(data.rstrip(b"\r\n"))
    for size in range(1, end):
        framer = Framer()
        assert framer.feed(data[:size]) == []
        assert framer.finish() == []


def test_a_sentence_at_the_end_may_lack_its_line_end() -> None:
    assert frames(RMC.rstrip()) == EXPECTED[:1]


CASIC = b"\xba\xce\x08\x00\x01\x03" + bytes([1, 0, 0, 0, 2, 0, 0, 1]) + b"\x0b\x00\x01\x04"
"""Class 1, number 3, the words 1 and 0x01000002: 8 + 1<<16 + 3<<24 and their sum."""
RTCM_1005 = bytes.fromhex("d300133ed7d30202980edeef34b4bd62ac0941986f33360b98")
"""The example of the standard (RTCM 10403.3 §4.2)."""


@pytest.mark.parametrize(
    "noise",
    [
        b"\x00\xff\x13",
        b"\xb5",
        b"\xb5b",
        b"\xb5b\x01\x07\x05\x00",
        b"$",
        b"$GP",
        b"\xd3\x00",
        b"\xa0\xa2",
    ],
)
def test_noise_costs_no_frame(noise: bytes) -> None:
    assert frames(noise + RMC + noise + PVT + noise) == EXPECTED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (RMC.replace(b"4807", b"4817"), "NMEA: wrong checksum"),
        (RMC[:30] + RMC, "NMEA: torn sentence"),
        (b"$GPRMC,120000,A*\r\n", "NMEA: torn sentence"),
        (b"$GPRMC,120000,A*G0\r\n", "NMEA: torn sentence"),
        (sentence("AIVDM,1,1,,A,15M,0").replace(b"$", b"!"), "AIS: AIVDM"),
        (PVT[:-1] + b"\x00", "noise"),
        (b"\xd3\x00\x02\x3e\xd0\xa1\xc7\x44", "noise"),
        (b"\xd3\x00\x00\x47\xea\x4b", "RTCM 3: not supported"),
        (b"\xf1\xd9" + message(0x01, 0x02, bytes(9))[2:], "Allystar binary: not supported"),
        (CASIC, "CASIC binary: not supported"),
        (CASIC[:-1] + b"\x00", "noise"),
        (RTCM_1005, "RTCM 3: not supported"),
        (RTCM_1005[:-1] + b"\x99", "noise"),
        (b"\xa0\xa2\x00\x02\x01\x02\x00\x03\xb0\xb3", "SiRF binary: not supported"),
        (b"\xa0\xa1\x00\x02\x01\x02\x03\r\n", "SkyTraq binary: not supported"),
    ],
)
def test_what_is_skipped_is_counted_with_its_reason(data: bytes, reason: str) -> None:
    framer = Framer()
    framer.feed(data)
    framer.finish()
    assert reason in framer.skipped.pieces
    assert framer.skipped.octets[reason] > 0


def test_a_sentence_inside_a_binary_message_is_not_one() -> None:
    assert frames(message(0x04, 0x02, RMC)) == [Ubx(0x04, 0x02, RMC)]


def test_lower_case_checksum_and_no_checksum() -> None:
    body = "GPRMC,205150.00,V,,,,,,,,,,,V"
    (frame,) = frames(f"${body}*4a\r\n".encode())
    assert frame == Sentence(tuple(body.split(",")), True)
    (frame,) = frames(f"${body}\r\n".encode())
    assert frame == Sentence(tuple(body.split(",")), False)


def test_notes_at_the_head_of_a_log() -> None:
    assert frames(b"# Date: 2015-06-21\r\n" + RMC) == [Comment("Date: 2015-06-21"), EXPECTED[0]]


def test_what_is_held_back_is_bounded() -> None:
    framer = Framer()
    for _ in range(200):
        framer.feed(b"\xb5b\x01\x07\xff\x0f" + b"$" + b"A" * 500)
        assert framer.pending <= MAX_BINARY + 600


@given(st.binary(max_size=400), st.integers(1, 50))
def test_cutting_the_bytes_elsewhere_changes_nothing(data: bytes, step: int) -> None:
    mixed = data[:200] + RMC + data[200:] + PVT
    framer = Framer()
    found: list[object] = []
    for start in range(0, len(mixed), step):
        found += framer.feed(mixed[start : start + step])
    found += framer.finish()
    whole = Framer()
    assert found == [*whole.feed(mixed), *whole.finish()]
    assert framer.skipped == whole.skipped
