"""Wiring of the payload: fix source → log (record, outbox) → uplink; camera → vault.

The only place that reads clocks, seeds chance and handles signals.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any, Final

from overflight_contract.commandline import Exit
from overflight_contract.errors import InputError, OverflightError, UnavailableError
from overflight_contract.identity import is_payload, new_flight_id
from overflight_contract.messages import can_tell_time
from overflight_contract.times import from_ns, iso
from overflight_device.config import PayloadConfig
from overflight_device.fix import Fault, FaultKind, Fix, FixSource, SourceOptions
from overflight_device.log import FlightLog
from overflight_device.navigation import Navigator
from overflight_device.outbox import FILE_NAME, Outbox
from overflight_device.pacing import Pace
from overflight_device.photographer import Photographer
from overflight_device.screen import Screen, open_screen
from overflight_device.sources import open_source
from overflight_device.sources.line import LiveSource
from overflight_device.status import Status
from overflight_device.uplink import Uplink
from overflight_device.watchdog import Watchdog

DEFAULT_PAYLOAD: Final = "HAB-01"
BACKLOG_LIMIT: Final = 4000
"""A paced source waits while so many messages are undelivered: its flight is not to be lost."""

_FAULT_DONE: Final = "fault_done_ns"


class Payload:
    """One payload, from start to landing."""

    def __init__(self, config: PayloadConfig) -> None:
        """Open everything; `OverflightError` says what can't be opened."""
        self._config = config
        self._stop = threading.Event()
        self._ends_s = None if config.for_s is None else time.monotonic() + config.for_s
        name = config.payload or default_payload(config.source)
        if not is_payload(name):
            raise InputError(f"{name!r} can't name a payload: 1 to 16 of A-Z, 0-9 and -")
        config.data.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(config.data)
        new = not (config.data / FILE_NAME).exists()
        started_at = (new and start_of(config.source)) or dt.datetime.now(dt.UTC)
        self._outbox = Outbox(
            config.data / FILE_NAME,
            payload=name,
            new_flight=new_flight_id(started_at, random.SystemRandom()),
            max_bytes=config.outbox_bytes,
        )
        self._log = FlightLog(config.data, self._outbox)
        resume_after = self._log.last_measured_at_ns
        self._source: FixSource = open_source(
            config.source, SourceOptions(seed=config.seed, start_after_ns=resume_after)
        )
        if isinstance(self._source, LiveSource):
            self._source.on_event, self._source.on_idle = self._event, self._idle
        self._watchdog = Watchdog()
        self.status = Status(
            payload=name,
            flight=self._outbox.flight,
            source=config.source,
            simulated=self._source.simulated,
        )
        self._navigator = Navigator(self._source.plan, self._log.last_phase)
        self._screen: Screen = Screen(self.status)
        self._photographer = Photographer.open(
            config, self.status, live=self._source.live, on_event=self._event
        )
        self._uplink = Uplink(
            self._outbox, config.uplink, rng=random.Random(), on_event=self._event
        )
        self._screen = open_screen(config.log, self.status)
        self._pace = Pace(None if self._source.live else config.speed)
        self._next_status_s = 0.0

    def run(self) -> int:
        """Fly; return the exit status."""
        with _signals(self._interrupt):
            try:
                with self._screen:
                    self._event("start", {"resumes": self._log.written > 0})
                    self._uplink.start()
                    self._watchdog.ready(f"{self.status.payload} flies")
                    self._fly()
                    delivered = self._deliver()
                    self.status.stage = "done" if delivered else "stopped"
                    self._refresh(force=True)
            finally:
                self._close()
        return Exit.OK if delivered or self._stop.is_set() else Exit.FAILED

    def _fly(self) -> None:
        self.status.stage = "flying"
        for event in self._source:
            if self._over():
                break
            if isinstance(event, Fault):
                self._befall(event)
            elif not can_tell_time(event.measured_at_ns):
                self._event("odd-time", {"measured_at": iso(event.measured_at_ns)})
            else:
                self._wait_for(event.measured_at_ns)
                if self._over():
                    break
                self._take(event)

    def _take(self, fix: Fix) -> None:
        motion = self._navigator.step(fix)
        self._photographer.fix(fix)
        given_up = self._log.write(fix, motion)
        self._uplink.wake()
        self.status.fix, self.status.motion = fix, motion
        if given_up:
            self._event("given-up", {"messages": given_up})
        self._refresh()

    def _wait_for(self, flight_ns: int) -> None:
        due_s = self._pace.due_s(flight_ns, time.monotonic())
        while (left := due_s - time.monotonic()) > 0 and not self._over():
            self._refresh()
            self._stop.wait(min(left, 0.25))
        while self._may_not_go_on() and not self._over():
            self._refresh()
            self._stop.wait(0.02)

    def _may_not_go_on(self) -> bool:
        return not self._source.live and self._outbox.depth.pending > BACKLOG_LIMIT

    def _deliver(self) -> bool:
        """Wait until the outbox is empty; False where it was not by the end."""
        self.status.stage = "delivering"
        self._photographer.finish()
        ends_s = None
        if self._config.linger_s is not None:
            ends_s = time.monotonic() + self._config.linger_s
        stuck_since_s = time.monotonic()
        depth = self._outbox.depth
        while not self._uplink.sender.settled:
            if self._stop.is_set() or (ends_s is not None and time.monotonic() > ends_s):
                return False
            if self._outbox.depth != depth:
                depth, stuck_since_s = self._outbox.depth, time.monotonic()
            elif time.monotonic() - stuck_since_s > self._config.uplink.receipt_timeout_s:
                stuck_since_s = time.monotonic()
                if self._log.restate():
                    self._uplink.wake()
            self._refresh()
            self._stop.wait(0.05)
        return True

    def _befall(self, fault: Fault) -> None:
        if fault.at_ns <= int(self._outbox.meta(_FAULT_DONE) or 0):
            return
        self._wait_for(fault.at_ns)
        self._outbox.set_meta(_FAULT_DONE, str(fault.at_ns))
        at = from_ns(fault.at_ns).isoformat()
        self._event("fault", {"kind": str(fault.kind), "at": at})
        if fault.kind in (FaultKind.LINK_DOWN, FaultKind.LINK_UP):
            self._uplink.silence(fault.kind is FaultKind.LINK_DOWN)
        elif fault.kind in (FaultKind.CAMERA_DOWN, FaultKind.CAMERA_UP):
            self._photographer.broken = fault.kind is FaultKind.CAMERA_DOWN
        else:
            self._restart(clean=fault.kind is FaultKind.REBOOT)

    def _restart(self, *, clean: bool) -> None:
        """Begin anew as a new process; not `clean` is a brown-out: nothing is closed or flushed."""
        if clean:
            self._close()
        self._screen.leave()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606

    def _over(self) -> bool:
        ended = self._ends_s is not None and time.monotonic() >= self._ends_s
        return ended or self._stop.is_set()

    def _idle(self) -> None:
        """A live source waits for its receiver: the time may be up meanwhile."""
        self._refresh()
        if self._over():
            self._source.close()

    def _interrupt(self) -> None:
        self._stop.set()
        self._source.close()

    def _event(self, name: str, fields: dict[str, Any]) -> None:
        self.status.events.append((time.time(), name, fields))
        self._screen.event(name, fields)

    def _refresh(self, *, force: bool = False) -> None:
        self._watchdog.beat()
        now_s = time.monotonic()
        if now_s < self._next_status_s and not force:
            return
        self._next_status_s = now_s + 0.5
        status, sender = self.status, self._uplink.sender
        status.depth = self._outbox.depth
        status.written = self._log.written
        status.link, status.mqtt = str(self._uplink.state), self._uplink.version
        status.in_flight, status.resends = sender.in_flight, sender.resends
        status.last_receipt = sender.last_receipt
        status.disk_free_bytes = _free_bytes(self._config.data)
        self._screen.refresh(now_s)

    def _close(self) -> None:
        self._watchdog.stopping()
        self._source.close()
        self._photographer.close()
        self._uplink.stop()
        self._log.close()
        self._outbox.close()
        os.close(self._lock)


