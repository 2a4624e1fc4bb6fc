"""NMEA by epoch: what makes a fix, its mode, its time; synthetic logs of many habits."""

from __future__ import annotations

import datetime as dt

import pytest

from overflight_contract.times import iso, to_ns
from overflight_device.fix import Fix
from overflight_device.receivers.encoding import sentence
from overflight_device.receivers.latest import Latest
from overflight_device.receivers.stream import ReceiverDecoder

PLACE = "4807.0380,N,01131.0000,E"


def rmc(time: str, status: str = "A", date: str = "010223", speed: str = "10.0") -> str:
    return f"GPRMC,{time},{status},{PLACE},{speed},90.0,{date},,,A"


def gga(time: str, quality: int = 1, sats: str = "08", altitude: str = "545.4", **more: str) -> str:
    talker, geoid = more.get("talker", "GP"), more.get("geoid", "46.9")
    return f"{talker}GGA,{time},{PLACE},{quality},{sats},0.9,{altitude},M,{geoid},M,,"


def gsa(mode: int, *sats: int, talker: str = "GP") -> str:
    used = [f"{n:02d}" for n in sats] + [""] * (12 - len(sats))
    return f"{talker}GSA,A,{mode},{','.join(used)},1.8,0.9,1.5"


def decode(*bodies: str, notes: str = "") -> list[Fix]:
    decoder = ReceiverDecoder()
    data = notes.encode() + b"".join(map(sentence, bodies))
    return decoder.feed(data) + decoder.finish()


def times(fixes: list[Fix]) -> list[str]:
    return [iso(fix.measured_at_ns)[11:-1] for fix in fixes]


def test_one_fix_an_epoch_from_all_its_sentences() -> None:
    first, second = decode(
        rmc("120000"), gga("120000"), gsa(3, 1, 2, 3, 4, 5, 6, 7, 8),
        rmc("120001"), gga("120001", altitude="550.0"), gsa(3, 1, 2, 3, 4, 5, 6, 7, 8),
    )  # fmt: skip
    assert iso(first.measured_at_ns) == "2023-02-01T12:00:00.000Z"
    assert first.mode.value == "3d"
    assert first.lat_deg == pytest.approx(48 + 7.038 / 60)
    assert first.lon_deg == pytest.approx(11 + 31 / 60)
    assert first.alt_msl_m == 545.4
    assert first.alt_hae_m == pytest.approx(592.3)
    assert first.speed_mps == pytest.approx(5.1444, abs=1e-4)
    assert (first.track_deg, first.climb_mps, first.sats, first.hdop) == (90, None, 8, 0.9)
    assert second.alt_msl_m == 550


@pytest.mark.parametrize("talker", ["GP", "GN", "GL", "GA", "GB", "BD", "QZ", "II"])
def test_any_talker(talker: str) -> None:
    (fix,) = decode(rmc("120000"), gga("120000", talker=talker))
    assert fix.alt_msl_m == 545.4


def test_the_last_sentence_of_an_epoch_is_learned_and_waited_for() -> None:
    decoder = ReceiverDecoder()
    for second in range(3):
        decoder.feed(b"".join(map(sentence, [gga(f"12000{second}"), rmc(f"12000{second}")])))
    decoder.feed(sentence(gga("120003")))
    (third,) = decoder.settle()
    assert times([third]) == ["12:00:02.000"]
    assert decoder.settle() == []  # of the fourth only a part has come
    decoder.feed(sentence(rmc("120003")))
    assert times(decoder.settle()) == ["12:00:03.000"]


def test_an_epoch_that_is_cut_off_at_the_end_is_not_reported() -> None:
    fixes = decode(rmc("120000"), gga("120000"), rmc("120001"), gga("120001"), rmc("120002"))
    assert times(fixes) == ["12:00:00.000", "12:00:01.000"]


def reports(*bodies: str) -> str:
    """Return a mark for each sentence: the mode where a report was made, else a dot."""
    decoder = ReceiverDecoder()
    epochs = decoder._epochs
    marks: list[str] = []
    made: list[int] = []
    original = epochs._report
    epochs._report = lambda: (made.append(epochs.current.mode), original())[1]  # type: ignore[method-assign]
    for body in bodies:
        made.clear()
        decoder.feed(sentence(body))
        marks.append(str(made[0]) if made else ".")
    return "".join(marks)


