"""The store on PostgreSQL: the same as on SQLite, and through a restart of the server."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, select

from overflight_contract.errors import UnavailableError
from overflight_contract.messages import Fix, Phase
from overflight_contract.ports import free_port
from overflight_ground.alerts import storing
from overflight_ground.alerts.engine import Alert
from overflight_ground.exporting import canonical_lines
from overflight_ground.ingest import intake as module
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival, judge_all
from overflight_ground.ingest.pipeline import Pipeline
from overflight_ground.ingest.plausible import Clock
from overflight_ground.retention import Old, cut
from overflight_ground.store import Store, migrating, reading
from overflight_ground.store.reading import MessageFilter
from overflight_ground.store.tables import messages, metadata, quarantine
from overflight_ground.track import merge

FLIGHT = "20230128T060000Z-7f3a"


class Cluster:
    """A PostgreSQL server of our own in a temporary folder, run as an unprivileged user."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.port = free_port()
        self.url = f"postgresql://ground@127.0.0.1:{self.port}/postgres"
        self._folder, self._binaries = folder, binaries
        user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self._who = {"user": user.pw_uid, "group": user.pw_gid} if user else {}
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        init = [binaries / "initdb", "-D", folder / "data", "-U", "ground", "-A", "trust"]
        self._run([*init, "--no-sync", "-E", "UTF8"]).wait(60)
        self.start()

    def _run(self, words: list[object]) -> subprocess.Popen[bytes]:
        quiet = subprocess.DEVNULL
        return subprocess.Popen(
            [str(word) for word in words], cwd="/", stdout=quiet, stderr=quiet, **self._who
        )

    def start(self) -> None:
        data, folder = self._folder / "data", self._folder
        words = [self._binaries / "postgres", "-D", data, "-p", self.port, "-k", folder]
        self._process = self._run([*words, "-h", "127.0.0.1", "-F"])
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                Store.open(self.url).close()
            except UnavailableError:
                time.sleep(0.1)
                continue
            return
        raise AssertionError("PostgreSQL did not start")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.wait(20)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        pytest.skip("PostgreSQL is not installed")
    folder = Path(tempfile.mkdtemp(prefix="overflight-pg-"))
    made = Cluster(folder, found[-1])
    yield made
    made.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def pg(cluster) -> Iterator[Store]:
    store = Store.open(cluster.url)
    with store.writing() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    yield store
    store.close()


@pytest.fixture
def pg_intake(pg) -> Intake:
    made = Intake(pg, clock=Clock.DATA, now_ns=lambda: 1)
    made.load()
    return made


def seqs(store: Store) -> list[int]:
    with store.reading() as connection:
        return list(connection.execute(select(messages.c.seq).order_by(messages.c.id)).scalars())


def test_migrations_both_ways_and_equal_to_the_tables(pg) -> None:
    with pg.writer.begin() as connection:
        command.downgrade(migrating.config(connection), "base")
    assert set(inspect(pg.reader).get_table_names()) <= {"alembic_version"}
    with pg.writer.begin() as connection:
        command.upgrade(migrating.config(connection), "head")
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_names_sort_by_their_bytes(pg, pg_intake, arrival, position) -> None:
    """In a database that sorts as people do, HAB1 would stand before HAB-2 and ABC after A-D."""
    query = (
        "SELECT table_name || '.' || column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND column_name IN ('payload', 'flight') "
        "AND collation_name IS DISTINCT FROM 'C'"
    )
    with pg.reading() as connection:
        assert connection.exec_driver_sql(query).scalars().all() == []
    names = ["HAB1", "HAB-2", "ABC", "A-D"]
    pg_intake.commit([arrival(position(1), name) for name in names])
    with pg.reading() as connection:
        lines = list(canonical_lines(connection, MessageFilter()))
        found = connection.execute(select(messages.c.payload).order_by(messages.c.payload))
        assert found.scalars().all() == sorted(names)
    assert len(lines) == 4


