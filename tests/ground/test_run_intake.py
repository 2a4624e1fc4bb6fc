"""Runs are stored, counted, watched and told as their messages would be one by one."""

from __future__ import annotations

import datetime as dt
import random
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from overflight_contract import messages as m
from overflight_ground import feed
from overflight_ground.alerts.service import at_most, seen_of
from overflight_ground.feed import Collector
from overflight_ground.ingest import intake as module
from overflight_ground.ingest import pipeline
from overflight_ground.ingest.intake import Intake, Outcome
from overflight_ground.ingest.judge import Judged, judge_all
from overflight_ground.ingest.plausible import Clock
from overflight_ground.ingest.run import Run
from overflight_ground.ingest.stored import StoredMessages
from overflight_ground.live import Live
from overflight_ground.store import Store
from overflight_ground.store.tables import flights, messages, quarantine

NOW_NS = 1_700_000_000_000_000_000
OTHER_FLIGHT = "20230128T070000Z-0001"


def opened(folder: Path, name: str, clock: Clock = Clock.DATA) -> tuple[Store, Intake]:
    store = Store.open(str(folder / f"{name}.sqlite"))
    intake = Intake(store, clock=clock, now_ns=lambda: NOW_NS)
    intake.load()
    return store, intake


def contents(store: Store) -> list[list[tuple[object, ...]]]:
    """Return everything that is stored but for ids."""
    found = []
    with store.reading() as connection:
        for table in (messages, quarantine, flights):
            columns = [c for c in table.c if c.name != "id"]
            rows = connection.execute(select(*columns)).all()
            found.append(sorted((tuple(row) for row in rows), key=repr))
    return found


def numbers(outcome: Outcome) -> tuple[object, ...]:
    return (
        sorted(
            (s.accepted.payload, s.accepted.message.seq, s.suspect or "") for s in outcome.stored
        ),
        len(outcome.stored),
        outcome.suspect,
        outcome.duplicates,
        sorted((q.reason, q.detail) for q in outcome.quarantined),
        outcome.given_up,
        outcome.awaited,
        outcome.flights,
    )


body = st.tuples(
    st.integers(1, 40),  # seq
    st.sampled_from(["A", "B"]),  # payload
    st.booleans(),  # another flight
    st.sampled_from(["", "", "", "leap", "sats", "zero", "late", "held", "other bytes"]),
)


def odd(name: str) -> dict[str, object]:
    return {
        "leap": {"lat_deg": -60.0},
        "sats": {"sats": 2},
        "zero": {"lat_deg": 0.0, "lon_deg": 0.00001},
        "other bytes": {"hdop": 1.7},
    }.get(name, {})


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(body, min_size=1, max_size=25), min_size=1, max_size=4), st.randoms())
def test_the_same_is_stored_either_way(
    tmp_path_factory, run_of, batches, rng: random.Random
) -> None:
    folder = tmp_path_factory.mktemp("runs")
    (store, short), (other, long) = opened(folder, "short"), opened(folder, "long")
    for batch in batches:
        in_runs: list[Run | list[Judged]] = []
        one_by_one: list[Judged] = []
        if rng.random() < 0.7:
            batch.sort(key=lambda item: item[:3])
        for seq, payload, elsewhere, what in batch:
            flight = OTHER_FLIGHT if elsewhere else "20230128T060000Z-7f3a"
            fields = odd(what) if seq % 2 else {}
            held_from = seq if what == "held" else 1
            made = _message(seq, flight, held_from, fields)
            if what == "late":
                made = _message(seq, flight, held_from, {"later": dt.timedelta(days=-3)})
            in_runs += run_of([made], payload)
            one_by_one += in_runs[-1].all_accepted()
        as_come = [p.all_accepted() if rng.random() < 0.2 else p for p in in_runs]
        pipeline.SHORT_RUN = rng.choice([1, 5])
        module.LONG_RUN = rng.choice([1, 5, 32])
        chunks = [pipeline.Chunk(None, [piece], b"", 1, 1) for piece in as_come]
        assert numbers(short.commit_pieces(pipeline._joined(chunks))) == numbers(
            long.commit_pieces([one_by_one])
        )
    pipeline.SHORT_RUN, module.LONG_RUN = 5, 32
    assert contents(store) == contents(other)
    store.close()
    other.close()


def _message(seq: int, flight: str, held_from: int, fields: dict[str, object]):
    later = fields.pop("later", dt.timedelta(0))
    at = dt.datetime(2023, 1, 28, 8, tzinfo=dt.UTC) + dt.timedelta(seconds=60 * seq) + later
    given: dict[str, object] = {"flight": flight, "seq": seq, "held_from": held_from}
    if seq % 2:
        given |= {"lat_deg": 50.0, "lon_deg": round(0.01 + 0.02 * seq, 5), "alt_msl_m": 1.0}
        given |= {"alt_hae_m": None, "fix": m.Fix.THREE_D, "sats": 9, "hdop": 0.9, **fields}
        return m.Position(measured_at=at, **given)
    given |= {"track_deg": 90.0, "speed_mps": None, "climb_mps": 0.1, "phase": m.Phase.FLOAT}
    return m.Navigation(measured_at=at, waypoint=None, cross_track_m=None, **given)