NO_TIME = ["GPGGA,,,,,,0,,,,M,,M,,", "GPGLL,,,,,,V,N", gsa(1), "GPRMC,,V,,,,,,,,,,N"]
SKY = "GPGSV,1,1,02,01,40,083,46,02,17,308,41"


@pytest.mark.parametrize(
    ("bodies", "marks"),
    [
        # While it is not known what comes last, all that is notable is reported.
        ([rmc("120000"), gga("120000"), gsa(3, 1, 2, 3, 4), SKY], "233."),
        # Then only what comes last, and what follows it without a time.
        ([rmc("120000"), gga("120000"), gsa(3, 1), rmc("120001"), gga("120001"), gsa(3, 1), SKY,
          "GPGST,120001,4,8,4,132,6,7,14", "GPTXT,01,01,02,hello"], "233.3333."),
        # ZDA has a time, too, and may come last.
        ([gga("120000"), rmc("120000"), "GPZDA,120000,01,02,2023,,", gga("120001"), rmc("120001"),
          "GPZDA,120001,01,02,2023,,"], "33...3"),
        # GLL trails; without a time of its own it still ends an epoch.
        ([gga("120000"), "GPGLL,,,,,,V,N", gga("120001"), "GPGLL,,,,,,V,N"], "3131"),
        # A sentence without a time where one belongs: nothing is known any more.
        ([*NO_TIME, gga("120000"), f"GPGLL,{PLACE},120000,A,A", rmc("120000"), gga("120001")],
         "11.1333."),
    ],
)  # fmt: skip
def test_which_sentences_make_a_report(bodies: list[str], marks: str) -> None:
    assert reports(*bodies) == marks


def test_what_follows_the_last_time_still_counts() -> None:
    fixes = decode(
        gga("120000"), rmc("120000", speed=""), "GPVTG,90.0,T,,M,10.0,N,18.5,K,A",
        gga("120001"), rmc("120001", speed=""), "GPVTG,90.0,T,,M,20.0,N,37.0,K,A",
    )  # fmt: skip
    assert [round(fix.speed_mps or 0, 2) for fix in fixes][1:] == [10.29]


def test_fractions_of_a_second() -> None:
    stamps = ["120000.00", "120000.20", "120000.40", "120000.6", "120000.800"]
    fixes = decode(*(body for stamp in stamps for body in (rmc(stamp), gga(stamp))))
    assert times(fixes) == [f"12:00:00.{n}00" for n in (0, 2, 4, 6, 8)]


@pytest.mark.parametrize(
    ("bodies", "mode"),
    [
        ([rmc("120000")], "2d"),
        ([rmc("120000"), gga("120000", sats="03")], "2d"),
        ([rmc("120000"), gga("120000", altitude="")], "2d"),
        ([rmc("120000"), gga("120000")], "3d"),
        ([rmc("120000"), gga("120000", quality=6)], "3d"),
        ([rmc("120000"), gga("120000", quality=8)], "3d"),
        ([rmc("120000"), gga("120000", quality=0)], "none"),
        ([rmc("120000"), gga("120000", sats="02")], "none"),
        ([rmc("120000"), gga("120000"), gsa(1)], "none"),
        ([rmc("120000"), gsa(2, 1, 2, 3)], "2d"),
        ([rmc("120000"), gsa(3, 1, 2, 3, 4)], "3d"),
        ([rmc("120000"), gga("120000"), "GPGLL,,,,,120000,V,N"], "none"),
        ([rmc("120000").replace(PLACE, ",,,")], "none"),
        (["GPZDA,120000.00,01,02,2023,00,00", gga("120000")], "3d"),
        (
            ["GPZDA,120000.00,01,02,2023,00,00", f"GNGNS,120000,{PLACE},AAN,09,0.8,5.0,4.0,,,V"],
            "3d",
        ),
        (["GPZDA,120000.00,01,02,2023,00,00", f"GNGNS,120000,{PLACE},AAN,09,0.8,5.0,4.0,,,U"], ""),
        (["GPZDA,120000.00,01,02,2023,00,00", f"GNGNS,120000,{PLACE},AAN,09,0.8,5.0,4.0,,"], "3d"),
        (["GPZDA,120000.00,01,02,2023,00,00", f"GNGNS,120000,{PLACE},NN,00,,,,,"], "none"),
        (["GPZDA,120000.00,01,02,2023,00,00", f"GPGLL,{PLACE},120000,A,A"], "2d"),
    ],
)
def test_modes(bodies: list[str], mode: str) -> None:
    fixes = decode(*bodies)
    assert "".join(fix.mode.value for fix in fixes) == mode
    for fix in fixes:
        assert (fix.lat_deg is None) == (mode == "none")
        assert fix.alt_msl_m is None or mode != "none"


