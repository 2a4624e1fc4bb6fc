"""How fast the relay is, beside what else could stand in its place.

    python benchmarks/relay.py [--quick] [--json]

All sides run in one go on this machine, over loopback, with a load generator in C (relay_load.c,
compiled here), so that no client is the limit; where there is no C compiler it is relay_load.py,
which is slower, and said so. Messages of about 200 bytes, QoS 1 (and 0), one and fifty connections.
Alone: load → X → a sink. In the chain: load → X → mosquitto → subscriber. Latency: 1,000 messages a
second, from PUBLISH to PUBACK, all sides in turns, less what it takes without X. What is not
installed is left out of the table and said so. With --json the last line is one object.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import os
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from overflight_contract import messages
from overflight_contract.mqtt import encode_publish
from overflight_contract.session import SessionWriter, open_session

HERE = Path(__file__).resolve().parent
PER_BLOCK = 500
"""Messages in a block of the load; the sink acknowledges one of them."""

Path_ = Callable[[int], contextlib.AbstractContextManager[int]]
"""A thing in the path: given the port behind it, it opens one of its own."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="ends within 50 s")
    parser.add_argument("--json", action="store_true", help="print one object as the last line")
    args = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (max(hard, 65_536), hard):  # only root may go above the hard limit
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, wanted))
            break
    with tempfile.TemporaryDirectory(prefix="overflight-bench-") as folder:
        result = _Bench(Path(folder), quick=args.quick).run()
    if args.json:
        print(json.dumps(result))
    return 0


