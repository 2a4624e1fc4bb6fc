"""The simulator against real flights, by the benchmark that people run."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BENCHMARK = ROOT / "benchmarks" / "flight_realism.py"
FLIGHTS = ROOT.parent / "shared" / "data" / "flights"


def run(cwd):
    words = [sys.executable, str(BENCHMARK), "--quick", "--json"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=cwd)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.shared
@pytest.mark.skipif(not FLIGHTS.is_dir(), reason="the recordings are not here")
def test_real_launches_fly_as_they_flew(tmp_path):
    answer = run(tmp_path)
    assert 0 <= answer["ascent_rate_error"] < 0.15
    assert 0 <= answer["descent_time_error"] < 0.25
