"""One batch into the store: judged, without doubles, in one transaction with its watermarks.

Runs in the writer's thread. What is in memory is only trusted while this ingest is the only one
that writes; after any failure, and after another writer, it is read anew.
"""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy.exc import IntegrityError

from overflight_contract.messages import Position
from overflight_ground.ingest.flights import FlightBook, FlightKey, FlightRow, FlightState
from overflight_ground.ingest.judge import Accepted, Arrival, Rejected, judge
from overflight_ground.ingest.plausible import Clock, marks
from overflight_ground.store import Store, StoreUnavailableError
from overflight_ground.store.writing import BatchWriter, Key

log = logging.getLogger(__name__)


class Stored(NamedTuple):
    """A message that this batch stored."""

    id: int
    accepted: Accepted
    suspect: str | None


@dataclass(slots=True)
class Outcome:
    """What became of a batch, once it is committed."""

    stored: list[Stored] = field(default_factory=list)
    quarantined: list[Rejected] = field(default_factory=list)
    duplicates: int = 0
    given_up: dict[FlightKey, int] = field(default_factory=dict)
    awaited: dict[FlightKey, int] = field(default_factory=dict)
    """How many messages are missing between others; a flight that misses none is left out."""
    flights: dict[FlightKey, FlightRow] = field(default_factory=dict)


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
        with self._store.writing() as connection:
            self._me = uuid.uuid4().hex
            writer = BatchWriter(connection)
            writer.take_turn(self._me)
            self.book.load(writer)
        return [state.row() for state in self.book.flights.values()]

    def commit(self, arrivals: Sequence[Arrival]) -> Outcome:
        """Store a batch; raises `StoreUnavailableError`, and then nothing of it is stored."""
        judged = [judge(arrival) for arrival in arrivals]
        try:
            return self._commit(judged, distrust=False)
        except IntegrityError:
            log.warning("the store held messages that memory did not know of; looking each up")
            return self._commit(judged, distrust=True)

    def _commit(self, judged: Sequence[Accepted | Rejected | None], *, distrust: bool) -> Outcome:
        try:
            with self._store.writing() as connection:
                writer = BatchWriter(connection)
                if not writer.take_turn(self._me) or distrust:
                    self.book.load(writer)
                return _Batch(self, writer, distrust=distrust).run(judged)
        except BaseException as error:
            self._me = uuid.uuid4().hex  # what is in memory went ahead of the store
            cause = error.__cause__
            if isinstance(error, StoreUnavailableError) and isinstance(cause, IntegrityError):
                raise cause from error
            raise

    @property
    def settings(self) -> tuple[Clock, bool, int]:
        """Return the clock, whether flights are simulated, and the time now."""
        return self._clock, self._simulated, self._now_ns()