def default_payload(source: str) -> str:
    """Return the payload's name where none is given: the scenario's, else ``HAB-01``."""
    scheme, _, rest = source.partition(":")
    if scheme != "sim":
        return DEFAULT_PAYLOAD
    from overflight_device.scenario import load_scenario

    return load_scenario(rest).payload


def start_of(source: str) -> dt.datetime | None:
    """Return when a simulated or recorded flight starts in its own time; None where time is real.

    A recording is read for it.
    """
    scheme, _, rest = source.partition(":")
    if scheme == "track":
        from overflight_device.sources import track

        return from_ns(track.open_source(rest, SourceOptions()).start_ns)
    if scheme != "sim":
        return None
    from overflight_device.scenario import load_scenario

    return from_ns(load_scenario(rest).start_ns)


def run_payload(config: PayloadConfig) -> int:
    """Run a payload until its flight is over or it is told to stop."""
    try:
        return Payload(config).run()
    except OverflightError:
        raise
    except OSError as error:
        raise UnavailableError(
            f"the payload stops, since it can't keep its log in {config.data}: {error}"
        ) from error


class _signals(contextlib.AbstractContextManager[None]):  # noqa: N801 - reads as a statement
    """Calls `on_stop` on SIGTERM and SIGINT inside the block."""

    def __init__(self, on_stop: Any) -> None:
        self._on_stop = on_stop
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._handle)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        self._on_stop()


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _lock(folder: Path) -> int:
    """Lock the data folder: two payloads in one would tear its record."""
    import fcntl

    lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise UnavailableError(f"another payload runs in {folder}; use another --data") from error
    return lock