@pytest.mark.parametrize(
    "bodies",
    [
        [gga("120000"), gsa(3, 1, 2, 3, 4)],
        [f"GPGLL,{PLACE},120000,A,A"],
        [rmc("120000", date="")],
        [rmc("120000", date="320123")],
        [rmc("120000", date="01022")],
        [rmc("250000")],
        [rmc("126000")],
        [rmc("1200")],
        ["GPZDA,120000,,,,,", gga("120000")],
        ["GPRMC,,V,,,,,,,,,,N", "GPGGA,,,,,,0,,,,M,,M,,"],
    ],
    ids=range(10),
)
def test_without_a_date_and_a_time_there_is_no_fix(bodies: list[str]) -> None:
    decoder = ReceiverDecoder()
    assert decoder.feed(b"".join(map(sentence, bodies))) + decoder.finish() == []
    assert decoder.undated or "ZDA" in bodies[0]


@pytest.mark.parametrize(
    "place",
    ["4860.0,N,01131.0,E", "9100.0,N,01131.0,E", "4807.0,N,18100.0,E", "4807.0,X,01131.0,E",
     "48O7.0,N,01131.0,E", "4807.0,N,,", "-4807.0,N,01131.0,E", "7.0,N,01131.0,E", "nan,N,inf,E"],
)  # fmt: skip
def test_a_place_that_cannot_be_is_no_place(place: str) -> None:
    (fix,) = decode(rmc("120000").replace(PLACE, place))
    assert (fix.mode.value, fix.lat_deg, fix.lon_deg) == ("none", None, None)


def test_a_receiver_that_loses_its_fix_says_so() -> None:
    fixes = decode(
        gga("120000"), rmc("120000"), gga("120001"), rmc("120001"),
        gga("120002", quality=0, sats="00"), rmc("120002", status="V"),
        gga("120003", quality=0, sats="00"), rmc("120003", status="V"),
    )  # fmt: skip
    assert fixes[-1].mode.value == "none"
    assert all(fix.lat_deg is None for fix in fixes if fix.mode.value == "none")


def test_midnight_and_the_leap_second() -> None:
    fixes = decode(
        gga("235959"), rmc("235959", date="311216"), gga("235960"), rmc("235960", date="311216"),
        gga("000000"), rmc("000000", date="010117"), gga("000001"), rmc("000001", date="010117"),
        notes="# Date: 2016-12-31\n",
    )  # fmt: skip
    found = [iso(fix.measured_at_ns) for fix in fixes]
    assert found == sorted(found)
    assert found[0] == "2016-12-31T23:59:59.000Z"
    assert found[-1] == "2017-01-01T00:00:01.000Z"


def test_midnight_before_the_new_date_is_told() -> None:
    late = [gga("235959"), rmc("235959", date="010223")]
    early = [gga("000000"), rmc("000000", date="020223")]
    fixes = decode(*late, *early)
    assert [iso(fix.measured_at_ns) for fix in fixes] == [
        "2023-02-01T23:59:59.000Z",
        "2023-02-02T00:00:00.000Z",
    ]


@pytest.mark.parametrize(
    ("date", "notes", "year"),
    [
        ("010223", "", "2023"),
        ("130305", "", "2024"),  # before 2017: it lost count of the weeks
        ("130305", "# Date: 2005-03-12\n", "2005"),
        ("220899", "# Date: 2019-04-07\n", "2019"),
        ("010199", "# Date: 1999-01-01\n", "1999"),
    ],
)
def test_two_digits_of_the_year_and_week_rollovers(date: str, notes: str, year: str) -> None:
    (fix,) = decode(rmc("120000", date=date), notes=notes)
    assert iso(fix.measured_at_ns)[:4] == year


def test_satellites_of_several_constellations_add_up() -> None:
    (fix,) = decode(
        rmc("120000"), gga("120000", sats="12"),
        gsa(3, 1, 2, 3, 4, 5, 6, 7, talker="GN") + ",1", gsa(3, 65, 66, 67, talker="GN") + ",2",
        gsa(3, 1, 2, 3, 4, talker="GN") + ",3",
    )  # fmt: skip
    assert fix.sats == 14


