"""``track:``: recorded flights of every format."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from geographiclib.geodesic import Geodesic

from overflight_contract.errors import InputError
from overflight_contract.formats import FORMATS, TrackPoint
from overflight_contract.times import iso
from overflight_device.fix import Fix, SourceOptions
from overflight_device.sources import open_source

FLIGHTS = Path(__file__).parents[3] / "shared" / "data" / "flights"
HEADER = "flightid,callsign,receivetime,packettime,altitude_m,vert_rate_ftmin,bearing,speed_kph"


def fixes(spec: str, **options: int) -> list[Fix]:
    source = open_source(spec, SourceOptions(**options))
    assert not source.live
    assert not source.simulated
    return [event for event in source if isinstance(event, Fix)]


def flight_file(tmp_path: Path, *rows: str) -> str:
    path = tmp_path / "flight.csv"
    head = HEADER + ",latitude,longitude\n"
    path.write_text(head + "".join(f"EOSS-1,{row}\n" for row in rows))
    return f"track:{path}"


def test_packets_are_ordered_by_their_own_time_and_doubles_go(tmp_path: Path) -> None:
    spec = flight_file(
        tmp_path,
        "A-1,2020-07-11T08:00:30,2020-07-11T14:00:30.000,1600,600,90,36,40.2,-104.2",
        "A-1,2020-07-11T08:00:20,2020-07-11T14:00:10.000,1500,0,361,0,40.1,-104.1",
        "A-1,2020-07-11T08:00:31,2020-07-11T14:00:30.000,1600,600,90,36,40.2,-104.2",
        "A-1,2020-07-11T08:00:32,,1600,600,90,36,40.2,-104.2",
        "A-1,2020-07-11T08:00:33,2020-07-11T14:00:33.000,1600,600,90,36,140.2,-104.2",
    )
    first, second = fixes(spec)
    assert iso(first.measured_at_ns) == "2020-07-11T14:00:10.000Z"
    assert first.track_deg == 1
    assert second.speed_mps == pytest.approx(10)
    assert second.climb_mps == pytest.approx(3.048)
    assert (second.alt_msl_m, second.alt_hae_m) == (1600, None)


def test_one_instant_is_the_busier_beacons(tmp_path: Path) -> None:
    rows = (
        "B-2,x,2020-07-11T14:00:10,1510,0,0,0,40.1,-104.1",
        "A-1,x,2020-07-11T14:00:10,1500,0,0,0,40.1,-104.1",
        "A-1,x,2020-07-11T14:00:20,1600,0,0,0,40.1,-104.1",
    )
    spec = flight_file(tmp_path, *rows)
    assert [fix.alt_msl_m for fix in fixes(spec)] == [1500, 1600]
    assert [fix.alt_msl_m for fix in fixes(spec + "?beacon=B-2")] == [1510]
    with pytest.raises(InputError, match="A-1, B-2"):
        fixes(spec + "?beacon=C-3")


def test_starts_after_what_was_recorded(tmp_path: Path) -> None:
    spec = flight_file(
        tmp_path,
        "A-1,x,1970-01-01T00:00:01,1500,0,0,0,40.1,-104.1",
        "A-1,x,1970-01-01T00:00:02,1600,0,0,0,40.1,-104.1",
    )
    assert [f.alt_msl_m for f in fixes(spec, start_after_ns=1_000_000_000)] == [1600]


@pytest.mark.shared
@pytest.mark.skipif(not FLIGHTS.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize("number", [297, 300, 352, 371])
def test_real_flights_agree_with_their_metadata(number: int) -> None:
    track = fixes(f"track:{FLIGHTS / f'eoss-{number}.csv'}")
    with (FLIGHTS / f"eoss-{number}_metadata.csv").open() as stream:
        facts = next(csv.DictReader(stream))
    times = [fix.measured_at_ns for fix in track]
    assert times == sorted(set(times))
    for fix, place in ((track[0], "launch"), (track[-1], "landing")):
        lat = float(facts[f"{place}_location.latitude"])
        lon = float(facts[f"{place}_location.longitude"])
        assert fix.lat_deg is not None
        assert fix.lon_deg is not None
        assert Geodesic.WGS84.Inverse(lat, lon, fix.lat_deg, fix.lon_deg)["s12"] < 1500
    highest = max(fix.alt_msl_m or -math.inf for fix in track)
    assert abs(highest - float(facts["maxaltitude_m"])) < 100


def test_gpx(tmp_path: Path) -> None:
    path = tmp_path / "walk.gpx"
    path.write_text(
        '<?xml version="1.0"?><gpx version="1.1" creator="t" '
        'xmlns="http://www.topografix.com/GPX/1/1"><trk><trkseg>'
        '<trkpt lat="1.5" lon="-2.5"><ele>10.5</ele><time>2023-02-01T12:00:00Z</time>'
        "<geoidheight>2</geoidheight><fix>3d</fix><sat>7</sat><hdop>0.9</hdop></trkpt>"
        '<trkpt lat="1.6" lon="-2.6"><time>2023-02-01T12:00:01.250Z</time></trkpt>'
        '<trkpt lat="1.7" lon="-2.7"></trkpt></trkseg></trk></gpx>'
    )
    first, second = fixes(f"track:{path}")
    assert (first.alt_msl_m, first.alt_hae_m, first.sats, first.hdop) == (10.5, 12.5, 7, 0.9)
    assert (second.mode.value, second.alt_msl_m) == ("2d", None)
    assert iso(second.measured_at_ns) == "2023-02-01T12:00:01.250Z"


def test_geojson_line_and_points(tmp_path: Path) -> None:
    path = tmp_path / "flight.geojson"
    line = {
        "type": "Feature",
        "properties": {"coordTimes": ["2023-02-01T12:00:00Z", "2023-02-01T12:00:01Z", "bad"]},
        "geometry": {"type": "LineString", "coordinates": [[-2, 1, 100], [-3, 2, 200], [1, 2]]},
    }
    point = {
        "type": "Feature",
        "properties": {"time": "2023-02-01T12:00:02Z", "alt_hae_m": 5, "sats": 9},
        "geometry": {"type": "Point", "coordinates": [-4, 3]},
    }
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [line, point]}))
    first, second, third = fixes(f"track:{path}")
    assert (first.lat_deg, first.lon_deg, first.alt_hae_m) == (1, -2, 100)
    assert (second.alt_hae_m, second.alt_msl_m) == (200, None)
    first, *_ = fixes(f"track:{path}?height=msl")
    assert (first.alt_hae_m, first.alt_msl_m) == (None, 100)
    assert (third.alt_hae_m, third.alt_msl_m, third.sats) == (5, None, 9)


def test_nmea_and_gpsd_logs(tmp_path: Path) -> None:
    nmea = tmp_path / "receiver.log"
    nmea.write_bytes(b"$GPRMC,120000,A,4807.0,N,01131.0,E,10,90,010223,,*1D\r\n")
    (fix,) = fixes(f"track:{nmea}")
    assert fix.lat_deg == pytest.approx(48 + 7 / 60)
    gpsd = tmp_path / "gpsd.json"
    report = {"class": "TPV", "mode": 3, "time": "2023-02-01T12:00:00.000Z", "lat": 1, "lon": 2}
    gpsd.write_text(
        '{"class":"VERSION","release":"3.25"}\n'
        + json.dumps({**report, "altMSL": 1.5})
        + "\n"
        + json.dumps({**report, "altMSL": 2.5, "altHAE": 3.5})
    )
    (fix,) = fixes(f"track:{gpsd}")
    assert (fix.alt_msl_m, fix.alt_hae_m) == (2.5, 3.5)


POINTS = [
    TrackPoint(
        payload="HAB-01", flight="f", seq=n, measured_at_ns=(1_675_252_800 + n) * 10**9,
        lat_deg=48.0 + n / 100, lon_deg=179.995 if n == 0 else -180 + n / 100,
        alt_msl_m=500.5 + n, alt_hae_m=547.2 + n, speed_mps=5.0, track_deg=90.0, climb_mps=1.0,
        phase="ascent", fix="3d", sats=8, hdop=0.9,
    )
    for n in range(5)
]  # fmt: skip


@pytest.mark.parametrize("name", ["gpx", "geojson", "csv", "jsonl"])
def test_what_the_ground_exports_can_be_flown_again(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"flight.{name}"
    with path.open("wb") as stream:
        FORMATS[name].write(iter(POINTS), stream, simulated=True)
    track = fixes(f"track:{path}")
    assert [fix.measured_at_ns for fix in track] == [point.measured_at_ns for point in POINTS]
    for fix, point in zip(track, POINTS, strict=True):
        assert fix.lat_deg == pytest.approx(point.lat_deg, abs=1e-6)
        assert fix.lon_deg == pytest.approx(point.lon_deg, abs=1e-6)
        assert fix.alt_hae_m == pytest.approx(point.alt_hae_m, abs=0.01)
        if name in ("csv", "jsonl"):
            assert (fix.alt_msl_m, fix.climb_mps, fix.sats) == (point.alt_msl_m, 1.0, 8)


def test_what_decode_prints_can_be_flown(tmp_path: Path) -> None:
    path = tmp_path / "fixes.jsonl"
    path.write_text(
        '{"measured_at": "2023-02-01T12:00:00.000Z", "fix": "3d", "lat_deg": 1, "lon_deg": 2}\n'
        '{"measured_at": "2023-02-01T12:00:01.000Z", "fix": "none", "lat_deg": null}\nnot json\n'
    )
    first, second = fixes(f"track:{path}")
    assert (first.mode.value, first.lat_deg) == ("3d", 1)
    assert (second.mode.value, second.lat_deg) == ("none", None)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.gpx", "<gpx"), ("a.json", '{"type":'), ("a.log", "\x00noise"), ("a.csv", "")],
)
def test_a_file_without_a_flight_is_one_sentence(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError):
        fixes(f"track:{path}")


def test_bad_specs() -> None:
    with pytest.raises(InputError, match="can't read"):
        fixes("track:/nowhere/at/all")
    with pytest.raises(InputError, match="no setting"):
        fixes("track:x?speed=2")
    with pytest.raises(InputError, match="hae or msl"):
        fixes("track:x?height=2")
