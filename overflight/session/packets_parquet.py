"""Exports the packets of a session as Parquet: typed columns, all the bytes."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

from overflight.session.packets import COLUMNS, fields_of
from overflight.session.views import Selection, selected
from overflight_contract.formats.tables import pyarrow
from overflight_contract.session import SessionReader

_ROWS_AT_ONCE: Final = 8192
_PARQUET_COLUMNS: Final = (*(name for name in COLUMNS if name not in ("at_ns", "hex")), "data")
"""Those of the CSV, but one time, in nanoseconds, and bytes in place of hex."""


def write_parquet(session: SessionReader, selection: Selection, out: BinaryIO) -> int:
    """Write a row for each packet; returns how many.

    Raises `UnavailableError` where pyarrow is not installed.
    """
    arrow, parquet = pyarrow()
    schema = _schema(arrow, session)
    rows, count = _rows(session, selection), 0
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        while block := list(islice(rows, _ROWS_AT_ONCE)):
            columns = zip(*block, strict=True)
            arrays = [
                arrow.array(column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))
            count += len(block)
    return count


def _rows(session: SessionReader, selection: Selection) -> Iterator[list[Any]]:
    for entry in selected(session, selection):
        if isinstance(entry, tuple):
            packet, _ = entry
            fields = fields_of(*entry) | {"at": packet.crossed_at_ns, "data": packet.data}
            yield [fields[name] for name in _PARQUET_COLUMNS]


def _schema(arrow: Any, session: SessionReader) -> Any:
    words = arrow.dictionary(arrow.int32(), arrow.string())
    kinds = dict.fromkeys(_PARQUET_COLUMNS, words)
    kinds |= dict.fromkeys(("dup", "retain", "masked"), arrow.bool_())
    kinds |= {
        "at": arrow.timestamp("ns", tz="UTC"),
        "sequence": arrow.int64(),
        "connection": arrow.int64(),
        "qos": arrow.int8(),
        "packet_id": arrow.int32(),
        "size": arrow.int64(),
        "summary": arrow.string(),
        "data": arrow.binary(),
    }
    fields = [arrow.field(name, kind) for name, kind in kinds.items()]
    return arrow.schema(fields, metadata=dict(session.metadata))
