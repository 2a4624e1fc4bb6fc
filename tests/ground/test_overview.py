"""A long track at a glance."""

import pytest

from overflight_ground.store import reading
from overflight_ground.store.overview import overview_rows
from overflight_ground.track import merge

FLIGHT = "20230128T060000Z-7f3a"


def _points(store, count: int, points: int):
    with store.reading() as connection:
        return list(merge(overview_rows(connection, "HAB-01", FLIGHT, count=count, points=points)))


def _fill(intake, arrival, position, navigation, pairs: int) -> int:
    for first in range(1, 2 * pairs, 400):
        last = min(first + 400, 2 * pairs + 1)
        intake.commit(
            [arrival((position if seq % 2 else navigation)(seq)) for seq in range(first, last)]
        )
    return 2 * pairs


@pytest.mark.parametrize("points", [10, 100])
def test_about_as_many_as_asked_for_with_both_ends(
    store, intake, arrival, position, navigation, points
) -> None:
    count = _fill(intake, arrival, position, navigation, 1500)
    got = _points(store, count, points)
    assert points * 0.8 <= len(got) <= points * 2.2
    assert got[0].seq == 1
    assert got[-1].seq == count - 1
    assert [point.measured_at_ns for point in got] == sorted(p.measured_at_ns for p in got)


def test_a_short_flight_is_there_whole(store, intake, arrival, position, navigation) -> None:
    count = _fill(intake, arrival, position, navigation, 40)
    with store.reading() as connection:
        whole = list(
            merge(
                reading.track_rows(
                    connection, reading.MessageFilter(payload="HAB-01", flight=FLIGHT)
                )
            )
        )
    assert [p.seq for p in _points(store, count, 500)] == [p.seq for p in whole]


def test_late_messages_are_in_their_place(store, intake, arrival, position) -> None:
    for seq in [*range(1, 400, 2), *range(2, 401, 2)]:
        intake.commit([arrival(position(seq))])
    got = _points(store, 400, 50)
    assert [point.seq for point in got] == sorted(point.seq for point in got)
    assert got[-1].seq == 400


def test_numbers_far_apart_are_counted_off(store, intake, arrival, position) -> None:
    intake.commit([arrival(position(seq)) for seq in range(1, 30_001, 100)])
    got = _points(store, 300, 30)
    assert 24 <= len(got) <= 66
    assert (got[0].seq, got[-1].seq) == (1, 29_901)


def test_what_was_never_heard_has_no_points(store) -> None:
    assert _points(store, 0, 30) == []
