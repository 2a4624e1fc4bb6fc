"""Phases without flapping at any rhythm, in noise, after restarts; motion derived where missing."""

import csv
import datetime as dt
import random
from dataclasses import replace
from pathlib import Path

import pytest

from overflight_contract.messages import Fix as FixMode
from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S, to_ns
from overflight_device.fix import Fix, FlightPlan, PlanPoint, SourceOptions
from overflight_device.flight.geodesy import destination
from overflight_device.navigation import Navigator
from overflight_device.sources import open_source

FLIGHTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "flights"
ONCE = [Phase.PRELAUNCH, Phase.ASCENT, Phase.DESCENT, Phase.LANDED]


def fix(seconds, alt=100.0, lat=45.0, lon=7.0, **more):
    return Fix(
        measured_at_ns=10**18 + round(seconds * NS_PER_S),
        mode=FixMode.THREE_D,
        lat_deg=lat,
        lon_deg=lon,
        alt_msl_m=alt,
        **more,
    )


def phases(fixes, navigator=None):
    navigator = navigator or Navigator()
    seen = []
    for one in fixes:
        phase = navigator.step(one).phase
        if not seen or seen[-1] is not phase:
            seen.append(phase)
    return seen


def profile(rhythm_s, noise_m=0.0, spikes=0.0, seed=1):
    """Ten minutes of waiting, up at 5 m/s to 20 km, down at 10 m/s, twenty minutes of rest."""
    rng = random.Random(seed)
    fixes, seconds = [], 0.0
    while seconds < 600 + 4000 + 2000 + 1200:
        flown = seconds - 600
        alt = 100 + max(0.0, min(flown * 5, 20_000 - (flown - 4000) * 10))
        alt += rng.gauss(0, noise_m)
        if rng.random() < spikes:
            alt += rng.choice((-3000, 3000))
        fixes.append(fix(seconds, alt))
        seconds += rhythm_s
    return fixes


@pytest.mark.parametrize("rhythm_s", [0.5, 5, 30, 60])
def test_each_phase_once_at_any_rhythm(rhythm_s):
    assert phases(profile(rhythm_s)) == ONCE


@pytest.mark.parametrize("seed", range(4))
def test_no_flapping_in_noise_and_with_wrong_altitudes(seed):
    assert phases(profile(5, noise_m=8, spikes=0.02, seed=seed)) == ONCE
    assert phases(profile(60, noise_m=8, seed=seed)) == ONCE


def test_burst_and_landing_are_seen_soon():
    navigator = Navigator()
    at = {}
    for one in profile(5, noise_m=3):
        phase = navigator.step(one).phase
        at.setdefault(phase, (one.measured_at_ns - 10**18) / NS_PER_S)
    assert 600 < at[Phase.ASCENT] < 720
    assert 4600 < at[Phase.DESCENT] < 4750
    assert 6600 < at[Phase.LANDED] < 6900


def test_a_restart_in_flight_is_not_on_the_launch_pad():
    whole = profile(5)
    assert phases(whole[300:320])[0] is Phase.ASCENT or whole[300].climb_mps is None
    assert phases([replace(one, climb_mps=5.0) for one in whole[300:500]]) == [Phase.ASCENT]
    aloft = [fix(60 * n, 19_000 + 20 * (n % 3)) for n in range(30)]
    assert phases(aloft) == [Phase.FLOAT]
    assert phases(aloft, Navigator(phase=Phase.FLOAT)) == [Phase.FLOAT]


def test_level_changes_afloat_are_no_descent():
    fixes = [fix(60 * n, 19_000) for n in range(10)]
    fixes += [fix(600 + 60 * n, 19_000 - 15 * n) for n in range(60)]
    fixes += [fix(4200 + 60 * n, 18_100 + 30 * n) for n in range(60)]
    assert phases(fixes) == [Phase.FLOAT]


def test_driving_uphill_is_no_launch():
    fixes = [fix(n * 5, 100 + n * 5 * 0.6, speed_mps=15.0) for n in range(200)]
    assert phases(fixes) == [Phase.PRELAUNCH]


