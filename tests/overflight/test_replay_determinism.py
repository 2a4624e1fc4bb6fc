"""Determinism: real flights, replayed at any speed, leave the same in the ground, byte for byte."""

import csv
import datetime as dt
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from overflight_contract import messages
from overflight_contract.leash import start_leashed, stop_leashed
from overflight_contract.mqtt import ConnAck, Connect, Disconnect, PubAck, Publish, Version, encode
from overflight_contract.ports import free_port
from overflight_contract.session import (
    ConnectionClosed,
    ConnectionOpened,
    Direction,
    SessionPacket,
    SessionWriter,
    Verdict,
)
from overflight_contract.times import to_ns
from overflight_ground.broker import EmbeddedBroker

FLIGHTS = Path(__file__).parents[3] / "shared" / "data" / "flights"
V4 = Version.V311
pytestmark = [pytest.mark.shared, pytest.mark.slow, pytest.mark.timeout(240)]


def rows_of(path):
    """Yield (beacon, position without seq) of a recorded flight, in the order of the file."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["position_packet"] == "true" and row["latitude"]:
                at = dt.datetime.fromisoformat(row["packettime"]).replace(tzinfo=dt.UTC)
                yield row["callsign"], at, row


def write_session(path, flight_file):
    """Write a flight as its beacons would have said it, one connection each; return the count."""
    writer, seqs, items = SessionWriter(path), {}, []

    def crossed(at_ns, connection, packet, direction=Direction.UP):
        data = encode(packet, V4)
        items.append(SessionPacket(at_ns, connection, direction, Verdict.OK, "", data))

    at_ns = 0
    for name, at, row in rows_of(flight_file):
        at_ns = max(at_ns, to_ns(at))
        if name not in seqs:
            seqs[name] = 0
            number = len(seqs)
            items.append(ConnectionOpened(number, at_ns, "", "", ""))
            crossed(at_ns, number, Connect(client_id=name, version=V4))
            crossed(at_ns, number, ConnAck(), Direction.DOWN)
        seqs[name] = seq = seqs[name] + 1
        number = list(seqs).index(name) + 1
        position = messages.Position(
            flight=f"{flight_file.stem[-3:]:0>8}T000000Z-0{flight_file.stem[-3:]}",
            seq=seq,
            held_from=1,
            measured_at=at,
            lat_deg=round(float(row["latitude"]), 5),
            lon_deg=round(float(row["longitude"]), 5),
            alt_msl_m=round(float(row["altitude_m"]), 1),
            alt_hae_m=None,
            fix=messages.Fix.THREE_D,
            sats=None,
            hdop=None,
        )
        topic = f"overflight/1/{name}/position"
        payload = messages.encode(position)
        crossed(at_ns, number, Publish(topic=topic, payload=payload, qos=1, packet_id=seq))
        crossed(at_ns, number, PubAck(packet_id=seq), Direction.DOWN)
    for number in range(1, len(seqs) + 1):
        crossed(at_ns, number, Disconnect())
        items.append(ConnectionClosed(number, at_ns, "", "client"))
    writer.write(items)
    writer.close()
    return sum(seqs.values())


def overflight(*words):
    return subprocess.run(
        [sys.executable, "-m", "overflight", *words], capture_output=True, check=True, timeout=120
    ).stdout


def wait_for_messages(url, count, deadline_s=90):
    end, seen = time.monotonic() + deadline_s, None
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{url}/api/v1/health", timeout=5) as answer:
                seen = json.load(answer)
        except urllib.error.HTTPError as error:
            seen = json.load(error)
        except OSError:
            seen = None
        if seen and seen.get("messages", -1) >= count and seen.get("broker") == "connected":
            return
        time.sleep(0.05)
    raise AssertionError(f"the ground has {seen} instead of {count} messages")


def replay_into_ground(folder, sessions, total, *words):
    """Replay all sessions into a new ground behind a new broker; return the canonical export."""
    broker = EmbeddedBroker(folder / "broker")
    broker.start()
    store, port = str(folder / "ground.sqlite"), free_port()
    command = [sys.executable, "-m", "overflight", "ground", "run", "--broker", broker.url]
    command += ["--store", store, "--http", f"127.0.0.1:{port}", "--clock", "data"]
    ground = start_leashed(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for_messages(f"http://127.0.0.1:{port}", 0)
        for session in sessions:
            overflight("replay", str(session), "--to", broker.url, *words)
        wait_for_messages(f"http://127.0.0.1:{port}", total)
    finally:
        stop_leashed(ground)
        broker.stop()
    return overflight("ground", "export", "--store", store, "--format", "messages")


@pytest.mark.skipif(not FLIGHTS.is_dir(), reason="the recordings are not here")
def test_determinism_with_all_recorded_flights(tmp_path):
    flights = sorted(path for path in FLIGHTS.glob("eoss-*.csv") if "_meta" not in path.name)
    sessions, total = [], 0
    for flight in flights:
        sessions.append(tmp_path / f"{flight.stem}.mcap")
        total += write_session(sessions[-1], flight)
    assert total > 500
    exports = []
    for name, words in (
        ("fast", ("--speed", "max")),
        ("timed", ("--speed", "20000", "--flat")),
    ):
        folder = tmp_path / name
        folder.mkdir()
        exports.append(replay_into_ground(folder, sessions, total, *words))
    assert exports[0].count(b"\n") == total
    assert exports[1] == exports[0]
    store = str(tmp_path / "direct.sqlite")
    for _twice in range(2):
        overflight("ground", "ingest", "--store", store, *map(str, sessions))
    assert overflight("ground", "export", "--store", store, "--format", "messages") == exports[0]
