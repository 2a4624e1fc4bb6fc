"""u-blox messages: every family of fixes, alone and mixed with NMEA; GPS time; ECEF."""

from __future__ import annotations

import datetime as dt
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract.times import iso, to_ns
from overflight_device.fix import Fix
from overflight_device.receivers import ecef
from overflight_device.receivers.encoding import message, sentence
from overflight_device.receivers.gps_time import GPS_EPOCH_NS, WEEK_NS, GpsTime, leap_seconds
from overflight_device.receivers.stream import ReceiverDecoder

TOW_MS = 302_418_000  # 2023-02-01T12:00:00Z in week 2247
WEEK = 2247


def pvt(second: int, *, fix: int = 3, flags: int = 1, valid: int = 7, nano: int = 0) -> bytes:
    head = struct.pack("<IH6BIi4B", TOW_MS + second * 1000, 2023, 2, 1, 12, 0, second, valid, 0,
                       nano, fix, flags, 0, 9)  # fmt: skip
    place = struct.pack("<4iII", 115_166_667, 481_173_000, 592_300, 545_400, 2000, 3000)
    motion = struct.pack("<5iII", 0, 5000, -1500, 5000, 9_000_000, 100, 100)
    return message(0x01, 0x07, head + place + motion + struct.pack("<H6xi2h", 150, 0, 0, 0))


def nav(message_id: int, second: int, rest: bytes) -> bytes:
    return message(0x01, message_id, struct.pack("<I", TOW_MS + second * 1000) + rest)


def eoe(second: int) -> bytes:
    return nav(0x61, second, b"")


def decode(data: bytes) -> list[Fix]:
    decoder = ReceiverDecoder()
    return decoder.feed(data) + decoder.finish()


def check_place(fix: Fix) -> None:
    assert fix.lat_deg == pytest.approx(48.1173, abs=1e-7)
    assert fix.lon_deg == pytest.approx(11.5166667, abs=1e-7)
    assert fix.alt_hae_m == pytest.approx(592.3, abs=0.05)


def test_nav_pvt() -> None:
    fixes = decode(pvt(0) + eoe(0) + pvt(1) + eoe(1) + pvt(2) + eoe(2))
    assert [iso(fix.measured_at_ns)[17:] for fix in fixes] == ["01.000Z", "02.000Z"]
    for fix in fixes:
        check_place(fix)
        assert fix.mode.value == "3d"
        assert fix.alt_msl_m == pytest.approx(545.4)
        assert fix.speed_mps == pytest.approx(5)
        assert fix.track_deg == pytest.approx(90)
        assert fix.climb_mps == pytest.approx(1.5)
        assert fix.sats == 9


@pytest.mark.parametrize(
    ("fix", "flags", "mode"),
    [(0, 0, "none"), (1, 1, "2d"), (2, 1, "2d"), (3, 1, "3d"), (4, 1, "3d"), (5, 1, "3d"),
     (3, 0, "none"), (6, 1, "none"), (3, 3, "3d")],
)  # fmt: skip
def test_fix_types(fix: int, flags: int, mode: str) -> None:
    last = decode(b"".join(pvt(n, fix=fix, flags=flags) + eoe(n) for n in range(3)))[-1]
    assert last.mode.value == mode
    assert (last.lat_deg is None) == (mode == "none")


def test_without_a_valid_date_there_is_no_fix() -> None:
    assert decode(b"".join(pvt(n, valid=1) + eoe(n) for n in range(3))) == []


def test_the_fraction_is_rounded_to_whole_milliseconds() -> None:
    (fix, *_) = decode(b"".join(pvt(n, nano=-153) + eoe(n) for n in range(1, 4)))
    assert iso(fix.measured_at_ns) == "2023-02-01T12:00:02.000Z"


def posllh(second: int) -> bytes:
    return nav(0x02, second, struct.pack("<4iII", 115_166_667, 481_173_000, 592_300, 545_400, 1, 1))


def timeutc(second: int) -> bytes:
    return nav(0x21, second, struct.pack("<IiH6B", 20, 0, 2023, 2, 1, 12, 0, second, 7))


