"""Follows a session while it is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from overflight_contract.errors import InputError
from overflight_contract.session import layout
from overflight_contract.session.capture import session_files
from overflight_contract.session.catalogue import Catalogue
from overflight_contract.session.journal import SegmentHeader
from overflight_contract.session.mcap import ChunkEntry, McapError
from overflight_contract.session.model import Item
from overflight_contract.session.resume import read_catalogue
from overflight_contract.session.tail import Run, each_once, read_segments
from overflight_contract.session.unpacking import unpack_all

_CHUNKS_AT_ONCE: Final = 4
_PATIENCE: Final = 100
"""How often a follower finds items missing before it goes on without them."""


class Follower:
    """Gives what was added since it was last asked; `ended` once the writer closed the session."""

    def __init__(self, path: Path) -> None:
        """Follow a session file, or a folder of them, from its beginning."""
        self._path = path
        self._done: set[Path] = set()
        self._file: _LiveFile | None = None
        self.ended = False

    def poll(self) -> list[Item]:
        """Return items that were added, in order; empty when there are none yet."""
        while not self.ended:
            if self._file is None and not self._open_next():
                return []
            assert self._file is not None
            items = self._file.poll()
            if self._file.ended:
                self._done.add(self._file.path)
                self._file = None
                self.ended = all(path in self._done for path in self._files())
            if items or self._file is not None:
                return items
        return []

    def _open_next(self) -> bool:
        remaining = [path for path in self._files() if path not in self._done]
        if not remaining or not remaining[0].exists():
            return False
        self._file = _LiveFile(remaining[0])
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _files(self) -> list[Path]:
        return session_files(self._path) if self._path.is_dir() else [self._path]


class _LiveFile:
    """One file being written: how far it was read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ended = False
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise InputError(f"can't read the session {path}: {error.strerror}") from error
        self._catalogue: Catalogue = read_catalogue(path, self._fd)
        self._backlog: list[ChunkEntry] = []
        """Final chunks that are known of and not yet read, newest first."""
        self._position = self._catalogue.first_chunk
        """Offset in the file up to which all was read, or need not be."""
        self._following = self._catalogue.first_sequence
        self._patience = _PATIENCE

    def poll(self) -> list[Item]:
        segments = read_segments(self.path)
        session_id = self._catalogue.session_id
        mine = [s for s in segments if s.header is not None and s.header.session_id == session_id]
        headers = [segment.header for segment in mine if segment.header is not None]
        oldest = min(headers, key=lambda header: header.number, default=None)
        runs = [run for segment in mine for run in segment.runs]
        closed = oldest is None and self._catalogue.is_closed()
        if oldest is None or _has_hole(oldest, runs, self._following):
            chunk_runs, more = self._next_chunks(oldest)
            runs = chunk_runs if more else runs + chunk_runs
            if closed and not self._catalogue.entries_from(self._position):
                self.close()
        else:
            self._position = max(self._position, oldest.floor)
        if closed:
            self._patience = 0
        return self._take(runs)

    def _take(self, runs: list[Run]) -> list[Item]:
        """Unpack what follows; at a hole wait for a while, since a segment may have just gone."""
        items: list[Item] = []
        for run in each_once(runs, self._following):
            if run.first_sequence > self._following and self._patience:
                self._patience -= 1
                break
            items.extend(unpack_all(run.records, run.first_sequence))
            self._following = run.first_sequence + run.total
            self._patience = max(self._patience, _PATIENCE) if self._patience else 0
        return items

    def close(self) -> None:
        if not self.ended:
            os.close(self._fd)
        self.ended = True

    def _next_chunks(self, oldest: SegmentHeader | None) -> tuple[list[Run], bool]:
        """Return runs of the next chunks, and whether final ones wait.

        Chunks that the journal may repeat are returned as well, and will be again.
        """
        if not self._backlog:
            self._backlog = self._catalogue.entries_from(self._position)[::-1]
        runs: list[Run] = []
        while self._backlog and len(runs) < _CHUNKS_AT_ONCE:
            entry = self._backlog[-1]
            run = self._run(entry)
            final = oldest is None or entry.offset < oldest.floor
            if oldest is not None and not final and _is_after(run, oldest):
                beyond = [self._run(entry) for entry in self._backlog]
                self._backlog.clear()
                return runs + [run for run in beyond if run is not None], False
            self._backlog.pop()
            self._position = entry.offset + entry.length + entry.index_bytes
            if run is not None:
                runs.append(run)
        if oldest is not None:  # what is not final yet may be another chunk by the next time
            self._backlog = [entry for entry in self._backlog if entry.offset < oldest.floor]
        return runs, bool(self._backlog)

    def _run(self, entry: ChunkEntry) -> Run | None:
        try:
            records = self._catalogue.content(entry)
            found = list(layout.walk(records))
        except McapError:
            return None
        if not found:
            return None
        first = layout.widen(found[0].low_sequence, self._catalogue.first_sequence)
        return Run(first, len(found), records)


def _is_after(run: Run | None, oldest: SegmentHeader) -> bool:
    return run is None or run.first_sequence >= oldest.first_sequence


def _has_hole(oldest: SegmentHeader, runs: list[Run], following: int) -> bool:
    """Tell whether the journal alone does not go on from the number `following`."""
    if oldest.first_sequence > following:
        return True
    for run in each_once(runs, following):
        if run.first_sequence > following:
            return True
        following = run.first_sequence + run.total
    return False
