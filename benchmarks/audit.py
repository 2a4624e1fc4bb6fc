"""How fast the audit searches, the shortest run that it finds, and how often it is wrong.

``scan_mb_per_s``: clean traffic (position and navigation messages in PUBLISH packets) scanned
against a vault of random bytes, the indexing of the vault included; in time of one core (process
time), so that what else the machine does is left out.
``smallest_run_bytes``: the shortest planted run that was found in every one of the trials, by
measurement. ``false_alarms``: pictures, image beginnings found in the clean traffic.
``--full`` takes 100 MB of vault against 1 GB of traffic; ``--gigabytes`` scans as much clean
traffic as it says.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from overflight.leaks.scene import flight_messages
from overflight_contract import messages as m
from overflight_contract import mqtt
from overflight_contract.topics import topic_for
from overflight_ground.audit.search.fingerprints import SMALLEST_RUN, Index
from overflight_ground.audit.search.signatures import find_signatures

MB = 1_000_000
BLOCK = 32 * MB


def clean_blocks(total: int, seed: int) -> Iterator[bytes]:
    """Yield clean traffic: packets of a flight, with other digits in every block."""
    packets = [
        mqtt.encode(
            mqtt.Publish(
                topic=topic_for("HAB-01", m.kind_of(message)), payload=m.encode(message),
                qos=1, packet_id=n % 65_535 + 1,
            ),
            mqtt.Version.V311,
        )
        for n, message in enumerate(flight_messages(20_000, seed=seed))
    ]  # fmt: skip
    base = np.frombuffer(b"".join(packets), dtype=np.uint8)
    digits = (base >= 49) & (base <= 57)
    rng = np.random.default_rng(seed)
    made = 0
    while made < total:
        parts, size = [], 0
        while size < min(BLOCK, total - made):
            body = base.copy()
            body[digits] = rng.integers(49, 58, int(digits.sum()), dtype=np.uint8)
            parts.append(body)
            size += body.size
        block = np.concatenate(parts)[: total - made]
        made += block.size
        yield block.tobytes()


def vault(size: int, seed: int) -> np.ndarray:
    """Make the bytes of a vault: as dense as compressed pictures are."""
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def scan(index: Index, total: int) -> tuple[float, int, int]:
    """Scan clean traffic; returns (seconds, bytes, false alarms)."""
    seconds, done, alarms = 0.0, 0, 0
    for block in clean_blocks(total, 7):
        started = time.process_time()
        alarms += len(index.scan(block)) + len(find_signatures(block))
        seconds += time.process_time() - started
        done += len(block)
    return seconds, done, alarms


def smallest_run(index: Index, trials: int) -> int:
    """Plant runs of decreasing length; return the shortest that was always found."""
    rng = random.Random(3)
    body = next(clean_blocks(MB, 5))
    shortest = 0
    for length in range(SMALLEST_RUN + 8, 8, -1):
        planted = np.frombuffer(body, dtype=np.uint8).copy()
        places = range(1000, planted.size - 200, (planted.size - 2000) // trials)
        for place in places:
            at = rng.randrange(index.data.size - length)
            planted[place : place + length] = index.data[at : at + length]
        found = {run.here for run in index.scan(planted)}
        if not all(any(place - 4 <= at <= place for at in found) for place in places):
            break
        shortest = length
    return shortest


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="10 MB of vault, 100 MB of traffic")
    parser.add_argument("--full", action="store_true", help="100 MB of vault, 1 GB of traffic")
    parser.add_argument("--gigabytes", type=float, help="scan so much clean traffic")
    parser.add_argument("--json", action="store_true", help="print one object as the last line")
    args = parser.parse_args(argv)
    vault_size = 10 * MB if args.quick else 100 * MB
    total = 100 * MB if args.quick else 1000 * MB
    if args.gigabytes:
        total = int(args.gigabytes * 1000 * MB)
    body = vault(vault_size, 1)
    started = time.process_time()
    index = Index.of(body)
    indexing = time.process_time() - started
    seconds, done, alarms = scan(index, total)
    shortest = smallest_run(index, 100 if args.quick else 400)
    result = {
        "scan_mb_per_s": round(done / MB / (seconds + indexing), 1),
        "smallest_run_bytes": shortest,
        "false_alarms": alarms,
        "vault_mb": vault_size / MB,
        "traffic_mb": done / MB,
        "index_s": round(indexing, 2),
        "scan_s": round(seconds, 2),
    }
    print(
        f"{vault_size / MB:,.0f} MB of vault indexed in {indexing:.1f} s, {done / MB:,.0f} MB of "
        f"clean traffic scanned in {seconds:.1f} s; {alarms} false alarms; every planted run of "
        f"{shortest} bytes found"
    )
    if args.json:
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
