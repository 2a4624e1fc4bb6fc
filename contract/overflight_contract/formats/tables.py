"""CSV, JSONL and Parquet: a row for each point, with the names that the code has."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, BinaryIO, Final

import msgspec

from overflight_contract.errors import UnavailableError
from overflight_contract.formats.points import Simulated, TrackPoint
from overflight_contract.times import iso

COLUMNS: Final = (
    "payload",
    "flight",
    "seq",
    "measured_at",
    "lat_deg",
    "lon_deg",
    "alt_msl_m",
    "alt_hae_m",
    "speed_mps",
    "track_deg",
    "climb_mps",
    "phase",
    "fix",
    "sats",
    "hdop",
    "received_at",
)
_ROWS_AT_ONCE = 8192
_encode = msgspec.json.Encoder().encode


def write_csv(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write CSV (RFC 4180) with a head line; what is missing is empty."""
    for block in _blocks(points):
        text = io.StringIO()
        rows = csv.writer(text)
        if block.first:
            rows.writerow(COLUMNS)
        rows.writerows(_row(point) for point in block.points)
        out.write(text.getvalue().encode())


def write_jsonl(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write a JSON object a line; what is missing is null."""
    for point in points:
        out.write(_encode(dict(zip(COLUMNS, _row(point), strict=True))) + b"\n")


def write_parquet(points: Iterable[TrackPoint], out: BinaryIO, *, simulated: Simulated) -> None:
    """Write Parquet with typed columns (times in milliseconds, UTC).

    ``simulated`` in the file's metadata is ``true``, ``false``, or the simulated flights as
    ``PAYLOAD/FLIGHT`` with commas between.
    Raises `UnavailableError` where pyarrow is not installed.
    """
    arrow, parquet = pyarrow()
    schema = _arrow_schema(arrow, simulated)
    with parquet.ParquetWriter(out, schema, compression="zstd") as writer:
        for block in _blocks(points):
            columns = list(zip(*block.points, strict=True)) or [()] * len(COLUMNS)
            arrays = [
                arrow.array(_milliseconds(column) if field.name in _TIMES else column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema))


def pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module; raise `UnavailableError` where there is none."""
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ModuleNotFoundError as error:
        raise UnavailableError(
            "Parquet needs the Python package 'pyarrow': pip install 'overflight[parquet]'"
        ) from error


_TIMES: Final = ("measured_at", "received_at")


def _milliseconds(column: Iterable[int | None]) -> list[int | None]:
    return [None if value is None else value // 1_000_000 for value in column]


def _arrow_schema(arrow: Any, simulated: Simulated) -> Any:
    text, number, whole = arrow.string(), arrow.float64(), arrow.int64()
    time = arrow.timestamp("ms", tz="UTC")
    words = arrow.dictionary(arrow.int32(), text)
    kinds = dict.fromkeys(COLUMNS, number)
    kinds |= {"payload": words, "flight": words, "phase": words, "fix": words}
    kinds |= {"seq": whole, "sats": arrow.int16(), **dict.fromkeys(_TIMES, time)}
    fields = [arrow.field(name, kind) for name, kind in kinds.items()]
    return arrow.schema(fields, metadata={"simulated": _told(simulated)})


def _told(simulated: Simulated) -> str:
    if isinstance(simulated, bool):
        return "true" if simulated else "false"
    return ",".join(sorted("/".join(flight) for flight in simulated)) or "false"


class _Block:
    def __init__(self, points: list[TrackPoint], first: bool) -> None:
        self.points = points
        self.first = first


def _blocks(points: Iterable[TrackPoint]) -> Iterator[_Block]:
    """Yield points in blocks, at least one, so that an empty export has its head line."""
    source, first = iter(points), True
    while (block := list(islice(source, _ROWS_AT_ONCE))) or first:
        yield _Block(block, first)
        first = False


def _row(point: TrackPoint) -> list[str | float | None]:
    row: list[str | float | None] = list(point)
    row[3] = iso(point.measured_at_ns)
    row[15] = None if point.received_at_ns is None else iso(point.received_at_ns)
    return row
