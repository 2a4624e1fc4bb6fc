"""The processes of the demonstration: started, watched, started again when one dies."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from overflight.demo.plan import RunPlan
from overflight_contract.errors import UnavailableError
from overflight_contract.leash import start_leashed, stop_leashed

READY_DEADLINE_S: Final = 30.0
RESTARTS_AT_MOST: Final = 1000
_FAST_DEATH_S: Final = 3.0


class Member:
    """One process: its command, its log, its restarts."""

    def __init__(
        self,
        name: str,
        command: list[str],
        folder: Path,
        *,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        """`on_line` hears each line of standard output, in a thread; else it goes to the log."""
        self.name = name
        self.restarts = 0
        self.status: int | None = None
        self._command = command
        self._log = folder / "logs" / f"{name}.log"
        self._pid_file = folder / "logs" / f"{name}.pid"
        self._on_line = on_line
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None
        self._started_s = 0.0
        self._fast_deaths = 0

    def start(self) -> None:
        """Start it."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        self._started_s = time.monotonic()
        with self._log.open("ab") as log:
            self._process = start_leashed(
                self._command,
                stdout=subprocess.PIPE if self._on_line else log,
                stderr=log,
                pid_file=self._pid_file,
            )
        if self._on_line is not None:
            self._reader = threading.Thread(
                target=self._read, args=(self._process,), name=f"read-{self.name}", daemon=True
            )
            self._reader.start()

    def poll(self) -> bool:
        """Return True while it runs; afterwards `status` has its exit status."""
        if self._process is None:
            return False
        self.status = self._process.poll()
        if self.status is not None and self._reader is not None:
            self._reader.join(timeout=2)
        return self.status is None

    def restart(self) -> None:
        """Start it again; `UnavailableError` where it dies as soon as it starts."""
        quick = time.monotonic() - self._started_s < _FAST_DEATH_S
        self._fast_deaths = self._fast_deaths + 1 if quick else 0
        self.restarts += 1
        if self._fast_deaths >= 3 or self.restarts > RESTARTS_AT_MOST:
            raise UnavailableError(f"the {self.name} does not stay up: {self.last_words()}")
        self.start()

    def stop(self, timeout_s: float = 15.0) -> None:
        """Ask it to end, and wait."""
        process, self._process = self._process, None
        if process is not None:
            self.status = stop_leashed(process, timeout_s)
        if self._reader is not None:
            self._reader.join(timeout=2)

    def last_words(self) -> str:
        """Return the last line of its log."""
        try:
            lines = self._log.read_text("utf-8", "replace").strip().splitlines()
        except OSError:
            lines = []
        return lines[-1] if lines else f"it said nothing (exit status {self.status})"

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert self._on_line is not None
        with process.stdout:
            for line in process.stdout:
                self._on_line(line.decode("utf-8", "replace"))


def command(*words: object) -> list[str]:
    """Return the command line of one of our own commands."""
    return [sys.executable, "-m", "overflight", *map(str, words)]


def relay_command(plan: RunPlan, upstream: str) -> list[str]:
    """Return the command that runs the relay."""
    words: list[object] = ["relay", "run", "--listen", f"127.0.0.1:{plan.relay_port}"]
    words += ["--upstream", upstream, "--policy", plan.policy, "--record", plan.session]
    words += ["--control", f"127.0.0.1:{plan.control_port}", "--seed", plan.seed]
    if plan.simulated:
        words += ["--simulated"]
    if plan.link != "perfect":
        words += ["--link", plan.link]
    return command(*words)


def ground_command(plan: RunPlan, broker: str) -> list[str]:
    """Return the command that runs the ground station."""
    words: list[object] = ["ground", "run", "--broker", broker, "--store", plan.store_url]
    words += ["--http", f"127.0.0.1:{plan.page_port}", "--tap", plan.control_url]
    words += ["--clock", "data"]
    if len(plan.payloads) == 1:
        words += ["--vault-peek", plan.device(plan.payloads[0]) / "vault"]
    if plan.simulated:
        words += ["--simulated"]
    return command(*words)


def payload_command(plan: RunPlan, payload: str, source: str, for_s: float | None) -> list[str]:
    """Return the command that runs a payload."""
    words: list[object] = ["device", "run", source, "--payload", payload]
    words += ["--broker", f"mqtt://127.0.0.1:{plan.relay_port}", "--data", plan.device(payload)]
    words += ["--speed", plan.speed, "--seed", plan.seed, "--camera", plan.camera]
    words += ["--picture-every", f"{plan.picture_every_s}s", "--log", "json"]
    words += ["--backoff-cap", "2s", "--receipt-timeout", "5s"]
    if for_s is not None:
        words += ["--for", f"{for_s:.3f}s"]
    return command(*words)


def get_json(url: str, timeout_s: float = 2.0) -> dict[str, Any] | None:
    """Fetch a JSON object from one of our own processes; None where it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout_s) as answer:  # noqa: S310 - loopback
            found = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return found if isinstance(found, dict) else None


def require_broker(url: str) -> None:
    """Raise `UnavailableError` where nothing listens at `url`."""
    from overflight_device.uplink import parse_broker_url

    host, port, _ = parse_broker_url(url)
    try:
        socket.create_connection((host, port), timeout=5).close()
    except OSError as error:
        raise UnavailableError(f"no broker answers at {url}: {error.strerror or error}") from error


def wait_ready(member: Member, url: str) -> None:
    """Wait until `url` answers; `UnavailableError` says why it does not."""
    deadline = time.monotonic() + READY_DEADLINE_S
    while get_json(url) is None:
        if not member.poll():
            raise UnavailableError(f"the {member.name} did not start: {member.last_words()}")
        if time.monotonic() > deadline:
            raise UnavailableError(f"the {member.name} does not answer: {member.last_words()}")
        time.sleep(0.05)
