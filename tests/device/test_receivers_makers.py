"""Sentences of makers (``$P…``): u-blox, Garmin, Ashtech, SkyTraq, Quectel."""

from __future__ import annotations

import pytest

from overflight_contract.times import iso
from overflight_device.fix import Fix
from overflight_device.receivers.encoding import sentence
from overflight_device.receivers.stream import ReceiverDecoder

PLACE = "4807.0380,N,01131.0000,E"


def rmc(time: str, speed: str = "10.0") -> str:
    return f"GPRMC,{time},A,{PLACE},{speed},90.0,010223,,,A"


def gga(time: str, geoid: str = "46.9") -> str:
    return f"GPGGA,{time},{PLACE},1,08,0.9,545.4,M,{geoid},M,,"


def decode(*bodies: str) -> list[Fix]:
    decoder = ReceiverDecoder()
    return decoder.feed(b"".join(map(sentence, bodies))) + decoder.finish()


def times(fixes: list[Fix]) -> list[str]:
    return [iso(fix.measured_at_ns)[11:-1] for fix in fixes]


def test_pubx_adds_the_height_above_the_ellipsoid_and_the_climb() -> None:
    more = pubx("120001.00")
    epoch = [rmc("120000"), gga("120000", geoid=""), rmc("120001"), gga("120001", geoid="")]
    first, second = decode(*epoch, more)
    assert (first.alt_hae_m, first.climb_mps) == (None, None)
    assert (second.alt_hae_m, second.climb_mps) == (592.345, 5.25)
    assert decode(*epoch, more.replace("120001", "120007"))[1].climb_mps is None


def pubx(time: str, status: str = "G3", place: str = PLACE) -> str:
    return f"PUBX,00,{time},{place},592.345,{status},2.1,2.0,18.0,90.0,-5.250,,0.9,1.2,0.8,9,0,0"


def test_pubx_alone_is_a_fix_once_the_date_is_told() -> None:
    date = "PUBX,04,120000.00,010223,302418.00,2247,18,0,0,21"
    fixes = decode(pubx("120000.00"), date, *(pubx(f"12000{n}.00") for n in range(1, 5)))
    assert times(fixes) == ["12:00:01.000", "12:00:02.000", "12:00:03.000", "12:00:04.000"]
    last = fixes[-1]
    assert iso(last.measured_at_ns).startswith("2023-02-01")
    assert (last.mode.value, last.lat_deg) == ("3d", pytest.approx(48.1173))
    assert (last.alt_hae_m, last.alt_msl_m, last.climb_mps) == (592.345, None, 5.25)
    assert (last.speed_mps, last.track_deg, last.sats, last.hdop) == (5.0, 90.0, 9, 0.9)


@pytest.mark.parametrize(
    ("status", "mode"),
    [("NF", "none"), ("TT", "none"), ("G2", "2d"), ("D3", "3d"), ("RK", "3d"), ("", "none")],
)
def test_pubx_says_which_fix_it_is(status: str, mode: str) -> None:
    date = "PUBX,04,120000.00,010223,302418.00,2247,18,0,0,21"
    assert decode(date, pubx("120001.00", status))[-1].mode.value == mode
    assert decode(date, pubx("120001.00", status, ",,,"))[-1].mode.value == "none"


def test_pubx_does_not_date_what_standard_sentences_tell() -> None:
    """They have dates of their own, and 04 may come between the time and the date of an epoch."""
    fixes = decode(rmc("235959"), "PUBX,04,000000.00,020323,1.0,2247,18,0,0,21", gga("235959"))
    assert {iso(fix.measured_at_ns)[:10] for fix in fixes} == {"2023-02-01"}


