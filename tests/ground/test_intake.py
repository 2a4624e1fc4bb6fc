"""A batch into the store: once each, with its watermark, or not at all."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from overflight_contract.times import from_ns
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival, judge_all
from overflight_ground.ingest.plausible import Clock
from overflight_ground.store import Store, StoreUnavailableError
from overflight_ground.store.tables import messages, quarantine

FLIGHT = "20230128T060000Z-7f3a"
KEY = ("HAB-01", FLIGHT)
FAR_NS = 4_070_908_800 * 10**9  # 2099


def rows(store: Store, table=messages):
    with store.reading() as connection:
        return connection.execute(select(table).order_by(table.c.id)).all()


def through(outcome) -> int:
    return outcome.flights[KEY].through


def test_keeps_everything_that_was_heard_of_a_message(store, intake, arrival, position) -> None:
    came = arrival(position(1))._replace(qos=1, retained=True, dup=True)
    outcome = intake.commit([came])
    (row,) = rows(store)
    assert bytes(row.raw) == came.raw
    assert (row.topic, row.qos, bool(row.retained), bool(row.dup)) == (
        "overflight/1/HAB-01/position",
        1,
        True,
        True,
    )
    assert row.received_at_ns == came.received_at_ns
    assert row.lat_deg == 50.0
    assert row.phase is None
    assert through(outcome) == 1


def test_navigation_fills_its_own_columns(store, intake, arrival, navigation) -> None:
    intake.commit([arrival(navigation(1))])
    (row,) = rows(store)
    assert (row.phase, row.waypoint, row.cross_track_m, row.lat_deg) == ("float", 3, -1200, None)


def test_a_duplicate_is_counted_not_stored_and_receipted_again(
    store, intake, arrival, position
) -> None:
    came = arrival(position(1))
    intake.commit([came])
    outcome = intake.commit([came])
    assert outcome.duplicates == 1
    assert through(outcome) == 1
    assert len(rows(store)) == 1


def test_doubles_within_one_batch_are_stored_once(store, intake, arrival, position) -> None:
    came = arrival(position(1))
    outcome = intake.commit([came, came, came])
    assert (len(outcome.stored), outcome.duplicates) == (1, 2)
    assert len(rows(store)) == 1


def test_the_same_key_with_other_bytes_is_a_conflict(store, intake, arrival, position) -> None:
    intake.commit([arrival(position(1))])
    outcome = intake.commit([arrival(position(1, lat_deg=50.1))])
    assert [item.reason for item in outcome.quarantined] == ["conflict"]
    assert outcome.flights[KEY].conflicts == 1
    assert rows(store)[0].lat_deg == 50.0
    assert len(rows(store, quarantine)) == 1


def test_a_conflict_within_one_batch(store, intake, arrival, position) -> None:
    outcome = intake.commit([arrival(position(1)), arrival(position(1, lat_deg=50.1))])
    assert len(outcome.stored) == 1
    assert [item.reason for item in outcome.quarantined] == ["conflict"]


def test_a_quarantined_seq_counts_as_handled(store, intake, arrival, position) -> None:
    good = arrival(position(2))
    bad = good._replace(raw=good.raw.replace(b":", b": ", 1))
    outcome = intake.commit([arrival(position(1)), bad, arrival(position(3))])
    assert through(outcome) == 3
    assert outcome.flights[KEY].quarantined == 1
    again = intake.commit([bad])
    assert again.quarantined == []
    assert rows(store, quarantine)[0].times == 2
    # the good one may still come
    late = intake.commit([good])
    assert len(late.stored) == 1
    assert late.flights[KEY].given_up == 0


def test_a_stray_has_no_flight(store, intake) -> None:
    outcome = intake.commit([Arrival(b"overflight/1/HAB-01/image", b"\0\xff", 0, False, False, 1)])
    assert outcome.flights == {}
    assert bytes(rows(store, quarantine)[0].raw) == b"\0\xff"


def test_joining_in_mid_flight_starts_at_held_from(intake, arrival, position) -> None:
    outcome = intake.commit([arrival(position(100, held_from=90))])
    row = outcome.flights[KEY]
    assert (row.through, row.given_up) == (89, 89)


def test_what_was_given_up_may_still_arrive(store, intake, arrival, position) -> None:
    intake.commit([arrival(position(10, held_from=10))])
    outcome = intake.commit([arrival(position(4))])
    assert outcome.flights[KEY].given_up == 8
    assert len(rows(store)) == 2


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 10**6))
def test_any_order_batching_doubling_and_restart_gives_the_same_store(
    seed, tmp_path_factory, arrival, position, navigation
) -> None:
    rng = random.Random(seed)
    wanted = [arrival(position(n) if n % 2 else navigation(n)) for n in range(1, 41)]
    sent = wanted + rng.sample(wanted, 15)
    rng.shuffle(sent)
    store = Store.open(str(tmp_path_factory.mktemp("any") / "s.sqlite"))
    intake = Intake(store, clock=Clock.DATA, now_ns=lambda: 1)
    while sent:
        size = rng.randint(1, 12)
        batch, sent = sent[:size], sent[size:]
        if rng.random() < 0.3:
            intake = Intake(store, clock=Clock.DATA, now_ns=lambda: 1)
        outcome = intake.commit(batch)
    assert sorted(bytes(row.raw) for row in rows(store)) == sorted(a.raw for a in wanted)
    assert outcome.flights[KEY].through == 40
    assert outcome.flights[KEY].messages == 40
    store.close()


def test_a_message_that_cannot_be_stored_goes_to_quarantine_and_the_others_are_stored(
    store, intake, arrival, position
) -> None:
    judged = judge_all([arrival(position(seq)) for seq in range(1, 8)])
    judged[4] = judged[4]._replace(measured_at_ns=2**63)
    outcome = intake.commit_pieces([judged])
    assert [row.seq for row in rows(store)] == [1, 2, 3, 4, 6, 7]
    assert len(outcome.stored) == 6
    assert (through(outcome), outcome.flights[KEY].quarantined) == (7, 1)
    assert outcome.awaited == {}
    (kept,) = rows(store, quarantine)
    assert (kept.reason, kept.seq, bytes(kept.raw)) == ("unstorable", 5, judged[4].arrival.raw)


def test_times_beyond_what_64_bits_of_nanoseconds_hold_are_out_of_range(
    store, intake, arrival, position
) -> None:
    years = (b"0001", b"1899", b"2200", b"2300", b"9999")
    told = [arrival(position(seq)) for seq in range(1, 7)]
    for place, year in enumerate(years):
        raw = told[place].raw.replace(b'"measured_at":"2023', b'"measured_at":"' + year)
        told[place] = told[place]._replace(raw=raw)
    outcome = intake.commit(told)
    assert [item.reason for item in outcome.quarantined] == ["range"] * 5
    assert (len(outcome.stored), through(outcome)) == (1, 6)


def test_one_message_from_the_future_does_not_end_its_flight_there(
    store, intake, arrival, position
) -> None:
    now = intake.commit([arrival(position(1))]).flights[KEY].last_at_ns
    far = position(2, measured_at=from_ns(FAR_NS))
    outcome = intake.commit([arrival(far)])
    assert (outcome.suspect, outcome.flights[KEY].last_at_ns) == (1, now)
    assert outcome.flights[KEY].messages == 2


def test_a_conflict_that_comes_again_is_one_conflict(store, intake, arrival, position) -> None:
    other = arrival(position(1, lat_deg=50.1))
    intake.commit([arrival(position(1)), other])
    row = intake.commit([other, other]).flights[KEY]
    assert (row.conflicts, row.quarantined) == (1, 1)


def test_two_ingests_on_one_store_take_turns(store, arrival, position) -> None:
    one = Intake(store, clock=Clock.DATA, now_ns=lambda: 1)
    two = Intake(store, clock=Clock.DATA, now_ns=lambda: 1)
    one.commit([arrival(position(1))])
    two.commit([arrival(position(2)), arrival(position(1))])
    outcome = one.commit([arrival(position(2)), arrival(position(3))])
    assert outcome.duplicates == 1
    assert through(outcome) == 3
    assert [row.seq for row in rows(store)] == [1, 2, 3]


def test_rows_that_memory_does_not_know_of_are_looked_up(store, intake, arrival, position) -> None:
    intake.commit([arrival(position(1)), arrival(position(2))])
    intake.book.flights.clear()  # as if memory were wrong
    outcome = intake.commit([arrival(position(2)), arrival(position(3))])
    assert outcome.duplicates == 1
    assert [row.seq for row in rows(store)] == [1, 2, 3]
    assert through(outcome) == 3


def test_a_failed_batch_changes_nothing(store, intake, arrival, position) -> None:
    intake.commit([arrival(position(1))])
    with store.writer.begin() as blocker:
        blocker.execute(select(func.count()).select_from(messages))
        other = Store.open(store.label)
        late = Intake(other, clock=Clock.DATA, now_ns=lambda: 1)
        with pytest.raises(StoreUnavailableError, match="locked"):
            late.commit([arrival(position(2))])
    assert through(late.commit([arrival(position(2))])) == 2
    assert [row.seq for row in rows(store)] == [1, 2]
    other.close()