def test_every_column_of_a_long_run_is_as_of_single_messages(tmp_path, told, run_of) -> None:
    bodies = [
        told(n, sats=None, hdop=None, alt_hae_m=None) if n % 6 == 1
        else told(n, waypoint=None, cross_track_m=None, track_deg=None) if n % 6 == 2
        else told(n, speed_mps=None, phase=m.Phase.DESCENT) if n % 6 == 4
        else told(n)
        for n in range(1, 2 * module.LONG_RUN)
    ]  # fmt: skip
    (run,) = run_of(bodies)
    (store, intake), (other, single) = opened(tmp_path, "run"), opened(tmp_path, "single")
    intake.commit_pieces([run])
    single.commit_pieces([run.all_accepted()])
    assert contents(store) == contents(other)
    with store.reading() as connection:
        query = "SELECT DISTINCT typeof(raw), typeof(topic), typeof(qos), suspect FROM messages"
        assert connection.exec_driver_sql(query).all() == [("blob", "text", "integer", None)]
    store.close()
    other.close()


def test_a_run_that_clashes_with_the_store_is_looked_up(tmp_path, told, run_of) -> None:
    store, intake = opened(tmp_path, "one")
    first, second = run_of([told(n) for n in (1, 2, 3)]), run_of([told(n) for n in (2, 3, 4)])
    assert len(intake.commit_pieces(first).stored) == 3
    outcome = intake.commit_pieces(second)
    assert (len(outcome.stored), outcome.duplicates) == (1, 2)
    (key,) = intake.book.flights
    intake.book.flights[key].watermark.through = 1  # as if memory had gone wrong
    outcome = intake.commit_pieces(second)
    assert (len(outcome.stored), outcome.duplicates) == (0, 3)
    store.close()


def test_runs_and_single_messages_take_turns_in_one_batch(tmp_path, told, run_of, arrival) -> None:
    store, intake = opened(tmp_path, "mixed")
    lone = judge_all([arrival(told(3)), arrival(told(3))])
    batch = [*run_of([told(1), told(2)]), lone, *run_of([told(4), told(5)])]
    outcome = intake.commit_pieces(batch)
    assert (len(outcome.stored), outcome.duplicates) == (5, 1)
    assert [s.id for s in outcome.stored] == [1, 2, 3, 4, 5]
    assert [s.accepted.message.seq for s in outcome.stored] == [1, 2, 3, 4, 5]
    assert outcome.stored[-1].id == 5
    assert [s.id for s in outcome.stored[::-2]] == [5, 3, 1]
    assert [s.id for s in outcome.stored[1:3]] == [2, 3]
    with pytest.raises(IndexError):
        outcome.stored[5]
    store.close()


def test_ids_go_on_after_another_ingest(tmp_path, told, run_of) -> None:
    store, intake = opened(tmp_path, "ids")
    other = Intake(store, clock=Clock.DATA, now_ns=lambda: NOW_NS)
    for writer, seqs in ((intake, (1, 2)), (other, (3, 4)), (intake, (5, 6)), (intake, (7, 8))):
        writer.commit_pieces(run_of([told(seq) for seq in seqs]))
    with store.reading() as connection:
        rows = connection.execute(select(messages.c.id, messages.c.seq)).all()
    assert sorted(map(tuple, rows)) == [(n, n) for n in range(1, 9)]
    store.close()


def outcomes(tmp_path: Path, told, run_of) -> tuple[Outcome, Outcome]:
    """The same messages stored as a run and one by one."""
    bodies = [told(n) for n in range(1, 31)]
    (first, short), (second, long) = opened(tmp_path, "a"), opened(tmp_path, "b")
    for intake in (short, long):
        intake.commit_pieces(run_of(bodies[:1]))
    (run,) = run_of(bodies[1:])
    made = short.commit_pieces([run]), long.commit_pieces([run.all_accepted()])
    first.close()
    second.close()
    return made


def test_the_page_is_told_the_same(tmp_path, told, run_of, monkeypatch) -> None:
    monkeypatch.setattr(feed, "POSITIONS", 5)
    monkeypatch.setattr(feed, "WIRE", 7)
    events, states = [], []
    for outcome in outcomes(tmp_path, told, run_of):
        collector, live = Collector(), Live()
        live.apply(outcome)
        collector.add(outcome)
        assert collector.last_id == 30
        events.append(collector.take(live.totals()))
        states.append(live.payloads)
    assert events[0] == events[1]
    assert states[0] == states[1]
    assert len(events[0]["wire"]) == 7
    assert events[0]["wire_missed"] == 22
    assert [item["id"] for item in events[0]["wire"]] == list(range(24, 31))
    assert events[0]["positions"][-1]["seq"] == 29
    shown = states[0]["HAB-01"]
    assert shown.fix.measured_at_ns == shown.motion.measured_at_ns == 1674887340000000000


def test_alerts_see_the_same(tmp_path, told, run_of) -> None:
    short, long = (
        list(map(seen_of, at_most(o.stored, 10))) for o in outcomes(tmp_path, told, run_of)
    )
    assert len(short) == 10
    plain = [
        [(one.payload, one.flight, one.at_ns, m.encode(one.message)) for one in seen]
        for seen in (short, long)
    ]
    assert plain[0] == plain[1]
    assert all(a.at_ns != b.at_ns for a, b in pairwise(short))


def test_what_is_left_out_is_never_made(tmp_path, told, run_of, monkeypatch) -> None:
    short, _ = outcomes(tmp_path, told, run_of)
    made: list[int] = []
    accepted = Run.accepted
    monkeypatch.setattr(Run, "accepted", lambda run, at: made.append(at) or accepted(run, at))
    joined = StoredMessages()
    joined.add(short.stored)
    joined.add(short.stored)
    assert len(joined) == 58
    assert len(at_most(joined, 4)) == 4
    assert len(made) == 4