@pytest.mark.parametrize("size", [7, 200])
def test_once_each_in_any_batch_size(pg, pg_intake, arrival, position, navigation, size) -> None:
    sent = [arrival(position(n) if n % 2 else navigation(n)) for n in range(1, 301)]
    sent += sent[:40]
    for start in range(0, len(sent), size):
        outcome = pg_intake.commit(sent[start : start + size])
    assert seqs(pg) == list(range(1, 301))
    assert outcome.flights["HAB-01", FLIGHT].through == 300
    with pg.reading() as connection:
        points = list(
            merge(reading.track_rows(connection, MessageFilter(payload="HAB-01", flight=FLIGHT)))
        )
        assert len(points) == 150
        assert points[0].speed_mps == 24.5
        assert len(list(canonical_lines(connection, MessageFilter()))) == 300
        before = (FLIGHT, points[50].measured_at_ns, points[50].seq)
        page = reading.messages_of_payload(
            connection, MessageFilter(payload="HAB-01"), before=before, limit=3
        )
        assert [row.measured_at_ns for row in page] == sorted(
            (row.measured_at_ns for row in page), reverse=True
        )
        assert page[0].seq < points[50].seq


def test_every_column_is_as_in_sqlite(pg, pg_intake, intake, store, arrival, position, navigation):
    sent = [
        position(1),
        navigation(2),
        position(3, sats=None, hdop=None, alt_msl_m=None, alt_hae_m=None),
        navigation(4, waypoint=None, cross_track_m=None, track_deg=None),
        position(5, lat_deg=None, lon_deg=None, fix=Fix.NONE),
        position(7, lat_deg=-60.0, sats=3),
        navigation(8, phase=Phase.DESCENT, climb_mps=-5.5, speed_mps=None),
    ]
    came = [arrival(body)._replace(retained=n == 1, dup=n == 2) for n, body in enumerate(sent)]
    for one in (pg_intake, intake):
        one.commit(came)
    found = []
    for one in (pg, store):
        with one.reading() as connection:
            rows = connection.execute(select(messages).order_by(messages.c.id)).mappings()
            found.append([{**row, "raw": bytes(row["raw"]), "stored_at_ns": 0} for row in rows])
    assert found[0] == found[1]
    assert found[0][5]["suspect"] == "sats,leap"


def test_conflicts_strays_and_late_finds(pg, pg_intake, arrival, position) -> None:
    pg_intake.commit([arrival(position(5, held_from=5))])
    outcome = pg_intake.commit(
        [
            arrival(position(5, lat_deg=1.0)),
            arrival(position(2)),
            Arrival(b"overflight/1/HAB-01/x", b"\0\xff", 0, False, False, 1),
            Arrival(b"overflight/1/HAB-01/x", b"\0\xff", 0, False, False, 2),
        ]
    )
    assert sorted(item.reason for item in outcome.quarantined) == ["conflict", "topic"]
    assert outcome.flights["HAB-01", FLIGHT].given_up == 3
    with pg.reading() as connection:
        rows = connection.execute(select(quarantine).order_by(quarantine.c.reason)).all()
    assert [row.times for row in rows] == [1, 2]
    assert bytes(rows[1].raw) == b"\0\xff"


@pytest.fixture
def runs(told, run_of):
    """Give the runs that messages of consecutive seqs arrive as."""
    return lambda first, last: run_of([told(seq) for seq in range(first, last + 1)])


def test_looking_up_ends_the_copy_of_a_long_run_and_the_next_begins_another(
    pg, pg_intake, runs, arrival, told
) -> None:
    again = judge_all([arrival(told(seq)) for seq in (7, 899, 901)])
    outcome = pg_intake.commit_pieces([*runs(1, 900), again, *runs(902, 1500)])
    assert (len(outcome.stored), outcome.duplicates) == (1500, 2)
    assert outcome.flights["HAB-01", FLIGHT].through == 1500
    assert sorted(seqs(pg)) == list(range(1, 1501))
    with pg.reading() as connection:
        found = connection.execute(select(messages.c.id, messages.c.seq).order_by(messages.c.id))
        assert [tuple(row) for row in found] == [
            (item.id, item.accepted.message.seq) for item in outcome.stored
        ]


