"""A running total while a flight is on: what has crossed so far, and the room in it.

The ground sees only what reached it, so this is no audit: what the relay refused, what is on board
and what came by another way are all unknown to it. It says how many bytes of messages the contract
explains so far, how many it does not (they are in quarantine), and the room of the fields. It reads
what the store has got since it last looked.
"""

from __future__ import annotations

import threading
import weakref
from typing import Final

import msgspec
from sqlalchemy import func, select

from overflight_contract.errors import ContractError
from overflight_contract.messages import Receipt, decode
from overflight_contract.topics import Kind
from overflight_ground.audit.room import FLIGHT_BITS
from overflight_ground.audit.sessions import FlightState
from overflight_ground.store import Store, tables

AT_ONCE: Final = 5_000
"""Messages that one look takes in at the most; the next look goes on."""


class RunningTotal(msgspec.Struct):
    """So far, of one payload. `room_bits` is the room of message fields alone."""

    payload: str
    messages: int = 0
    explained_bytes: int = 0
    unexplained_bytes: int = 0
    room_bits: float = 0.0
    implausible: int = 0


class LiveAudit:
    """Running totals over a store; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_id = 0
        self._totals: dict[str, RunningTotal] = {}
        self._flights: dict[tuple[str, str], FlightState] = {}
        self._caught_up = False

    def look(self, store: Store) -> tuple[list[RunningTotal], bool]:
        """Take in what is new; returns totals by payload, and whether all of it is in them."""
        with self._lock:
            self._messages(store)
            self._quarantine(store)
            totals = [msgspec.structs.replace(self._totals[n]) for n in sorted(self._totals)]
            return totals, self._caught_up

    def _of(self, payload: str) -> RunningTotal:
        return self._totals.setdefault(payload, RunningTotal(payload=payload))

    def _messages(self, store: Store) -> None:
        table = tables.messages
        wanted = (
            select(table.c.id, table.c.payload, table.c.flight, table.c.kind, table.c.raw)
            .where(table.c.id > self._last_id)
            .order_by(table.c.id)
            .limit(AT_ONCE)
        )
        with store.reading() as connection:
            rows = connection.execute(wanted).all()
        self._caught_up = len(rows) < AT_ONCE
        for row in rows:
            self._last_id = row.id
            self._message(row.payload, row.flight, row.kind, bytes(row.raw))

    def _message(self, payload: str, flight: str, kind: str, body: bytes) -> None:
        total = self._of(payload)
        try:
            message = decode(Kind(kind), body)
        except (ContractError, ValueError):
            total.unexplained_bytes += len(body)
            return
        if isinstance(message, Receipt):
            return
        key = (payload, flight)
        total.room_bits += 0.0 if key in self._flights else FLIGHT_BITS
        state = self._flights.setdefault(key, FlightState())
        bits, wrong = state.bits(message)
        total.messages += 1
        total.explained_bytes += len(body)
        total.implausible += bool(wrong)
        total.room_bits += sum(room for _, room in bits)

    def _quarantine(self, store: Store) -> None:
        table = tables.quarantine
        wanted = select(table.c.payload, func.sum(table.c.bytes)).group_by(table.c.payload)
        with store.reading() as connection:
            for name, size in connection.execute(wanted):
                self._of(name or "unknown").unexplained_bytes = int(size)


_LIVE: weakref.WeakKeyDictionary[Store, LiveAudit] = weakref.WeakKeyDictionary()


def live_audit(store: Store) -> LiveAudit:
    """Return the running total that goes with a store."""
    return _LIVE.setdefault(store, LiveAudit())
