"""Writes one session file: each batch to the journal at once, then, compressed, into the MCAP.

Steps, each safe against a kill at any instant (`tail` says how a reader puts things together):

1. `write` appends a batch to the current segment of the journal, with one system call.
2. When the segment is as large as a chunk it is sealed by a rename, and a new one begins.
3. A thread writes the sealed segment's chunk into the MCAP file; zstd frees the interpreter.
4. Once the MCAP file was synchronised the segment's file is free: it is the next new segment.
5. `tick` puts a provisional chunk of the current segment into the MCAP file, for other readers,
   and synchronises the journal, so a power cut loses about a second.
6. `close` writes the last chunk, summary and footer, then removes the journal.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from overflight_contract.session import chunkfile, journal
from overflight_contract.session.packing import Block
from overflight_contract.session.resume import Resumed

MAX_ITEMS: Final = 1 << 32
"""What the sequence numbers of one file can tell apart."""
FLUSH_NS: Final = 1_000_000_000
_MAX_WAITING: Final = 8
"""Sealed segments that may wait for the thread before `write` waits for it."""
_MAX_UNSYNCED: Final = 64
_MAX_UNSYNCED_BYTES: Final = 16 << 20
_MAX_FREE: Final = 16


class _Segment:
    """One segment of the journal, and in memory what its chunk will hold."""

    def __init__(self, path: Path, number: int, fd: int) -> None:
        self.path = path
        self.number = number
        self.fd = fd
        self.bytes = journal.HEADER_BYTES
        self.blocks: list[Block] = []
        self.content_bytes = 0
        self.provisional = 0
        """Blocks that stand in a provisional chunk."""


class FileWriter:
    """Writes one MCAP file and its journal, going on from what `resume` found."""

    def __init__(
        self,
        resumed: Resumed,
        *,
        chunk_bytes: int,
        background: bool,
        step: Callable[[str], None],
    ) -> None:
        self.path = resumed.path
        self.sequence = resumed.sequence
        """Sequence number of the next item."""
        self.next_connection = resumed.next_connection
        self.bytes = 0
        """Size of what was written by this writer, before compression."""
        self._end_sequence = resumed.first_sequence + MAX_ITEMS
        self._session_id = resumed.session_id
        self._file = resumed.file
        self._segment = _Segment(journal.current(self.path), resumed.number, resumed.journal_fd)
        self._chunk_bytes = chunk_bytes
        self._step = step
        self._error: OSError | None = None
        self._abandoned = False
        self._retired: list[_Segment] = []
        """Segments whose chunk is written, but may not be on disk."""
        self._free: deque[Path] = deque()
        """Files of segments that are no longer needed."""
        self._flushed_at: int | None = None
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._waiting = threading.Semaphore(_MAX_WAITING)
        self._thread: threading.Thread | None = None
        if background:
            name = f"session {self.path.name}"
            self._thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._thread.start()

    @property
    def file_bytes(self) -> int:
        """Size of the final chunks in the file."""
        return self._file.final_end

    @property
    def at(self) -> int:
        """Offset in its chunk at which the next block will stand."""
        return self._segment.content_bytes

    def write(self, block: Block) -> None:
        """Write a block that begins at `sequence` and `at`; it is in the journal when this returns.

        Raises `OSError` where it can't be written; nothing of the block is then in the session,
        and every later call raises as well.
        """
        if self._error is not None:
            raise self._error
        segment, count = self._segment, block.total
        if self.sequence + count > self._end_sequence:
            raise self._failed(OSError(errno.EFBIG, "a session file holds no more items"))
        try:
            size = journal.append(segment.fd, self.sequence, count, block.records)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(segment.fd, segment.bytes)
            raise self._failed(error) from error
        segment.bytes += size
        segment.blocks.append(block)
        segment.content_bytes += len(block.records)
        self.bytes += size
        self.sequence += count
        if block.top_connection >= self.next_connection:
            self.next_connection = block.top_connection + 1
        if segment.bytes >= self._chunk_bytes:
            self._seal()

    def tick(self, now_ns: int) -> None:
        """Once a second: a provisional chunk for other readers, and the journal to the disk."""
        if self._error is not None:
            raise self._error
        if self._flushed_at is not None and 0 <= now_ns - self._flushed_at < FLUSH_NS:
            return
        self._flushed_at = now_ns
        segment = self._segment
        since = segment.provisional
        if since == len(segment.blocks) and not self._retired:
            return
        blocks = list(segment.blocks)
        segment.provisional = len(blocks)
        self._do(lambda: self._flush(segment, blocks, since))

    def close(self) -> None:
        """Write the end of the file and remove the journal; raises `OSError` where it can't."""
        segment = self._segment
        try:
            if self._error is None:
                self._do(lambda: self._finish(segment), strict=False)
        finally:
            self.abandon()
        if self._error is not None:
            raise self._error

    def abandon(self) -> None:
        """Close the files as they are; the journal stays for the next writer."""
        if self._abandoned:
            return
        self._abandoned = True
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()
            self._thread = None
        with contextlib.suppress(OSError):
            os.close(self._segment.fd)
        self._file.close()

    def _seal(self) -> None:
        full = self._segment
        path = journal.sealed(self.path, full.number)
        try:
            os.ftruncate(full.fd, full.bytes)
            full.path.rename(path)
            full.path = path
            self._step("sealed")
            header = journal.SegmentHeader(
                self._session_id,
                journal.boot_id(),
                full.number + 1,
                self.sequence,
                self._file.final_end,
                self.next_connection,
            )
            self._segment = self._begin(header)
        except OSError as error:
            raise self._failed(error) from error
        self._step("new segment")
        while self._thread is not None and not self._waiting.acquire(timeout=0.2):
            if self._error is not None:
                raise self._error
        self._do(lambda: self._compact(full))

    def _begin(self, header: journal.SegmentHeader) -> _Segment:
        current = journal.current(self.path)
        if self._free:
            fd = journal.reuse(self._free.popleft(), current, header)
        else:
            fd = journal.create(current, header)
        return _Segment(current, header.number, fd)

    # What follows runs in the thread.

    def _compact(self, segment: _Segment) -> None:
        try:
            self._file.append(segment.blocks)
            self._step("chunk written")
            os.close(segment.fd)
            segment.blocks = []
            self._retired.append(segment)
            unsynced = sum(done.bytes for done in self._retired)
            if unsynced >= _MAX_UNSYNCED_BYTES or len(self._retired) >= _MAX_UNSYNCED:
                self._retire()
        finally:
            self._waiting.release()

    def _flush(self, segment: _Segment, blocks: Sequence[Block], since: int) -> None:
        if segment is self._segment and since < len(blocks):
            self._file.append_provisional(blocks, since)
            self._step("provisional chunk")
            os.fsync(segment.fd)
        chunkfile.sync_directory(self.path.parent)
        self._retire()

    def _retire(self) -> None:
        if not self._retired:
            return
        self._file.sync()
        self._step("synchronised")
        for segment in self._retired:
            if len(self._free) < _MAX_FREE:
                free = journal.free(self.path, segment.number)
                segment.path.rename(free)
                self._step("segment free")
                self._free.append(free)
            else:
                segment.path.unlink(missing_ok=True)
                self._step("segment removed")
        self._retired.clear()

    def _finish(self, segment: _Segment) -> None:
        if segment.blocks:
            self._file.append(segment.blocks)
            self._step("last chunk")
        self._file.finish(
            {
                "next_sequence": str(self.sequence),
                "next_connection": str(self.next_connection),
            }
        )
        self._step("finished")
        for done in (*self._retired, segment):
            done.path.unlink(missing_ok=True)
            self._step("journal removed")
        for free in self._free:
            free.unlink(missing_ok=True)
            self._step("free segment removed")

    def _do(self, job: Callable[[], None], *, strict: bool = True) -> None:
        if self._thread is not None:
            self._jobs.put(job)
            return
        self._run(job)
        if strict and self._error is not None:
            raise self._error

    def _run(self, job: Callable[[], None]) -> None:
        if self._error is not None:
            return
        try:
            job()
        except OSError as error:
            self._failed(error)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            self._run(job)

    def _failed(self, error: OSError) -> OSError:
        detail = error.strerror or str(error)
        self._error = OSError(error.errno, f"the session {self.path} can't be written: {detail}")
        return self._error
