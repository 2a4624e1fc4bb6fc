"""Tells the service manager that the payload is up, alive, or ending (sd_notify(3)).

Outside of a service manager nothing is said to anyone.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping


class Watchdog:
    """Speaks to the socket that the service manager named; `beat` as often as you like."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]
        limit_us = environ.get("WATCHDOG_USEC", "")
        self._every_s = int(limit_us) / 4e6 if limit_us.isdigit() else None
        self._next_s = 0.0

    def ready(self, status: str = "") -> None:
        """The payload is up."""
        self._say("READY=1" + (f"\nSTATUS={status}" if status else ""))

    def beat(self) -> None:
        """The payload is alive; said four times in the time that the manager waits."""
        now_s = time.monotonic()
        if self._every_s is not None and now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """The payload is ending cleanly."""
        self._say("STOPPING=1")

    def _say(self, text: str) -> None:
        if not self._address:
            return
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
            line.connect(self._address)
            line.send(text.encode())
