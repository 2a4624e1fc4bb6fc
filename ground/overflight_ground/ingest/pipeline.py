"""Drives batches through the intake: read, judge, commit in a thread, acknowledge, receipt.

While a batch is being committed, the loop goes on reading and judging; what has come by then is the
next batch. It is begun before the one just committed is acknowledged and told about.
When the store fails, nothing is acknowledged, reading stops once enough is waiting, and the same
batch is tried again until the store is back.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from operator import attrgetter
from typing import Final, NamedTuple

from overflight_contract.messages import Receipt, encode
from overflight_contract.topics import Kind, topic_for
from overflight_ground.ingest.flights import FlightKey, FlightRow
from overflight_ground.ingest.intake import Intake, Outcome, Pieces
from overflight_ground.ingest.judge import Arrival, Judged, judge_all
from overflight_ground.ingest.link import BrokerLink, pubacks
from overflight_ground.ingest.receipts import Due, ReceiptSchedule
from overflight_ground.ingest.run import Run, Taken, joined
from overflight_ground.ingest.worker import Worker
from overflight_ground.store import StoreUnavailableError

log = logging.getLogger(__name__)

BATCH: Final = 4_000
HIGH_MESSAGES: Final = 20_000
HIGH_BYTES: Final = 64 * 2**20
GATHER_MESSAGES: Final = 16
GATHER_S: Final = 0.002
"""While so many wait anyway, reads are so far apart: brokers send messages one by one."""
SHORT_RUN: Final = 5
"""A run has a cost of its own: fewer messages are better looked at one by one."""
TIDY_S: Final = 0.05
TIDY_MESSAGES: Final = 2_000
TIDY_AFTER_S: Final = 1.0
"""The store's log is brought in once so many messages are committed, or so long after the first."""
LONG_LOG: Final = 2_000
"""A log of so many pages of 4 KB begins anew."""
RETRY_S: Final = (0.1, 0.25, 0.5, 1.0, 2.0)


class Chunk(NamedTuple):
    """What one socket read gave, and the connection that it came by."""

    link: BrokerLink
    pieces: Sequence[Run | list[Judged]]
    pubacks: bytes
    messages: int
    size: int


@dataclass(slots=True)
class Counters:
    """Totals since the store began (messages …) and since this process began (the rest)."""

    received: int = 0
    committed: int = 0
    batches: int = 0
    duplicates: int = 0
    quarantined: int = 0
    receipts: int = 0
    suspect: int = 0
    store_failures: int = 0
    waiting_messages: int = 0
    waiting_bytes: int = 0
    commit_seconds: float = 0.0


