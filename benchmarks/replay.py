"""How punctual and how fast a replay is, beside mqtt-recorder from PyPI, in one run.

Both play the same messages to the same sink, a process that answers as a broker does and notes when
each message arrives. Lateness is measured from the first message: (arrival - first arrival) less
(recorded time - first recorded time). Drift is the lateness of the last messages.

    python benchmarks/replay.py [--quick] [--json] [--duration SECONDS]

mqtt-recorder is taken from the PATH, or from --recorder; without it, its rows are left out.
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from overflight_contract.mqtt import (
    ConnAck,
    Connect,
    Disconnect,
    Framer,
    Version,
    encode,
    encode_publish,
)
from overflight_contract.session import Direction, SessionPacket, SessionWriter, Verdict

RATE = 100
PAYLOAD = b'{"flight":"20230201T120000Z-7f3a","seq":%06d,"lat_deg":53.1}' + b" " * 140
TOPIC = "overflight/1/HAB-01/position"
START = 1_675_252_800 * 10**9


def sink(listener: socket.socket, pipe: Connection) -> None:
    """Answer as a broker; send (count, arrival times of single messages) for each connection."""
    while True:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        framer, times, count = Framer(), [], 0
        first = last = 0.0
        while data := client.recv(1 << 18):
            now = time.monotonic()
            for packet in framer.feed(data):
                assert isinstance(packet, bytes)
                kind = packet[0] >> 4
                if kind == 1:
                    client.sendall(encode(ConnAck(), Version.V311))
                elif kind == 12:
                    client.sendall(b"\xd0\0")
                elif kind == 3:
                    first, last, count = first or now, now, count + 1
                    if len(times) < 400_000:
                        times.append(now)
        client.close()
        pipe.send((count, first, last, times))


class Sink:
    """The sink in a process of its own."""

    def __init__(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=sink, args=(listener, theirs), daemon=True)
        self.process.start()
        listener.close()

    def heard(self) -> tuple[int, float, float, list[float]]:
        """Return what arrived on the connection that ended last."""
        if not self.pipe.poll(60):
            raise SystemExit("nothing reached the sink")
        found: tuple[int, float, float, list[float]] = self.pipe.recv()
        return found


def make_session(path: Path, count: int, step_ns: int) -> None:
    writer = SessionWriter(path)
    connect = encode(Connect(client_id="HAB-01", version=Version.V311), Version.V311)
    up = Direction.UP

    def crossed(at_ns: int, data: bytes) -> SessionPacket:
        return SessionPacket(START + at_ns, 1, up, Verdict.OK, "", data)

    writer.write([crossed(0, connect)])
    packets = []
    for n in range(count):
        packet = encode_publish(TOPIC.encode(), PAYLOAD % n, qos=0, packet_id=None, version=4)
        packets.append(crossed(n * step_ns, packet))
        if len(packets) == 1000:
            writer.write(packets)
            packets = []
    writer.write([*packets, crossed(count * step_ns, encode(Disconnect(), Version.V311))])
    writer.close()


def make_csv(path: Path, count: int, step_s: float) -> None:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        for n in range(count):
            rows.writerow([TOPIC, (PAYLOAD % n).decode(), 0, False, n * step_s, step_s if n else 0])


def ours(session: Path, port: int, *words: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "overflight", "replay", str(session)]
    command += ["--to", f"mqtt://127.0.0.1:{port}", "--flat", *words]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def theirs(recorder: str, rows: Path, port: int) -> subprocess.Popen[bytes]:
    command = [recorder, "--host", "127.0.0.1", "--port", str(port)]
    command += ["--mode", "replay", "--file", str(rows)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def punctuality(times: list[float]) -> tuple[float, float]:
    """Return (99th percentile of lateness, drift of the last messages), in milliseconds."""
    late = [(at - times[0]) * 1000 - n * 1000 / RATE for n, at in enumerate(times)]
    ordered = sorted(abs(each) for each in late)
    drift = statistics.median(late[-10:]) - statistics.median(late[:10])
    return ordered[int(0.99 * (len(ordered) - 1))], drift


def measure(args: argparse.Namespace, folder: Path, recorder: str | None) -> dict[str, Any]:
    duration = args.duration or (12 if args.quick else 60)
    count = int(duration * RATE)
    fast_count, slow_count = (200_000, 20_000) if args.quick else (500_000, 50_000)
    make_session(folder / "steady.mcap", count, 10**9 // RATE)
    make_session(folder / "fast.mcap", fast_count, 1000)
    make_csv(folder / "steady.csv", count, 1 / RATE)
    make_csv(folder / "fast.csv", slow_count, 0.0)
    found: dict[str, Any] = {"duration_s": duration, "rate_per_s": RATE}
    target = Sink()
    # One after the other, so that neither disturbs the other's timing.
    ours(folder / "steady.mcap", target.port).wait()
    found["late_p99_ms"], found["drift_ms"] = punctuality(target.heard()[3])
    ours(folder / "fast.mcap", target.port, "--speed", "max").wait()
    got, first, last, _ = target.heard()
    assert got == fast_count, got
    found["max_per_s"] = got / (last - first)
    if recorder is not None:
        theirs(recorder, folder / "steady.csv", target.port).wait()
        late, drift = punctuality(target.heard()[3])
        found["mqtt_recorder_late_p99_ms"], found["mqtt_recorder_drift_ms"] = late, drift
        theirs(recorder, folder / "fast.csv", target.port).wait()
        got, first, last, _ = target.heard()
        found["mqtt_recorder_max_per_s"] = got / (last - first)
        found["mqtt_recorder_lost"] = slow_count - got
        found["max_vs_mqtt_recorder"] = found["max_per_s"] / found["mqtt_recorder_max_per_s"]
    else:
        found["max_vs_mqtt_recorder"] = None
    target.process.kill()
    return {key: round(v, 3) if isinstance(v, float) else v for key, v in found.items()}


def table(found: dict[str, Any]) -> str:
    rows = [
        ("", "overflight", "mqtt-recorder"),
        ("late, 99 % (ms)", found["late_p99_ms"], found.get("mqtt_recorder_late_p99_ms", "-")),
        ("drift (ms)", found["drift_ms"], found.get("mqtt_recorder_drift_ms", "-")),
        ("at max (/s)", found["max_per_s"], found.get("mqtt_recorder_max_per_s", "-")),
        ("ratio at max", found["max_vs_mqtt_recorder"] or "-", 1),
    ]
    lines = [f"{found['duration_s']} s at {RATE} messages/s, then as fast as possible"]
    lines += [f"{name:<18}{us!s:>14}{them!s:>16}" for name, us, them in rows]
    if "mqtt_recorder_max_per_s" not in found:
        lines.append("mqtt-recorder is not installed, so its column is left out")
    elif found["mqtt_recorder_lost"]:
        lines.append(
            f"at max, mqtt-recorder lost {found['mqtt_recorder_lost']} messages at its end"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="end within 50 s")
    parser.add_argument("--json", action="store_true", help="one JSON object as the last line")
    parser.add_argument("--duration", type=float, help="seconds at recorded speed")
    parser.add_argument("--recorder", help="the mqtt-recorder command")
    args = parser.parse_args()
    recorder = args.recorder or shutil.which("mqtt-recorder")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(args, Path(folder), recorder)
    print(table(found), file=sys.stderr if args.json else sys.stdout)
    if args.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
