"""The whole ground as a process, on real brokers."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest

from overflight_contract import messages as m
from overflight_contract.ports import free_port
from overflight_contract.topics import topic_for
from overflight_ground.broker import EmbeddedBroker

FLIGHT = "20230128T060000Z-7f3a"
ROOT = Path(__file__).parents[2]


def until(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.03)
    raise AssertionError("it did not happen in time")


class Ground:
    """A running ground."""

    def __init__(self, folder: Path, broker: str, *more: str) -> None:
        self.store = folder / "ground.sqlite"
        self.log = folder / "ground.log"
        command = [sys.executable, "-m", "overflight", "ground", "run", "--broker", broker]
        command += ["--store", str(self.store), "--http", "127.0.0.1:0", "--clock", "data", *more]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, cwd=folder, text=True
            )
        assert self.process.stdout is not None
        ready = self.process.stdout.readline()
        assert ready, self.log.read_text()
        self.url = json.loads(ready)["url"]

    def get(self, path: str) -> dict:
        return httpx.get(f"{self.url}api/v1/{path}").json()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(15)


@pytest.fixture
def broker(tmp_path) -> Iterator[EmbeddedBroker]:
    made = EmbeddedBroker(tmp_path / "broker")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def mosquitto(tmp_path) -> Iterator[int]:
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not os.access(binary, os.X_OK):
        pytest.skip("mosquitto is not installed")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    process = subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL)
    until(lambda: accepts(port))
    yield port
    process.terminate()
    process.wait()


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.2).close()
    except OSError:
        return False
    return True


def publish(port: int, items: list[tuple[str, bytes]], qos: int = 1) -> list[tuple[bytes, bool]]:
    """Publish and return the receipts that came meanwhile, with their retained flag."""
    got: list[tuple[bytes, bool]] = []
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "sender", protocol=mqtt.MQTTv311)
    client.on_message = lambda _c, _u, received: got.append((received.payload, received.retain))
    client.connect("127.0.0.1", port)
    client.subscribe("overflight/1/HAB-01/receipt", 1)
    client.loop_start()
    for topic, payload in items:
        last = client.publish(topic, payload, qos=qos)
    last.wait_for_publish(10)
    until(lambda: got)
    client.disconnect()
    client.loop_stop()
    return got


def sent(*messages: m.Message) -> list[tuple[str, bytes]]:
    return [(topic_for("HAB-01", m.kind_of(message)), m.encode(message)) for message in messages]


def count(store: Path) -> int:
    with sqlite3.connect(store) as connection:
        return connection.execute("SELECT count(*) FROM messages").fetchone()[0]


@pytest.mark.mosquitto
@pytest.mark.parametrize(("version", "spoken"), [("auto", "V5"), ("3.1.1", "V311")])
def test_from_mosquitto(tmp_path, mosquitto, position, navigation, version, spoken) -> None:
    ground = Ground(tmp_path, f"mqtt://127.0.0.1:{mosquitto}", "--mqtt", version)
    until(lambda: ground.get("health")["broker"] == "connected")
    items = sent(*[position(n) if n % 2 else navigation(n) for n in range(1, 301)])
    publish(mosquitto, [*items, ("overflight/1/HAB-01/image", b"\xff\xd8"), *items[:5]])
    until(lambda: ground.get("receipts")["receipts"][0]["through"] == 300)
    until(lambda: ground.get("health")["duplicates"] == 5)
    health = ground.get("health")
    assert (health["messages"], health["quarantined"], health["status"]) == (300, 1, "ok")
    assert f"connected with MQTT {spoken}" in ground.log.read_text()
    assert ground.stop() == 0


def test_embedded_broker_version_fallback_and_messages_kept_while_away(
    tmp_path, broker, position
) -> None:
    first = Ground(tmp_path, broker.url)
    until(lambda: first.get("health")["broker"] == "connected")
    assert "connected with MQTT V311" in first.log.read_text()
    publish(broker.port, sent(*[position(n) for n in range(1, 21)]))
    until(lambda: count(first.store) == 20)
    first.process.kill()
    first.process.wait()
    # a retained receipt reaches a payload that was away; the broker holds what comes now
    receipts = publish(broker.port, sent(*[position(n) for n in range(21, 41)]))
    assert receipts[0][1], "retained"
    second = Ground(tmp_path, broker.url)
    until(lambda: count(second.store) == 40)
    until(lambda: second.get("receipts")["receipts"][0]["through"] == 40)
    assert second.stop() == 0


def test_the_ground_starts_its_own_broker_and_waits_for_none(tmp_path) -> None:
    ground = Ground(tmp_path, f"embedded:{free_port()}")
    until(lambda: ground.get("health")["broker"] == "connected")
    assert ground.get("health")["status"] == "ok"
    # it also starts it again
    os.kill(int((tmp_path / "broker" / "broker.pid").read_text()), signal.SIGKILL)
    until(lambda: ground.get("health")["broker"] != "connected")
    until(lambda: ground.get("health")["broker"] == "connected")
    assert ground.stop() == 0


def test_without_a_broker_it_serves_and_says_so(tmp_path) -> None:
    ground = Ground(tmp_path, f"mqtt://127.0.0.1:{free_port()}")
    until(lambda: "not connected" in ground.get("health")["broker"])
    assert ground.get("health")["status"] == "degraded"
    assert ground.stop() == 0


def test_the_stream_brings_what_arrives(tmp_path, broker, position) -> None:
    ground = Ground(tmp_path, broker.url)
    until(lambda: ground.get("health")["broker"] == "connected")
    with httpx.stream("GET", f"{ground.url}api/v1/stream", timeout=15) as reply:
        lines = reply.iter_lines()
        assert next(lines) == "retry: 1000"
        publish(broker.port, sent(*[position(n) for n in range(1, 4)]))
        found: list[int] = []
        while len(found) < 3:
            line = next(lines)
            if line.startswith("data: "):
                found += [p["seq"] for p in json.loads(line[6:])["positions"]]
    assert found == [1, 2, 3]
    assert ground.stop() == 0


@pytest.mark.slow
@pytest.mark.timeout(170)
def test_killed_twenty_times_under_load_nothing_is_lost_or_doubled() -> None:
    tool = ROOT / "tools" / "kill_ground.py"
    done = subprocess.run(
        [sys.executable, str(tool), "--kills", "20"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert result["stored"] == result["sent"] > 500
