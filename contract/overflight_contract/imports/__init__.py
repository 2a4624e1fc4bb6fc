"""Captures of other programs as sessions: pcap, pcapng, mqtt-recorder's CSV, foreign MCAP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from overflight_contract.errors import InputError
from overflight_contract.imports import capture, foreign_mcap, recorder_csv
from overflight_contract.session import Item


class Imported(NamedTuple):
    """A foreign capture as items, and what it was."""

    kind: str
    items: Iterator[Item]


def import_file(
    path: Path, *, base64: bool = False, ports: frozenset[int] = capture.PORTS
) -> Imported:
    """Read `path` by what its first bytes say, else by its suffix.

    `base64`: the payloads of a CSV are encoded so. `ports`: of servers, for connections whose
    beginning is not in a packet capture. Raises `InputError` for anything else.
    """
    try:
        with path.open("rb") as file:
            magic = file.read(8)
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    if capture.is_capture(magic):
        return Imported("pcapng" if magic.startswith(b"\n\r\r\n") else "pcap",
                        capture.items(path, ports))  # fmt: skip
    if magic.startswith(b"\x89MCAP"):
        return Imported("mcap", foreign_mcap.items(path))
    if path.suffix.lower() == ".csv":
        return Imported("mqtt-recorder", recorder_csv.items(path, base64=base64))
    raise InputError(f"{path} is no pcap, pcapng, MCAP or mqtt-recorder CSV file, and no session")


def is_session(path: Path) -> bool:
    """Tell whether `path` is a session of ours: a folder, or a file that begins as one."""
    if path.is_dir():
        return True
    try:
        with path.open("rb") as file:
            start = file.read(64)
    except OSError as error:
        raise InputError(f"can't read {path}: {error.strerror}") from error
    return start.startswith(b"\x89MCAP") and start[17:].startswith(b"\x0a\x00\x00\x00overflight")
