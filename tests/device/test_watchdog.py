"""What the service manager hears of a payload."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from overflight_device.watchdog import Watchdog


def test_ready_beats_and_stopping(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(5)
        watchdog = Watchdog({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "60000000"})
        watchdog.ready("HAB-01 flies")
        watchdog.beat()
        watchdog.beat()  # too early for another
        watchdog.stopping()
        heard = [manager.recv(100).decode() for _ in range(3)]
    assert heard == ["READY=1\nSTATUS=HAB-01 flies", "WATCHDOG=1", "STOPPING=1"]


def test_without_a_manager_nothing_is_said(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "none"), "WATCHDOG_USEC": "1"}):
        watchdog = Watchdog(environ)
        watchdog.ready()
        watchdog.beat()
        watchdog.stopping()


def test_a_payload_whose_receiver_is_silent_is_alive_and_ends_in_time(tmp_path: Path) -> None:
    address = str(tmp_path / "notify")
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "overflight", "device", "run", f"serial:{os.ttyname(theirs)}"]
    command += ["--broker", "mqtt://127.0.0.1:1", "--data", str(tmp_path / "data")]
    command += ["--for", "1s", "--linger", "0s", "--log", "json"]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(20)
        environ = {**os.environ, "NOTIFY_SOCKET": address, "WATCHDOG_USEC": "400000"}
        process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE)
        heard = []
        while not heard or heard[-1] != "STOPPING=1":
            heard.append(manager.recv(100).decode())
        process.communicate(timeout=20)
    os.close(ours)
    os.close(theirs)
    assert heard[0].startswith("READY=1")
    assert heard.count("WATCHDOG=1") >= 3