class _Bench:
    """One run; results by the keys of the JSON object."""

    def __init__(self, folder: Path, *, quick: bool) -> None:
        self.folder = folder
        self.quick = quick
        self.started_s = time.monotonic()
        self.played = 1
        self.program: list[str] = []
        self.cpu_s = 0.0
        self.result: dict[str, float | None] = dict.fromkeys(KEYS)

    @property
    def rounds(self) -> int:
        """How often each side plays, the best counting; a slow machine gets fewer turns."""
        if not self.quick:
            return 3
        return 2 if time.monotonic() - self.started_s < 22 else 1

    def run(self) -> dict[str, float | None]:
        self.session()
        if not self.compile():
            print(
                "no C compiler: load, sink and prober are Python here, slower, and partly the limit"
            )
            self.program = [sys.executable, str(HERE / "relay_load.py")]
        self.alone()
        self.latency()
        self.chain()
        self.idle()
        return self.result

    def compile(self) -> bool:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            return False
        self.program = [str(self.folder / "load")]
        command = [compiler, "-O2", "-o", *self.program, str(HERE / "relay_load.c")]
        subprocess.run(command, check=True)
        return True

    # -- the session file -----------------------------------------------------------------------

    def session(self) -> None:
        count = 200_000 if self.quick else 1_000_000
        packets = [packet for _, block in blocks("HAB-01", 20, 1) for packet in block]
        batches, at = [], 1_700_000_000_000_000_000
        for start in range(0, count, 1000):
            chunk = [packets[(start + n) % len(packets)] for n in range(1000)]
            batches.append([(at + start, 1, 0, 0, "", packet, 0) for packet in chunk])
        path = self.folder / "speed.mcap"
        started = time.perf_counter()
        with SessionWriter(path) as writer:
            for batch in batches:
                writer.write_packets(batch)
        written = time.perf_counter() - started
        started = time.perf_counter()
        with open_session(path) as session:
            read = sum(1 for _ in session.packets())
        took = time.perf_counter() - started
        assert read == count
        self.result["session_write_per_s"] = round(count / written)
        self.result["session_read_per_s"] = round(count / took)
        self.result["session_bytes_per_message"] = round(path.stat().st_size / count, 1)
        print(
            f"session file, {count:,} messages: written at {count / written:,.0f}/s, "
            f"read at {count / took:,.0f}/s, {path.stat().st_size / count:.1f} bytes each"
        )
        path.unlink()

    # -- alone ----------------------------------------------------------------------------------

    def alone(self) -> None:
        count = 300_000 if self.quick else 2_000_000
        cases = [(1, 1)] if self.quick else [(1, 1), (1, 50), (0, 1), (0, 50)]
        for qos, connections in cases:
            rates: dict[str, float] = {}
            cost: dict[str, float] = {}
            for name, path in self.paths().items():
                if self.quick and name == "socat":
                    continue
                with self.sink(0) as behind, path(behind) as port:
                    rates[name] = self.rate(port, connections, count, qos)
                if name.startswith("relay"):
                    cost[name] = self.cpu_s / (count * self.played) * 1e6
            title = f"alone: load → X → sink, QoS {qos}, {connections} connection(s), packets/s"
            table(title, rates, "relay, all on")
            for name, micros in cost.items():
                print(f"  {name}: {micros:.2f} µs of CPU a packet, {1e6 / micros:,.0f}/s a core")
            if (qos, connections) == (1, 1):
                self.result["alone_full_pps"] = round(rates["relay, all on"])
                self.result["alone_inspect_pps"] = round(rates["relay, no session"])

    def rate(self, port: int, connections: int, count: int, qos: int) -> float:
        file = self.messages(connections, qos)
        best, self.played = 0.0, self.rounds
        for _ in range(self.played):
            words = self.c("load", port, connections, count, qos, file, PER_BLOCK).split()
            best = max(best, float(words[1]) / float(words[0]))
        return best

    def messages(self, connections: int, qos: int) -> Path:
        path = self.folder / f"messages-{connections}-{qos}"
        if not path.exists():
            with path.open("wb") as file:
                for n in range(1, connections + 1):
                    number = 80 if connections == 1 else 4
                    for data, block in blocks(f"HAB-{n:02d}", number, qos):
                        file.write(struct.pack("<II", len(data), len(block)) + data)
        return path

    # -- latency --------------------------------------------------------------------------------

    def latency(self) -> None:
        file, turns, count = self.messages(1, 1), *((5, 300) if self.quick else (10, 1000))
        wanted = {"direct", "haproxy", "relay, all on"} | (set() if self.quick else {"socat"})
        times: dict[str, list[list[float]]] = {}
        with contextlib.ExitStack() as stack:
            ports = {}
            for name, path in self.paths().items():
                if name in wanted:
                    ports[name] = stack.enter_context(path(stack.enter_context(self.sink(1))))
            for _ in range(turns):  # in turns, so that all have the same share of what disturbs
                for name, port in ports.items():
                    lines = self.c("probe", port, 1000, count, file).split()
                    times.setdefault(name, []).append(sorted(map(float, lines[count // 6 :])))
        self.added(
            {
                name: [
                    statistics.median(quantile(turn, share) for turn in found)
                    for share in (0.5, 0.99)
                ]
                for name, found in times.items()
            }
        )

    def added(self, found: dict[str, list[float]]) -> None:
        """Print and keep the median and the 99th percentile, less those of the direct path."""
        base = found["direct"]
        print("latency at 1,000 messages/s, PUBLISH to PUBACK, added to the direct path")
        added = {}
        for name, values in found.items():
            added[name] = [values[0] - base[0], values[1] - base[1]]
            print(
                f"  {name:18} p50 {values[0]:7.1f} µs (+{added[name][0]:6.1f})   "
                f"p99 {values[1]:7.1f} µs (+{added[name][1]:6.1f})"
            )
        if "haproxy" in added:
            for key, at in (("added_p50_vs_haproxy", 0), ("added_p99_vs_haproxy", 1)):
                if added["haproxy"][at] > 0:
                    ratio = added["relay, all on"][at] / added["haproxy"][at]
                    self.result[key] = round(ratio, 2)

    # -- the chain ------------------------------------------------------------------------------

    def chain(self) -> None:
        if shutil.which("mosquitto") is None:
            print("left out: the chain (no mosquitto)")
            return
        count = 40_000 if self.quick else 300_000
        cases = [1] if self.quick else [1, 50]
        for connections in cases:
            rates = {}
            for name, path in (self.paths() | self.bridge()).items():
                if name == "relay, no session" or (self.quick and name == "socat"):
                    continue
                with self.mosquitto() as behind, path(behind) as port:
                    rates[name] = self.chain_rate(behind, port, connections, count)
            title = f"chain: load → X → mosquitto → subscriber, QoS 1, {connections} connection(s)"
            table(title, rates, "relay, all on")
            if connections == 1:
                relay = rates["relay, all on"]
                for key, name in (
                    ("direct", "direct"),
                    ("haproxy", "haproxy"),
                    ("bridge", "bridge"),
                ):
                    if name in rates:
                        self.result[f"chain_vs_{key}"] = round(relay / rates[name], 2)

    def chain_rate(self, behind: int, port: int, connections: int, count: int) -> float:
        file, best = self.messages(connections, 1), 0.0
        for _ in range(self.rounds):
            command = [*self.program, "sub", str(behind), str(count)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
                assert watcher.stdout is not None
                assert watcher.stdout.readline() == "ready\n"
                self.c("load", port, connections, count, 1, file, 1)
                words = watcher.stdout.readline().split()
            best = max(best, float(words[1]) / float(words[0]))
        return best

    # -- idle connections -----------------------------------------------------------------------

    def idle(self) -> None:
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        count = min(4_000 if self.quick else 10_000, (soft - 200) // 2)
        with self.sink(1) as behind:
            command = self.relay_command(behind, record=True)
            with running(command, self.folder) as (process, port):
                before = memory_mb(process.pid)
                idle = [*self.program, "idle", str(port), str(count)]
                with subprocess.Popen(
                    idle, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                ) as clients:
                    assert clients.stdout is not None
                    if clients.stdout.readline() == "ready\n":
                        after = memory_mb(process.pid)
                        scaled = before + (after - before) * 10_000 / count
                        self.result["idle_10k_mb"] = round(scaled, 1)
                        print(
                            f"{count:,} idle connections: {after:.0f} MB (none: {before:.0f} MB); "
                            f"10,000: {scaled:.0f} MB"
                        )
                    clients.communicate("\n")

    # -- what stands in the path ----------------------------------------------------------------

    def paths(self) -> dict[str, Path_]:
        found: dict[str, Path_] = {
            "direct": contextlib.nullcontext,
            "relay, all on": lambda port: self.relay(port, record=True),
            "relay, no session": lambda port: self.relay(port, record=False),
        }
        for name, make in (
            ("haproxy", self.haproxy),
            ("socat", self.socat),
            ("mitmdump", self.mitmproxy),
        ):
            if shutil.which(name):
                found[name] = make
            elif not getattr(self, f"said_{name}", False):
                setattr(self, f"said_{name}", True)
                print(f"left out: {name} (not installed)")
        return found

    def relay_command(self, behind: int, *, record: bool) -> list[str]:
        session = self.folder / f"s{time.monotonic_ns()}.mcap"
        return [
            *(sys.executable, "-m", "overflight", "relay", "run", "--listen", "127.0.0.1:0"),
            *("--upstream", f"mqtt://127.0.0.1:{behind}", "--policy", "enforce"),
            *("--control", "off", "--connect-rate", "0", "--connect-deadline", "0"),
            *(("--record", str(session)) if record else ("--no-record",)),
        ]

    @contextlib.contextmanager
    def relay(self, behind: int, *, record: bool) -> Iterator[int]:
        with running(self.relay_command(behind, record=record), self.folder) as (process, port):
            before = cpu_s(process.pid)
            yield port
            self.cpu_s = cpu_s(process.pid) - before
        for session in self.folder.glob("s*.mcap*"):
            shutil.rmtree(session) if session.is_dir() else session.unlink()

    @contextlib.contextmanager
    def sink(self, mode: int) -> Iterator[int]:
        port = free_port()
        with started([*self.program, "sink", str(port), str(mode)], port):
            yield port

    @contextlib.contextmanager
    def haproxy(self, behind: int) -> Iterator[int]:
        port, config = free_port(), self.folder / "haproxy.cfg"
        config.write_text(
            "global\n  maxconn 500\ndefaults\n  mode tcp\n  timeout connect 5s\n"
            "  timeout client 1h\n  timeout server 1h\n"
            f"listen x\n  bind 127.0.0.1:{port}\n  server s 127.0.0.1:{behind}\n"
        )
        with started(["haproxy", "-db", "-f", str(config)], port):
            yield port

    @contextlib.contextmanager
    def socat(self, behind: int) -> Iterator[int]:
        port = free_port()
        listen = f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr,nodelay"
        with started(["socat", "-b65536", listen, f"TCP:127.0.0.1:{behind},nodelay"], port):
            yield port

    @contextlib.contextmanager
    def mitmproxy(self, behind: int) -> Iterator[int]:
        port = free_port()
        mode = f"reverse:tcp://127.0.0.1:{behind}"
        with started(["mitmdump", "-q", "--mode", mode, "-p", str(port), "--rawtcp"], port):
            yield port

    @contextlib.contextmanager
    def mosquitto(self, *more: str) -> Iterator[int]:
        port, config = free_port(), self.folder / f"mosquitto-{time.monotonic_ns()}.conf"
        config.write_text(
            f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            "max_inflight_messages 0\nset_tcp_nodelay true\n" + "\n".join(more) + "\n"
        )
        with started(["mosquitto", "-c", str(config)], port):
            yield port

    def bridge(self) -> dict[str, Path_]:
        def make(behind: int) -> contextlib.AbstractContextManager[int]:
            address = f"connection b\naddress 127.0.0.1:{behind}\ntopic # out 1"
            return self.mosquitto(address)

        return {"bridge": make}

    def c(self, *words: object) -> str:
        command = [*self.program, *map(str, words)]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


KEYS = (
    "chain_vs_direct",
    "chain_vs_haproxy",
    "chain_vs_bridge",
    "alone_full_pps",
    "alone_inspect_pps",
    "added_p50_vs_haproxy",
    "added_p99_vs_haproxy",
    "session_write_per_s",
    "session_read_per_s",
    "session_bytes_per_message",
    "idle_10k_mb",
)


def blocks(payload: str, number: int, qos: int) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield blocks of PUBLISH packets as a flight would send them."""
    topic, seq = f"overflight/1/{payload}/position".encode(), 0
    start = dt.datetime(2023, 2, 1, tzinfo=dt.UTC)
    for _ in range(number):
        block = []
        for _ in range(PER_BLOCK):
            seq += 1
            message = messages.Position(
                flight="20230201T000000Z-7f3a",
                seq=seq,
                held_from=max(1, seq - 20),
                measured_at=start + dt.timedelta(seconds=seq),
                lat_deg=round(40 + seq * 37 % 99_991 * 1e-5, 5),
                lon_deg=round(-120 + seq * 53 % 99_989 * 1e-5, 5),
                alt_msl_m=round(18_000 + seq % 997 * 0.1, 1),
                alt_hae_m=round(17_980 + seq % 997 * 0.1, 1),
                fix=messages.Fix.THREE_D,
                sats=8 + seq % 5,
                hdop=0.9,
            )
            packet_id = (seq - 1) % 65_500 + 1 if qos else None
            block.append(
                encode_publish(
                    topic, messages.encode(message), qos=qos, packet_id=packet_id, version=4
                )
            )
        yield b"".join(block), block


def table(title: str, rates: dict[str, float], base: str) -> None:
    print(title)
    for name, rate in rates.items():
        print(f"  {name:18} {rate:12,.0f}/s   {rates[base] / rate:6.2f}× is the relay")


def quantile(ordered: list[float], share: float) -> float:
    if share == 0.5:
        return statistics.median(ordered)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.contextmanager
def started(command: list[str], port: int) -> Iterator[subprocess.Popen[Any]]:
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise SystemExit(f"{command[0]} does not start") from None
                time.sleep(0.02)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def running(command: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Start a relay; yields it and its port."""
    log = (folder / "relay.log").open("w")
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if "→" not in line:
            raise SystemExit(f"the relay does not start: {(folder / 'relay.log').read_text()}")
        yield process, int(line.partition(" →")[0].rpartition(":")[2])
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
        log.close()


def cpu_s(pid: int) -> float:
    """Return the processor time that a process has used, all threads (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int) -> float:
    """Return the resident memory of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


if __name__ == "__main__":
    sys.exit(main())
