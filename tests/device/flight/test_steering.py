"""The steering law takes the level that leads to the waypoint; the landing is foreseen."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overflight_device.fix import FlightPlan, PlanPoint
from overflight_device.flight.balloon import Stage, Vehicle
from overflight_device.flight.geodesy import measure
from overflight_device.flight.simulation import Flight, fly
from overflight_device.flight.steering import choose_level, landing_point
from overflight_device.flight.wind import Blend, Column, Weather, Wind

LEVELS = [18_000.0, 19_000.0, 20_000.0]
VEHICLE = Vehicle(
    envelope_kg=75,
    suspended_kg=75,
    free_lift=0.12,
    volume_m3=2000,
    drag=0.8,
    max_air_kg=80,
    air_rate_kg_s=0.006,
    parachute_m=7,
)
STILL = Weather(random.Random(1), large_mps=0, small_mps=0)
# south-west wind below, north-west wind above: a balloon can go north or south of east at will
SHEAR = Blend(Column((17_000.0, 20_500.0), (Wind(15, 15), Wind(15, -15))), STILL)


@pytest.mark.parametrize(("bearing", "best"), [(0, 18_000), (90, 19_000), (180, 20_000)])
def test_it_takes_the_level_whose_wind_leads_there(bearing, best):
    winds = [Wind(5, 10), Wind(10, 0), Wind(5, -10)]
    assert choose_level(LEVELS, winds, bearing, 19_000) == best


def test_it_does_not_move_for_nothing():
    winds = [Wind(10, 0), Wind(10.1, 0), Wind(10.2, 0)]
    assert choose_level(LEVELS, winds, 90, 18_000) == 18_000


@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=3, max_size=3),
    st.floats(0, 360),
)
def test_it_always_names_a_level(winds, bearing):
    assert choose_level(LEVELS, [Wind(*wind) for wind in winds], bearing, 18_500) in LEVELS


@pytest.mark.parametrize("goal_lat", [41.5, 40.0, 38.5])
def test_a_balloon_reaches_its_waypoint_by_levels_alone(goal_lat):
    plan = FlightPlan((PlanPoint(40.0, 0.0), PlanPoint(goal_lat, 12.0)))
    flight = Flight(
        vehicle=VEHICLE,
        winds=SHEAR,
        launch=(40.0, 0.0, 0.0),
        plan=plan,
        steer=True,
        band_m=(18_000, 20_000),
        steer_every_s=900,
        look_ahead_m=150_000,
        cut_down_s=3 * 86_400,
    )
    states = list(fly(flight, random.Random(1)))
    last = states[-1]
    assert last.stage is Stage.LANDED
    assert measure(last.lat_deg, last.lon_deg, goal_lat, 12.0).distance_m < 40_000
    assert last.elapsed_s < 2.5 * 86_400


def test_the_landing_is_foreseen():
    flight = Flight(
        vehicle=VEHICLE, winds=SHEAR, launch=(40.0, 0.0, 0.0), cut_down_s=6 * 3600, epoch_s=60
    )
    states = list(fly(flight, random.Random(2)))
    top = next(state for state in states if state.elapsed_s >= 6 * 3600)
    foreseen = landing_point(VEHICLE, SHEAR, top.lat_deg, top.lon_deg, top.alt_m, top.elapsed_s)
    landed = states[-1]
    drifted = measure(top.lat_deg, top.lon_deg, landed.lat_deg, landed.lon_deg).distance_m
    missed = measure(*foreseen, landed.lat_deg, landed.lon_deg).distance_m
    assert missed < 0.08 * drifted


def test_epochs_are_even_and_the_flight_ends_after_its_landing():
    flight = Flight(
        vehicle=VEHICLE,
        winds=SHEAR,
        launch=(0.0, 179.9, 100.0),
        cut_down_s=4 * 3600,
        epoch_s=30,
        prelaunch_s=120,
        landed_s=300,
    )
    states = list(fly(flight, random.Random(3)))
    assert [state.elapsed_s for state in states] == pytest.approx(
        [30.0 * number for number in range(len(states))]
    )
    assert states[0].stage is Stage.READY
    landed = [state for state in states if state.stage is Stage.LANDED]
    assert 300 <= landed[-1].elapsed_s - landed[0].elapsed_s <= 330
    assert math.isclose(landed[-1].alt_m, 0.0)
    assert states[-1].lon_deg < 0
