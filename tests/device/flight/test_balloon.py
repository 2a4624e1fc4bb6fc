"""The balloon obeys its physics: rise, burst, float, ballast, valve, fall, and nothing else."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_device.flight.atmosphere import G0, air_at
from overflight_device.flight.balloon import (
    COAST,
    Command,
    Stage,
    State,
    Vehicle,
    displaced_m3,
    fall_mps,
    float_altitude,
    rise_mps,
    sphere_drag,
    step,
    total_kg,
)
from overflight_device.flight.wind import Wind

LATEX = Vehicle(
    envelope_kg=1.0, suspended_kg=2.05, free_lift=0.32, burst_diameter_m=7.86, parachute_m=1.9
)
PRESSURE = Vehicle(
    envelope_kg=75,
    suspended_kg=75,
    free_lift=0.12,
    volume_m3=2000,
    drag=0.8,
    ballast_kg=5,
    max_air_kg=80,
    air_rate_kg_s=0.006,
)
CALM = Wind(0.0, 0.0)


def start(vehicle, alt_m=0.0, stage=Stage.ASCENT):
    return State(
        elapsed_s=0,
        lat_deg=45,
        lon_deg=7,
        alt_m=alt_m,
        gas_kg=vehicle.gas_kg,
        ballast_kg=vehicle.ballast_kg,
        stage=stage,
    )


def fly(vehicle, state, seconds, dt_s, command=COAST, rng=None):
    rng = rng or random.Random(1)
    for _ in range(round(seconds / dt_s)):
        state = step(vehicle, state, dt_s, CALM, rng, command)
    return state


def test_free_lift_is_what_was_asked_for():
    state = start(LATEX)
    lift = displaced_m3(LATEX, state, 1.225) * 1.225 - total_kg(LATEX, state)
    assert lift == pytest.approx(0.32 * 3.05, rel=1e-6)


def test_drag_balances_lift_at_the_speed_of_rise():
    state = replace(start(PRESSURE, 1_000), climb_mps=5.0)
    air = air_at(1_000)
    volume = displaced_m3(PRESSURE, state, air.density)
    area = math.pi * (6 * volume / math.pi) ** (2 / 3) / 4
    drag = 0.5 * air.density * 0.8 * area * rise_mps(PRESSURE, state) ** 2
    lift = (volume * air.density - total_kg(PRESSURE, state)) * G0
    assert drag == pytest.approx(lift, rel=1e-9)


def test_the_drag_crisis_goes_one_way():
    values = [sphere_drag(10**exponent) for exponent in (4, 5, 5.5, 5.7, 6, 7)]
    assert values == sorted(values, reverse=True)
    assert values[0] == pytest.approx(0.5, abs=0.01)
    assert values[-1] == pytest.approx(0.16, abs=0.01)


def test_latex_bursts_at_its_diameter_and_comes_down():
    state = start(LATEX)
    rng = random.Random(2)
    highest = 0.0
    while state.stage is not Stage.LANDED:
        state = step(LATEX, state, 2.0, CALM, rng, Command(ground_m=100))
        highest = max(highest, state.alt_m)
        assert state.elapsed_s < 4 * 3600
    volume = displaced_m3(LATEX, start(LATEX), air_at(highest).density)
    assert (6 * volume / math.pi) ** (1 / 3) == pytest.approx(7.86, rel=0.01)
    assert state.alt_m == 100


def test_superpressure_floats_where_it_displaces_its_weight():
    state = fly(PRESSURE, start(PRESSURE), 4 * 3600, 5.0)
    assert state.stage is Stage.FLOAT
    level = float_altitude(PRESSURE, state)
    assert air_at(level).density * 2000 == pytest.approx(total_kg(PRESSURE, state), rel=1e-6)
    assert state.alt_m == pytest.approx(level, abs=60)


def test_pumping_air_in_goes_down_and_letting_it_out_goes_up():
    floating = fly(PRESSURE, start(PRESSURE), 3 * 3600, 5.0)
    low = fly(PRESSURE, floating, 4 * 3600, 60.0, Command(level_m=18_300))
    assert low.alt_m == pytest.approx(18_300, abs=60)
    high = fly(PRESSURE, low, 4 * 3600, 60.0, Command(level_m=19_500))
    assert high.alt_m == pytest.approx(19_500, abs=60)


def test_dropping_ballast_goes_up_and_valving_enough_gas_ends_the_flight():
    floating = fly(PRESSURE, start(PRESSURE), 3 * 3600, 5.0)
    lighter = fly(
        PRESSURE,
        step(PRESSURE, floating, 1.0, CALM, random.Random(1), Command(drop_kg=5)),
        3600,
        60,
    )
    assert lighter.ballast_kg == 0
    assert lighter.alt_m > floating.alt_m + 100
    slack = step(PRESSURE, floating, 1.0, CALM, random.Random(1), Command(valve_kg=6))
    assert float_altitude(PRESSURE, slack) is None
    assert fly(PRESSURE, slack, 1800, 5.0).alt_m < floating.alt_m - 500


def test_the_fall_slows_down_towards_the_ground():
    speeds = [fall_mps(LATEX, alt) for alt in (0, 5_000, 10_000, 20_000, 30_000)]
    assert speeds == sorted(speeds)
    assert 3 < speeds[0] < 8


def test_it_waits_on_the_ground_until_launched():
    ready = start(LATEX, stage=Stage.READY)
    assert fly(LATEX, ready, 600, 10.0).alt_m == 0
    assert step(LATEX, ready, 1.0, CALM, random.Random(1), Command(launch=True)).flying


@settings(max_examples=25, deadline=None)
@given(
    envelope=st.floats(0.01, 100),
    suspended=st.floats(0.01, 100),
    lift=st.floats(0.05, 1.0),
    latex=st.booleans(),
    gas=st.sampled_from(["helium", "hydrogen"]),
    seed=st.integers(0, 1000),
)
def test_no_balloon_leaves_the_sky(envelope, suspended, lift, latex, gas, seed):
    weight = envelope + suspended
    vehicle = Vehicle(
        envelope_kg=envelope,
        suspended_kg=suspended,
        free_lift=lift,
        gas=gas,
        burst_diameter_m=4.0 * weight ** (1 / 3) if latex else None,
        volume_m3=None if latex else 8.0 * weight,
    )
    rng = random.Random(seed)
    state = start(vehicle)
    for _ in range(400):
        state = step(vehicle, state, 20.0, Wind(20.0, -5.0), rng)
        assert -200 <= state.alt_m < 60_000
        assert abs(state.climb_mps) < 200
        assert math.isfinite(state.lat_deg + state.lon_deg)
        assert -180 <= state.lon_deg < 180
