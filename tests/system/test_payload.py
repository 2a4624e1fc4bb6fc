"""The payload against a real ground: killed at random, fed by a serial line, bad words typed."""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request

import pytest

from overflight_contract.messages import decode_position
from overflight_contract.ports import free_port
from overflight_contract.record import RecordDamage, read_record
from overflight_contract.times import to_ns
from overflight_contract.vault import verify_vault
from overflight_device.fix import SourceOptions
from overflight_device.sources import open_source

KILLS = int(os.environ.get("OVERFLIGHT_KILLS", "20"))


class Station:
    """A ground station with a broker of its own."""

    def __init__(self, folder, environment):
        self.http, self.mqtt = free_port(), free_port()
        self.store = folder / "ground.sqlite"
        self.log = (folder / "ground.log").open("w")
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "overflight", "ground", "run",
                "--broker", f"embedded:{self.mqtt}", "--store", str(self.store),
                "--http", f"127.0.0.1:{self.http}", "--clock", "data", "--simulated",
            ],
            cwd=folder, env=environment, stdout=self.log, stderr=self.log,
        )  # fmt: skip
        deadline = time.monotonic() + 30
        while not self.answers():
            assert time.monotonic() < deadline, (folder / "ground.log").read_text()
            time.sleep(0.05)

    def answers(self):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{self.http}/api/v1/health", timeout=1)
        except OSError:
            return False
        return True

    def rows(self, query):
        with sqlite3.connect(self.store) as db:
            return db.execute(query).fetchall()

    def close(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.fixture
def station(tmp_path, clean_environment):
    one = Station(tmp_path, clean_environment)
    yield one
    one.close()


@pytest.fixture
def device(tmp_path, clean_environment, station):
    """Starts `overflight device run`."""
    running = []

    def start(*words):
        child = subprocess.Popen(
            [
                sys.executable, "-m", "overflight", "device", "run", *words,
                "--broker", f"mqtt://127.0.0.1:{station.mqtt}", "--data", str(tmp_path / "device"),
                "--log", "json", "--receipt-timeout", "3s", "--backoff-cap", "1s",
            ],
            cwd=tmp_path, env=clean_environment,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(child)
        return child

    yield start
    for child in running:
        if child.poll() is None:
            child.kill()
        child.communicate()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_killed_at_random_it_loses_no_message_and_no_picture(tmp_path, device, station, hop):
    rng = random.Random(7)
    words = (f"sim:{hop}", "--speed", str(9000 / max(8, KILLS)), "--camera", "sim:0.05")
    for _ in range(KILLS):
        child = device(*words)
        time.sleep(rng.uniform(0.0, 1.2))
        child.send_signal(signal.SIGKILL)
        child.communicate()
    child = device(*words)
    output, errors = child.communicate(timeout=120)
    assert child.returncode == 0, errors
    entries = list(read_record(tmp_path / "device" / "record.jsonl"))
    assert not [entry for entry in entries if isinstance(entry, RecordDamage)]
    assert [entry.seq for entry in entries] == list(range(1, len(entries) + 1))
    stored = station.rows("SELECT seq, raw FROM messages ORDER BY seq")
    assert [(seq, bytes(raw)) for seq, raw in stored] == [(e.seq, e.payload) for e in entries]
    times = [
        to_ns(decode_position(entry.payload).measured_at)
        for entry in entries
        if entry.kind == "position"
    ]
    assert times == _times_of(hop)
    vault = verify_vault(tmp_path / "device" / "vault")
    assert vault.ok
    assert len(vault.entries) == len({at // (600 * 10**9) for at in times})
    lines = [json.loads(line) for line in output.strip().splitlines()]
    last = [line for line in lines if line["event"] == "status"][-1]
    assert last["outbox"] == 0


@pytest.mark.shared
def test_a_real_receivers_bytes_through_a_serial_line(device, station, shared):
    log = (shared / "gnss" / "hab-gpspi.log").read_bytes()
    master, slave = os.openpty()
    child = device(f"serial:{os.ttyname(slave)}?baud=9600")
    assert _wait_for_event(child, "start")
    for start in range(0, len(log), 64):
        os.write(master, log[start : start + 64])
        time.sleep(0.005)
    expected = _gpsd_fixes(shared / "gnss" / "hab-gpspi.log.chk")
    deadline = time.monotonic() + 20
    query = (
        "SELECT measured_at_ns, lat_deg, lon_deg FROM messages"
        " WHERE kind = 'position' AND lat_deg IS NOT NULL ORDER BY measured_at_ns"
    )
    while len(station.rows(query)) < len(expected) and time.monotonic() < deadline:
        time.sleep(0.1)
    child.send_signal(signal.SIGTERM)
    child.communicate(timeout=20)
    os.close(master)
    os.close(slave)
    stored = station.rows(query)
    assert len(stored) >= len(expected) > 0
    by_time = {at // 10**6: (lat, lon) for at, lat, lon in stored}
    for at_ms, lat, lon in expected:
        assert by_time[at_ms] == pytest.approx((lat, lon), abs=1e-5)


def _wait_for_event(child, name):
    return any(json.loads(line)["event"] == name for line in child.stdout)


def _gpsd_fixes(path):
    """gpsd's last report of each epoch that has a position and a time."""
    import datetime as dt

    found = {}
    for line in path.read_text("latin-1").splitlines():
        if line.startswith('{"class":"TPV"'):
            report = json.loads(line)
            if report.get("mode", 0) >= 2 and "time" in report and "lat" in report:
                at = dt.datetime.fromisoformat(report["time"])
                found[round(at.timestamp() * 1000)] = (report["lat"], report["lon"])
    return [(at, *place) for at, place in sorted(found.items())]


def test_a_second_payload_in_the_same_folder_is_one_clear_sentence(device, hop):
    first = device(f"sim:{hop}", "--speed", "1")
    assert "start" in first.stdout.readline()
    second = device(f"sim:{hop}", "--speed", "1")
    _, errors = second.communicate(timeout=20)
    assert second.returncode == 4
    assert errors.count("\n") == 1
    assert "another payload runs" in errors


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["sim:nowhere"], "no scenario 'nowhere'"),
        (["nonsense"], "no fix source 'nonsense'"),
        (["track:missing.csv"], "missing.csv"),
        (["sim:transcontinental", "--payload", "lower case"], "can't name a payload"),
        (["sim:transcontinental", "--broker", "http://x"], "is no broker"),
        (["sim:transcontinental", "--camera", "polaroid"], "no camera 'polaroid'"),
    ],
)
def test_a_wrong_word_is_one_clear_sentence(tmp_path, clean_environment, words, complaint):
    done = subprocess.run(
        [sys.executable, "-m", "overflight", "device", "run", "--data", "d", *words],
        cwd=tmp_path, env=clean_environment, capture_output=True, text=True, check=False,
        timeout=30,
    )  # fmt: skip
    assert done.returncode == 2
    assert complaint in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


def test_a_recording_names_its_flight_by_its_own_time_and_odd_times_are_left_out(
    tmp_path, clean_environment
):
    point = '<trkpt lat="1.5" lon="2.5"><ele>9</ele><time>{}-02-01T12:00:00Z</time></trkpt>'
    points = "".join(point.format(year) for year in ("1850", "2019", "2300"))
    head = '<?xml version="1.0"?><gpx version="1.1" xmlns="http://www.topografix.com/GPX/1/1">'
    (tmp_path / "walk.gpx").write_text(f"{head}<trk><trkseg>{points}</trkseg></trk></gpx>")
    done = subprocess.run(
        [
            sys.executable, "-m", "overflight", "device", "run", "track:walk.gpx", "--data", "d",
            "--speed", "max", "--linger", "0s", "--log", "json",
            "--broker", f"mqtt://127.0.0.1:{free_port()}",
        ],
        cwd=tmp_path, env=clean_environment, capture_output=True, text=True, check=False,
        timeout=30,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    entries = list(read_record(tmp_path / "d" / "record.jsonl"))
    assert [entry.seq for entry in entries] == [1, 2]
    assert entries[0].flight.startswith("20190201T120000Z-")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    odd = [event["measured_at"][:4] for event in events if event["event"] == "odd-time"]
    assert odd == ["1850", "2300"]


def _times_of(hop):
    """The times of the flight's fixes where nothing interrupts it."""
    source = open_source(f"sim:{hop}", SourceOptions())
    return [event.measured_at_ns // 10**6 * 10**6 for event in source]