def test_a_satellite_that_is_listed_twice_counts_once() -> None:
    """Quectel lists those of GPS in GP and in GN."""
    one, two = (gsa(3, 1, 2, 3, talker=talker) for talker in ("GP", "GN"))
    (fix,) = decode(rmc("120000"), gga("120000", sats="03"), one, two + ",1")
    assert fix.sats == 3


@pytest.mark.parametrize("dilutions", ["99.99,99.99,99.99", "99.0,99.0,99.0", "0.00,0.00,0.00"])
def test_no_dilution_is_not_a_dilution(dilutions: str) -> None:
    body = gga("120000").replace(",0.9,", f",{dilutions.split(',')[0]},")
    used = gsa(3, 1, 2, 3, 4).replace("1.8,0.9,1.5", dilutions)
    (fix,) = decode(rmc("120000"), body, used)
    assert fix.hdop is None


@pytest.mark.parametrize("mode", ["0", "", "E", "4", "x"])
def test_a_mode_that_gsa_does_not_know_says_nothing(mode: str) -> None:
    (fix,) = decode(
        rmc("120000"), gga("120000"), gsa(3, 1, 2, 3, 4).replace(",A,3,", f",A,{mode},")
    )
    assert fix.mode.value == "3d"


def test_a_gga_that_does_not_advance_is_not_trusted() -> None:
    fixes = decode(gga("120000"), rmc("120000"), gga("120000"), gsa(3, 1, 2, 3, 4))
    assert times(fixes) == ["12:00:00.000"]


def without(body: str) -> bytes:
    return f"${body}\r\n".encode()


def test_a_receiver_that_sends_no_checksums_is_believed() -> None:
    decoder = ReceiverDecoder()
    data = b"".join(without(f(f"12000{n}")) for n in range(3) for f in (rmc, gga))
    assert len(decoder.feed(data) + decoder.finish()) == 3


def test_where_checksums_are_sent_a_sentence_without_has_lost_its_end() -> None:
    decoder = ReceiverDecoder()
    torn = without(rmc("120001").replace("4807.0380", "4807.03"))
    data = sentence(rmc("120000")) + torn + sentence(rmc("120002"))
    fixes = decoder.feed(data) + decoder.finish()
    assert [fix.lat_deg for fix in fixes] == [pytest.approx(48.1173)] * 2
    assert decoder.skipped.pieces["NMEA: checksum missing"] == 1
    decoder = ReceiverDecoder()
    assert decoder.feed(torn + sentence(rmc("120002"))) + decoder.finish() != []
    assert decoder.skipped.pieces["NMEA: checksum missing"] == 1


def test_what_says_nothing_is_counted_by_name() -> None:
    decoder = ReceiverDecoder()
    decoder.feed(sentence("GPRMB,A,,,,,,,,,,,,V") + sentence("PMTK010,001"))
    assert decoder.skipped.pieces["NMEA: GPRMB says nothing of the fix"] == 1
    assert decoder.skipped.pieces["NMEA: PMTK010 says nothing of the fix"] == 1


def test_a_receiver_that_tells_the_next_time_before_this_position() -> None:
    """As Ashtech does: ZDA is two seconds ahead of GGA and RMC."""
    bodies = []
    for n in range(6):
        zda = f"GPZDA,12000{n + 2}.00,01,02,2023,00,00"
        bodies += [gga(f"12000{n}", altitude=f"{500 + n}"), rmc(f"12000{n}"), zda]
    latest = Latest()
    fixes = [*latest.add(decode(*bodies)), *latest.finish()]
    assert len({fix.measured_at_ns for fix in fixes}) == len(fixes)
    heights = [fix.alt_msl_m for fix in fixes if fix.mode.value == "3d"]
    assert heights == [500, 501, 502, 503, 504, 505]
    live = ReceiverDecoder(bare_times=False)
    seen = live.feed(b"".join(map(sentence, bodies))) + live.finish()
    assert [fix.alt_msl_m for fix in seen] == heights


def test_no_week_rollover_is_mended_into_the_future() -> None:
    """A log of 2015 without notes is one of 2015: 1,024 weeks later has not come yet in 2026."""
    line = b"$GNRMC,092835.00,A,4804.14539,N,01621.54005,E,0.250,,210615,,,A*6F\r\n"
    decoder = ReceiverDecoder(now_ns=to_ns(dt.datetime(2026, 11, 22, tzinfo=dt.UTC)))
    fixes = [*decoder.feed(line), *decoder.finish()]
    assert [iso(fix.measured_at_ns) for fix in fixes] == ["2015-06-21T09:28:35.000Z"]
