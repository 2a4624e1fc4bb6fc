"""Whole runs: real processes, real broker, real files."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from overflight_contract.ports import free_port

SHARED = Path(__file__).parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared():
    """The folder of real recordings, where it is there."""
    if not SHARED.is_dir():
        pytest.skip("the recordings in ../shared/data are not here")
    return SHARED


@pytest.fixture
def clean_environment():
    """The environment without settings of the program."""
    return {key: value for key, value in os.environ.items() if not key.startswith("OVERFLIGHT_")}


class Demo:
    """`overflight demo --json` as a child; `finish` returns its summary and exit status."""

    def __init__(self, folder, environment, *words):
        self.folder = folder
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "overflight", "demo", "--json", "--data", "data",
                "--port", str(free_port()), *words,
            ],
            cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.stderr = ""

    @property
    def run(self):
        """The folder of the run, once it is there."""
        found = sorted((self.folder / "data").glob("*/run.json"))
        return found[-1].parent if found else None

    def pid(self, name):
        """Process id of a member: broker, relay, ground, payload."""
        file = self.run / ("broker/broker.pid" if name == "broker" else f"logs/{name}.pid")
        return int(file.read_text().strip())

    def wait_for(self, condition, what, timeout=60):
        deadline = time.monotonic() + timeout
        while True:
            try:
                if condition():
                    return
            except (OSError, ValueError, AttributeError, TypeError):
                pass
            assert self.process.poll() is None, f"the demo ended: {self.process.communicate()}"
            assert time.monotonic() < deadline, f"{what} did not happen in time"
            time.sleep(0.05)

    def recorded(self):
        """How many messages the payload's record has by now."""
        return (self.run / "device/record.jsonl").read_bytes().count(b"\n")

    def kill(self, name):
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        self.wait_for(lambda: self.pid(name) != pid and _alive(self.pid(name)), f"{name} again", 30)

    def finish(self, timeout=100):
        output, self.stderr = self.process.communicate(timeout=timeout)
        lines = output.strip().splitlines()
        assert lines, f"no output; {self.stderr}"
        return json.loads(lines[-1]), self.process.returncode

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.communicate(timeout=20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.communicate()


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def demo(tmp_path, clean_environment):
    """Starts demonstrations; each ends with the test."""
    running = []

    def start(*words):
        running.append(Demo(tmp_path, clean_environment, *words))
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture
def hop(tmp_path):
    """A short simulated flight of 150 fixes with a picture every ten minutes."""
    file = tmp_path / "hop.toml"
    file.write_text(HOP)
    return file


HOP = """
name = "hop"
title = "a short hop, for tests"
about = "A simulation; the place is invented."
payload = "HAB-07"
start = 2023-01-28T06:00:00Z
duration_s = 9000
fix_every_s = 60
picture_every_s = 600
landed_s = 600

[launch]
lat_deg = 40.0
lon_deg = 179.9
alt_m = 12
prelaunch_s = 300

[balloon]
envelope_kg = 1.2
suspended_kg = 1.5
gas = "helium"
free_lift = 0.6
burst_diameter_m = 8.0
parachute_m = 1.5
"""


@pytest.fixture
def mosquitto(tmp_path):
    """A mosquitto of Debian's on a free port; the URL."""
    import shutil

    binary = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if binary is None:
        pytest.skip("mosquitto is not installed (apt install mosquitto)")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    process = subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.5).close()
            break
        except OSError:
            assert time.monotonic() < deadline, "mosquitto did not start"
            time.sleep(0.02)
    yield f"mqtt://127.0.0.1:{port}"
    process.terminate()
    process.wait(10)
