"""The embedded broker starts, says so, and ends with its parent."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from overflight_contract.errors import UnavailableError
from overflight_ground.broker import EmbeddedBroker

CHILD = """
import sys, time
from pathlib import Path
from overflight_ground.broker import EmbeddedBroker
broker = EmbeddedBroker(Path(sys.argv[1]))
broker.start()
print(broker.pid, flush=True)
time.sleep(60)
"""


def wait_until(condition, timeout=10.0):
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def gone(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def test_starts_on_a_free_port_and_stops(tmp_path):
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    pid = broker.pid
    assert broker.running()
    with socket.create_connection((broker.host, broker.port), timeout=2):
        pass
    broker.stop()
    assert not broker.running()
    assert gone(pid)


def test_notices_that_it_was_killed(tmp_path):
    broker = EmbeddedBroker(tmp_path)
    broker.start()
    os.kill(broker.pid, signal.SIGKILL)
    wait_until(lambda: not broker.running())
    broker.stop()


def test_ends_with_a_parent_that_was_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    pid = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    wait_until(lambda: gone(pid))


def test_a_taken_port_is_one_clear_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        broker = EmbeddedBroker(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(UnavailableError, match="is taken"):
            broker.start()