def test_motion_is_derived_where_the_receiver_says_nothing():
    navigator = Navigator()
    first = navigator.step(fix(0, 1000))
    assert (first.track_deg, first.speed_mps, first.climb_mps) == (None, None, None)
    lat, lon = destination(45, 7, 60, 600)
    second = navigator.step(fix(30, 1150, lat, lon))
    assert second.speed_mps == pytest.approx(20, abs=0.001)
    assert second.track_deg == pytest.approx(60, abs=0.01)
    assert second.climb_mps == pytest.approx(5)


def test_the_receivers_own_motion_comes_first():
    navigator = Navigator()
    navigator.step(fix(0))
    motion = navigator.step(fix(1, 105, track_deg=200.0, speed_mps=3.0, climb_mps=0.5))
    assert motion[:3] == (200.0, 3.0, 0.5)


def test_motion_is_not_derived_over_a_gap_or_a_clock_set_back():
    navigator = Navigator()
    navigator.step(fix(0))
    assert navigator.step(fix(5000, 9000)).speed_mps is None
    assert navigator.step(fix(10, 9000)).climb_mps is None


def test_without_a_fix_there_is_no_motion_and_the_phase_stays():
    navigator = Navigator(FlightPlan((PlanPoint(45, 7), PlanPoint(46, 8))), phase=Phase.FLOAT)
    motion = navigator.step(Fix(measured_at_ns=10**18, mode=FixMode.NONE))
    assert motion == (None, None, None, Phase.FLOAT, None, None)


def test_waypoint_and_cross_track():
    navigator = Navigator(FlightPlan((PlanPoint(0, 0), PlanPoint(0, 10))))
    motion = navigator.step(fix(0, 5000, lat=-0.5, lon=5))
    assert motion.waypoint.number == 1
    assert motion.cross_track_m == pytest.approx(55_290, abs=100)
    assert motion.waypoint.bearing_deg == pytest.approx(84.3, abs=0.1)


@pytest.mark.parametrize(("name", "expected"), [
    ("sounding", ONCE),
    ("stray", list(Phase)),
    ("troubled", list(Phase)),
    ("fleet-24#HAB-21", list(Phase)),
])  # fmt: skip
def test_scenarios_pass_through_their_phases_once(name, expected):
    source = open_source(f"sim:{name}", SourceOptions(seed=2))
    fixes = [event for event in source if isinstance(event, Fix)]
    assert phases(fixes, Navigator(source.plan)) == expected


def real(name, beacon):
    with (FLIGHTS / name).open() as file:
        rows = [row for row in csv.DictReader(file) if row["callsign"] == beacon]
    fixes = {}
    for row in rows:
        moment = dt.datetime.fromisoformat(row["packettime"]).replace(tzinfo=dt.UTC)
        fixes[to_ns(moment)] = (
            float(row["altitude_m"]),
            float(row["latitude"]),
            float(row["longitude"]),
        )
    return [
        Fix(measured_at_ns=at, mode=FixMode.THREE_D, alt_msl_m=alt, lat_deg=lat, lon_deg=lon)
        for at, (alt, lat, lon) in sorted(fixes.items())
    ]


@pytest.mark.shared
@pytest.mark.skipif(not FLIGHTS.is_dir(), reason="the recordings are not here")
@pytest.mark.parametrize(("name", "beacon"), [
    ("eoss-297.csv", "K0SCC-14"),
    ("eoss-300.csv", "KC0D-1"),
    ("eoss-352.csv", "KC0D-1"),
    ("eoss-371.csv", "KC0D-1"),
])  # fmt: skip
def test_real_flights_go_up_once_and_come_down_once(name, beacon):
    seen = phases(real(name, beacon))
    assert [phase for phase in seen if phase is not Phase.LANDED] in (ONCE[:3], ONCE[1:3])
    assert seen.count(Phase.LANDED) <= 1
