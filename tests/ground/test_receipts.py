"""Receipts: at most one an interval and payload; the last is never lost."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from overflight_ground.ingest.receipts import Due, ReceiptSchedule


def test_a_newer_receipt_takes_the_place_of_one_that_waits() -> None:
    schedule = ReceiptSchedule()
    assert schedule.want("A", "f", 1)
    assert schedule.due(10.0) == [Due("A", "f", 1)]
    assert schedule.want("A", "f", 2)
    assert not schedule.want("A", "f", 3)
    assert schedule.due(10.5) == []
    assert schedule.next_at_s() == 11.0
    assert schedule.due(11.0) == [Due("A", "f", 3)]
    assert schedule.next_at_s() is None


def test_two_flights_of_a_payload_take_turns_and_the_newest_request_is_last() -> None:
    schedule = ReceiptSchedule()
    schedule.want("A", "old", 4)
    schedule.want("A", "new", 9)
    schedule.want("A", "old", 5)
    assert schedule.due(0.0) == [Due("A", "new", 9)]
    assert schedule.due(1.0) == [Due("A", "old", 5)]


def test_no_flight_waits_for_ever_while_others_ask_each_time() -> None:
    schedule, sent = ReceiptSchedule(), list[str]()
    for second in range(9):
        for flight in ("f1", "f2", "f3"):
            schedule.want("A", flight, second)
        sent += [due.flight for due in schedule.due(float(second))]
    assert sent == ["f1", "f2", "f3"] * 3


def test_after_a_reconnect_all_go_out_at_once() -> None:
    schedule = ReceiptSchedule()
    schedule.want("A", "f", 7)
    schedule.due(0.0)
    schedule.reconnected([Due("A", "f", 7), Due("B", "g", 2)])
    assert sorted(schedule.due(0.1)) == [Due("A", "f", 7), Due("B", "g", 2)]


@given(st.lists(st.tuples(st.sampled_from("AB"), st.floats(0, 2)), max_size=40))
def test_never_more_than_one_a_second_and_the_last_always_comes(
    wants: list[tuple[str, float]],
) -> None:
    schedule, now_s, sent = ReceiptSchedule(), 0.0, dict[str, list[tuple[float, int]]]()
    last: dict[str, int] = {}
    for through, (payload, pause_s) in enumerate(wants, 1):
        now_s += pause_s
        schedule.want(payload, "f", through)
        last[payload] = through
        for due in schedule.due(now_s):
            sent.setdefault(due.payload, []).append((now_s, due.through))
    while (next_at_s := schedule.next_at_s()) is not None:
        now_s = max(now_s, next_at_s)
        for due in schedule.due(now_s):
            sent.setdefault(due.payload, []).append((now_s, due.through))
    for payload, times in sent.items():
        assert times[-1][1] == last[payload]
        assert all(b[0] - a[0] >= 0.999999 for a, b in itertools.pairwise(times))
    assert set(sent) == set(last)
