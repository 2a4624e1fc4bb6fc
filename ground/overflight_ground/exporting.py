"""Exports of the store: tracks in every format of the contract, and all messages, canonically.

``messages`` is the canonical export: one JSON line a message, ordered by (payload, flight, seq),
without arrival times and row ids, so that it is the same from run to run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, Final

import msgspec
from sqlalchemy import Connection, select

from overflight_contract.errors import InputError
from overflight_contract.formats import FORMATS
from overflight_ground.store import Store, reading
from overflight_ground.store.reading import STEP, MessageFilter
from overflight_ground.store.tables import messages
from overflight_ground.track import merge

CANONICAL: Final = "messages"
NAMES: Final = (*FORMATS, CANONICAL)

_encode = msgspec.json.Encoder().encode


def export(
    store: Store, wanted: MessageFilter, name: str, out: BinaryIO, *, arrival_times: bool = False
) -> None:
    """Write what fits `wanted` to `out` in the format `name`."""
    if name not in NAMES:
        raise InputError(f"{name!r} is no format; one of {', '.join(NAMES)}")
    with store.reading() as connection:
        if name == CANONICAL:
            for line in canonical_lines(connection, wanted):
                out.write(line)
            return
        simulated = any(
            row.simulated
            for row in reading.flight_rows(connection, wanted.payload)
            if wanted.flight in (None, row.flight)
        )
        rows = reading.track_rows(connection, wanted)
        FORMATS[name].write(merge(rows, arrival_times=arrival_times), out, simulated=simulated)


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