class _Batch:
    """The steps of one transaction, in order."""

    def __init__(self, intake: Intake, writer: BatchWriter, *, distrust: bool) -> None:
        self._flights = intake.book.flights
        self._writer = writer
        self._clock, self._simulated, self._now_ns = intake.settings
        self._distrust = distrust
        self._outcome = Outcome()
        self._next_id = 0
        self._held: dict[FlightKey, int] = {}
        self._touched: dict[FlightKey, FlightState] = {}

    def run(self, judged: Sequence[Accepted | Rejected | None]) -> Outcome:
        outcome = self._outcome
        self._next_id = self._writer.next_id()
        rejected = [item for item in judged if isinstance(item, Rejected)]
        doubtful = self._fresh(judged)
        if doubtful:
            self._known(doubtful, rejected)
        for item in rejected:
            self._quarantine(item)
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

    def _fresh(self, judged: Sequence[Accepted | Rejected | None]) -> list[Accepted]:
        """Store what memory knows to be new; return what must be looked up."""
        doubtful: list[Accepted] = []
        new: list[Accepted] = []
        held, distrust = self._held, self._distrust
        for item in judged:
            if type(item) is not Accepted:
                continue
            message = item.message
            key = (item.payload, message.flight)
            state = self._state(key, item.arrival.received_at_ns)
            if message.held_from > held.get(key, 1):
                held[key] = message.held_from
            if not distrust and state.watermark.take(message.seq):
                new.append(item)
            else:
                doubtful.append(item)
        self._store_all(new)
        return doubtful

    def _known(self, doubtful: Sequence[Accepted], rejected: list[Rejected]) -> None:
        """Tell duplicates, conflicts and late finds apart."""
        keys = {(item.payload, item.message.flight, item.message.seq) for item in doubtful}
        stored = self._writer.stored(keys)
        late: dict[Key, Accepted] = {}
        for item in doubtful:
            message = item.message
            key = (item.payload, message.flight, message.seq)
            known = stored.get(key)
            if known is None:
                late[key] = item
                stored[key] = item.arrival.raw
            elif known == item.arrival.raw:
                self._outcome.duplicates += 1
                self._flights[key[:2]].duplicates += 1
            else:
                self._flights[key[:2]].conflicts += 1
                rejected.append(_conflict(item))
        for key, item in late.items():
            watermark = self._flights[key[:2]].watermark
            if item.message.seq <= watermark.through and not self._writer.quarantined(key):
                watermark.found()
            watermark.add(item.message.seq)
        self._store_all(list(late.values()))

    def _store_all(self, items: Sequence[Accepted]) -> None:
        stored, rows = self._outcome.stored, []
        clock, now_ns, next_id = self._clock, self._now_ns, self._next_id
        for item in items:
            message, arrival = item.message, item.arrival
            state = self._flights[item.payload, message.flight]
            suspect = marks(
                message, item.measured_at_ns, arrival.received_at_ns, state.track, clock
            )
            state.messages += 1
            state.bytes += len(arrival.raw)
            at_ns = item.measured_at_ns
            if state.first_at_ns is None or at_ns < state.first_at_ns:
                state.first_at_ns = at_ns
            if state.last_at_ns is None or at_ns > state.last_at_ns:
                state.last_at_ns = at_ns
            rows.append(message_row(next_id, item, now_ns, suspect))
            stored.append(Stored(next_id, item, suspect))
            next_id += 1
        self._next_id = next_id
        self._writer.insert_messages(rows)

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
        state.watermark.add(item.seq)
        state.quarantined += new

    def _state(self, key: FlightKey, received_at_ns: int) -> FlightState:
        touched = self._touched
        state = touched.get(key)
        if state is None:
            state = self._flights.get(key)
            if state is None:
                state = FlightState(*key, self._simulated, received_at_ns, received_at_ns)
                self._flights[key] = state
            touched[key] = state
        if received_at_ns > state.last_received_at_ns:
            state.last_received_at_ns = received_at_ns
        return state


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


def message_row(
    row_id: int, item: Accepted, stored_at_ns: int, suspect: str | None
) -> tuple[Any, ...]:
    """Return a row of ``messages``, in the order of its columns."""
    message, arrival = item.message, item.arrival
    head = (
        row_id,
        item.payload,
        message.flight,
        message.seq,
        item.kind._value_,
        message.held_from,
        item.measured_at_ns,
        arrival.received_at_ns,
        stored_at_ns,
        item.topic,
        arrival.qos,
        arrival.retained,
        arrival.dup,
        arrival.raw,
        suspect,
    )
    if isinstance(message, Position):
        return (
            *head,
            message.lat_deg,
            message.lon_deg,
            message.alt_msl_m,
            message.alt_hae_m,
            message.fix._value_,
            message.sats,
            message.hdop,
            *_NO_NAVIGATION,
        )
    waypoint = message.waypoint
    return (
        *head,
        *_NO_POSITION,
        message.track_deg,
        message.speed_mps,
        message.climb_mps,
        message.phase._value_,
        *(
            (waypoint.number, waypoint.distance_m, waypoint.bearing_deg)
            if waypoint is not None
            else (None, None, None)
        ),
        message.cross_track_m,
    )


_NO_POSITION = (None,) * 7
_NO_NAVIGATION = (None,) * 8


def quarantine_row(digest: bytes, item: Rejected) -> tuple[Any, ...]:
    """Return a row of ``quarantine`` without its id, in the order of its columns."""
    arrival = item.arrival
    return (
        digest,
        arrival.received_at_ns,
        arrival.received_at_ns,
        1,
        item.topic.replace("\0", "�"),
        item.payload,
        item.flight,
        item.seq,
        item.reason,
        item.detail.replace("\0", "�"),
        arrival.qos,
        arrival.retained,
        arrival.dup,
        max(arrival.size, len(arrival.raw)),
        arrival.raw,
    )
