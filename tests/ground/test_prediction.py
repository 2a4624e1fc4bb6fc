"""Predictions on flights whose end is known."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import httpx
import pytest

from overflight_contract.formats import TrackPoint
from overflight_ground import prediction
from overflight_ground.http.application import create_app
from overflight_ground.ingest.plausible import Clock, Place, distance_m
from overflight_ground.prediction import density, moved, phase_of, predict, wind_at, winds_met
from overflight_ground.station import Station
from overflight_ground.store import reading
from overflight_ground.track import merge

S = 1_000_000_000
FLIGHT = "20230128T060000Z-7f3a"
START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)


def flown(phase: str, steps, lat=40.0, lon=179.5) -> list[TrackPoint]:
    """A track from (altitude, east m/s) every 30 s."""
    track = []
    for n, (alt, east) in enumerate(steps):
        track.append(TrackPoint("A", "f", n + 1, n * 30 * S, lat, lon, alt, None, phase=phase))
        lat, lon = moved(lat, lon, east * 30, 0.0)
    return track


def test_a_float_goes_on_as_it_did() -> None:
    made = predict(flown("float", [(18_000.0, 30.0)] * 200))
    assert made is not None
    one, six, day = made.points
    assert [p.hours for p in made.points] == [1.0, 6.0, 24.0]
    start = moved(40.0, 179.5, 30.0 * 30 * 199, 0.0)
    expected = moved(*start, 30.0 * 3600, 0.0)
    assert one.lon_deg == pytest.approx(expected[1], abs=0.05)
    assert one.lon_deg < 0, "over the antimeridian"
    assert one.radius_m < six.radius_m < day.radius_m
    assert made.landing is not None
    assert "if" in made.landing.label


def test_winds_met_on_the_way_up_are_reused_on_the_way_down() -> None:
    up = [(150.0 * n, 5.0 if n < 60 else 40.0) for n in range(120)]
    track = flown("ascent", up, lon=-100.0)
    winds = winds_met(track)
    assert wind_at(winds, 3_000).east == pytest.approx(5.0, rel=0.02)
    assert wind_at(winds, 15_000).east == pytest.approx(40.0, rel=0.02)
    made = predict(track)
    assert made is not None
    assert made.landing is not None
    assert made.landing.alt_m == pytest.approx(0.0, abs=1.0)
    assert made.landing.lon_deg > (track[-1].lon_deg or 0)


@pytest.mark.parametrize("phase", ["landed", "prelaunch"])
def test_nothing_is_predicted_on_the_ground(phase) -> None:
    assert predict(flown(phase, [(0.0, 0.0)] * 50)) is None


def test_too_little_is_too_little() -> None:
    assert predict(flown("ascent", [(100.0, 1.0)] * 5)) is None
    assert predict([]) is None


UP = [(1_500.0 + 150.0 * n, 10.0) for n in range(110)]
DOWN = [(18_000.0 - 180.0 * n, 10.0) for n in range(110)]


def test_where_the_launch_was_not_heard_it_lands_at_sea_level() -> None:
    made = predict(flown("descent", DOWN[:40]))
    assert made is not None
    assert made.landing is not None
    assert made.launch_m is None
    assert made.landing.alt_m == 0.0
    assert 0.2 < made.landing.hours < 2.0
    heard = predict(flown("descent", UP + DOWN[:40]))
    assert heard is not None
    assert heard.landing is not None
    assert (heard.launch_m, heard.landing.alt_m) == (1_500.0, 1_500.0)
    assert heard.landing.radius_m < made.landing.radius_m / 3, "its winds are known"


def test_below_the_launch_it_lands_where_it_is() -> None:
    track = flown("descent", UP + DOWN[:95])
    made = predict(track)
    assert made is not None
    assert made.landing is not None
    assert made.points == (made.landing,)
    assert (made.landing.hours, made.landing.alt_m) == (0.0, track[-1].alt_msl_m)
    assert made.landing.lat_deg == track[-1].lat_deg


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        (UP + DOWN[:92] + [(1_440.0, 0.0)] * 20, "landed"),
        ([(1_500.0, 0.0)] * 20, "prelaunch"),
        ([(18_000.0, 0.0)] * 20, "float"),
        (UP[:40], "ascent"),
    ],
)
def test_rest_is_told_where_the_payload_tells_no_phase(steps, phase) -> None:
    track = flown(None, steps)
    assert phase_of(track) == phase
    assert (predict(track) is None) == (phase in ("landed", "prelaunch"))


def test_what_takes_too_long_has_no_landing(monkeypatch) -> None:
    monkeypatch.setattr(prediction, "LONGEST_S", 4_000.0)
    made = predict(flown("ascent", UP[:40]))
    assert made is not None
    assert made.landing is None
    assert [point.label for point in made.points] == ["+1 h"]


@pytest.mark.parametrize("first", ["prelaunch", "ascent"])
def test_the_launch_is_where_it_waited_or_rose_from(first) -> None:
    track = flown("ascent", [(2_900.0, 0.0)] * 30 + [(2_900.0 + 150 * n, 5.0) for n in range(60)])
    assert prediction.launch_height_m([p._replace(phase=first) for p in track]) == 2_900.0
    assert prediction.launch_height_m(track[40:]) is None, "first heard above 3 km"


@pytest.fixture
def long_flight(intake, arrival, position):
    """Stores a flight that rises for an hour and floats for a day, a fix every 30 s."""
    for first in range(1, 3_001, 500):
        intake.commit(
            [
                arrival(
                    position(
                        seq,
                        measured_at=START + dt.timedelta(seconds=30 * seq),
                        alt_msl_m=min(18_000.0, 1_500.0 + 150.0 * (seq - 1)),
                        lon_deg=round(-100.0 + 0.002 * seq, 6),
                    )
                )
                for seq in range(first, first + 500)
            ]
        )


def test_of_a_long_flight_both_ends_are_read_closely(store, long_flight) -> None:
    with store.reading() as connection:
        whole = [p.measured_at_ns // S for p in merge(_rows(connection))]
        some = [p.measured_at_ns // S for p in merge(reading.sampled_rows(connection, *_OURS))]
    assert (len(whole), some[-500:]) == (3_000, whole[-500:])
    assert len(some) < 1_000
    assert some[:3] == [whole[0], whole[0] + 30, whole[0] + 90]
    assert some == sorted(set(some))
    assert max(after - before for before, after in itertools.pairwise(some)) < 600


_OURS = ("HAB-01", FLIGHT)


def _rows(connection):
    wanted = reading.MessageFilter(payload="HAB-01", flight=FLIGHT, believable=True)
    return reading.track_rows(connection, wanted)


async def asked(store, payload="HAB-01"):
    station = Station(store, lambda: 1_700_000_005 * S, clock=Clock.DATA)
    with store.reading() as connection:
        rows = reading.flight_rows(connection)
    station.load(rows)
    transport = httpx.ASGITransport(create_app(station, "token"), client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
        reply = await client.get(f"/api/v1/prediction/{payload}")
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_payload_lands_as_high_as_it_was_launched_a_day_ago(store, long_flight) -> None:
    body = await asked(store)
    assert body["phase"] == "float"
    assert body["landing"]["alt_msl_m"] == 1_500.0
    assert body["landing"]["hours"] > 0.3
    assert body["method"].endswith("the ground is as high as the launch")


async def test_a_message_from_the_future_hides_nothing(store, intake, arrival, position) -> None:
    intake.commit([arrival(position(seq)) for seq in range(1, 40)])
    before = await asked(store)
    intake.commit([arrival(position(40, measured_at=START + dt.timedelta(days=4_000)))])
    assert before["landing"] is not None
    assert await asked(store) == before
    assert "sea level" in before["method"]
    with store.reading() as connection:
        newest = reading.last_measured_ns(connection, *_OURS)
    assert newest == int((START + dt.timedelta(seconds=60 * 39)).timestamp()) * S


@pytest.mark.parametrize(
    ("alt_m", "expected"),
    [(0, 1.225), (5_000, 0.73643), (11_000, 0.36392), (20_000, 0.088035), (30_000, 0.018012)],
)
def test_density_is_that_of_the_tables(alt_m, expected) -> None:
    """ICAO Doc 7488, table 1."""
    assert density(alt_m) == pytest.approx(expected, rel=0.01)


FLIGHTS = Path(__file__).parents[3] / "shared" / "data" / "flights"


@pytest.mark.shared
@pytest.mark.parametrize("name", ["eoss-297", "eoss-352", "eoss-371"])
def test_the_landing_of_a_real_flight_while_it_comes_down(name) -> None:
    file = FLIGHTS / f"{name}.csv"
    if not file.is_file():
        pytest.skip("the recordings are not here")
    from overflight_device.sources.track import in_order, read_fixes

    track = [
        TrackPoint("A", name, n, f.measured_at_ns, f.lat_deg, f.lon_deg, f.alt_msl_m, None)
        for n, f in enumerate(in_order(read_fixes(file.read_bytes())), 1)
    ]
    end = track[-1]
    cut = [p for p in track if end.measured_at_ns - p.measured_at_ns > 900 * S]
    made = predict(cut)
    assert made is not None
    assert made.phase == "descent"
    assert made.landing is not None
    there = Place(0, end.lat_deg or 0, end.lon_deg or 0)
    here = Place(0, made.landing.lat_deg, made.landing.lon_deg)
    assert distance_m(here, there) < 3 * made.landing.radius_m
