"""Writes and reads sessions of telemetry, beside the mcap package and foxglove-sdk.

All sides write the same packets (PUBLISH of the contract's messages, QoS 1) to files on the same
disk, each in batches as a relay under load would have them, and read them back to the last byte.
All compress with zstd at its fastest ordinary level, in chunks of 1 MiB with checksums and message
indexes; the mcap package at its default level, which it doesn't let one choose. Ours also writes
connection, verdict and a journal, so a kill loses nothing; the others have no journal and keep up
to a chunk in memory. Processor time is that of all threads.

    python benchmarks/session.py [--quick] [--json] [--messages N] [--batch N] [--gigabytes N]

Needs the development environment (the mcap package); foxglove-sdk is left out where it is not
installed, and said so.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import json
import os
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mcap.reader import make_reader
from mcap.writer import Writer

from overflight_contract import messages as m
from overflight_contract.session import Note, SessionWriter, open_session

Packet = tuple[int, int, int, int, str, bytes, int]
T0 = 1_675_252_800_000_000_000


def telemetry(count: int) -> list[Packet]:
    """Packets of a flight, position and navigation in turn, as they cross."""
    rng = random.Random(1)
    lat, lon, alt = 45.0, -110.0, 18_000.0
    packets: list[Packet] = []
    for n in range(count // 2):
        lat += rng.gauss(0, 1e-5)
        lon = (lon + 1e-4 + rng.gauss(0, 1e-5) + 180) % 360 - 180
        alt += rng.gauss(0, 1)
        at = dt.datetime.fromtimestamp(T0 // 10**9 + n, dt.UTC)
        head = {"flight": "20230201T120000Z-7f3a", "held_from": max(1, 2 * n - 3)}
        position = m.Position(
            **head, seq=2 * n + 1, measured_at=at, lat_deg=round(lat, 5),
            lon_deg=m.quantise_longitude(lon), alt_msl_m=round(alt, 1),
            alt_hae_m=round(alt - 17.3, 1), fix=m.Fix.THREE_D, sats=rng.randint(8, 12),
            hdop=round(rng.uniform(0.7, 1.2), 1),
        )  # fmt: skip
        navigation = m.Navigation(
            **head, seq=2 * n + 2, measured_at=at, track_deg=round(rng.uniform(80, 100), 1),
            speed_mps=round(rng.uniform(20, 30), 1), climb_mps=round(rng.gauss(0, 1), 1) + 0.0,
            phase=m.Phase.FLOAT, waypoint=None, cross_track_m=int(rng.gauss(0, 5000)),
        )  # fmt: skip
        for number, message in ((2 * n, position), (2 * n + 1, navigation)):
            topic = f"overflight/1/HAB-01/{m.kind_of(message)}".encode()
            packet_id = number % 65_535 + 1
            body = struct.pack(">H", len(topic)) + topic + struct.pack(">H", packet_id)
            body += m.encode(message)
            length = bytes((len(body) & 127 | 128, len(body) >> 7))
            crossed = T0 + number * 500_000_000 + rng.randrange(10**6)
            packets.append((crossed, 1, 0, 0, "", b"\x32" + length + body, 0))
    return packets


def write_ours(packets: list[Packet], path: Path, batch: int) -> None:
    with SessionWriter(path) as writer:
        for at in range(0, len(packets), batch):
            writer.write_packets(packets[at : at + batch])


def write_mcap(packets: list[Packet], path: Path, batch: int) -> None:
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("packets/up", "", 0)
        for number, packet in enumerate(packets):
            writer.add_message(channel, packet[0], packet[5], packet[0], number)
        writer.finish()


def write_foxglove(packets: list[Packet], path: Path, batch: int) -> None:
    foxglove = importlib.import_module("foxglove")
    context = foxglove.Context()
    schema = foxglove.Schema(name="bytes", encoding="", data=b"")
    channel = foxglove.Channel("packets/up", message_encoding="raw", schema=schema, context=context)
    options = foxglove.mcap.MCAPWriteOptions(compression_level=1)
    with foxglove.open_mcap(path, context=context, writer_options=options):
        for packet in packets:
            channel.log(packet[5], log_time=packet[0])


def read_ours(path: Path) -> int:
    with open_session(path) as session:
        return sum(len(packet.data) for packet in session.packets())


def read_mcap(path: Path) -> int:
    with path.open("rb") as file:
        return sum(len(message.data) for _, _, message in make_reader(file).iter_messages())


SIDES: dict[str, tuple[Callable[[list[Packet], Path, int], None], Callable[[Path], int]]] = {
    "overflight": (write_ours, read_ours),
    "mcap": (write_mcap, read_mcap),
    "foxglove": (write_foxglove, read_mcap),
}


def measure(packets: list[Packet], batch: int, rounds: int, folder: Path) -> dict[str, list[float]]:
    """Return write rate, read rate, bytes and processor time (µs, to write) a message of each side.

    Medians of the rounds.
    """
    total = sum(len(packet[5]) for packet in packets)
    found: dict[str, list[list[float]]] = {}
    for round_number in range(rounds):
        for name, (write, read) in SIDES.items():
            path = folder / f"{name}-{round_number}.mcap"
            try:
                start, used = time.perf_counter(), time.process_time()
                write(packets, path, batch)
                written, used = time.perf_counter() - start, time.process_time() - used
            except ModuleNotFoundError:
                continue
            size = path.stat().st_size
            start = time.perf_counter()
            if read(path) != total:
                raise SystemExit(f"{name} did not read back what was written")
            reading = time.perf_counter() - start
            path.unlink()
            count = len(packets)
            found.setdefault(name, []).append(
                [count / written, count / reading, size / count, used / count * 1e6]
            )
    return {
        name: [statistics.median(column) for column in zip(*rows, strict=True)]
        for name, rows in found.items()
    }


def large(gigabytes: float, folder: Path) -> dict[str, float | None]:
    """Write a session of so many gigabytes; time info and seek in processes of their own.

    Its packets are random bytes, which are quick to make, in chunks as small as those of
    compressed telemetry: so the index is as long as that of a real session of the size. Memory is
    compared with that for a session of a single chunk.
    """
    small, path = folder / "small.mcap", folder / "large.mcap"
    rng, at, step = random.Random(1), T0, 1_000_000
    datas = [rng.randbytes(4096) for _ in range(512)]
    with SessionWriter(small) as writer:
        writer.write_packets([(at, 1, 0, 0, "", datas[0], 0)])
    started = time.perf_counter()
    with SessionWriter(path, chunk_bytes=CHUNK_ON_DISK) as writer:
        writer.write([Note(at, "start", {"policy": "enforce"})])
        while writer.file_bytes < gigabytes * 1e9:
            for first in range(0, 512, 8):
                some = enumerate(datas[first : first + 8], first)
                writer.write_packets(
                    [(at + n * step, 1, n % 2, 0, "", data, 0) for n, data in some]
                )
            at += 512 * step
    written_s = time.perf_counter() - started
    size = path.stat().st_size
    info_s, info_mb = child(*INFO, str(path))
    _, least_mb = child(*INFO, str(small))
    seek_s, seek_mb = child("-c", SEEK, str(path), str((T0 + at) // 2))
    empty_s, _ = child("-c", SEEK, str(small), str(T0))
    path.unlink()
    return {
        "large_gb": round(size / 1e9, 2),
        "large_written_mb_per_s": round(size / 1e6 / written_s),
        "info_s": round(info_s, 3),
        "info_mb": round(info_mb, 1),
        "info_small_mb": round(least_mb, 1),
        "seek_s": round(seek_s - empty_s, 3),
        "seek_mb": round(seek_mb, 1),
    }


CHUNK_ON_DISK = 190_000
INFO = ("-m", "overflight", "session", "info", "--json")
SEEK = """
import sys
from pathlib import Path
from overflight_contract.session import open_session
with open_session(Path(sys.argv[1])) as session:
    assert next(session.packets(start_ns=int(sys.argv[2]))).crossed_at_ns >= int(sys.argv[2])
