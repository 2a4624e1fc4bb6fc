"""One batch into the store: judged, without doubles, in one transaction with its watermarks.

Runs in the writer's thread. What is in memory is only trusted while this ingest is the only one
that writes; after any failure, and after another writer, it is read anew.
"""

from __future__ import annotations

import hashlib
import logging
import struct
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Final

from overflight_contract.topics import Kind, topic_for
from overflight_ground.ingest.flights import FlightBook, FlightKey, FlightRow, FlightState
from overflight_ground.ingest.judge import Accepted, Arrival, Judged, Rejected, judge_all
from overflight_ground.ingest.plausible import Clock, ahead, all_steady, marks_of
from overflight_ground.ingest.rows import flight_values, message_row, quarantine_row, run_values
from overflight_ground.ingest.run import Run
from overflight_ground.ingest.stored import StoredMessages, StoredRun, stored
from overflight_ground.store import ClashError, Store
from overflight_ground.store.inserting import Alike
from overflight_ground.store.writing import BatchWriter, Key

log = logging.getLogger(__name__)


OF_A_VALUE: Final = (ValueError, OverflowError, TypeError, struct.error)
"""What a message raises that holds a value which can't be stored."""
LONG_RUN: Final = 32
"""So many messages of one flight have a statement of their own."""
STREAMED: Final = 200
"""So many messages are sent at once to a database that works on them while the next are made."""

Pieces = Sequence[Run | list[Judged]]
"""A batch in the order in which it came: runs, and between them what was judged by itself."""


@dataclass(slots=True)
class Outcome:
    """What became of a batch, once it is committed."""

    stored: StoredMessages = field(default_factory=StoredMessages)
    suspect: int = 0
    """How many of the stored ones have marks."""
    quarantined: list[Rejected] = field(default_factory=list)
    duplicates: int = 0
    given_up: dict[FlightKey, int] = field(default_factory=dict)
    awaited: dict[FlightKey, int] = field(default_factory=dict)
    """How many messages are missing between others; a flight that misses none is left out."""
    flights: dict[FlightKey, FlightRow] = field(default_factory=dict)

    def add(self, later: Outcome) -> None:
        """Take in what became of messages that were committed after these."""
        self.stored.add(later.stored)
        self.suspect += later.suspect
        self.quarantined += later.quarantined
        self.duplicates += later.duplicates
        for key, lost in later.given_up.items():
            self.given_up[key] = self.given_up.get(key, 0) + lost
        self.awaited = {
            key: awaited for key, awaited in self.awaited.items() if key not in later.flights
        } | later.awaited
        self.flights |= later.flights


class Intake:
    """The one way into the store. `commit` either stores a whole batch or changes nothing."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Clock = Clock.WALL,
        simulated: bool = False,
        now_ns: Callable[[], int],
    ) -> None:
        self.book = FlightBook()
        self._store = store
        self._clock = clock
        self._simulated = simulated
        self._now_ns = now_ns
        self._me = uuid.uuid4().hex

    def load(self) -> list[FlightRow]:
        """Read the flights and return them; raises `StoreUnavailableError`."""
        with BatchWriter.begun(self._store) as writer:
            self._me = uuid.uuid4().hex
            writer.take_turn(self._me)
            self.book.load(writer)
        return [state.row() for state in self.book.flights.values()]

    def commit(self, arrivals: Sequence[Arrival]) -> Outcome:
        """Store a batch; raises `StoreUnavailableError`, and then nothing of it is stored."""
        return self.commit_pieces([judge_all(arrivals)])

    def commit_pieces(self, pieces: Pieces) -> Outcome:
        """Store a batch of runs and of what `judge_all` has judged, as `commit` does.

        A message that can't be stored for a fault of its own goes to quarantine, and the others are
        committed without it; then what came before a failure of the store may be committed.
        """
        try:
            return self._try(pieces)
        except OF_A_VALUE as error:
            single = list(chain.from_iterable(map(_singles, pieces)))
            log.warning("of %d messages one can't be stored: %s", len(single), _words(error))
            return self._by_halves(single)

    def _by_halves(self, judged: list[Judged]) -> Outcome:
        try:
            return self._try([judged])
        except OF_A_VALUE as error:
            if len(judged) == 1:
                log.exception("this one goes to quarantine")
                return self._try([[_unstorable(judged[0], error)]])
            half = len(judged) // 2
            outcome = self._by_halves(judged[:half])
            outcome.add(self._by_halves(judged[half:]))
            return outcome

    def _try(self, pieces: Pieces) -> Outcome:
        try:
            return self._commit(pieces, distrust=False)
        except ClashError:
            log.warning("the store held messages that memory did not know of; looking each up")
            return self._commit(pieces, distrust=True)

    def tidy(self) -> int:
        """Do what the store wants done between commits; may run beside one.

        Returns the length of the store's log in pages.
        """
        return self._store.checkpoint()

    def restart_log(self) -> None:
        """Let the store's log begin anew after `tidy`; not beside a commit."""
        self._store.restart_log()

    def _commit(self, pieces: Pieces, *, distrust: bool) -> Outcome:
        try:
            with BatchWriter.begun(self._store) as writer:
                if not writer.take_turn(self._me) or distrust:
                    self.book.load(writer)
                return _Batch(self, writer, distrust=distrust).run(pieces)
        except BaseException:
            self._me = uuid.uuid4().hex  # what is in memory went ahead of the store
            raise

    @property
    def settings(self) -> tuple[Clock, bool, int]:
        """Return the clock, whether flights are simulated, and the time now."""
        return self._clock, self._simulated, self._now_ns()


