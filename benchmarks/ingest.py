"""How fast messages get into the store, all sides in one run, with ratios.

Sides: our ingest (MQTT core, one transaction a batch, acknowledged after commit, SQLite with
synchronous FULL) from mosquitto and from nats-server; the same work with paho-mqtt and SQLAlchemy
dictionaries; our pipeline into PostgreSQL. Limits: plain sqlite3 fed from memory; each broker with
a subscriber that acknowledges at once and stores nothing; a COPY of rows that are ready. Messages
are published with QoS 1 by a sender that writes ready-made packets. mosquitto runs with its own
settings but for the limits of its queues; for latencies, with TCP_NODELAY.

    python benchmarks/ingest.py [--quick] [--json]
    python benchmarks/ingest.py --memory --messages 10000000     does memory stay flat?
    python benchmarks/ingest.py --stages                         where does the time go?
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import os
import pwd
import re
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from overflight_contract import messages as m
from overflight_contract.mqtt import Connect, Publish, Subscribe, Subscription, Version, encode
from overflight_contract.topics import topic_for

FLIGHT = "20230128T060000Z-7f3a"
PAYLOAD = "HAB-01"
STEPS = 20
CHUNK = 20_000


def message(seq: int) -> m.Position | m.Navigation:
    at = dt.datetime(2023, 1, 28, 6, tzinfo=dt.UTC) + dt.timedelta(milliseconds=500 * seq)
    if seq % 2:
        return m.Position(
            flight=FLIGHT, seq=seq, held_from=1, measured_at=at,
            lat_deg=round(40 + seq % 1000 * 1e-5, 5), lon_deg=-100.12345, alt_msl_m=18_000.5,
            alt_hae_m=18_012.5, fix=m.Fix.THREE_D, sats=11, hdop=0.8,
        )  # fmt: skip
    return m.Navigation(
        flight=FLIGHT, seq=seq, held_from=1, measured_at=at, track_deg=87.5, speed_mps=31.2,
        climb_mps=0.1, phase=m.Phase.FLOAT,
        waypoint=m.Waypoint(number=4, distance_m=120_400, bearing_deg=88.1), cross_track_m=-310,
    )  # fmt: skip


def packet(seq: int) -> bytes:
    body = message(seq)
    return encode(
        Publish(
            topic=topic_for(PAYLOAD, m.kind_of(body)),
            payload=m.encode(body),
            qos=1,
            packet_id=seq % 65_535 + 1,
        ),
        Version.V311,
    )


# Brokers


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.02)
    raise RuntimeError("the broker did not start")


@contextlib.contextmanager
def mosquitto(folder: Path, *, nodelay: bool = False) -> Iterator[int]:
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    port = free_port()
    config = folder / "mosquitto.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n"
        f"max_queued_messages 0\nset_tcp_nodelay {str(nodelay).lower()}\n"
    )
    process = subprocess.Popen([binary, "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_for_port(port)
        yield port
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def nats(folder: Path) -> Iterator[int]:
    from overflight_ground.broker import EmbeddedBroker

    broker = EmbeddedBroker(folder / "nats")
    broker.start()
    try:
        yield broker.port
    finally:
        broker.stop()


# The sender: ready-made packets, as fast as the broker takes them or at a rate


TICK_S = 0.001
"""What falls due within it is written at once, so that the sender is not what takes the cores."""


class Sender:
    """Writes ready-made packets to a broker."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect = Connect(client_id="load", version=Version.V311)
        self.socket.sendall(encode(connect, Version.V311))
        assert self.socket.recv(4)[3] == 0
        self.sent = 0
        self.acknowledged = 0  # bytes; four for each message
        threading.Thread(target=self._drain, daemon=True).start()

    def _drain(self) -> None:
        with contextlib.suppress(OSError):
            while data := self.socket.recv(1 << 16):
                self.acknowledged += len(data)
                time.sleep(TICK_S / 2)

    def blast(self, packets: list[bytes]) -> None:
        """Send as fast as the broker takes them."""
        step = 500
        for start in range(0, len(packets), step):
            # at most some thousands in flight, as a broker's own limit would have it
            while self.sent * 4 - self.acknowledged > 4 * 8_000:
                time.sleep(0.0005)
            some = packets[start : start + step]
            self.socket.sendall(b"".join(some))
            self.sent += len(some)

    def pace(self, packets: list[bytes], per_s: float) -> list[int]:
        """Send at a rate; return when each was sent."""
        sent: list[int] = []
        begin = time.perf_counter()
        while len(sent) < len(packets):
            first = len(sent)
            due = min(len(packets), int((time.perf_counter() - begin) * per_s) + 1)
            if due > first:
                sent += [time.time_ns()] * (due - first)
                self.socket.sendall(b"".join(packets[first:due]))
            time.sleep(TICK_S)
        return sent


