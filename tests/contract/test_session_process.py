"""A writing process that is killed or runs out of room; what it acknowledged is there."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import threading

import pytest

from overflight_contract.session import SessionPacket, SessionWriter, open_session
from overflight_contract.session.follow import Follower

WRITER = """
import os, resource, signal, sys
from pathlib import Path
from overflight_contract.session import SessionWriter
path, limit, chunk = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
if limit:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
writer = SessionWriter(path, chunk_bytes=chunk)
n = 0
try:
    while True:
        count = n % 17 + 1
        writer.write_packets([(n + i, 1, 0, 0, "", b"%012d" % (n + i), 0) for i in range(count)])
        n += count
        os.write(1, b"%d\\n" % n)
        if n % 5 == 0:
            writer.tick(n * 1_000_000_000)
except OSError as error:
    os.write(2, str(error).encode())
    sys.exit(7)
"""


def start(path, *, limit=0, chunk=3000):
    words = [sys.executable, "-c", WRITER, str(path), str(limit), str(chunk)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def numbers(path):
    with open_session(path) as session:
        found = [int(packet.data) for packet in session.packets()]
        assert session.damage == []
    return found


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_instant_nothing_that_was_acknowledged_is_lost(tmp_path, seed):
    path = tmp_path / "a.mcap"
    rng = random.Random(seed)
    process = start(path, chunk=rng.choice([600, 3000, 50_000]))
    wanted = rng.randrange(1, 3000)
    acknowledged = 0
    for line in process.stdout:
        acknowledged = int(line)
        if acknowledged >= wanted:
            process.send_signal(signal.SIGKILL)
    process.communicate()
    found = numbers(path)
    assert found[:acknowledged] == list(range(acknowledged))
    assert found == list(range(len(found)))
    assert len(found) <= acknowledged + 17
    with SessionWriter(path) as writer:
        writer.write_packets([(1, 1, 0, 0, "", b"%d" % len(found), 0)])
    assert numbers(path) == list(range(len(found) + 1))


@pytest.mark.parametrize("limit", [3000, 20_001, 60_000])
def test_out_of_room_is_said_and_what_was_acknowledged_stays(tmp_path, limit):
    path = tmp_path / "a.mcap"
    process = start(path, limit=limit, chunk=200_000)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 7, err
    assert b"can't be written" in err
    acknowledged = int(out.split()[-1]) if out.split() else 0
    assert numbers(path) == list(range(acknowledged))


def write_on(writer, write):
    for n in range(100_000):
        write()
        if n % 50 == 0:
            writer.tick(n * 1_000_000_000)


@pytest.mark.parametrize("failing", ["pwrite", "fsync", "rename", "open"])
def test_a_failure_behind_the_scenes_stops_the_writer(tmp_path, monkeypatch, failing):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, chunk_bytes=500)
    written = []

    def fails(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    def write():
        packet = (len(written), 1, 0, 0, "", b"%d" % len(written), 0)
        writer.write_packets([packet])
        written.append(packet)

    write()
    if failing == "rename":
        monkeypatch.setattr("pathlib.Path.rename", fails)
    else:
        monkeypatch.setattr(os, failing, fails)
    with pytest.raises(OSError, match=r"a\.mcap can't be written: No space left on device"):
        write_on(writer, write)
    with pytest.raises(OSError, match="can't be written"):
        writer.write_packets([(0, 1, 0, 0, "", b"", 0)])
    with pytest.raises(OSError, match="can't be written"):
        writer.close()
    monkeypatch.undo()
    found = numbers(path)
    assert found[: len(written)] == list(range(len(written)))
    with SessionWriter(path) as again:
        assert again.sequence == len(found) + 1


def test_following_while_another_thread_writes(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, chunk_bytes=2000)
    total = 20_000

    def write():
        for n in range(0, total, 10):
            writer.write_packets([(m, 1, 0, 0, "", b"%d" % m, 0) for m in range(n, n + 10)])
            if n % 1000 == 0:
                writer.tick(n * 10_000_000)
        writer.close()

    thread = threading.Thread(target=write)
    follower = Follower(path)
    thread.start()
    found = []
    while not follower.ended:
        found += [int(item.data) for item in follower.poll() if isinstance(item, SessionPacket)]
    thread.join()
    assert found == list(range(total))


def test_open_session_follows_to_the_end(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path)
    writer.write_packets([(1, 1, 0, 0, "", b"1", 0)])
    with open_session(path, follow=True) as session:
        live = iter(session)
        assert next(live).data == b"1"
        writer.write_packets([(2, 1, 0, 0, "", b"2", 0)])
        assert next(live).data == b"2"
        writer.close()
        assert list(live) == []


def test_reading_beside_a_writer_misses_nothing(tmp_path):
    path = tmp_path / "a.mcap"
    writer = SessionWriter(path, chunk_bytes=1500)
    written = [0]

    def write():
        for n in range(0, 9000, 9):
            writer.write_packets([(m, 1, 0, 0, "", b"%d" % m, 0) for m in range(n, n + 9)])
            written[0] = n + 9
        writer.close()

    thread = threading.Thread(target=write)
    thread.start()
    while thread.is_alive():
        before = written[0]
        found = numbers(path)
        assert found == list(range(len(found)))
        assert len(found) >= before
    thread.join()
    assert numbers(path) == list(range(9000))