class _Batch:
    """The steps of one transaction, in order. What can be is done for a flight at a time."""

    def __init__(self, intake: Intake, writer: BatchWriter, *, distrust: bool) -> None:
        self._book = intake.book
        self._flights = intake.book.flights
        self._writer = writer
        self._clock, self._simulated, self._now_ns = intake.settings
        self._distrust = distrust
        self._outcome = Outcome()
        self._held: dict[FlightKey, int] = {}
        self._touched: dict[FlightKey, FlightState] = {}
        self._values: list[Any] = []

    def run(self, pieces: Pieces) -> Outcome:
        outcome = self._outcome
        for piece in pieces:
            judged = self._run(piece) if isinstance(piece, Run) else piece
            if judged:
                self._judged(judged)
        self._insert()
        for key, held_from in self._held.items():
            lost = self._flights[key].watermark.hold(held_from)
            if lost:
                outcome.given_up[key] = lost
        for key, state in self._touched.items():
            if awaited := state.watermark.awaited:
                outcome.awaited[key] = awaited
        outcome.flights = {key: state.row() for key, state in self._touched.items()}
        self._writer.save_flights(list(outcome.flights.values()))
        return outcome

    def _run(self, run: Run) -> Sequence[Accepted]:
        """Store a run that goes on where its flight was; else return it, to be looked up."""
        key = run.payload, run.flight
        state = self._state(key, run.received_at_ns[0])
        if self._distrust or not state.watermark.take_run(run.seqs):
            return run.all_accepted()
        state.last_received_at_ns = max(state.last_received_at_ns, *run.received_at_ns)
        self._hold(key, max(run.held_froms))
        if not all_steady(run, state.track, self._clock):
            items = run.all_accepted()
            self._store(items, {key: items})
            return ()
        state.count(run.measured_at_ns, run.messages, run.size)
        first = self._ids(run.messages)
        self._insert_run(first, run)
        self._outcome.stored.add(StoredRun(first, run))
        return ()

    def _insert_run(self, first: int, run: Run) -> None:
        if self._writer.streams:
            for start, part in run.parts(STREAMED):
                self._values += run_values(first + start, part)
                if part.messages == STREAMED:
                    self._insert()
        elif run.messages < LONG_RUN:
            self._values += run_values(first, run)
        else:
            topics = [topic_for(run.payload, kind) for kind in (Kind.POSITION, Kind.NAVIGATION)]
            alike = Alike(self._now_ns, run.payload, run.flight, *topics)
            self._writer.insert_flight(flight_values(first, run), alike)

    def _judged(self, judged: Sequence[Judged]) -> None:
        """Store what was judged by itself, or put it into quarantine."""
        accepted = [item for item in judged if type(item) is Accepted]
        rejected = [item for item in judged if type(item) is Rejected]
        doubtful = self._fresh(accepted)
        if doubtful:
            self._known(doubtful, rejected)
        for item in rejected:
            self._quarantine(item)

    def _fresh(self, accepted: list[Accepted]) -> list[Accepted]:
        """Store what memory knows to be new; return what must be looked up."""
        doubtful: list[Accepted] = []
        flights = _by_flight(accepted)
        for key, items in flights.items():
            messages = [item.message for item in items]
            received_at_ns = [item.arrival.received_at_ns for item in items]
            state = self._state(key, received_at_ns[0])
            state.last_received_at_ns = max(state.last_received_at_ns, *received_at_ns)
            self._hold(key, max([message.held_from for message in messages]))
            if self._distrust:
                doubtful += items
            elif not state.watermark.take_run([message.seq for message in messages]):
                take = state.watermark.take
                doubtful += [item for item in items if not take(item.message.seq)]
        if doubtful:
            aside = set(map(id, doubtful))
            accepted = [item for item in accepted if id(item) not in aside]
            flights = _by_flight(accepted)
        self._store(accepted, flights)
        return doubtful

    def _known(self, doubtful: Sequence[Accepted], rejected: list[Rejected]) -> None:
        """Tell duplicates, conflicts and late finds apart."""
        self._insert()  # what came earlier in the batch is to be found
        keys = {(item.payload, item.message.flight, item.message.seq) for item in doubtful}
        there = self._writer.stored(keys)
        late: dict[Key, Accepted] = {}
        for item in doubtful:
            message = item.message
            key = (item.payload, message.flight, message.seq)
            known = there.get(key)
            if known is None:
                late[key] = item
                there[key] = item.arrival.raw
            elif known == item.arrival.raw:
                self._outcome.duplicates += 1
                self._flights[key[:2]].duplicates += 1
            else:
                rejected.append(_conflict(item))
        for key, item in late.items():
            watermark = self._flights[key[:2]].watermark
            if item.message.seq <= watermark.through and not self._writer.quarantined(key):
                watermark.found()
            watermark.add(item.message.seq)
        finds = list(late.values())
        self._store(finds, _by_flight(finds))

    def _store(self, items: list[Accepted], flights: dict[FlightKey, list[Accepted]]) -> None:
        """Store messages that are new, in their order; `flights` are the same, sorted by flight."""
        if not items:
            return
        suspects: dict[int, str] = {}
        for key, those in flights.items():
            suspects |= self._count(self._flights[key], those)
        marks = [suspects.get(id(item)) for item in items] if suspects else repeat(None)
        first = self._ids(len(items))
        found = list(zip(range(first, first + len(items)), items, marks, strict=False))
        self._values += chain.from_iterable([message_row(*one) for one in found])
        self._outcome.stored.add(list(map(stored, found)))
        self._outcome.suspect += len(suspects)

    def _ids(self, count: int) -> int:
        """Return the first of `count` ids that follow one another."""
        book = self._book
        first = book.next_id = book.next_id or self._writer.next_id()
        book.next_id += count
        return first

    def _insert(self) -> None:
        """Insert the rows that are ready."""
        if self._values:
            self._writer.insert_messages(self._values, self._now_ns)
            self._values = []

    def _hold(self, key: FlightKey, held_from: int) -> None:
        self._held[key] = max(held_from, self._held.get(key, 0))

    def _count(self, state: FlightState, items: Sequence[Accepted]) -> dict[int, str]:
        """Take new messages of one flight into its counters; return the marks of suspect ones."""
        measured = [item.measured_at_ns for item in items]
        marks = marks_of(items, measured, state.track, self._clock)
        timely = measured
        if marks:
            timely = [item.measured_at_ns for item in items if not ahead(marks.get(id(item)))]
        state.count(timely, len(items), sum([len(item.arrival.raw) for item in items]))
        return marks

    def _quarantine(self, item: Rejected) -> None:
        arrival = item.arrival
        digest = hashlib.sha256(arrival.topic + b"\0" + arrival.raw).digest()
        new = self._writer.insert_quarantine(quarantine_row(digest, item))
        if new:
            self._outcome.quarantined.append(item)
        else:
            self._outcome.duplicates += 1
        if item.payload is None or item.flight is None or item.seq is None:
            return
        state = self._state((item.payload, item.flight), arrival.received_at_ns)
        state.last_received_at_ns = max(state.last_received_at_ns, arrival.received_at_ns)
        state.watermark.add(item.seq)
        state.quarantined += new
        state.conflicts += new and item.reason == "conflict"

    def _state(self, key: FlightKey, received_at_ns: int) -> FlightState:
        state = self._touched.get(key) or self._flights.get(key)
        if state is None:
            state = FlightState(*key, self._simulated, received_at_ns, received_at_ns)
            self._flights[key] = state
        self._touched[key] = state
        return state


def _singles(piece: Run | list[Judged]) -> Sequence[Judged]:
    return piece.all_accepted() if isinstance(piece, Run) else piece


def _unstorable(judged: Judged, error: Exception) -> Rejected:
    """Put what can't be stored into words that can."""
    assert judged is not None  # a receipt leaves nothing to store
    claims = judged.message if isinstance(judged, Accepted) else judged
    payload, flight, seq = judged.payload, claims.flight, claims.seq
    topic = ascii(judged.topic)[1:-1]
    return Rejected(judged.arrival, topic, "unstorable", _words(error), payload, flight, seq)


def _words(error: Exception) -> str:
    return ascii(f"{type(error).__name__}: {error}")[1:-1][:500]


def _by_flight(items: Iterable[Accepted]) -> dict[FlightKey, list[Accepted]]:
    groups: dict[FlightKey, list[Accepted]] = defaultdict(list)
    for item in items:
        groups[item.payload, item.message.flight].append(item)
    return groups


def _conflict(item: Accepted) -> Rejected:
    message = item.message
    return Rejected(
        item.arrival,
        item.topic,
        "conflict",
        f"seq {message.seq} of flight {message.flight} is stored with other bytes",
        item.payload,
        message.flight,
        message.seq,
    )