@pytest.mark.parametrize(
    ("body", "speed", "altitude"),
    [
        (f"PGRMF,199,302418,010223,120000,18,{PLACE},A,2,36,90,2,1", 10.0, None),
        (f"PASHR,POS,0,08,120000.00,{PLACE},592.3,,090.0,036.0,+1.5,2,1,2,1,XX", 10.0, None),
        (f"PSTI,030,120000.000,A,{PLACE},545.4,10.0,0.0,1.5,010223,A,1.0,2.0", 10.0, 545.4),
    ],
)
def test_sentences_of_makers(body: str, speed: float, altitude: float | None) -> None:
    fixes = decode("GPZDA,120000.00,01,02,2023,00,00", body)
    assert fixes[-1].speed_mps == pytest.approx(speed)
    assert fixes[-1].lat_deg == pytest.approx(48.1173)
    assert fixes[-1].alt_msl_m == altitude
    assert iso(fixes[-1].measured_at_ns) == "2023-02-01T12:00:00.000Z"


@pytest.mark.parametrize("body", ["PGRMV,3.0,-4.0,1.5", "PQVEL,-4.0,3.0,-1.5"])
def test_a_velocity_by_its_components_gives_what_is_not_said_otherwise(body: str) -> None:
    def last(first: str, *more: str) -> Fix:
        epochs = [[s.format(n) for s in (first, *more)] for n in ("120000", "120001", "120002")]
        return decode(*(s for bodies in epochs for s in bodies))[-1]

    moves = last(rmc("{}", speed=""), body)
    assert (moves.speed_mps, moves.track_deg) == (5.0, 90)  # RMC told the track
    assert last(rmc("{}"), body).speed_mps == pytest.approx(5.1444, abs=1e-4)
    assert last(rmc("{}"), gga("{}"), body).climb_mps == 1.5
    alone = last("GPZDA,{},01,02,2023,00,00", f"GPGLL,{PLACE},{{}},A", body)
    assert alone.track_deg == pytest.approx(143.13, abs=0.01)


def test_garmin_height_in_feet() -> None:
    fixes = decode(rmc("120000"), "PGRMZ,1000,f,3", rmc("120001"), "PGRMZ,2000,f,3")
    assert [fix.alt_msl_m for fix in fixes] == [pytest.approx(304.8), pytest.approx(609.6)]


@pytest.mark.parametrize(
    ("body", "dated"),
    [
        ("PSTI,032,120000.000,010223,A,R,0.6,-0.8,-0.1,1.0,144.2,,,,,", True),
        ("PSTI,032,120000.000,010223,V,R,0.6,-0.8,-0.1,1.0,144.2,,,,,", False),
        ("PSTI,033,120000.000,010223,2,R,1,G,1,0,,,C,0,0,,,E,0,0,,,R,0,0,,,", True),
        ("PSTI,035,120000.000,010223,A,R,-0.8,-0.4,0.0,0.9,244.2,,,,,", True),
        ("PSTI,036,120000.000,010223,191.69,-16.35,0.00,R", True),
        ("PSTI,036,120000.000", False),
        ("PSTI,001,120000.000,010223,1", False),
    ],
)
def test_skytraq_tells_the_date_in_more_than_one_sentence(body: str, dated: bool) -> None:
    fixes = decode(body, f"GPGLL,{PLACE},120000.000,A,A")
    assert [iso(fix.measured_at_ns)[:10] for fix in fixes] == ["2023-02-01"] * dated


@pytest.mark.parametrize(
    "kind", ["PGRMT,GPS 15x-W,,,,,,,,", "GPGRS,120000,1,0.1,0.2", "IIMTW,9.9,C"]
)
def test_what_stands_inside_an_epoch_does_not_end_it(kind: str) -> None:
    """GLL goes on with an epoch; what follows it without a time is not where the next begins."""
    epoch = [rmc("{}"), gga("{}"), f"GPGLL,{PLACE},{{}},A,A", kind]
    bodies = [body.format(time) for time in ("120000", "120001", "120002") for body in epoch]
    assert times(decode(*bodies)) == ["12:00:00.000", "12:00:01.000", "12:00:02.000"]
