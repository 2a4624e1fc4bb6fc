"""Marks of what is hard to believe."""

import datetime as dt

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from overflight_contract.messages import Fix
from overflight_contract.times import to_ns
from overflight_ground.ingest.judge import judge
from overflight_ground.ingest.plausible import Clock, Track, marks, marks_of

START = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC)


def mark(message, track=None, clock=Clock.DATA, received=None):
    at_ns = to_ns(message.measured_at)
    return marks(message, at_ns, received or at_ns, track or Track(), clock)


def test_a_steady_flight_over_the_antimeridian_is_believed(position) -> None:
    track = Track()
    assert [mark(position(seq), track) for seq in range(1, 30)] == [None] * 29


def test_zero_zero_is_marked(position) -> None:
    assert mark(position(1, lat_deg=0.0, lon_deg=0.0)) == "zero"


def test_a_leap_is_marked_and_the_next_one_back_is_not(position) -> None:
    track = Track()
    assert mark(position(1), track) is None
    assert mark(position(2, lat_deg=10.0), track) == "leap"
    assert mark(position(3), track) is None


def test_a_wrong_first_fix_does_not_condemn_the_flight(position) -> None:
    track = Track()
    mark(position(1, lat_deg=-40.0), track)
    found = [mark(position(seq), track) for seq in range(2, 9)]
    assert found[:3] == ["leap"] * 3
    assert found[3:] == [None] * 4


def test_a_late_backlog_is_judged_by_its_own_time(position) -> None:
    track = Track()
    assert mark(position(500), track) is None
    # 499 minutes earlier, far away: nothing that a balloon could not have done
    assert mark(position(1), track) is None
    assert mark(position(2), track) is None
    assert mark(position(501), track) is None


def test_no_fix_is_no_place(position) -> None:
    track = Track()
    assert mark(position(1, lat_deg=None, lon_deg=None, fix=Fix.NONE), track) is None
    assert track.newest is None


def test_three_satellites_with_a_3d_fix_are_marked(position) -> None:
    assert mark(position(1, sats=3)) == "sats"
    assert mark(position(1, sats=4)) is None
    assert mark(position(1, sats=None)) is None


@pytest.mark.parametrize(
    ("clock", "offset", "expected"),
    [
        (Clock.WALL, dt.timedelta(minutes=-5), "future"),
        (Clock.WALL, dt.timedelta(seconds=-30), None),
        (Clock.WALL, dt.timedelta(days=30), None),
        (Clock.WALL, dt.timedelta(days=500), "past"),
        (Clock.DATA, dt.timedelta(days=5000), None),
    ],
)
def test_times_go_by_the_clock_that_was_named(navigation, clock, offset, expected) -> None:
    message = navigation(1)
    received = to_ns(message.measured_at + offset)
    assert mark(message, clock=clock, received=received) == expected


def test_by_the_datas_clock_a_flight_begins_with_its_id(navigation) -> None:
    early = navigation(1, measured_at=dt.datetime(2022, 12, 1, tzinfo=dt.UTC))
    assert mark(early) == "past"
    late = navigation(1, measured_at=dt.datetime(2025, 1, 1, tzinfo=dt.UTC))
    assert mark(late) == "future"


STEPS = st.tuples(
    st.sampled_from(["on", "on", "on", "leap", "zero", "none", "few", "late", "future", "motion"]),
    st.floats(-0.01, 0.01),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(STEPS, min_size=1, max_size=30), cut=st.integers(1, 10))
def test_many_at_once_are_marked_as_one_by_one(arrival, position, navigation, steps, cut) -> None:
    made = {
        "on": lambda n, off: position(n, lat_deg=round(50 + off, 5)),
        "leap": lambda n, off: position(n, lat_deg=round(-40 + off, 5)),
        "zero": lambda n, _off: position(n, lat_deg=0.0, lon_deg=0.0),
        "none": lambda n, _off: position(n, lat_deg=None, lon_deg=None, fix=Fix.NONE),
        "few": lambda n, _off: position(n, sats=3),
        "late": lambda n, _off: position(n, measured_at=START + dt.timedelta(minutes=n - 20)),
        "future": lambda n, _off: position(n, measured_at=START + dt.timedelta(days=500)),
        "motion": lambda n, _off: navigation(n),
    }
    items = [judge(arrival(made[kind](n, off))) for n, (kind, off) in enumerate(steps, 1)]
    alone, together = Track(), Track()
    expected = [mark(item.message, alone) for item in items]
    found = []
    for start in range(0, len(items), cut):
        batch = items[start : start + cut]
        by_id = marks_of(batch, [item.measured_at_ns for item in batch], together, Clock.DATA)
        found += [by_id.get(id(item)) for item in batch]
    assert found == expected
    assert together == alone
