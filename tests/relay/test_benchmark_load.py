"""The load generator for machines without a C compiler does what the one in C does."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from overflight_contract.mqtt import Publish, Version, encode
from overflight_contract.ports import free_port

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "relay_load.py"


def command(*words):
    return [sys.executable, str(PROGRAM), *map(str, words)]


def run(*words):
    done = subprocess.run(command(*words), capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.split()


@pytest.fixture
def sink(request):
    port = free_port()
    process = subprocess.Popen(
        command("sink", port, request.param), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    yield port
    process.kill()
    process.wait(10)


@pytest.fixture
def messages(tmp_path):
    packets = [
        encode(Publish(topic="t", payload=b"x" * 200, qos=1, packet_id=n), Version.V311)
        for n in range(1, 1001)
    ]
    data = b"".join(packets)
    path = tmp_path / "messages"
    path.write_bytes(struct.pack("<II", len(data), len(packets)) + data)
    return path


@pytest.mark.parametrize("sink", [0], indirect=True)
def test_load_is_acknowledged_to_the_last_message(sink, messages):
    seconds, sent = run("load", sink, 1, 20_000, 1, messages, 500)
    assert float(seconds) > 0
    assert int(sent) == 20_000


@pytest.mark.parametrize("sink", [1], indirect=True)
def test_probe_gives_a_time_for_each_message(sink, messages):
    assert len([float(word) for word in run("probe", sink, 5000, 50, messages)]) == 50