def test_the_posllh_family() -> None:
    def epoch(n: int) -> bytes:
        velned = struct.pack("<iiiIIiII", 0, 500, -150, 520, 500, 9_000_000, 1, 1)
        status = struct.pack("<4BII", 3, 1, 0, 0, 0, 0)
        dop = struct.pack("<7H", 150, 150, 150, 150, 90, 80, 80)
        return (
            posllh(n) + nav(0x03, n, status) + nav(0x04, n, dop)
            + nav(0x12, n, velned) + timeutc(n)
        )  # fmt: skip

    fixes = decode(epoch(0) + epoch(1) + epoch(2))
    last = fixes[-1]
    check_place(last)
    assert (last.mode.value, last.hdop) == ("3d", 0.9)
    assert (last.speed_mps, last.climb_mps) == (5.0, 1.5)
    assert last.track_deg == pytest.approx(90)


def test_nav_sol_of_old_receivers_is_earth_centred() -> None:
    where = (4_180_881.32, 851_886.38, 4_726_199.73)

    def epoch(n: int) -> bytes:
        x, y, z = (round(value * 100) for value in where)
        head = struct.pack(
            "<ihBB3iI3iIHBBI", 0, WEEK, 3, 0x0D, x, y, z, 0, 0, 0, 0, 0, 150, 0, 9, 0
        )
        return nav(0x06, n, head)

    place = ecef.place(*where)
    assert place is not None
    fix = decode(epoch(0) + epoch(1))[-1]
    assert fix.lat_deg == pytest.approx(place.lat_deg, abs=1e-6)
    assert fix.alt_hae_m == pytest.approx(place.alt_hae_m, abs=0.02)
    assert (fix.alt_msl_m, fix.sats, fix.mode.value) == (None, 9, "3d")
    assert iso(fix.measured_at_ns) == "2023-02-01T12:00:01.000Z"


@pytest.mark.parametrize("high_precision", [False, True])
def test_earth_centred_positions_serve_where_there_is_no_other(high_precision: bool) -> None:
    where = (4_180_881.32, 851_886.38, 4_726_199.73)
    centred = [round(value * 100) for value in where]

    def epoch(n: int, *more: bytes) -> bytes:
        status = struct.pack("<4BII", 3, 1, 0, 0, 0, 0)
        velecef = nav(0x11, n, struct.pack("<3iI", 300, 0, -400, 10))
        if high_precision:
            head = struct.pack("<4xI3i3bBI", TOW_MS + n * 1000, *centred, 0, 0, 0, 0, 100)
            place = message(0x01, 0x13, head)
        else:
            place = nav(0x01, n, struct.pack("<3iI", *centred, 100))
        return nav(0x03, n, status) + b"".join(more) + place + velecef + timeutc(n)

    expected = ecef.place(*where)
    assert expected is not None
    fix = decode(epoch(0) + epoch(1))[-1]
    assert (fix.lat_deg, fix.lon_deg) == pytest.approx((expected.lat_deg, expected.lon_deg))
    assert fix.alt_hae_m == pytest.approx(expected.alt_hae_m, abs=0.02)
    moves = ecef.motion(expected, 3.0, 0.0, -4.0)
    assert (fix.speed_mps, fix.climb_mps) == pytest.approx((moves.speed_mps, moves.climb_mps))
    check_place(decode(epoch(0, posllh(0)) + epoch(1, posllh(1)))[-1])


def test_an_invalid_high_precision_place_is_none() -> None:
    def epoch(n: int) -> bytes:
        tow_ms = TOW_MS + n * 1000
        place = (418_088_132, 85_188_638, 472_619_973, 0, 0, 0, 1, 100)
        status = nav(0x03, n, struct.pack("<4BII", 3, 1, 0, 0, 0, 0))
        return status + message(0x01, 0x13, struct.pack("<4xI3i3bBI", tow_ms, *place)) + timeutc(n)

    fixes = decode(epoch(0) + epoch(1) + epoch(2))
    assert fixes
    assert {fix.mode.value for fix in fixes} == {"none"}


@pytest.mark.parametrize(("flags", "mode"), [(1, "3d"), (0, "none")])
def test_high_rate_fixes_come_between_those_of_the_second(flags: int, mode: str) -> None:
    def high_rate(second: int, ms: int) -> bytes:
        head = struct.pack("<IH6Bi2Bxx", TOW_MS + second * 1000 + ms, 2023, 2, 1, 12, 0, second, 7,
                           ms * 1_000_000, 3, flags)  # fmt: skip
        place = struct.pack("<4i", 115_166_667, 481_173_000, 592_300, 545_400)
        motion = struct.pack("<4i", 5000, 5200, 9_000_000, 0)
        return message(0x28, 0x00, head + place + motion + bytes(20))

    fixes = decode(b"".join(pvt(n) + eoe(n) + high_rate(n, 500) for n in range(3)))
    between = [fix for fix in fixes if iso(fix.measured_at_ns).endswith(".500Z")]
    assert [fix.mode.value for fix in between] == [mode] * 3
    if flags:
        check_place(between[0])
        assert (between[0].speed_mps, between[0].track_deg) == (5.0, 90.0)


