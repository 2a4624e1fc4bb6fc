"""Our fixes of real receivers against gpsd's: epochs, position, altitude, speed, mode."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from overflight_contract.times import iso
from overflight_device.fix import Fix
from overflight_device.receivers.gpsd_json import GpsdDecoder
from overflight_device.receivers.stream import ReceiverDecoder

LOGS = Path(__file__).parents[3] / "shared" / "data" / "gnss"
MODES = {0: "none", 1: "none", 2: "2d", 3: "3d"}
BOUNDS = {
    "lat": ("lat_deg", 1e-6),
    "lon": ("lon_deg", 1e-6),
    "altMSL": ("alt_msl_m", 0.1),
    "altHAE": ("alt_hae_m", 0.1),
    "speed": ("speed_mps", 0.05),
}

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not LOGS.is_dir(), reason="the recordings are not here"),
]


def gpsd_epochs(path: Path) -> dict[str, dict[str, Any]]:
    """Return the last report of each epoch by its time."""
    epochs = {}
    for line in path.read_bytes().splitlines():
        if line.startswith(b'{"class":"TPV"'):
            report = json.loads(line)
            if "time" in report:
                epochs[report["time"]] = report
    return epochs


def worst(fixes: dict[str, Fix], epochs: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Return the largest difference by quantity; a missing value counts as infinite."""
    found = dict.fromkeys(BOUNDS, 0.0)
    for time, report in epochs.items():
        for name, (field, _) in BOUNDS.items():
            if name in report:
                ours = getattr(fixes[time], field)
                difference = math.inf if ours is None else abs(ours - report[name])
                found[name] = max(found[name], difference)
    return found


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.log")), ids=lambda path: path.stem)
def test_table(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    decoder = ReceiverDecoder()
    fixes = decoder.feed(log.read_bytes()) + decoder.finish()
    ours = {iso(fix.measured_at_ns): fix for fix in fixes}
    epochs = gpsd_epochs(log.with_suffix(".log.chk"))
    assert list(ours) == list(epochs)
    assert len(fixes) == len(ours)
    differences = worst(ours, epochs)
    modes = sum(MODES[report["mode"]] != ours[time].mode for time, report in epochs.items())
    with capsys.disabled():
        row = "  ".join(f"{name} {value:.2g}" for name, value in differences.items())
        print(f"\n{log.stem:<20} {len(epochs):>3} epochs  {row}  other modes {modes}", end="  ")
    assert modes == 0
    for name, (_, bound) in BOUNDS.items():
        assert differences[name] <= bound, name


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.log")), ids=lambda path: path.stem)
def test_however_the_bytes_are_cut_the_fixes_are_the_same(log: Path) -> None:
    data = log.read_bytes()
    whole = ReceiverDecoder()
    expected = whole.feed(data) + whole.finish()
    cut = ReceiverDecoder()
    found = [fix for start in range(0, len(data), 37) for fix in cut.feed(data[start : start + 37])]
    assert found + cut.finish() == expected


@pytest.mark.parametrize("log", sorted(LOGS.glob("*.log.chk")), ids=lambda path: path.stem)
def test_gpsd_json_gives_the_same_epochs(log: Path) -> None:
    decoder = GpsdDecoder()
    fixes = decoder.feed(log.read_bytes()) + decoder.finish()
    assert [iso(fix.measured_at_ns) for fix in fixes] == list(gpsd_epochs(log))