# The receivers: each a process of its own that reports commits as lines "time_ns last_seq count"


async def receive_ours(port: int, store: str, expected: int, *, memory: bool = False) -> None:
    from overflight_ground.app import settle_interpreter
    from overflight_ground.ingest.address import BrokerAddress
    from overflight_ground.ingest.intake import Intake, Outcome, Pieces
    from overflight_ground.ingest.pipeline import Pipeline
    from overflight_ground.ingest.plausible import Clock
    from overflight_ground.ingest.subscriber import Subscriber, Subscription
    from overflight_ground.store import Store

    log: list[tuple[int, Any]] = []

    class Watched(Intake):
        """Notes when a transaction is committed."""

        def commit_pieces(self, pieces: Pieces) -> Outcome:
            outcome = super().commit_pieces(pieces)
            if not memory:
                log.append((time.time_ns(), outcome.stored))
            return outcome

    opened = Store.open(store)
    intake = Watched(opened, clock=Clock.DATA, now_ns=time.time_ns)
    intake.load()
    done = asyncio.Event()
    held: dict[int, float] = {}
    count = 0

    def on_outcome(outcome: Outcome) -> None:
        nonlocal count
        count += len(outcome.stored)
        if memory:
            held.setdefault(count * STEPS // expected, resident_mb())
        if count >= expected:
            done.set()

    pipeline = Pipeline(intake, on_outcome)
    ready = asyncio.Event()

    def connected(link: object) -> None:
        pipeline.connected(link)  # type: ignore[arg-type]
        ready.set()

    subscriber = Subscriber(
        Subscription(BrokerAddress("127.0.0.1", port), "bench-ground"),
        on_arrivals=pipeline.take,
        on_taken=pipeline.take_runs,
        on_connected=connected,
        on_lost=pipeline.lost,
        now_ns=time.time_ns,
    )
    tasks = [asyncio.create_task(pipeline.run()), asyncio.create_task(subscriber.run())]
    await ready.wait()
    settle_interpreter()
    print("ready", flush=True)
    await done.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    opened.close()
    if memory:
        print(json.dumps(held), flush=True)
    else:
        report([(at_ns, seqs_of(stored)) for at_ns, stored in log])


def receive_paho(port: int, store: str, expected: int) -> None:
    import paho.mqtt.client as paho
    from sqlalchemy.dialects.sqlite import insert

    from overflight_contract.times import to_ns
    from overflight_contract.topics import Kind, parse_topic
    from overflight_ground.store import Store
    from overflight_ground.store.tables import messages
    from overflight_ground.store.writing import MESSAGE_COLUMNS

    opened = Store.open(store)
    statement = insert(messages).on_conflict_do_nothing()
    waiting: list[paho.MQTTMessage] = []
    log: list[tuple[int, list[int]]] = []
    count = 0
    client = paho.Client(
        paho.CallbackAPIVersion.VERSION2, "bench-paho", clean_session=False, manual_ack=True
    )

    def commit(batch: list[paho.MQTTMessage]) -> None:
        nonlocal count
        rows = []
        for received in batch:
            topic = parse_topic(received.topic)
            body = m.decode(topic.kind, received.payload)
            row = dict.fromkeys(MESSAGE_COLUMNS)
            count += 1
            row.update(
                id=count, payload=topic.payload, flight=body.flight, seq=body.seq,
                kind=topic.kind.value, held_from=body.held_from,
                measured_at_ns=to_ns(body.measured_at), received_at_ns=time.time_ns(),
                stored_at_ns=time.time_ns(), topic=received.topic, qos=received.qos,
                retained=received.retain, dup=received.dup, raw=received.payload,
            )  # fmt: skip
            names = (
                ("lat_deg", "lon_deg", "alt_msl_m", "alt_hae_m", "fix", "sats", "hdop")
                if topic.kind is Kind.POSITION
                else ("track_deg", "speed_mps", "climb_mps", "phase", "cross_track_m")
            )
            row.update({name: getattr(body, name) for name in names})
            rows.append(row)
        with opened.writer.begin() as connection:
            connection.execute(statement, rows)
        log.append((time.time_ns(), [int(row["seq"]) for row in rows]))
        for received in batch:
            client.ack(received.mid, received.qos)

    client.on_message = lambda _c, _u, received: waiting.append(received)
    client.connect("127.0.0.1", port)
    client.subscribe("overflight/#", 1)
    client.loop_start()
    while not client.is_connected():
        time.sleep(0.05)
    print("ready", flush=True)
    while count < expected:
        batch = waiting[:2000]
        if batch:
            del waiting[: len(batch)]
            commit(batch)
        else:
            time.sleep(0.001)
    time.sleep(0.2)
    client.loop_stop()
    opened.close()
    report(log)


def seqs_of(stored: Any) -> list[int]:
    """Return the seqs of what was stored."""
    seqs: list[int] = []
    for part in stored.parts:
        run = getattr(part, "run", None)
        seqs += run.seqs if run is not None else [s.accepted.message.seq for s in part]
    return seqs


def receive_bare(port: int, store: str, expected: int) -> None:
    """Acknowledge at once, look at nothing, store nothing: what the broker itself can give."""
    publish = re.compile(rb"2[\x80-\xff].\x00.overflight/1/[^/]+/[a-z]+(..)\{[^}]+\}+", re.DOTALL)
    with socket.create_connection(("127.0.0.1", port)) as broker:
        broker.sendall(encode(Connect(client_id="bench-bare", version=Version.V311), Version.V311))
        assert broker.recv(4)[3] == 0
        subscribe = Subscribe(
            packet_id=1, subscriptions=(Subscription(topic_filter="overflight/#", qos=1),)
        )
        broker.sendall(encode(subscribe, Version.V311))
        assert broker.recv(5)[4] == 1
        print("ready", flush=True)
        log: list[tuple[int, list[int]]] = []
        held, count = b"", 0
        while count < expected:
            held += broker.recv(1 << 18)
            if packet_ids := publish.findall(held):
                *_, last = publish.finditer(held, max(0, len(held) - 1_000))
                held = held[last.end() :]
                log.append((time.time_ns(), [*range(count + 1, count + len(packet_ids) + 1)]))
                count += len(packet_ids)
                broker.sendall(b"@\2" + b"@\2".join(packet_ids))
            time.sleep(TICK_S)
    report(log)


def resident_mb() -> float:
    """Return how much memory this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def report(log: list[tuple[int, list[int]]]) -> None:
    print(json.dumps(log), flush=True)


@contextlib.contextmanager
def receiver(role: str, port: int, store: str, expected: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, __file__, "--role", role, str(port), store, str(expected)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        time.sleep(0.3)
        yield process
    finally:
        process.kill()
        process.wait()


def commits(process: subprocess.Popen[str]) -> list[tuple[int, list[int]]]:
    assert process.stdout is not None
    return [(at_ns, seqs) for at_ns, seqs in json.loads(process.stdout.readline())]


def throughput(role: str, port: int, folder: Path, packets: list[bytes]) -> float:
    store = str(folder / f"{role}-{port}.sqlite")
    with receiver(role, port, store, len(packets)) as process:
        sender = Sender(port)
        begin_ns = time.time_ns()
        sender.blast(packets)
        log = commits(process)
    return len(packets) / ((log[-1][0] - begin_ns) / 1e9)


def latency_ms(role: str, per_s: int, seconds: float, packets: list[bytes]) -> float:
    """Return the 99th percentile from sent to committed (to acknowledged, by the bare one)."""
    count = min(int(per_s * seconds), len(packets))
    with (
        tempfile.TemporaryDirectory() as name,
        mosquitto(Path(name), nodelay=True) as port,
        receiver(role, port, str(Path(name) / "latency.sqlite"), count) as process,
    ):
        sent = Sender(port).pace(packets[:count], per_s)
        log = commits(process)
    waits = sorted(
        at_ns - sent[seq - 1] for at_ns, seqs in log for seq in seqs if seq > count // 10
    )
    return waits[int(len(waits) * 0.99)] / 1e6


def memory_mb(count: int) -> dict[str, float | None]:
    """Return what our receiver holds after a twentieth of `count` messages, a half, and all."""
    with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
        begin = time.perf_counter()
        with receiver("memory", port, str(Path(name) / "memory.sqlite"), count) as process:
            sender = Sender(port)
            for first in range(1, count + 1, CHUNK):
                last = min(first + CHUNK, count + 1)
                sender.blast([packet(seq) for seq in range(first, last)])
            assert process.stdout is not None
            held = {int(step): mb for step, mb in json.loads(process.stdout.readline()).items()}
        seconds = time.perf_counter() - begin
    early, half, end = (held[min(held, key=lambda n: abs(n - at))] for at in (1, STEPS // 2, STEPS))
    return {
        "messages": count,
        "seconds": seconds,
        "memory_mb_early": early,
        "memory_mb_half": half,
        "memory_mb_end": end,
    }


def sqlite_limit(folder: Path, count: int) -> float:
    """Plain sqlite3, rows ready in memory, our tables and statement, batches of 1024, FULL."""
    from overflight_ground.ingest.judge import Accepted, Arrival, judge
    from overflight_ground.ingest.rows import message_row
    from overflight_ground.store import Store
    from overflight_ground.store.inserting import PLACES, insert_sqlite

    file = folder / "limit.sqlite"
    Store.open(str(file)).close()
    rows: list[Any] = []
    for seq in range(1, count + 1):
        body = message(seq)
        topic = topic_for(PAYLOAD, m.kind_of(body)).encode()
        judged = judge(Arrival(topic, m.encode(body), 1, False, False, 1))
        assert isinstance(judged, Accepted)
        rows += message_row(seq, judged, None)
    step = 1024 * PLACES
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA secure_delete=OFF")
    cursor = connection.cursor()
    begin = time.perf_counter()
    for start in range(0, len(rows), step):
        insert_sqlite(cursor, rows[start : start + step], 1)
        connection.commit()
    return count / (time.perf_counter() - begin)


def reads_of(packets: list[bytes], in_a_read: int) -> list[bytes]:
    """Return what a socket gives where so many packets come at once."""
    starts = range(0, len(packets), in_a_read)
    return [b"".join(packets[start : start + in_a_read]) for start in starts]


def taken_of(read: bytes) -> Iterator[Any]:
    """Yield what our ingest takes out of a read: all of it."""
    from overflight_ground.ingest.run import pieces

    for piece in pieces(read, Version.V311, time.time_ns()) or ():
        assert piece.taken is not None
        yield piece.taken


def stages_us(packets: list[bytes], in_a_read: int) -> dict[str, float | None]:
    """Return what a message costs in one thread, in microseconds: the best of several rounds.

    `taking` is from the bytes of a read of so many messages to columns of values, `storing` is a
    commit of some 1,500 messages (counters, plausibility, rows, SQLite with synchronous FULL).
    """
    from overflight_ground.ingest.intake import Intake
    from overflight_ground.ingest.plausible import Clock
    from overflight_ground.ingest.run import joined
    from overflight_ground.store import Store

    step, best = max(1, 1_500 // in_a_read), [float("inf")] * 2
    reads = reads_of(packets, in_a_read)
    for _ in range(8):
        begin = time.perf_counter()
        runs = [run for read in reads for taken in taken_of(read) for run in taken.runs]
        best[0] = min(best[0], time.perf_counter() - begin)
        with tempfile.TemporaryDirectory() as name:
            store = Store.open(str(Path(name) / "stages.sqlite"))
            intake = Intake(store, clock=Clock.DATA, now_ns=time.time_ns)
            intake.load()
            begin = time.perf_counter()
            for first in range(0, len(runs), step):
                intake.commit_pieces([joined(runs[first : first + step])])
            best[1] = min(best[1], time.perf_counter() - begin)
            store.close()
    names = (f"taking_us_{in_a_read}_a_read", f"storing_us_{in_a_read}_a_read")
    return {name: s / len(packets) * 1e6 for name, s in zip(names, best, strict=True)}


# PostgreSQL: a cluster of our own, for the length of the run


@contextlib.contextmanager
def postgres() -> Iterator[str | None]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not found:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="overflight-pg-"))
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
    who = {"user": user.pw_uid, "group": user.pw_gid} if user else {}
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    port, quiet = free_port(), {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    init = [found[-1] / "initdb", "-D", folder / "data", "-U", "bench", "-A", "trust"]
    subprocess.run(init, check=True, cwd="/", **who, **quiet)  # type: ignore[call-overload]
    server = [
        found[-1] / "postgres",
        "-D",
        folder / "data",
        "-p",
        str(port),
        "-k",
        folder,
        "-h",
        "127.0.0.1",
    ]
    process = subprocess.Popen(server, cwd="/", **who, **quiet)  # type: ignore[call-overload]
    try:
        wait_for_port(port)
        time.sleep(0.5)
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


class NoLink:
    """In place of a connection."""

    def acknowledge(self, acknowledgements: bytes) -> None:
        """Forget acknowledgements."""

    def gather(self, seconds: float) -> None:
        """Go on at once."""


async def feed_pipeline(store: str, packets: list[bytes]) -> float:
    """Bytes as a broker sends them, ready in memory, through our pipeline; messages a second."""
    from overflight_ground.app import settle_interpreter
    from overflight_ground.ingest.intake import Intake, Outcome
    from overflight_ground.ingest.pipeline import Pipeline
    from overflight_ground.ingest.plausible import Clock
    from overflight_ground.store import Store

    reads = reads_of(packets, 500)
    opened, stored = Store.open(store), 0
    intake = Intake(opened, clock=Clock.DATA, now_ns=time.time_ns)
    intake.load()

    def on_outcome(outcome: Outcome) -> None:
        nonlocal stored
        stored += len(outcome.stored)

    pipeline, link = Pipeline(intake, on_outcome), NoLink()
    running = asyncio.create_task(pipeline.run())
    settle_interpreter()
    begin = time.perf_counter()
    for read in reads:
        for taken in taken_of(read):
            pipeline.take_runs(link, taken)  # type: ignore[arg-type]
        await asyncio.sleep(0)
        while pipeline.counters.waiting_messages > 12_000:
            await asyncio.sleep(TICK_S)
    while stored < len(packets):
        await asyncio.sleep(TICK_S)
    rate = stored / (time.perf_counter() - begin)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    opened.close()
    return rate


def postgres_limit(url: str, packets: list[bytes]) -> float:
    """COPY of rows that are ready, in its binary format, batches of 2000; our tables."""
    import psycopg

    from overflight_ground.ingest.rows import run_values
    from overflight_ground.store import copying

    class Ready(list[bytes]):
        """Gathers what would be copied."""

        @contextlib.contextmanager
        def copy(self, _statement: str) -> Iterator[Ready]:
            yield self

        write = list.append

    ready = []
    for number, read in enumerate(reads_of(packets, 2000)):
        rows: list[Any] = []
        for taken in taken_of(read):
            for run in taken.runs:
                rows += run_values(2000 * number + 1, run)
        copied = Ready()
        with copying.Copying(copied) as copies:
            copies.write(rows, 1)
        ready.append(b"".join(copied))
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE messages")
        connection.commit()
        begin = time.perf_counter()
        for data in ready:
            with connection.cursor().copy(copying.COPY) as copy:
                copy.write(data)
            connection.commit()
        return len(packets) / (time.perf_counter() - begin)


def postgres_rates(packets: list[bytes]) -> tuple[float | None, float | None]:
    """Return the rate of our pipeline into PostgreSQL, and of a COPY alone."""
    with postgres() as url:
        if url is None:
            return None, None
        return asyncio.run(feed_pipeline(url, packets)), postgres_limit(url, packets)


def measure(*, quick: bool) -> dict[str, float | None]:
    count = 40_000 if quick else 300_000
    rounds = 1 if quick else 3
    seconds = 2 if quick else 10
    packets = [packet(seq) for seq in range(1, count + 1)]
    result: dict[str, float | None] = {}
    ours, theirs, from_nats, bare, bare_nats = [], [], [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
            ours.append(throughput("ours", port, Path(name), packets))
        with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
            theirs.append(throughput("paho", port, Path(name), packets[: count // 4]))
        with tempfile.TemporaryDirectory() as name, nats(Path(name)) as port:
            from_nats.append(throughput("ours", port, Path(name), packets))
        with tempfile.TemporaryDirectory() as name, mosquitto(Path(name)) as port:
            bare.append(throughput("bare", port, Path(name), packets))
        with tempfile.TemporaryDirectory() as name, nats(Path(name)) as port:
            bare_nats.append(throughput("bare", port, Path(name), packets))
    with tempfile.TemporaryDirectory() as name:
        limit = sqlite_limit(Path(name), count)
    for per_s in (1_000, 20_000):
        result[f"p99_ms_at_{per_s}"] = latency_ms("ours", per_s, seconds, packets)
        result[f"bare_p99_ms_at_{per_s}"] = latency_ms("bare", per_s, seconds, packets)
    result["committed_per_s"] = statistics.median(ours)
    result["committed_per_s_nats"] = statistics.median(from_nats)
    result["vs_paho_sqlalchemy"] = statistics.median(ours) / statistics.median(theirs)
    result["vs_sqlite3_limit"] = statistics.median(ours) / limit
    rate, alone = postgres_rates(packets)
    result["postgres_rows_per_s"], result["postgres_limit_per_s"] = rate, alone
    result["vs_postgres_limit"] = rate / alone if rate and alone else None
    result["paho_sqlalchemy_per_s"] = statistics.median(theirs)
    result["sqlite3_limit_per_s"] = limit
    result["mosquitto_limit_per_s"] = statistics.median(bare)
    result["nats_limit_per_s"] = statistics.median(bare_nats)
    result["vs_mosquitto_limit"] = statistics.median(ours) / statistics.median(bare)
    result["vs_nats_limit"] = statistics.median(from_nats) / statistics.median(bare_nats)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="end within 40 s")
    parser.add_argument("--json", action="store_true", help="one object as the last line")
    parser.add_argument("--memory", action="store_true", help="only whether memory stays flat")
    parser.add_argument("--stages", action="store_true", help="only what a message costs in us")
    parser.add_argument("--messages", type=int, default=2_000_000, help="how many for --memory")
    parser.add_argument("--role", nargs=4, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role:
        role, port, store, expected = args.role
        if role in ("ours", "memory"):
            memory = role == "memory"
            asyncio.run(receive_ours(int(port), store, int(expected), memory=memory))
        else:
            receive = receive_paho if role == "paho" else receive_bare
            receive(int(port), store, int(expected))
        return
    result: dict[str, float | None] = {}
    if args.stages:
        packets = [packet(seq) for seq in range(1, 40_001)]
        for in_a_read in (500, 100, 20):
            result |= stages_us(packets, in_a_read)
    else:
        result = memory_mb(args.messages) if args.memory else measure(quick=args.quick)
    for name, value in result.items():
        print(f"{name:24} {'not measured' if value is None else f'{value:14,.2f}'}")
    if shutil.which("ot-recorder") is None and not (args.memory or args.stages):
        print("OwnTracks Recorder is not installed, so it is left out")
    if args.json:
        print(json.dumps({k: None if v is None else round(v, 3) for k, v in result.items()}))


if __name__ == "__main__":
    main()
