"""Exports: what is in them, whose flight is simulated, and what is refused."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from overflight.cli import main
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.plausible import Clock

SIMULATED, REAL = "20230128T060000Z-7f3a", "20230128T060000Z-0002"
NOW_NS = 1_700_000_000_000_000_000


@pytest.fixture
def filled(store, arrival, position) -> str:
    """A simulated flight, of whose five positions one is at 0/0 and one leaps; a real one."""
    for flight, simulated in ((SIMULATED, True), (REAL, False)):
        intake = Intake(store, clock=Clock.DATA, simulated=simulated, now_ns=lambda: NOW_NS)
        intake.load()
        intake.commit([arrival(position(n, flight=flight)) for n in range(1, 4)])
        if simulated:
            intake.commit([arrival(position(4, lat_deg=0.0, lon_deg=0.0))])
            intake.commit([arrival(position(5, lat_deg=-50.0))])
    return str(store.file)


@pytest.fixture
def export(filled, tmp_path):
    out = tmp_path / "out"

    def run(name: str, *words: str) -> bytes:
        argv = ["ground", "export", "--store", filled, "--format", name, "-o", str(out), *words]
        assert main(argv) == 0
        return out.read_bytes()

    return run


def seqs(csv: bytes) -> list[int]:
    return [int(line.split(",")[2]) for line in csv.decode().splitlines()[1:]]


def test_a_track_leaves_out_what_stays_off_the_map(export) -> None:
    assert seqs(export("csv", "--flight", SIMULATED)) == [1, 2, 3]
    assert seqs(export("csv", "--flight", SIMULATED, "--suspect")) == [1, 2, 3, 4, 5]
    assert b'lat="0.0"' not in export("gpx")
    assert len(export("messages", "--flight", SIMULATED).splitlines()) == 5


def test_one_simulated_flight_does_not_mark_the_real_one(export) -> None:
    features = json.loads(export("geojson"))["features"]
    marks = {f["properties"]["flight"]: f["properties"].get("simulated") for f in features}
    assert marks == {SIMULATED: True, REAL: None}
    assert not any("dev" in row for row in json.loads(export("sondehub", "--flight", REAL)))
    assert all("dev" in row for row in json.loads(export("sondehub", "--flight", SIMULATED)))
    assert sum("dev" in row for row in json.loads(export("sondehub"))) == 3
    # the document says it as well where all of it is simulated
    assert export("gpx").count(b"simulated flight") == 1
    assert export("gpx", "--flight", SIMULATED).count(b"simulated flight") == 2


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--payload", "NOPE"], "nothing was heard from NOPE"),
        (["--flight", "20230128T060000Z-0003"], "no flight 20230128T060000Z-0003"),
        (["--payload", "NOPE", "--flight", REAL], f"no flight {REAL} of NOPE"),
        (["--format", "messages", "--payload", "NOPE"], "nothing was heard"),
        (["--format", "messages", "--arrival-times"], "no field for arrival times"),
        (["--format", "gpx", "--arrival-times"], "no field for arrival times"),
    ],
)
def test_what_is_refused_leaves_the_file_as_it_was(
    filled, tmp_path, capsys, words, complaint
) -> None:
    out = tmp_path / "out"
    out.write_text("before")
    assert main(["ground", "export", "--store", filled, "-o", str(out), *words]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert complaint in line
    assert out.read_text() == "before"


def test_times_beyond_what_a_database_holds(export) -> None:
    flight = ("--flight", REAL)
    assert seqs(export("csv", "--since", "0001-01-01T00:00:00Z", *flight)) == [1, 2, 3]
    assert seqs(export("csv", "--until", "9999-12-31T23:59:59Z", *flight)) == [1, 2, 3]
    assert seqs(export("csv", "--since", "9999-12-31T23:59:59Z", *flight)) == []


def test_an_age_beyond_all_time_is_one_sentence(filled, capsys) -> None:
    words = ["ground", "retention", "--store", filled, "--older-than"]
    with pytest.raises(SystemExit) as ended:
        main([*words, "99999999999999d"])
    assert ended.value.code == 2
    assert "is too long" in capsys.readouterr().err
    assert main([*words, "106751d"]) == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_names_the_file_and_is_no_mistake_of_usage(filled, monkeypatch, capsys) -> None:
    words = ["ground", "export", "--store", filled]
    assert main([*words, "-o", "/dev/full"]) == 4
    assert "can't write /dev/full: No space left" in capsys.readouterr().err
    with Path("/dev/full").open("wb", buffering=0) as full:
        monkeypatch.setattr("sys.stdout", io.TextIOWrapper(full))
        assert main(words) == 4
        monkeypatch.undo()
    assert "can't write standard output: No space left" in capsys.readouterr().err
