"""What a payload costs: memory, time to its first publish, CPU; beside a bare paho-mqtt script.

A simulated payload at one fix a second without camera, one with a receiver on a serial line (a
pseudo-terminal), and a script of a dozen lines that publishes as often with paho-mqtt and nothing
else (no record, no outbox, no receipts). All against a broker of a few lines in this process, so
that no broker is measured. Linux: reads ``/proc``.

``--quick`` ends within 40 s; ``--json`` prints one object as the last line: ``rss_mb``,
``first_publish_s``, ``cpu_percent``, and the same for the serial payload (which waits for its
receiver's first whole epoch) and the script.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path
from typing import Any

SCENARIO = """
name = "footprint"
title = "one fix a second"
about = "A simulation for measuring."
payload = "HAB-01"
start = 2023-01-28T06:00:00Z
duration_s = 9000
fix_every_s = 1
picture_every_s = 0
[launch]
lat_deg = 40.0
lon_deg = -100.0
[balloon]
envelope_kg = 1.2
suspended_kg = 1.5
free_lift = 0.6
burst_diameter_m = 8.0
parachute_m = 1.5
"""

SCRIPT = """
import sys, time
import paho.mqtt.client as mqtt
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id="HAB-01", protocol=mqtt.MQTTv311)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_start()
at = time.monotonic()
while True:
    for kind in ("position", "navigation"):
        client.publish(f"overflight/1/HAB-01/{kind}", b"x" * 210, qos=1)
    at += 1.0
    time.sleep(max(0, at - time.monotonic()))
"""


class Broker(threading.Thread):
    """Speaks just enough MQTT 3.1.1 to keep one client going; notes when the first PUBLISH came."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.published_at: float | None = None
        self.published = 0

    def run(self) -> None:
        """Take one client after the other."""
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            with peer:
                self._serve(peer)

    def _serve(self, peer: socket.socket) -> None:
        from overflight_contract.mqtt import Framer, PacketType, Version, decode

        framer = Framer()
        while data := _read(peer):
            for packet in framer.feed(data):
                assert isinstance(packet, bytes)
                kind = packet[0] >> 4
                if kind == PacketType.CONNECT:
                    refused = decode(packet, None).version is Version.V5
                    peer.sendall(b"\x20\x02\x00\x01" if refused else b"\x20\x02\x00\x00")
                    if refused:
                        return
                elif kind == PacketType.SUBSCRIBE:
                    peer.sendall(b"\x90\x03" + packet[2:4] + b"\x01")
                elif kind == PacketType.PINGREQ:
                    peer.sendall(b"\xd0\x00")
                elif kind == PacketType.PUBLISH:
                    self.published_at = self.published_at or time.monotonic()
                    self.published += 1
                    publish = decode(packet, Version.V311)
                    peer.sendall(b"\x40\x02" + publish.packet_id.to_bytes(2, "big"))

    def close(self) -> None:
        """Stop listening."""
        self._listener.close()


class Receiver(threading.Thread):
    """A receiver of a u-blox M8's sentences at the far end of a pseudo-terminal, at 1 Hz."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._far, near = os.openpty()
        tty.setraw(near)
        self.port = os.ttyname(near)
        self._ended = threading.Event()

    def run(self) -> None:
        """Send an epoch a second, and take what the payload says without an answer."""
        os.set_blocking(self._far, False)
        at = time.monotonic()
        while not self._ended.wait(max(0.0, at - time.monotonic())):
            at += 1.0
            with contextlib.suppress(OSError):
                os.write(self._far, _epoch(dt.datetime.now(dt.UTC)))
                os.read(self._far, 4096)

    def close(self) -> None:
        """Be silent; the terminal goes with this process."""
        self._ended.set()


def _epoch(now: dt.datetime) -> bytes:
    from overflight_device.receivers.encoding import sentence

    stamp, place = f"{now:%H%M%S}.00", "4807.03800,N,01131.00000,E"
    bodies = [
        f"GNRMC,{stamp},A,{place},10.000,90.00,{now:%d%m%y},,,A",
        "GNVTG,90.00,T,,M,10.000,N,18.520,K,A",
        f"GNGGA,{stamp},{place},1,12,0.80,545.4,M,46.9,M,,",
        "GNGSA,A,3,01,02,03,04,05,06,07,08,,,,,1.50,0.80,1.20",
        "GNGSA,A,3,65,66,67,68,,,,,,,,,1.50,0.80,1.20",
        *(f"GPGSV,3,{n},12" + ",01,40,083,46" * 4 for n in (1, 2, 3)),
        f"GNGLL,{place},{stamp},A,A",
    ]
    return b"".join(map(sentence, bodies))


def _read(peer: socket.socket) -> bytes:
    try:
        return peer.recv(65536)
    except OSError:
        return b""


def measure(command: list[str], broker: Broker, seconds: float) -> dict[str, float]:
    """Run `command` and return its footprint over `seconds` after the first publish."""
    started = time.monotonic()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while broker.published_at is None:
            if child.poll() is not None:
                assert child.stderr is not None
                raise SystemExit(f"it did not run: {child.stderr.read().decode()}")
            if time.monotonic() - started > 30:
                raise SystemExit("nothing was published in 30 s")
            time.sleep(0.001)
        time.sleep(2.0)
        cpu_before, wall_before = _cpu_s(child.pid), time.monotonic()
        time.sleep(seconds)
        used = (_cpu_s(child.pid) - cpu_before) / (time.monotonic() - wall_before)
        return {
            "first_publish_s": round(broker.published_at - started, 3),
            "rss_mb": round(_rss_mb(child.pid), 1),
            "cpu_percent": round(100 * used, 2),
        }
    finally:
        child.kill()
        child.wait()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def once(which: str, seconds: float) -> dict[str, float]:
    """Measure one side once, with a broker and a folder of its own."""
    broker, receiver = Broker(), Receiver()
    broker.start()
    receiver.start()
    with tempfile.TemporaryDirectory() as folder:
        scenario = Path(folder) / "footprint.toml"
        scenario.write_text(SCENARIO)
        source = f"serial:{receiver.port}" if which == "serial" else f"sim:{scenario}"
        payload = [
            *(sys.executable, "-m", "overflight", "device", "run", source),
            *("--broker", f"mqtt://127.0.0.1:{broker.port}", "--data", f"{folder}/data"),
            *("--log", "text", "--protocol", "3.1.1"),
        ]
        script = [sys.executable, "-c", SCRIPT, str(broker.port)]
        try:
            return measure(script if which == "script" else payload, broker, seconds)
        finally:
            broker.close()
            receiver.close()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="end within 40 s")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    args = parser.parse_args()
    rounds, seconds = (2, 3.0) if args.quick else (5, 20.0)
    sides: dict[str, dict[str, float]] = {}
    for which in ("payload", "serial", "script"):
        runs = [once(which, seconds) for _ in range(rounds)]
        sides[which] = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    print(f"{'':<18}{'payload':>10}{'serial':>10}{'bare paho':>12}{'ratio':>8}")
    for key in ("rss_mb", "first_publish_s", "cpu_percent"):
        ours, serial, bare = (sides[which][key] for which in ("payload", "serial", "script"))
        ratio = f"{ours / bare:.2f}" if bare else "-"
        print(f"{key:<18}{ours:>10.2f}{serial:>10.2f}{bare:>12.2f}{ratio:>8}")
    if args.json:
        result: dict[str, Any] = dict(sides["payload"])
        for which in ("serial", "script"):
            result |= {f"{which}_{key}": value for key, value in sides[which].items()}
        print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