def test_nmea_and_ubx_in_one_stream_are_one_epoch() -> None:
    def epoch(n: int) -> bytes:
        place = "4807.0380,N,01131.0000,E"
        return sentence(f"GNRMC,12000{n}.00,A,{place},10.0,90.0,010223,,,A") + pvt(n) + eoe(n)

    fixes = decode(b"".join(map(epoch, range(4))))
    times = [iso(fix.measured_at_ns) for fix in fixes]
    assert times == sorted(set(times))
    assert fixes[-1].climb_mps == pytest.approx(1.5)


def test_messages_that_say_nothing_are_counted() -> None:
    decoder = ReceiverDecoder()
    decoder.feed(message(0x05, 0x01, b"\x06\x24") + message(0x01, 0x07, b"short"))
    assert decoder.skipped.pieces["UBX 05-01 says nothing of the fix"] == 1
    assert decoder.skipped.pieces["UBX 01-07 says nothing of the fix"] == 1


@given(st.integers(0, 255), st.binary(max_size=120))
def test_any_nav_message_of_any_length_is_read_or_counted(kind: int, payload: bytes) -> None:
    decode(message(0x01, kind, payload) * 2 + timeutc(1) + posllh(1))


@pytest.mark.parametrize(
    ("moment", "leap"),
    [("1980-01-06", 0), ("1981-07-01", 1), ("1999-01-01", 13), ("2015-06-30", 16),
     ("2015-07-01", 17), ("2017-01-01", 18), ("2026-01-01", 18)],
)  # fmt: skip
def test_leap_seconds(moment: str, leap: int) -> None:
    assert leap_seconds(to_ns(dt.datetime.fromisoformat(moment + "T00:00:00+00:00"))) == leap


def test_gps_weeks() -> None:
    gps_time = GpsTime()
    assert iso(gps_time.utc_ns(WEEK, TOW_MS * 10**6)) == "2023-02-01T12:00:00.000Z"
    assert iso(gps_time.utc_ns(WEEK % 1024, TOW_MS * 10**6)) == "2023-02-01T12:00:00.000Z"
    gps_time.note("Date: 2008-05-01")
    assert iso(gps_time.utc_ns(400, 0)) == "2007-04-21T23:59:46.000Z"
    gps_time.leap_s = 10
    assert gps_time.utc_ns(1500, 0) == GPS_EPOCH_NS + 1500 * WEEK_NS - 10 * 10**9


@given(st.floats(-90, 90), st.floats(-180, 180), st.floats(-500, 60_000))
def test_earth_centred_places_come_back(lat: float, lon: float, height: float) -> None:
    import math

    a, f = 6_378_137.0, 1 / 298.257223563
    e2 = f * (2 - f)
    phi, lam = math.radians(lat), math.radians(lon)
    n = a / math.sqrt(1 - e2 * math.sin(phi) ** 2)
    x = (n + height) * math.cos(phi) * math.cos(lam)
    y = (n + height) * math.cos(phi) * math.sin(lam)
    place = ecef.place(x, y, (n * (1 - e2) + height) * math.sin(phi))
    assert place is not None
    assert place.lat_deg == pytest.approx(lat, abs=1e-8)
    assert place.alt_hae_m == pytest.approx(height, abs=1e-3)
    if abs(lat) < 89.9:
        assert math.cos(math.radians(place.lon_deg) - lam) == pytest.approx(1)


def test_velocity_seen_from_a_place() -> None:
    where = ecef.Place(0.0, 0.0, 0.0)
    assert ecef.motion(where, 1.0, 0.0, 0.0) == (0.0, 0.0, 1.0)
    assert ecef.motion(where, 0.0, 2.0, 0.0) == (2.0, 90.0, 0.0)
    assert ecef.motion(where, 0.0, 0.0, 3.0) == (3.0, 0.0, 0.0)
    assert ecef.place(0, 0, 0) is None
