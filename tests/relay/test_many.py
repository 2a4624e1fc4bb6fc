"""Ten thousand connections, strangers among them, and the relay goes on serving its payloads."""

import contextlib
import json
import os
import re
import resource
import select
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from overflight_contract.mqtt import Connect, PubAck, Publish, Version, encode

pytestmark = pytest.mark.mosquitto
WANTED = 10_000
STRANGERS = 300
"""Of them; the relay has no connection to its broker for these yet."""
SPARE = 150
"""Files of a process beside its connections."""
LARGEST_MB = 400
AT_ONCE = 250
CONNACK = b"\x20\x02\x00\x00"
TOPIC = "overflight/1/HAB-01/position"
V4 = Version.V311


def _room():
    """Raise the limit of open files as far as it goes; return how many connections fit."""
    need = 2 * WANTED - STRANGERS + SPARE  # a payload's connection is two sockets of the relay
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(need, hard), hard):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            return min(WANTED, (wanted - SPARE - STRANGERS) // 2 + STRANGERS)
    return 0


@pytest.fixture(scope="module")
def room():
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield _room()
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture(scope="module")
def broker(room, tmp_path_factory):
    """A mosquitto of its own, started with the raised limit."""
    program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
    if program is None:
        pytest.skip("mosquitto is not installed")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    config = tmp_path_factory.mktemp("mosquitto") / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_type none\n")
    process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 10
    while True:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        assert time.monotonic() < end
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture(scope="module")
def relay(broker, tmp_path_factory):
    """A relay as a process; yields (process, port, control URL)."""
    folder = tmp_path_factory.mktemp("relay")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "overflight", "relay", "run"),
            *("--listen", "127.0.0.1:0", "--upstream", f"mqtt://127.0.0.1:{broker}"),
            *("--control", "127.0.0.1:0", "--record", str(folder / "s.mcap")),
            *("--connect-rate", "0", "--connect-deadline", "0", "--slow-packet", "0"),
        ],
        stdout=subprocess.PIPE,
        env=os.environ | {"XDG_RUNTIME_DIR": str(folder)},
        text=True,
    )
    lines = [process.stdout.readline() for _ in range(3)]
    yield (
        process,
        int(re.search(r":(\d+) →", lines[0])[1]),
        re.search(r"http://\S+", lines[2])[0],
    )
    process.terminate()
    process.wait(20)


def open_now(control):
    with urllib.request.urlopen(f"{control}/api/v1/status", timeout=10) as answer:
        return int(json.load(answer)["connections"])


def resident_mb(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024


def open_all(port, first, count):
    """Open connections and say hello on each; wait for every CONNACK."""
    made = []
    for number in range(first, first + count):
        connection = socket.create_connection(("127.0.0.1", port), 10)
        connection.sendall(encode(Connect(client_id=f"HAB-{number}", keep_alive=0, version=V4), V4))
        made.append(connection)
    for connection in made:
        connection.settimeout(20)
        assert connection.recv(4) == CONNACK
    return made


def strangers(port):
    """Open connections that send half a packet, or a byte now and then; others send garbage."""
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(os.urandom(300))
    made = []
    for number in range(STRANGERS):
        connection = socket.create_connection(("127.0.0.1", port), 10)
        connection.sendall((b"\x10\x20\x00\x04MQ", b"\x10")[number % 2])
        made.append(connection)
    return made


def fly(port, name, payload):
    """Publish as a payload, and get the acknowledgement."""
    topic = TOPIC.replace("HAB-01", name)
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(encode(Connect(client_id=name, keep_alive=60, version=V4), V4))
        assert connection.recv(4) == CONNACK
        packet = Publish(topic=topic, payload=payload, qos=1, packet_id=9)
        connection.sendall(encode(packet, V4))
        assert connection.recv(4) == encode(PubAck(packet_id=9), V4)


def test_ten_thousand_connections_leave_it_serving_others(relay, room, make_position):
    process, port, control = relay
    if room < 1000:
        pytest.skip(f"the limit of open files leaves room for {room} connections only")
    started, slow = time.monotonic(), strangers(port)
    payloads, made = room - STRANGERS, []
    for first in range(0, payloads, AT_ONCE):
        made += open_all(port, first, min(AT_ONCE, payloads - first))
    assert open_now(control) == room
    used = resident_mb(process.pid)
    for number in range(20):
        slow[2 * number + 1].sendall(b"\x20")  # one more byte of its CONNECT
        fly(port, f"PAY-{number}", make_position(number + 1))
    quiet = select.poll()
    for connection in slow + made:
        quiet.register(connection, select.POLLIN)
    assert not quiet.poll(0), "a connection that said nothing was closed"
    print(f"{room:,} connections in {time.monotonic() - started:.1f} s, {used:.0f} MB")
    assert used < LARGEST_MB
    for connection in slow + made:
        connection.close()
    end = time.monotonic() + 20
    while open_now(control):
        assert time.monotonic() < end, "connections stayed open"
        time.sleep(0.05)
    fly(port, "PAY-99", make_position(99))
    if room < WANTED:
        pytest.skip(f"the limit of open files left room for {room:,} connections, not {WANTED:,}")