@dataclass(slots=True)
class Pipeline:
    """Between the links and the intake. `run` goes on until cancelled."""

    intake: Intake
    on_outcome: Callable[[Outcome], None]
    batch: int = BATCH
    counters: Counters = field(default_factory=Counters)
    trouble: str | None = None
    schedule: ReceiptSchedule = field(default_factory=ReceiptSchedule)
    newest: dict[str, Due] = field(default_factory=dict)
    link: BrokerLink | None = None
    _waiting: deque[Chunk] = field(default_factory=deque)
    _something: asyncio.Event = field(default_factory=asyncio.Event)
    _receipts: asyncio.Event = field(default_factory=asyncio.Event)
    _paused: set[BrokerLink] = field(default_factory=set)

    def take(self, link: BrokerLink, arrivals: list[Arrival]) -> None:
        """Take messages one by one; stops the link when too much is waiting."""
        packet_ids = [a.packet_id for a in arrivals if a.packet_id is not None]
        size = sum([len(arrival.raw) for arrival in arrivals])
        judged = judge_all(arrivals)
        self._take(Chunk(link, (judged,), pubacks(packet_ids), len(arrivals), size))

    def take_runs(self, link: BrokerLink, taken: Taken) -> None:
        """Take messages that came in a row; stops the link when too much is waiting."""
        pieces: list[Run | list[Judged]] = [*taken.runs, [*taken.singles]]
        self._take(Chunk(link, pieces, taken.pubacks, taken.messages, taken.size))

    def _take(self, chunk: Chunk) -> None:
        counters, link = self.counters, chunk.link
        self._waiting.append(chunk)
        counters.received += chunk.messages
        counters.waiting_messages += chunk.messages
        counters.waiting_bytes += chunk.size
        if counters.waiting_messages > HIGH_MESSAGES or counters.waiting_bytes > HIGH_BYTES:
            link.pause()
            self._paused.add(link)
        elif counters.waiting_messages > GATHER_MESSAGES:
            link.gather(GATHER_S)
        self._something.set()

    def connected(self, link: BrokerLink) -> None:
        """Publish all newest receipts again: the broker may have forgotten them."""
        self.link = link
        self.schedule.reconnected(self.newest.values())
        self._receipts.set()

    def lost(self) -> None:
        """Stop publishing until there is a connection again."""
        self.link = None

    def load(self, rows: list[FlightRow]) -> None:
        """Learn the newest receipt of each payload from the store."""
        for row in sorted(rows, key=lambda row: row.last_received_at_ns):
            self.newest[row.payload] = Due(row.payload, row.flight, row.through)

    async def run(self) -> None:
        """Commit batch after batch, and publish receipts when they are due."""
        with Worker("store-writer") as writer:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._publish_receipts(), name="receipts")
                tasks.create_task(self._commit_batches(writer), name="commits")
                tasks.create_task(self._tidy(writer), name="tidying")

    async def drain(self, seconds: float) -> None:
        """Wait until nothing is waiting, at most so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.counters.waiting_messages and self.trouble is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    async def _commit_batches(self, writer: Worker) -> None:
        while True:
            await self._something.wait()
            self._something.clear()
            done: tuple[list[Chunk], Outcome] | None = None
            while self._waiting:
                chunks = self._next_batch()
                batch = _joined(chunks)
                commit = writer.do(self.intake.commit_pieces, batch)
                if done is not None:
                    self._settle(*done)
                done = chunks, await self._finish(commit, writer, batch)
            if done is not None:
                self._settle(*done)

    async def _tidy(self, writer: Worker) -> None:
        """Keep SQLite's log short, in a thread of its own: a commit that did so would take long.

        The little that comes meanwhile is brought in between two commits.
        """
        loop = asyncio.get_running_loop()
        batches, messages, at_s = 0, 0, loop.time()
        while True:
            await asyncio.sleep(TIDY_S)
            counters = self.counters
            many = counters.committed - messages >= TIDY_MESSAGES
            if counters.batches != batches and (many or loop.time() - at_s >= TIDY_AFTER_S):
                batches, messages, at_s = counters.batches, counters.committed, loop.time()
                if await asyncio.to_thread(self.intake.tidy) >= LONG_LOG:
                    await writer.do(self.intake.restart_log)

    def _next_batch(self) -> list[Chunk]:
        chunks: list[Chunk] = []
        count = 0
        while self._waiting and (not chunks or count + self._waiting[0].messages <= self.batch):
            chunk = self._waiting.popleft()
            chunks.append(chunk)
            count += chunk.messages
        return chunks

    async def _finish(
        self, commit: asyncio.Future[Outcome], writer: Worker, batch: Pieces
    ) -> Outcome:
        """Wait for a commit; begin it again until it works."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started_s = loop.time()
            try:
                outcome = await commit
            except StoreUnavailableError as error:
                self._failed(error)
                await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                failures += 1
                commit = writer.do(self.intake.commit_pieces, batch)
                continue
            self.counters.commit_seconds += loop.time() - started_s
            if self.trouble is not None:
                self.trouble = None
                log.warning("the store is back; intake goes on")
            return outcome

    def _failed(self, error: StoreUnavailableError) -> None:
        self.counters.store_failures += 1
        if self.trouble is None:
            log.error("%s; nothing is acknowledged until it can be stored", error)
        self.trouble = str(error)

    def _settle(self, chunks: list[Chunk], outcome: Outcome) -> None:
        """Acknowledge a batch that is committed, and tell everybody."""
        for link, those in groupby(chunks, attrgetter("link")):
            link.acknowledge(b"".join([chunk.pubacks for chunk in those]))
        counters = self.counters
        counters.batches += 1
        counters.committed += len(outcome.stored)
        counters.duplicates += outcome.duplicates
        counters.quarantined += len(outcome.quarantined)
        counters.waiting_messages -= sum([chunk.messages for chunk in chunks])
        counters.waiting_bytes -= sum([chunk.size for chunk in chunks])
        if (
            self._paused
            and counters.waiting_messages < HIGH_MESSAGES // 2
            and counters.waiting_bytes < HIGH_BYTES // 2
        ):
            for link in self._paused:
                link.resume()
            self._paused.clear()
        self._want(outcome.flights)
        self.on_outcome(outcome)

    def _want(self, flights: dict[FlightKey, FlightRow]) -> None:
        for row in flights.values():
            due = self.newest[row.payload] = Due(row.payload, row.flight, row.through)
            if self.schedule.want(*due):
                self._receipts.set()

    async def _publish_receipts(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            next_at_s = self.schedule.next_at_s() if self.link is not None else None
            pause_s = None if next_at_s is None else max(0.0, next_at_s - loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._receipts.wait()
            self._receipts.clear()
            if self.link is None:
                continue
            self._publish(self.schedule.due(loop.time()))

    def publish_all_receipts(self) -> None:
        """Publish what waits for its turn, at once: the ground stops."""
        self._publish(self.schedule.all())

    def _publish(self, receipts: list[Due]) -> None:
        if self.link is None:
            return
        for due in receipts:
            receipt = encode(Receipt(flight=due.flight, through=due.through))
            self.link.publish(topic_for(due.payload, Kind.RECEIPT), receipt)
            self.counters.receipts += 1


def _joined(chunks: Iterable[Chunk]) -> list[Run | list[Judged]]:
    """Return the pieces of `chunks`, each flight's in their order, joined as far as can be."""
    batch: list[Run | list[Judged]] = []
    runs: dict[tuple[str, str], list[Run]] = {}
    for piece in chain.from_iterable([chunk.pieces for chunk in chunks]):
        if isinstance(piece, Run):
            runs.setdefault((piece.payload, piece.flight), []).append(piece)
        elif piece:
            _add_single(batch, [*_add_runs(batch, runs), *piece])
    _add_single(batch, _add_runs(batch, runs))
    return batch


def _add_runs(
    batch: list[Run | list[Judged]], runs: dict[tuple[str, str], list[Run]]
) -> list[Judged]:
    """Join `runs` by flight and add them; return the messages of those that are too short."""
    single: list[Judged] = []
    for some in runs.values():
        run = joined(some)
        if run.messages < SHORT_RUN:
            single += run.all_accepted()
        else:
            batch.append(run)
    runs.clear()
    return single


def _add_single(batch: list[Run | list[Judged]], single: list[Judged]) -> None:
    last = batch[-1] if batch else None
    if isinstance(last, list):
        last += single
    elif single:
        batch.append(single)
