"""The demonstration from end to end, as processes."""

import csv
import math
import os
import sqlite3
import time
from pathlib import Path

import pytest

KEYS = {
    "payload", "flight", "sent", "crossed", "stored", "receipted", "lost", "duplicates",
    "quarantined", "refused", "bytes_crossed", "images_kept", "bytes_kept", "unexplained_bytes",
    "verdict", "session_file", "store", "vault",
}  # fmt: skip


def assert_held(summary, status):
    assert summary["verdict"] == "split held", summary
    assert summary["sent"] == summary["crossed"] == summary["stored"] > 0, summary
    assert (summary["lost"], summary["duplicates"], summary["unexplained_bytes"]) == (0, 0, 0)
    assert status == 0


def test_a_short_flight_ends_in_a_verdict(demo, hop):
    summary, status = demo("--source", f"sim:{hop}", "--speed", "max").finish()
    assert set(summary) == KEYS
    assert_held(summary, status)
    assert summary["payload"] == "HAB-07"
    assert summary["receipted"] == summary["sent"]
    assert summary["images_kept"] >= 10
    assert summary["bytes_kept"] > summary["bytes_crossed"] > 0


def test_ends_early_and_still_lands_in_an_audit(demo):
    summary, status = demo("--speed", "2000", "--for", "4s").finish()
    assert_held(summary, status)


@pytest.mark.shared
def test_a_real_flight_as_recorded(demo, shared):
    flight = shared / "flights" / "eoss-300.csv"
    run = demo("--source", f"track:{flight}", "--speed", "max")
    summary, status = run.finish()
    assert_held(summary, status)
    with (shared / "flights" / "eoss-300_metadata.csv").open() as file:
        truth = next(csv.DictReader(file))
    with sqlite3.connect(summary["store"].removeprefix("sqlite:///")) as db:
        track = db.execute(
            "SELECT lat_deg, lon_deg, alt_msl_m FROM messages"
            " WHERE kind = 'position' ORDER BY measured_at_ns"
        ).fetchall()
    launch, landing = _places(truth)
    assert _distance_km(track[0], launch) < 1.5
    assert _distance_km(track[-1], landing) < 1.5
    assert abs(max(row[2] for row in track) - _highest_m(truth)) < 100


@pytest.mark.parametrize("name", ["broker", "relay", "ground", "payload"])
def test_any_process_may_be_killed(demo, hop, name):
    run = demo("--source", f"sim:{hop}", "--speed", "1200")
    run.wait_for(lambda: run.recorded() > 60, "the flight")
    run.kill(name)
    run.wait_for(lambda: run.recorded() > 150, "more of the flight")
    run.kill(name)
    summary, status = run.finish()
    assert_held(summary, status)
    assert "started again" in run.stderr


def test_a_picture_is_refused_and_the_audit_says_what_was_tried(demo, hop):
    run = demo("--source", f"sim:{hop}", "--speed", "1200", "--leak")
    summary, status = run.finish()
    assert_held(summary, status)
    assert summary["refused"] >= 3
    assert "tried" in run.stderr


def test_a_provider_that_only_looks_on_lets_the_picture_out(demo, hop):
    run = demo("--source", f"sim:{hop}", "--speed", "1200", "--leak", "--policy", "observe")
    summary, status = run.finish()
    assert summary["verdict"] == "split broken"
    assert summary["unexplained_bytes"] > 0
    assert status == 1
    assert ".jpg" in run.stderr, "the image is named"


def test_ctrl_c_ends_everything(demo, hop):
    run = demo("--source", f"sim:{hop}", "--speed", "60")
    run.wait_for(lambda: run.recorded() > 4, "the flight")
    pids = [run.pid(name) for name in ("broker", "relay", "ground", "payload")]
    run.close()
    assert run.process.returncode == 130
    for pid in pids:
        assert _gone(pid)


def test_goes_on_with_the_last_run(demo, hop):
    first = demo("--source", f"sim:{hop}", "--speed", "300")
    first.wait_for(lambda: first.recorded() > 30, "the flight")
    first.close()
    folder, recorded = first.run, first.recorded()
    again = demo("--resume")
    summary, status = again.finish()
    assert_held(summary, status)
    assert again.run == folder
    assert summary["sent"] > recorded


def _gone(pid):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def _distance_km(a, b):
    lat = math.radians((a[0] + b[0]) / 2)
    return 111.2 * math.hypot(a[0] - b[0], (a[1] - b[1]) * math.cos(lat))


def _places(truth):
    return tuple(
        (float(truth[f"{place}_location.latitude"]), float(truth[f"{place}_location.longitude"]))
        for place in ("launch", "landing")
    )


def _highest_m(truth):
    return float(truth["maxaltitude_m"])


@pytest.mark.mosquitto
def test_on_another_broker_mqtt_5_is_spoken(demo, hop, mosquitto):
    run = demo("--source", f"sim:{hop}", "--speed", "max", "--broker", mosquitto)
    summary, status = run.finish()
    assert_held(summary, status)
    log = (run.run / "logs" / "ground.log").read_text()
    assert "MQTT V5" in log


def test_a_broker_of_ones_own_that_is_not_there_is_one_sentence(demo, hop):
    run = demo("--source", f"sim:{hop}", "--broker", "mqtt://127.0.0.1:1")
    _, errors = run.process.communicate(timeout=60)
    assert run.process.returncode == 4
    assert errors.strip().startswith("overflight: no broker answers")
