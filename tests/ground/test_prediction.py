"""Predictions on flights whose end is known."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from overflight_contract.formats import TrackPoint
from overflight_ground.ingest.plausible import Place, distance_m
from overflight_ground.prediction import density, moved, predict, wind_at, winds_met

S = 1_000_000_000


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
    there, here = (
        Place(0, math.radians(lat), math.radians(lon))
        for lat, lon in ((end.lat_deg, end.lon_deg), (made.landing.lat_deg, made.landing.lon_deg))
    )
    assert distance_m(here, there) < 3 * made.landing.radius_m
