"""The tap: nothing goes on before the session has it; live watchers get what they can take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Protocol

from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    Note,
    SessionWriter,
)
from overflight_relay.effects import PlainRun, Record

Event = ConnectionOpened | ConnectionClosed | Note


class CaptureError(Exception):
    """The session can't be written: the relay stops rather than let traffic pass unrecorded."""


class Listener(Protocol):
    """Gets everything after it is recorded; must return at once and never raises."""

    def packets(self, records: Sequence[Record]) -> None:
        """Take packets."""

    def event(self, event: Event) -> None:
        """Take what happened to a connection, or a note."""


class Tap:
    """Writes the session, then tells the listeners."""

    def __init__(self, writer: SessionWriter | None, listeners: Sequence[Listener] = ()) -> None:
        """`writer` is `None` where no session is recorded, which has to be asked for."""
        self._writer = writer
        self._listeners = list(listeners)
        self._last_ns = 0
        self.packets_written = 0

    def now_ns(self) -> int:
        """Return the wall clock's time, never earlier than the time before."""
        now_ns = time.time_ns()
        if now_ns < self._last_ns:
            return self._last_ns
        self._last_ns = now_ns
        return now_ns

    def record(self, records: Sequence[Record]) -> None:
        """Write packets to the session; they may go on then. Raises `CaptureError`."""
        if self._writer is not None:
            try:
                if type(records) is PlainRun:
                    run = records
                    self._writer.write_run(run.packets, run.at_ns, run.connection, run.direction)
                else:
                    self._writer.write_packets(records)
            except OSError as error:
                raise _capture_error(error) from error

    def record_one(self, data: bytes, at_ns: int, connection: int, direction: Direction) -> None:
        """Write one whole packet that passes. Raises `CaptureError`."""
        if self._writer is not None:
            try:
                self._writer.write_packet(data, at_ns, connection, direction)
            except OSError as error:
                raise _capture_error(error) from error

    def tell(self, records: Sequence[Record]) -> None:
        """Tell the listeners of packets that are recorded, once they have gone on."""
        self.packets_written += len(records)
        for listener in self._listeners:
            listener.packets(records)

    def note(self, event: Event) -> None:
        """Record an event. Raises `CaptureError`."""
        self._guarded(lambda writer: writer.write([event]))
        for listener in self._listeners:
            listener.event(event)

    def tick(self) -> None:
        """Flush what is due. Raises `CaptureError`."""
        self._guarded(lambda writer: writer.tick(self.now_ns()))

    def close(self) -> None:
        """Close the session. Raises `CaptureError`."""
        self._guarded(lambda writer: writer.close())
        self._writer = None

    def first_connection(self) -> int:
        """Return the first connection number that the session has not used."""
        return 1 if self._writer is None else self._writer.next_connection

    def _guarded(self, action: Callable[[SessionWriter], None]) -> None:
        if self._writer is None:
            return
        try:
            action(self._writer)
        except OSError as error:
            raise _capture_error(error) from error


def _capture_error(error: OSError) -> CaptureError:
    return CaptureError(
        f"the session can't be written ({error.strerror or error}); "
        "the relay stops rather than let traffic pass unrecorded"
    )
