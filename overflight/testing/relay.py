"""A real relay for tests, in a process of its own."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any, Self

from overflight.recorded import Session
from overflight_contract.leash import start_leashed, stop_leashed
from overflight_contract.ports import free_port

DEADLINE_S = 60.0


class TestRelay:
    """``overflight relay run`` between the code under test and a broker."""

    __test__ = False

    def __init__(
        self,
        folder: Path,
        upstream: str,
        *,
        policy: str = "enforce",
        link: str = "perfect",
        seed: int = 1,
        rules: str | Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "session.mcap"
        self._log = folder / "relay.log"
        self._port, self._control = free_port(), free_port()
        words = [
            *("--listen", f"127.0.0.1:{self._port}", "--upstream", upstream),
            *("--record", str(self.path), "--control", f"127.0.0.1:{self._control}"),
            *("--policy", policy, "--link", str(link), "--seed", str(seed)),
        ]
        words += ["--rules", str(rules)] if rules is not None else []
        self._command = [sys.executable, "-m", "overflight", "relay", "run", *words]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("wb") as log:
            self._process = start_leashed(self._command, stdout=log, stderr=log)
        self._wait_until_there()
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """Where the code under test connects."""
        return f"mqtt://127.0.0.1:{self._port}"

    @property
    def host(self) -> str:
        """Host of `url`."""
        return "127.0.0.1"

    @property
    def port(self) -> int:
        """Port of `url`."""
        return self._port

    @property
    def control_url(self) -> str:
        """The relay's control port."""
        return f"http://127.0.0.1:{self._control}"

    def status(self) -> dict[str, Any]:
        """Return the relay's own counts: connections, packets, messages, refused, marked."""
        with urllib.request.urlopen(f"{self.control_url}/api/v1/status", timeout=5) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
            return found

    def session(self, only: str = "") -> Session:
        """Open what was recorded so far."""
        return Session.open(self.path, only=only)

    def stop(self) -> None:
        """End the relay; its session is complete then."""
        if self._process is not None:
            process, self._process = self._process, None
            stop_leashed(process)

    def assert_only_the_contract_left(self) -> None:
        """Fail if the relay refused or marked anything that went up."""
        with self.session("direction == up and not verdict == ok") as session:
            strays = list(session.packets())
        if strays:
            lines = [f"{len(strays)} packets left that are not of the contract:"]
            lines += [
                f"  {view.type.upper()} {view.topic or ''} {view.size} bytes: {view.reason}"
                f"  ({view.summary})"
                for view in strays[:10]
            ]
            raise AssertionError("\n".join(lines))

    def _wait_until_there(self) -> None:
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if self._process is not None and self._process.poll() is not None:
                break
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                self.status()
                return
            time.sleep(0.02)
        said = self._log.read_text(errors="replace")[-2000:]
        self.stop()
        raise AssertionError(f"the relay did not come up:\n{said}")
