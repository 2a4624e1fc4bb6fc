"""Moving and measuring on the ellipsoid, over the antimeridian and at the poles."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_device.flight.geodesy import (
    destination,
    drift,
    measure,
    nudge,
    unit_vector,
    wrap_longitude,
)

lats = st.floats(-89.9, 89.9)
lons = st.floats(-180, 179.999)


@given(lats, lons, st.floats(0, 360), st.floats(1, 5_000_000))
def test_going_and_measuring_agree(lat, lon, azimuth, distance):
    end = destination(lat, lon, azimuth, distance)
    line = measure(lat, lon, *end)
    assert line.distance_m == pytest.approx(distance, abs=1e-3)
    assert -180 <= end[1] < 180


@given(st.floats(-88, 88), lons, st.floats(-20, 20), st.floats(-20, 20))
def test_a_nudge_is_a_small_drift(lat, lon, east, north):
    exact, quick = drift(lat, lon, east, north), nudge(lat, lon, east, north)
    assert measure(*exact, *quick).distance_m < 0.01


@given(lats, lons)
def test_unit_vectors_have_unit_length(lat, lon):
    assert math.hypot(*unit_vector(lat, lon)) == pytest.approx(1)


def test_longitudes_are_wrapped():
    assert wrap_longitude(180) == -180
    assert wrap_longitude(-181) == 179
    assert nudge(0, 179.99999, 10, 0)[1] < -179.9
    assert drift(89.99, 0, 0, 5_000)[1] == pytest.approx(-180, abs=1e-6)
