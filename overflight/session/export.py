"""``overflight session export``: every format, and where it goes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

from overflight.session import foxglove, packets, packets_parquet, pcapng, zeek
from overflight.session.tracks import track_points
from overflight.session.views import Selection
from overflight_contract.errors import InputError
from overflight_contract.formats import FORMATS as TRACK_FORMATS
from overflight_contract.formats import Format, TrackPoint
from overflight_contract.session import SessionReader
from overflight_contract.session.rewrite import naming


class Write(Protocol):
    """Writes a session to a binary file; returns how many packets or points it wrote."""

    def __call__(self, session: SessionReader, selection: Selection, out: BinaryIO) -> int:  # noqa: D102
        ...


class Export(NamedTuple):
    """A format that a session can be exported to."""

    name: str
    summary: str
    suffixes: tuple[str, ...]
    unit: str
    write: Write


_PACKETS: Final = (
    Export("pcapng", "packets as TCP, for Wireshark", (".pcapng",), "packets", pcapng.write),
    Export("foxglove", "MCAP of positions for Foxglove", (".mcap",), "packets", foxglove.write),
    Export("jsonl", "a JSON object for each packet", (".jsonl",), "packets", packets.write_jsonl),
    Export("csv", "a row for each packet", (".csv",), "packets", packets.write_csv),
    Export(
        "packets-parquet",
        "typed table of packets (extra [parquet])",
        (),
        "packets",
        packets_parquet.write_parquet,
    ),
    Export("zeek", "logs as Zeek's MQTT analyser has them", (".log",), "lines", zeek.write),
)
_RENAMED: Final = {"csv": "track-csv", "jsonl": "track-jsonl"}
_BINARY: Final = ("pcapng", "foxglove", "packets-parquet", "parquet")
ALIASES: Final = {"mcap": "foxglove", "pcap": "pcapng"}


def exports(*, simulated: bool | None = None) -> dict[str, Export]:
    """Name the formats; `simulated` overrides what the session says of itself."""
    found = {export.name: export for export in _PACKETS}
    for format_ in TRACK_FORMATS.values():
        name = _RENAMED.get(format_.name, format_.name)
        of_track = name != format_.name or name == "parquet"
        summary = f"{format_.summary}, track" if of_track else format_.summary
        suffixes = () if name in ("track-csv", "track-jsonl", "sondehub") else (format_.suffix,)
        found[name] = Export(name, summary, suffixes, "points", _track(format_, simulated))
    return found


def export(
    session: SessionReader,
    selection: Selection,
    *,
    name: str | None,
    output: Path | None,
    simulated: bool | None = None,
) -> tuple[Export, int]:
    """Write the session to `output` (None: standard output); returns the format and how many.

    Without `name` the suffix of `output` says the format. A file is there whole or not at all.
    Raises `InputError` for an unknown format.
    """
    chosen = _choose(name, output, exports(simulated=simulated))
    if output is not None and chosen.name == "zeek" and (output.is_dir() or not output.suffix):
        return chosen, zeek.write_folder(session, selection, output)
    if output is None and chosen.name in _BINARY and sys.stdout.isatty():
        raise InputError(f"{chosen.name} is nothing to read on a terminal; -o FILE writes it")
    with _destination(output) as out:
        return chosen, chosen.write(session, selection, out)


def _choose(name: str | None, output: Path | None, known: dict[str, Export]) -> Export:
    if name is not None:
        found = known.get(ALIASES.get(name, name))
        if found is None:
            raise InputError(f"no format {name!r}; there are {', '.join(known)}")
        return found
    if output is None:
        raise InputError("say which format: --format FORMAT, or -o with a suffix that tells")
    for candidate in known.values():
        if output.suffix.lower() in candidate.suffixes:
            return candidate
    suffixes = ", ".join(suffix for candidate in known.values() for suffix in candidate.suffixes)
    raise InputError(
        f"the suffix of {output} tells no format; it may be {suffixes}; "
        "'overflight session export' takes others by --format"
    )


@contextlib.contextmanager
def _destination(output: Path | None) -> Iterator[BinaryIO]:
    if output is None or str(output) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    new = output.with_name(f".{output.name}.part")
    try:
        with naming(output):
            with new.open("wb") as file:
                yield file
            new.replace(output)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise


def _track(format_: Format, simulated: bool | None) -> Write:
    def write(session: SessionReader, selection: Selection, out: BinaryIO) -> int:
        told = session.metadata.get("simulated") == "true"
        count = 0

        def counted() -> Iterator[TrackPoint]:
            nonlocal count
            for point in track_points(session, selection):
                count += 1
                yield point

        format_.write(counted(), out, simulated=told if simulated is None else simulated)
        return count

    return write