def test_a_copy_that_clashes_is_looked_up_and_one_that_fails_stores_nothing(
    pg, pg_intake, runs, monkeypatch
) -> None:
    pg_intake.commit_pieces(runs(1, 500))
    pg_intake.book.flights["HAB-01", FLIGHT].watermark.through = 1  # as if memory had gone wrong
    outcome = pg_intake.commit_pieces(runs(2, 700))
    assert (len(outcome.stored), outcome.duplicates) == (200, 499)
    rows, made = module.run_values, []

    def fails(first, run):
        made.append(first)
        if len(made) == 3:
            raise RuntimeError("in the middle of a copy")
        return rows(first, run)

    monkeypatch.setattr(module, "run_values", fails)
    with pytest.raises(RuntimeError, match="middle"):
        pg_intake.commit_pieces(runs(701, 1500))
    assert len(seqs(pg)) == 700
    assert len(pg_intake.commit_pieces(runs(701, 1500)).stored) == 800
    assert sorted(seqs(pg)) == list(range(1, 1501))


def test_two_ingests_take_turns(pg, arrival, position) -> None:
    one = Intake(pg, clock=Clock.DATA, now_ns=lambda: 1)
    two = Intake(pg, clock=Clock.DATA, now_ns=lambda: 1)
    one.commit([arrival(position(1))])
    two.commit([arrival(position(1)), arrival(position(2))])
    assert one.commit([arrival(position(2)), arrival(position(3))]).duplicates == 1
    assert seqs(pg) == [1, 2, 3]


def test_alerts_and_retention(pg, pg_intake, arrival, position) -> None:
    pg_intake.commit([arrival(position(1))])
    alert = Alert("late", "", "HAB-01", FLIGHT, "warning", "t", "c", 1, None, {"a": 1})
    with pg.writing() as connection:
        storing.save(connection, alert)
        assert storing.acknowledge(connection, alert.id, 5, "me")
    with pg.reading() as connection:
        (found,) = storing.open_alerts(connection)
    assert (found.acked_by, found.evidence) == ("me", {"a": 1})
    alert.end_at_ns = 2  # one that is open would stay
    with pg.writing() as connection:
        storing.save(connection, alert)
    assert alert.acked_by == "me"
    found.end_at_ns = 2
    with pg.writing() as connection:
        storing.save(connection, found)
    gone = cut(pg, Old(payload="HAB-01"))
    assert (gone.messages, gone.alerts, gone.flights) == (1, 1, 1)
    assert seqs(pg) == []
    assert pg_intake.commit([arrival(position(1))]).stored[0].id == 2


class Link:
    def __init__(self) -> None:
        self.acknowledged: list[int] = []

    def acknowledge(self, acknowledgements: bytes) -> None:
        ids = range(2, len(acknowledgements), 4)
        self.acknowledged += [int.from_bytes(acknowledgements[at : at + 2]) for at in ids]

    def gather(self, seconds: float) -> None:
        self.gathered_s = seconds

    def pause(self) -> None: ...

    def resume(self) -> None: ...


async def until(condition, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_restart_of_the_server_loses_nothing(
    cluster, pg, pg_intake, arrival, position
) -> None:
    link, made = Link(), Pipeline(pg_intake, lambda _outcome: None)
    task = asyncio.create_task(made.run())

    def take(first: int, last: int) -> None:
        made.take(link, [arrival(position(n))._replace(packet_id=n) for n in range(first, last)])

    take(1, 100)
    await until(lambda: len(link.acknowledged) == 99)
    await asyncio.to_thread(cluster.stop)
    take(100, 200)
    await until(lambda: made.trouble is not None)
    assert len(link.acknowledged) == 99
    await asyncio.to_thread(cluster.start)
    await until(lambda: len(link.acknowledged) == 199)
    assert made.trouble is None
    assert seqs(pg) == list(range(1, 200))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_server_that_is_not_there_is_one_sentence() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"postgresql://ground@127.0.0.1:{nobody.getsockname()[1]}/postgres"
        with pytest.raises(UnavailableError, match="can't be opened"):
            Store.open(url)
