"""Winds: smooth, seeded, without a seam at the antimeridian or the poles; soundings read right."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_contract.errors import InputError
from overflight_device.flight.sounding import parse_sounding
from overflight_device.flight.wind import Blend, Climatology, Stream, Weather, winter_share
from overflight_device.scenario import scenario_folder

WEATHER = Weather(random.Random(7), large_mps=6, small_mps=2)
places = st.tuples(st.floats(-89.9, 89.9), st.floats(-180, 179.9), st.floats(0, 30_000))


def test_the_same_seed_gives_the_same_weather():
    again = Weather(random.Random(7), large_mps=6, small_mps=2)
    other = Weather(random.Random(8), large_mps=6, small_mps=2)
    assert again.at(50, 10, 19_000, 3600) == WEATHER.at(50, 10, 19_000, 3600)
    assert other.at(50, 10, 19_000, 3600) != WEATHER.at(50, 10, 19_000, 3600)


def test_its_strength_is_about_what_was_asked_for():
    rng = random.Random(1)
    squares = []
    for _ in range(3000):
        place = math.degrees(math.asin(rng.uniform(-1, 1))), rng.uniform(-180, 180)
        wind = WEATHER.at(*place, rng.uniform(0, 30_000), rng.uniform(0, 1e6))
        squares += [wind.east**2, wind.north**2]
    assert 3.5 < math.sqrt(sum(squares) / len(squares)) < 8.5


@given(places, st.floats(0, 1e6))
def test_weather_is_smooth(place, elapsed):
    lat, lon, alt = place
    here = WEATHER.at(lat, lon, alt, elapsed)
    there = WEATHER.at(
        lat, lon + 0.01 * max(0.02, math.cos(math.radians(lat))), alt + 5, elapsed + 5
    )
    assert math.dist(here, there) < 0.5


@given(st.floats(-89, 89), st.floats(0, 30_000))
def test_there_is_no_seam_at_the_antimeridian(lat, alt):
    blend = Blend(Climatology(0.7), WEATHER)
    assert math.dist(blend.at(lat, -180, alt, 5), blend.at(lat, 179.999999, alt, 5)) < 0.01


def as_vector(lat, lon, wind):
    la, lo = math.radians(lat), math.radians(lon)
    east, north = (
        (-math.sin(lo), math.cos(lo)),
        (-math.sin(la) * math.cos(lo), -math.sin(la) * math.sin(lo)),
    )
    return (
        wind.east * east[0] + wind.north * north[0],
        wind.east * east[1] + wind.north * north[1],
        wind.north * math.cos(la),
    )


@given(st.floats(-180, 179))
def test_the_pole_is_one_place(lon):
    one = as_vector(89.99999, lon, WEATHER.at(89.99999, lon, 10_000, 0))
    other = as_vector(89.99999, 0, WEATHER.at(89.99999, 0, 10_000, 0))
    assert math.dist(one, other) < 0.02


def test_westerlies_where_atlases_have_them():
    winter, summer = Climatology(1.0), Climatology(0.0)
    assert winter.at(45, 0, 11_000, 0).east > 20
    assert winter.at(0, 0, 20_000, 0).east < -5
    assert summer.at(50, 0, 24_000, 0).east < 0 < winter.at(50, 0, 24_000, 0).east
    assert summer.at(-50, 0, 24_000, 0).east > 0
    assert winter_share(15) == pytest.approx(1.0)
    assert winter_share(197) == pytest.approx(0.0, abs=0.001)


def test_a_stream_follows_its_plan_and_turns_with_altitude():
    stream = Stream(
        [(40, 170), (40, -160)],
        speed_mps=20,
        veer_deg_per_km=30,
        mid_m=19_000,
        bottom_m=12_000,
        full_m=17_000,
    )
    middle = stream.at(43, 180 - 1e-9, 19_000, 0)
    assert middle.east == pytest.approx(20, abs=1)
    right = stream.at(43, 180 - 1e-9, 20_000, 0)
    assert math.degrees(math.atan2(right.east, right.north)) == pytest.approx(
        math.degrees(math.atan2(middle.east, middle.north)) + 30, abs=0.1
    )
    assert stream.share(11_000) == 0
    assert stream.share(18_000) == 1


def test_the_shipped_sounding_is_marked_invented_and_can_be_read():
    path = scenario_folder() / "soundings" / "invented-spring-day.txt"
    text = path.read_text()
    assert "invented" in text.splitlines()[0]
    column = parse_sounding(text)
    assert len(column.winds) > 30
    jet = column.at(0, 0, 10_800, 0)
    assert jet.east > 15


WYOMING = """\
10393 Lindenberg Observations at 12Z 14 May 2024
-----------------------------------------------------------------------------
   PRES   HGHT   TEMP   DWPT   RELH   MIXR   DRCT   SKNT   THTA   THTE   THTV
    hPa     m      C      C      %    g/kg    deg   knot     K      K      K
-----------------------------------------------------------------------------
 1013.0    100   20.0   10.0     50   7.00    270     10  292.0  312.0  293.0
 1000.0    200   19.0    9.0     50   7.00                292.0  312.0  293.0
  850.0   1500   10.0    2.0     60   5.00    180     20  296.0  310.0  297.0
Station information and sounding indices
                         Station number: 10393
"""
CSV = """\
# a comment
time,pressure_hPa,geopotential height_m,temperature_C,wind direction_degree,wind speed_m/s
2024-05-14,1013,100,20,270,10
2024-05-14,1000,200,19,,
2024-05-14,850,1500,10,180,20
"""


@pytest.mark.parametrize(("text", "knots"), [(WYOMING, 0.514444), (CSV, 1.0)])
def test_both_forms_of_a_sounding(text, knots):
    column = parse_sounding(text)
    assert column.altitudes_m == (100, 1500)
    ground = column.at(0, 0, -50, 0)
    assert ground.east == pytest.approx(10 * knots, rel=1e-4)
    assert ground.north == pytest.approx(0, abs=1e-9)
    assert column.at(0, 0, 1500, 0).north == pytest.approx(20 * knots, rel=1e-4)
    assert column.at(0, 0, 800, 0).east == pytest.approx(5 * knots, rel=1e-4)


@given(st.text(alphabet="0123456789., -\nPRESHGHTdirectionspeedheight", max_size=400))
def test_any_text_is_a_profile_or_one_clear_error(text):
    try:
        column = parse_sounding(text)
    except InputError:
        return
    assert len(column.altitudes_m) >= 2
    assert all(math.isfinite(wind.east) for wind in column.winds)
