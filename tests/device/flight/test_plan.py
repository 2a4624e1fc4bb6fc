"""Following a plan: cross-track, legs, bearings, antimeridian, joining in the middle."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overflight_device.fix import FlightPlan, PlanPoint
from overflight_device.flight.geodesy import destination, measure
from overflight_device.flight.plan import PlanFollower


def plan(*points):
    return FlightPlan(tuple(PlanPoint(*point) for point in points))


@settings(max_examples=60, deadline=None)
@given(
    lat=st.floats(-70, 70),
    lon=st.floats(-180, 179.9),
    course=st.floats(0, 360),
    length=st.floats(200e3, 3_000e3),
    share=st.floats(0.05, 0.9),
    aside=st.floats(-400e3, 400e3),
)
def test_cross_track_is_the_distance_to_the_leg(lat, lon, course, length, share, aside):
    end = destination(lat, lon, course, length)
    foot = destination(lat, lon, course, share * length)
    azimuth = measure(lat, lon, *foot).end_azimuth_deg
    place = destination(*foot, azimuth + 90, aside)
    progress = PlanFollower(plan((lat, lon), end)).update(*place)
    if progress.number == 1 and not progress.done:
        assert progress.cross_track_m == pytest.approx(aside, abs=2.0)
        assert progress.along_m == pytest.approx(share * length, abs=2.0)


def test_legs_are_taken_in_turn_over_the_antimeridian():
    follower = PlanFollower(plan((50, 170), (52, 179), (54, -172), (56, -160)))
    seen = []
    place = (50.0, 170.0)
    for _ in range(300):
        progress = follower.update(*place)
        seen.append(progress.number)
        assert abs(progress.cross_track_m or 0) < 30_000
        place = destination(*place, progress.bearing_deg, 10_000)
        if progress.done:
            break
    assert progress.done
    assert sorted(set(seen)) == [1, 2, 3]
    assert seen == sorted(seen)


def test_the_waypoints_distance_and_bearing_are_geodesics():
    follower = PlanFollower(plan((0, 0), (0, 10)))
    progress = follower.update(0.5, 2.0)
    expected = measure(0.5, 2.0, 0, 10)
    assert progress.number == 1
    assert progress.distance_m == pytest.approx(expected.distance_m)
    assert progress.bearing_deg == pytest.approx(expected.azimuth_deg)
    assert progress.cross_track_m == pytest.approx(-55_290, abs=100)


def test_a_payload_that_was_restarted_joins_its_leg():
    follower = PlanFollower(plan((40, 0), (40, 10), (50, 10), (50, 20)))
    assert follower.update(45.0, 10.3).number == 2
    assert PlanFollower(plan((40, 0), (40, 10), (50, 10), (50, 20))).update(50.1, 15).number == 3


def test_a_plan_of_one_point_has_no_leg():
    progress = PlanFollower(plan((40, 0))).update(41, 0)
    assert progress.number == 0
    assert progress.cross_track_m is None


def test_an_empty_plan_is_refused():
    with pytest.raises(ValueError, match="waypoint"):
        PlanFollower(FlightPlan(()))