"""


def child(*words: str) -> tuple[float, float]:
    """Run Python; return the seconds it took, and the megabytes of memory at most."""
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"python {' '.join(words)} failed")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def table(rates: dict[str, list[float]]) -> str:
    lines = ["                 write/s      read/s  bytes/message  µs of processor to write"]
    for name, (write, read, size, used) in rates.items():
        lines.append(f"{name:<12}{write:>12,.0f}{read:>12,.0f}{size:>15.1f}{used:>16.2f}")
    for name in SIDES:
        if name not in rates:
            lines.append(f"{name:<12} is not installed: left out")
    ours = rates["overflight"]
    for name, other in rates.items():
        if name != "overflight":
            lines.append(f"against {name}: writes {ours[0] / other[0]:.2f}×, "
                         f"reads {ours[1] / other[1]:.2f}×")  # fmt: skip
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer messages: within 40 s")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--messages", type=int, help="how many (default 1,000,000; quick 300,000)")
    parser.add_argument("--batch", type=int, default=512, help="packets a write (default 512)")
    parser.add_argument(
        "--gigabytes",
        type=float,
        metavar="N",
        help="instead, a session of N GB on disk: time for info and seek, and their memory",
    )
    parser.add_argument("--folder", help="where to write (default: the system's for such files)")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="session-benchmark-", dir=args.folder))
    try:
        result = large(args.gigabytes, folder) if args.gigabytes else speed(args, folder)
    finally:
        shutil.rmtree(folder)
    if args.gigabytes:
        print(", ".join(f"{name} {value}" for name, value in result.items()))
    if args.json:
        print(json.dumps(result))
    return 0


def speed(args: argparse.Namespace, folder: Path) -> dict[str, float | None]:
    """Write and read with all sides; print the table and return what goes into the JSON object."""
    packets = telemetry(args.messages or (300_000 if args.quick else 1_000_000))
    rates = measure(packets, args.batch, 1 if args.quick else 3, folder)
    print(table(rates))
    write, read, size, _ = rates["overflight"]
    result: dict[str, float | None] = {
        "session_write_per_s": round(write),
        "session_read_per_s": round(read),
        "session_bytes_per_message": round(size, 1),
        "write_vs_mcap": round(write / rates["mcap"][0], 2),
        "read_vs_mcap": round(read / rates["mcap"][1], 2),
        "write_vs_foxglove": None,
    }
    if "foxglove" in rates:
        result["write_vs_foxglove"] = round(write / rates["foxglove"][0], 2)
    return result


if __name__ == "__main__":
    sys.exit(main())
