"""The pipeline over a link that only remembers what it was told."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest

from overflight_contract.messages import decode_receipt
from overflight_ground.ingest import pipeline as module
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.pipeline import Pipeline
from overflight_ground.ingest.plausible import Clock
from overflight_ground.ingest.receipts import ReceiptSchedule
from overflight_ground.store import Store

FLIGHT = "20230128T060000Z-7f3a"


class Link:
    """What the pipeline needs of a connection."""

    def __init__(self) -> None:
        self.acknowledged: list[int] = []
        self.published: list[tuple[str, int]] = []
        self.paused = False
        self.gathered_s: float | None = None

    def acknowledge(self, acknowledgements: bytes) -> None:
        ids = range(2, len(acknowledgements), 4)
        self.acknowledged += [int.from_bytes(acknowledgements[at : at + 2]) for at in ids]

    def gather(self, seconds: float) -> None:
        self.gathered_s = seconds

    def publish(self, topic: str, payload: bytes) -> None:
        self.published.append((topic, decode_receipt(payload).through))

    def pause(self) -> None:
        self.paused = True

    def resume(self) -> None:
        self.paused = False


@pytest.fixture
def link() -> Link:
    return Link()


@pytest.fixture
async def pipeline(intake):
    made = Pipeline(intake, lambda _outcome: None, schedule=ReceiptSchedule(0.05))
    task = asyncio.create_task(made.run())
    yield made
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def until(condition, seconds: float = 10.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def numbered(arrival, position, first: int, last: int):
    return [arrival(position(n))._replace(packet_id=n % 65_535 + 1) for n in range(first, last + 1)]


async def test_acknowledged_and_receipted_after_the_commit(
    pipeline, link, store, arrival, position
) -> None:
    pipeline.connected(link)
    pipeline.take(link, numbered(arrival, position, 1, 10))
    assert link.acknowledged == []
    await until(lambda: link.published)
    assert link.acknowledged == list(range(2, 12))
    assert link.published[-1] == ("overflight/1/HAB-01/receipt", 10)
    assert pipeline.counters.waiting_messages == 0


async def test_the_last_receipt_is_never_lost(pipeline, link, arrival, position) -> None:
    pipeline.connected(link)
    for n in range(1, 60):
        pipeline.take(link, numbered(arrival, position, n, n))
        await asyncio.sleep(0.002)
    await until(lambda: link.published and link.published[-1][1] == 59)
    assert len(link.published) < 30


async def test_a_reconnect_publishes_the_receipt_again(pipeline, link, arrival, position) -> None:
    pipeline.connected(link)
    pipeline.take(link, numbered(arrival, position, 1, 3))
    await until(lambda: link.published)
    pipeline.lost()
    again = Link()
    pipeline.connected(again)
    await until(lambda: again.published)
    assert again.published == [("overflight/1/HAB-01/receipt", 3)]


async def test_a_locked_database_stops_intake_and_it_goes_on_by_itself(
    pipeline, link, store, arrival, position, monkeypatch
) -> None:
    monkeypatch.setattr(module, "HIGH_MESSAGES", 50)
    pipeline.connected(link)
    other = sqlite3.connect(store.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    pipeline.take(link, numbered(arrival, position, 1, 60))
    await until(lambda: pipeline.trouble is not None)
    assert "locked" in pipeline.trouble
    assert link.acknowledged == []
    assert link.paused
    other.execute("ROLLBACK")
    other.close()
    await until(lambda: len(link.acknowledged) == 60)
    assert pipeline.trouble is None
    assert not link.paused


async def test_a_full_disk_stops_intake_and_it_goes_on_by_itself(
    pipeline, link, store, arrival, position
) -> None:
    def pages(most: int) -> None:
        with store.batch() as cursor:  # on the connection that writes
            cursor.execute(f"PRAGMA max_page_count={most}")

    pages(1)
    pipeline.connected(link)
    pipeline.take(link, numbered(arrival, position, 1, 1500))
    await until(lambda: pipeline.trouble is not None)
    assert "full" in pipeline.trouble
    assert link.acknowledged == []
    pages(2**30)
    await until(lambda: len(link.acknowledged) == 1500)
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM messages").scalar_one() == 1500


async def test_what_could_not_be_stored_before_a_stop_is_not_acknowledged(
    tmp_path, link, arrival, position
) -> None:
    store = Store.open(str(tmp_path / "stop.sqlite"))
    intake = Intake(store, clock=Clock.DATA, now_ns=lambda: 1)
    made = Pipeline(intake, lambda _outcome: None)
    other = sqlite3.connect(store.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    task = asyncio.create_task(made.run())
    made.take(link, numbered(arrival, position, 1, 5))
    await until(lambda: made.trouble is not None)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert link.acknowledged == []
    other.close()
    store.close()


async def test_a_stop_publishes_what_waits_for_its_turn(intake, link, arrival, position) -> None:
    made = Pipeline(intake, lambda _outcome: None, schedule=ReceiptSchedule(3600))
    task = asyncio.create_task(made.run())
    made.connected(link)
    for n in (1, 2, 3):
        made.take(link, numbered(arrival, position, n, n))
        await until(lambda n=n: len(link.acknowledged) == n)
    await until(lambda: link.published)
    made.publish_all_receipts()
    assert link.published[-1] == ("overflight/1/HAB-01/receipt", 3)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_the_log_of_the_store_is_brought_in_beside_commits(
    pipeline, link, store, arrival, position, monkeypatch
) -> None:
    monkeypatch.setattr(module, "TIDY_S", 0.002)
    monkeypatch.setattr(module, "TIDY_MESSAGES", 1)
    wal = store.file.with_name(store.file.name + "-wal")
    pipeline.connected(link)
    sizes = []
    for n in range(1, 400):
        pipeline.take(link, numbered(arrival, position, n, n))
        await until(lambda n=n: len(link.acknowledged) == n)
        sizes.append(wal.stat().st_size)
    # it does not grow with every commit: once all of it is in the file, it begins anew
    assert len(set(sizes)) < len(sizes) / 2
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM messages").scalar_one() == 399


async def test_the_log_of_the_store_stays_short_while_commits_follow_one_another(
    intake, link, store, arrival, position, monkeypatch
) -> None:
    monkeypatch.setattr(module, "TIDY_S", 0.002)
    monkeypatch.setattr(module, "TIDY_MESSAGES", 1)
    monkeypatch.setattr(module, "LONG_LOG", 20)
    wal = store.file.with_name(store.file.name + "-wal")
    sizes = set()
    made = Pipeline(intake, lambda _outcome: sizes.add(wal.stat().st_size), batch=1)
    for n in range(1, 1001):
        made.take(link, numbered(arrival, position, n, n))
    task = asyncio.create_task(made.run())
    await until(lambda: len(link.acknowledged) == 1000)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    # each commit adds some pages of 4 KB; there is no pause in which a log begins anew by itself
    assert max(sizes) < 2_000_000
    with store.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM messages").scalar_one() == 1000


async def test_reads_are_apart_while_many_wait_and_a_quiet_store_is_tidied_in_the_end(
    pipeline, link, arrival, position, monkeypatch
) -> None:
    tidied = []
    monkeypatch.setattr(module, "TIDY_AFTER_S", 0.05)
    monkeypatch.setattr(
        pipeline.intake, "tidy", lambda: tidied.append(pipeline.counters.committed) or 0
    )
    pipeline.take(link, numbered(arrival, position, 1, 3))
    assert link.gathered_s is None
    pipeline.take(link, numbered(arrival, position, 4, 4 + module.GATHER_MESSAGES))
    assert link.gathered_s == module.GATHER_S
    await until(lambda: tidied and tidied[-1] == 4 + module.GATHER_MESSAGES)


async def test_the_next_batch_is_begun_before_the_last_is_acknowledged_but_not_acknowledged_with_it(
    intake, link, arrival, position, monkeypatch
) -> None:
    begun: list[tuple[int, int]] = []
    commit = intake.commit_pieces

    def noted(pieces):
        begun.append((sum(map(len, pieces)), len(link.acknowledged)))
        return commit(pieces)

    monkeypatch.setattr(intake, "commit_pieces", noted)
    made = Pipeline(intake, lambda _outcome: None, batch=10)
    for first in (1, 11, 21):
        made.take(link, numbered(arrival, position, first, first + 9))
    task = asyncio.create_task(made.run())
    await until(lambda: len(link.acknowledged) == 30)
    assert link.acknowledged == list(range(2, 32))
    assert [size for size, _ in begun] == [10, 10, 10]
    assert all(acknowledged <= 10 * n for n, (_, acknowledged) in enumerate(begun))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
