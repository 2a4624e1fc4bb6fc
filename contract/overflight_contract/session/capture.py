"""`SessionWriter`: one session, in one file or, with rotation, in a folder of files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from overflight_contract.errors import InputError
from overflight_contract.session.journal import has_journal
from overflight_contract.session.model import Item
from overflight_contract.session.packing import (
    Block,
    Packet,
    pack_items,
    pack_packet,
    pack_packets,
    pack_run,
)
from overflight_contract.session.resume import resume
from overflight_contract.session.writer import FileWriter

CHUNK_BYTES: Final = 1 << 20
"""Default size of a chunk before compression."""
SUFFIX: Final = ".mcap"


def _nothing(step: str) -> None:
    pass


class SessionWriter:
    """Writes a session. What `write` and `write_packets` took is safe from a kill on return.

    Safe from a power cut about a second later, given that `tick` is called. One writer at a time;
    calls from one thread at a time.
    """

    def __init__(
        self,
        path: Path,
        *,
        metadata: Mapping[str, str] | None = None,
        chunk_bytes: int = CHUNK_BYTES,
        rotate_bytes: int | None = None,
        rotate_s: float | None = None,
        background: bool = True,
        step: Callable[[str], None] = _nothing,
    ) -> None:
        """Begin a session or go on with one, also after a kill (the journal is put back first).

        `path` ends in ``.mcap`` for one file, else it is a folder, whose files follow each other
        by `rotate_bytes` (of a file) and `rotate_s` (from its first item). `metadata` is kept
        with the session, strings only. `background` compresses in a thread; without it all
        happens in the caller's. `step` is called between the steps of writing, for tests.

        Raises `InputError` for a file that is no session, `UnavailableError` where another
        program is writing it, `OSError` where it can't be written.
        """
        self.path = path
        self._metadata = dict(metadata or {})
        self._chunk_bytes = chunk_bytes
        self._rotate_bytes = rotate_bytes
        self._rotate_ns = None if rotate_s is None else int(rotate_s * 1e9)
        self._background = background
        self._step = step
        self._folder = path.suffix != SUFFIX
        if not self._folder and (rotate_bytes is not None or rotate_s is not None):
            raise InputError(f"{path}: only a session in a folder rotates; leave out {SUFFIX}")
        self._first_ns: int | None = None
        self._notes: list[Item] = []
        """What was put back after a kill, for the newest file to tell."""
        if self._folder:
            self._end_older()
        self._file = self._open(_newest(path) if self._folder else path, 0, 1)
        self._tell()

    @property
    def next_connection(self) -> int:
        """The first connection number that the session has not used."""
        return self._file.next_connection

    @property
    def sequence(self) -> int:
        """The sequence number of the next item."""
        return self._file.sequence

    @property
    def file_bytes(self) -> int:
        """Size of the finished chunks in the file being written."""
        return self._file.file_bytes

    @property
    def current_file(self) -> Path:
        """The file being written."""
        return self._file.path

    def write(self, items: Sequence[Item]) -> None:
        """Write items in one write to the journal; raises `OSError` where that fails."""
        if items:
            self._write(pack_items(items, self._file.sequence, self._file.at))

    def write_packets(self, packets: Sequence[Packet]) -> None:
        """Write packets, quickly; errors as in `write`."""
        if packets:
            self._write(pack_packets(packets, self._file.sequence, self._file.at))

    def write_run(
        self, packets: Sequence[bytes], at_ns: int, connection: int, direction: int
    ) -> None:
        """Write whole packets that passed at one time on one connection, more quickly still."""
        if packets:
            file = self._file
            self._write(pack_run(packets, at_ns, connection, direction, file.sequence, file.at))

    def write_packet(self, data: bytes, at_ns: int, connection: int, direction: int) -> None:
        """Write one whole packet that passed: what latency is made of when they come alone."""
        file = self._file
        self._write(pack_packet(data, at_ns, connection, direction, file.sequence, file.at))

    def tick(self, now_ns: int) -> None:
        """Call about once a second: what is older than that goes into the file and to the disk."""
        self._file.tick(now_ns)

    def close(self) -> None:
        """End the file: summary, index, footer; then the journal is gone."""
        self._file.close()

    def abandon(self) -> None:
        """Let go of the files without ending them, as a kill would."""
        self._file.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _write(self, block: Block) -> None:
        self._file.write(block)
        if self._rotate_ns is None and self._rotate_bytes is None:
            return
        now_ns = block.end_ns
        if self._first_ns is None:
            self._first_ns = block.start_ns
        grown = self._rotate_bytes is not None and self._file.file_bytes >= self._rotate_bytes
        old = self._rotate_ns is not None and now_ns - self._first_ns >= self._rotate_ns
        if grown or old:
            self._rotate()

    def _rotate(self) -> None:
        done = self._file
        number = int(done.path.stem) + 1
        self._file = self._open(_numbered(self.path, number), done.sequence, done.next_connection)
        self._first_ns = None
        try:
            self._step("rotated")
            done.close()
        except BaseException:
            done.abandon()
            raise

    def _end_older(self) -> None:
        """Close files that a kill during rotation left open."""
        newest = _newest(self.path)
        for path in session_files(self.path):
            if path != newest and has_journal(path):
                self._open(path, 0, 1).close()

    def _open(self, path: Path, first_sequence: int, next_connection: int) -> FileWriter:
        resumed = resume(
            path,
            metadata=self._metadata,
            first_sequence=first_sequence,
            next_connection=next_connection,
            chunk_bytes=self._chunk_bytes,
            step=self._step,
        )
        file = FileWriter(
            resumed,
            chunk_bytes=self._chunk_bytes,
            background=self._background,
            step=self._step,
        )
        if resumed.note is not None:
            self._notes.append(resumed.note)
        return file

    def _tell(self) -> None:
        """Write the notes; only the newest file may grow, since numbers go on from file to file."""
        if not self._notes:
            return
        try:
            self._file.write(pack_items(self._notes, self._file.sequence, self._file.at))
        except BaseException:
            self._file.abandon()
            raise
        self._notes.clear()


def _numbered(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}{SUFFIX}"


def session_files(folder: Path) -> list[Path]:
    """List the files of a session in a folder, oldest first."""
    return sorted(path for path in folder.glob(f"*{SUFFIX}") if path.is_file())


def _newest(folder: Path) -> Path:
    if folder.is_file():
        raise InputError(f"{folder} is a file; a session in one file ends in {SUFFIX}")
    numbers = [int(path.stem) for path in session_files(folder) if path.stem.isdigit()]
    return _numbered(folder, max(numbers, default=1))
