"""What a running ground makes of retention, and of flights that begin at one moment."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from overflight_ground import retention
from overflight_ground.bounded import Bounded
from overflight_ground.ingest.plausible import Clock
from overflight_ground.retention import Old, cut
from overflight_ground.station import Station
from overflight_ground.store import StoreUnavailableError
from overflight_ground.store.reading import flight_keys, last_flight, last_id

FLIGHT = "20230128T060000Z-7f3a"
AGAIN = "20230128T060000Z-0b01"  # the same scenario once more; sorts before the first
NOW_NS = 1_700_000_000_000_000_000


def running(store) -> Station:
    station = Station(store, lambda: NOW_NS, clock=Clock.DATA)
    station.load([])
    return station


async def test_a_running_ground_forgets_what_retention_took(
    store, intake, arrival, position
) -> None:
    station = running(store)
    for payload in ("HAB-01", "HAB-02"):
        station.on_outcome(intake.commit([arrival(position(1), payload=payload)]))
    await station.notice_cut()
    assert len(station.live.rows) == 2
    cut(store, Old(payload="HAB-02"))
    await station.notice_cut()
    assert list(station.live.rows) == [("HAB-01", FLIGHT)]
    assert list(station.live.payloads) == ["HAB-01"]
    assert station.health()["messages"] == 1


async def test_a_payload_whose_newest_flight_went_is_on_the_one_before(
    store, intake, arrival, position
) -> None:
    station = running(store)
    later = "20230129T060000Z-7f3a"
    for flight in (FLIGHT, later):
        station.on_outcome(intake.commit([arrival(position(1, flight=flight))]))
    assert station.live.payloads["HAB-01"].flight == later
    cut(store, Old(flight=later))
    await station.notice_cut()
    assert station.live.payloads["HAB-01"].flight == FLIGHT


def test_no_id_is_given_twice(store, intake, arrival, position) -> None:
    first = intake.commit([arrival(position(seq)) for seq in (1, 2, 3)])
    for _ in range(2):
        cut(store, Old(payload="HAB-01"))
    again = intake.commit([arrival(position(1))])
    assert (first.stored[-1].id, again.stored[0].id) == (3, 4)


def test_of_two_flights_that_begin_at_one_moment_the_one_heard_last_is_shown(
    store, intake, arrival, position
) -> None:
    station = running(store)
    for nth, flight in enumerate((FLIGHT, AGAIN)):
        came = arrival(position(1, flight=flight))._replace(received_at_ns=NOW_NS + nth)
        station.on_outcome(intake.commit([came]))
    assert station.live.payloads["HAB-01"].flight == AGAIN
    with store.reading() as connection:
        assert last_flight(connection, "HAB-01") == AGAIN


def test_what_comes_during_a_cut_gets_ids_of_its_own_and_keeps_its_flight(
    store, intake, arrival, position, monkeypatch
) -> None:
    intake.commit([arrival(position(seq)) for seq in (1, 2, 3)])
    delete_steps = retention._delete_steps

    def meanwhile(store, table, old, time) -> None:
        if table is retention.messages:
            intake.commit([arrival(position(4))])
        delete_steps(store, table, old, time)
        if table is retention.quarantine:
            intake.commit([arrival(position(5))])

    monkeypatch.setattr(retention, "_delete_steps", meanwhile)
    cut(store, Old(payload="HAB-01"))
    with store.reading() as connection:
        assert last_id(connection) == 5
        assert flight_keys(connection) == {("HAB-01", FLIGHT)}
    assert intake.commit([arrival(position(6))]).stored[0].id == 6


async def test_readers_that_take_all_connections_do_not_end_the_ground(store, monkeypatch) -> None:
    station = running(store)
    monkeypatch.setattr(store.reader.pool, "_timeout", 0.01)
    with ExitStack() as held:
        for _ in range(store.reader.pool.size()):
            held.enter_context(store.reading())
        with pytest.raises(StoreUnavailableError, match="readers wait"):
            await station.notice_cut()


def test_what_is_remembered_of_flights_does_not_grow_for_ever() -> None:
    seen = Bounded[int, list[int]](list, most=3)
    for key in range(5):
        seen[key].append(key)
    assert dict(seen) == {2: [2], 3: [3], 4: [4]}
    assert seen.get(0) is None
