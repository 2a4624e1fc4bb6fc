"""Throws generated requests at every endpoint of the ground's API and fails on any 500.

Starts a ground with a broker of its own and a few messages in its store, then runs schemathesis
over its OpenAPI description for a bounded time. The live stream, which never ends, is left out.

    python tools/api_fuzz.py [--seconds 60] [--examples 40] [--seed 1]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from overflight_contract import messages as m
from overflight_contract.identity import FLIGHT_PATTERN
from overflight_contract.ports import free_port
from overflight_contract.times import from_ns
from overflight_contract.topics import topic_for
from overflight_ground.ingest.intake import Intake
from overflight_ground.ingest.judge import Arrival
from overflight_ground.ingest.plausible import Clock
from overflight_ground.store import Store

TOKEN = "fuzz"
FLIGHT = "20230128T060000Z-7f3a"
assert FLIGHT_PATTERN


def fill(file: Path) -> None:
    """Store a short flight and a stray."""
    store = Store.open(str(file))
    intake = Intake(store, clock=Clock.DATA, now_ns=time.time_ns)
    arrivals = [Arrival(b"overflight/1/HAB-01/image", b"\xff", 1, False, False, time.time_ns())]
    for seq in range(1, 61):
        at = m.whole_milliseconds(from_ns(1_674_885_600 * 10**9 + seq * 60 * 10**9))
        body = m.Position(
            flight=FLIGHT, seq=seq, held_from=1, measured_at=at, lat_deg=45.0,
            lon_deg=m.quantise_longitude(179.9 + seq * 0.01), alt_msl_m=18_000.0, alt_hae_m=None,
            fix=m.Fix.THREE_D, sats=9, hdop=0.9,
        )  # fmt: skip
        topic = topic_for("HAB-01", m.kind_of(body)).encode()
        arrivals.append(Arrival(topic, m.encode(body), 1, False, False, time.time_ns()))
    intake.commit(arrivals)
    store.close()


@contextlib.contextmanager
def ground(folder: Path) -> Iterator[str]:
    """Run a ground; yields its address."""
    store = folder / "ground.sqlite"
    fill(store)
    command = [sys.executable, "-m", "overflight", "ground", "run"]
    command += ["--broker", f"embedded:{free_port()}", "--store", str(store), "--clock", "data"]
    command += ["--http", "127.0.0.1:0", "--token", TOKEN]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.terminate()
        process.wait(15)


def main() -> int:
    parser = argparse.ArgumentParser(description="Look for a 500 in the ground's API.")
    parser.add_argument("--seconds", type=int, default=60, help="end after so long")
    parser.add_argument("--examples", type=int, default=40, help="requests an endpoint")
    parser.add_argument("--seed", type=int, default=1, help="of the requests")
    args = parser.parse_args()
    schemathesis = Path(sys.executable).with_name("schemathesis")
    with tempfile.TemporaryDirectory(prefix="overflight-fuzz-") as name, ground(Path(name)) as url:
        command = [
            schemathesis, "run", f"{url}api/v1/openapi.json",
            "--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing",
            "--max-examples", str(args.examples), "--seed", str(args.seed),
            "--exclude-path-regex", "stream$", "--header", f"Authorization: Bearer {TOKEN}",
            "--request-timeout", "20", "--max-time", str(args.seconds), "--no-color",
        ]  # fmt: skip
        return subprocess.run([str(word) for word in command], check=False, cwd=name).returncode


if __name__ == "__main__":
    sys.exit(main())
