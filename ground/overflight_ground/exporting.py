"""Exports of the store: tracks in every format of the contract, and all messages, canonically.

``messages`` is the canonical export: one JSON line a message, ordered by (payload, flight, seq),
without arrival times and row ids, so that it is the same from run to run. It has every message;
a track leaves out what stays off the map, unless that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO, Final

import msgspec
from sqlalchemy import Connection, select

from overflight_contract.errors import InputError
from overflight_contract.formats import FORMATS, Simulated
from overflight_ground.ingest.flights import FlightRow
from overflight_ground.store import Store, reading
from overflight_ground.store.reading import STEP, MessageFilter
from overflight_ground.store.tables import messages
from overflight_ground.track import merge

CANONICAL: Final = "messages"
NAMES: Final = (*FORMATS, CANONICAL)
TIMED: Final = ("csv", "jsonl", "parquet", "sondehub")
"""Formats with a field for arrival times."""

_encode = msgspec.json.Encoder().encode


def check(store: Store, wanted: MessageFilter, name: str, *, arrival_times: bool = False) -> None:
    """Raise `InputError` for what can't be exported, before anything is written.

    A flight of which nothing fits the times in `wanted` is no error: its export is empty.
    """
    if name not in NAMES:
        raise InputError(f"{name!r} is no format; one of {', '.join(NAMES)}")
    if arrival_times and name not in TIMED:
        raise InputError(f"{name} has no field for arrival times; {', '.join(TIMED)} have one")
    if wanted.payload is None and wanted.flight is None:
        return
    with store.reading() as connection:
        if not _flights(connection, wanted):
            of = f" of {wanted.payload}" if wanted.payload is not None else ""
            raise InputError(
                f"nothing was heard from {wanted.payload}"
                if wanted.flight is None
                else f"there is no flight {wanted.flight}{of}"
            )


def export(
    store: Store,
    wanted: MessageFilter,
    name: str,
    out: BinaryIO,
    *,
    arrival_times: bool = False,
    suspect: bool = False,
) -> None:
    """Write what fits `wanted` to `out` in the format `name`; see `check`.

    `suspect`: with positions that are marked zero, leap or future.
    """
    with store.reading() as connection:
        if name == CANONICAL:
            for line in canonical_lines(connection, wanted):
                out.write(line)
            return
        simulated = _simulated(_flights(connection, wanted))
        rows = reading.track_rows(connection, replace(wanted, believable=not suspect))
        FORMATS[name].write(merge(rows, arrival_times=arrival_times), out, simulated=simulated)


def _flights(connection: Connection, wanted: MessageFilter) -> list[FlightRow]:
    rows = reading.flight_rows(connection, wanted.payload)
    return [row for row in rows if wanted.flight in (None, row.flight)]


def _simulated(rows: list[FlightRow]) -> Simulated:
    found = {(row.payload, row.flight) for row in rows if row.simulated}
    return bool(found) if len(found) in (0, len(rows)) else found


def canonical_lines(connection: Connection, wanted: MessageFilter) -> Iterator[bytes]:
    """Yield the lines of the canonical export."""
    table = messages.c
    binary = "C" if connection.dialect.name == "postgresql" else "BINARY"
    query = select(table.payload, table.kind, table.raw).order_by(
        table.payload.collate(binary), table.flight.collate(binary), table.seq
    )
    rows = connection.execution_options(yield_per=STEP).execute(wanted.apply(query))
    for payload, kind, raw in rows:
        line = {"payload": payload, "kind": kind, "message": msgspec.Raw(bytes(raw))}
        yield _encode(line) + b"\n"
