"""The receiver's view: noise of the right size, time to first fix, the 18 km limit, lost fixes."""

import random
import statistics

import pytest

from overflight_contract.messages import Fix as FixMode
from overflight_device.flight.balloon import Stage, State
from overflight_device.flight.geodesy import geoid_m, measure
from overflight_device.flight.receiver import Receiver, ReceiverModel


def state(elapsed_s, alt_m=19_000.0):
    return State(
        elapsed_s=elapsed_s,
        lat_deg=60,
        lon_deg=179.9999,
        alt_m=alt_m,
        gas_kg=1,
        ballast_kg=0,
        east_mps=20,
        stage=Stage.FLOAT,
    )


def views(model, count=2000, alt_m=19_000.0):
    receiver = Receiver(model, random.Random(3))
    return [receiver.view(state(60.0 * number, alt_m), 10**18) for number in range(count)]


def test_noise_has_the_size_that_the_model_says():
    fixes = views(ReceiverModel())
    away = [measure(60, 179.9999, fix.lat_deg, fix.lon_deg).distance_m for fix in fixes]
    assert 1.5 < statistics.fmean(away) < 3.5
    assert 2.5 < statistics.pstdev(fix.alt_msl_m for fix in fixes) < 4.5
    assert statistics.fmean(fix.speed_mps for fix in fixes) == pytest.approx(20, abs=0.02)
    assert all(6 <= fix.sats <= 19 and fix.hdop >= 0.5 for fix in fixes)
    assert all(-180 <= fix.lon_deg < 180 for fix in fixes)
    assert all(fix.measured_at_ns % 1_000_000 == 0 for fix in fixes)


def test_the_height_above_the_ellipsoid_differs_by_the_geoid():
    fix = views(ReceiverModel(), 1)[0]
    assert fix.alt_hae_m - fix.alt_msl_m == pytest.approx(geoid_m(fix.lat_deg, fix.lon_deg))
    assert geoid_m(4, 78) < -70
    assert geoid_m(58, -25) > 40


def test_until_the_first_fix_there_is_none_and_the_clock_may_be_wrong():
    fixes = views(ReceiverModel(first_fix_s=150, clock_error_s=-1000), 5)
    assert [fix.mode for fix in fixes] == [FixMode.NONE] * 3 + [FixMode.THREE_D] * 2
    assert fixes[0].lat_deg is None
    assert fixes[0].measured_at_ns == 10**18 - 1000 * 10**9
    assert fixes[3].measured_at_ns == 10**18 + 180 * 10**9


def test_a_receiver_that_is_not_airborne_is_blind_above_18_km():
    assert views(ReceiverModel(airborne=False), 1, 17_900)[0].mode is FixMode.THREE_D
    assert views(ReceiverModel(airborne=False), 1, 18_100)[0].mode is FixMode.NONE
    assert views(ReceiverModel(), 1, 18_100)[0].mode is FixMode.THREE_D


def test_fixes_get_lost_as_often_as_the_model_says():
    fixes = views(ReceiverModel(losses_per_day=24, loss_s=300), 5000)
    lost = sum(fix.mode is FixMode.NONE for fix in fixes) / len(fixes)
    assert 0.04 < lost < 0.16
