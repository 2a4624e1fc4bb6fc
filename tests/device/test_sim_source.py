"""Simulated flights: deterministic, on the reported route, landed at the end."""

import itertools

import pytest

from overflight_contract.errors import InputError
from overflight_contract.messages import Fix as FixMode
from overflight_contract.messages import Phase
from overflight_contract.times import NS_PER_S, from_ns
from overflight_device.fix import Fix, SourceOptions
from overflight_device.flight.geodesy import measure
from overflight_device.navigation import Navigator
from overflight_device.sources import open_source
from overflight_device.sources.sim import load_scenario


@pytest.fixture(scope="module")
def crossing():
    source = open_source("sim:transcontinental", SourceOptions(seed=1))
    return source, [event for event in source if isinstance(event, Fix)]


def test_crossing_follows_the_route_for_about_eight_days(crossing):
    source, fixes = crossing
    assert source.simulated
    assert not source.live
    days = (fixes[-1].measured_at_ns - fixes[0].measured_at_ns) / NS_PER_S / 86_400
    assert 7 < days < 9
    afloat = [f for f in fixes if f.mode is not FixMode.NONE][200:-200]
    assert all(17_500 < f.alt_msl_m < 20_500 for f in afloat)
    for point in source.plan.points:
        nearest = min(
            measure(point.lat_deg, point.lon_deg, f.lat_deg, f.lon_deg).distance_m
            for f in fixes[::30]
            if f.mode is not FixMode.NONE
        )
        assert nearest < source.plan.width_m


def test_crossing_lands_at_the_atlantic_coast(crossing):
    source, fixes = crossing
    last = source.plan.points[-1]
    landing = fixes[-1]
    away = measure(last.lat_deg, last.lon_deg, landing.lat_deg, landing.lon_deg).distance_m
    assert away < 100_000
    assert abs(landing.alt_msl_m) < 30


def test_crossing_has_the_phases_in_order_and_each_once(crossing):
    source, fixes = crossing
    navigator = Navigator(source.plan)
    phases = []
    for fix in fixes:
        phase = navigator.step(fix).phase
        if not phases or phases[-1] is not phase:
            phases.append(phase)
    assert phases == list(Phase)


def test_epochs_are_a_minute_apart_and_start_when_the_scenario_does(crossing):
    source, fixes = crossing
    assert fixes[0].measured_at_ns == source.scenario.start_ns
    steps = {b.measured_at_ns - a.measured_at_ns for a, b in itertools.pairwise(fixes)}
    assert steps == {60 * NS_PER_S}
    assert from_ns(source.scenario.start_ns).isoformat() == "2023-01-28T06:00:00+00:00"


def some(options, count=300):
    source = open_source("sim:transcontinental", options)
    return [event for event, _ in zip(source, range(count), strict=False)]


def test_the_same_seed_gives_the_same_fixes_and_another_seed_others():
    assert some(SourceOptions(seed=5)) == some(SourceOptions(seed=5))
    assert some(SourceOptions(seed=5)) != some(SourceOptions(seed=6))


def test_going_on_after_a_restart_yields_what_is_left():
    whole = some(SourceOptions(seed=5))
    after = whole[99].measured_at_ns
    rest = some(SourceOptions(seed=5, start_after_ns=after), 200)
    assert rest == whole[100:]


def test_an_unknown_scenario_is_named_with_the_known_ones():
    with pytest.raises(InputError, match=r"nowhere.*transcontinental"):
        load_scenario("nowhere")
