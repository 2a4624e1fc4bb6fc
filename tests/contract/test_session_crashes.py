"""A session survives a kill between any two steps, and a file cut off at any byte."""

from __future__ import annotations

import itertools
import shutil
import struct
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from overflight_contract.errors import InputError
from overflight_contract.session import SessionPacket, SessionReader, SessionWriter, open_session
from overflight_contract.session.follow import Follower
from overflight_contract.session.verify import verify_session

T0 = 1_675_252_800_000_000_000


MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where fsync costs nothing."""


class Killed(BaseException):
    """The process ends here."""


def made(first, count, size=20):
    return [
        (T0 + n * 1_000_000, n // 5 + 1, n % 2, 0, "", struct.pack(">I", n) + bytes(size), 0)
        for n in range(first, first + count)
    ]


class Crashes(RuleBasedStateMachine):
    """The writer is killed at any step; what it acknowledged is read, once, in order."""

    folder = False

    def __init__(self):
        super().__init__()
        self.home = Path(tempfile.mkdtemp(prefix="session-crash-", dir=MEMORY))
        self.path = self.home / ("s" if self.folder else "s.mcap")
        self.written, self.maybe = [], []
        self.followed = []
        self.until_kill = None
        self.clock = T0
        self.writer = None

    @initialize()
    def begin(self):
        self._attempt(self._open)
        self.follower = Follower(self.path)

    def _open(self):
        rotation = {"rotate_bytes": 1500} if self.folder else {}
        self.writer = SessionWriter(
            self.path, chunk_bytes=400, background=False, step=self._step, **rotation
        )
        assert self.writer.next_connection > max((p[1] for p in self.written), default=0)

    def _step(self, name):
        if self.until_kill is not None:
            self.until_kill -= 1
            if self.until_kill < 0:
                raise Killed(name)

    def _attempt(self, action):
        try:
            action()
        except Killed:
            if self.writer is not None:
                self.writer.abandon()
            self.writer, self.until_kill = None, None

    @rule(steps=st.integers(0, 12))
    def arm(self, steps):
        self.until_kill = steps

    @precondition(lambda self: self.writer is not None)
    @rule(count=st.integers(1, 12), size=st.sampled_from([0, 20, 300]))
    def write(self, count, size):
        batch = made(len(self.written), count, size)
        self.maybe = batch

        def action():
            self.writer.write_packets(batch)
            self.written += batch
            self.maybe = []

        self._attempt(action)

    @precondition(lambda self: self.writer is not None)
    @rule()
    def tick(self):
        self.clock += 1_000_000_000
        self._attempt(lambda: self.writer.tick(self.clock))

    @precondition(lambda self: self.writer is not None)
    @rule()
    def kill(self):
        self.writer.abandon()
        self.writer = None

    @precondition(lambda self: self.writer is not None)
    @rule()
    def close(self):
        def action():
            self.writer.close()
            self.writer = None

        self._attempt(action)

    @precondition(lambda self: self.writer is None)
    @rule()
    def open_again(self):
        self._attempt(self._open)

    @invariant()
    def all_is_read_once(self):
        if not self.path.exists() or (self.folder and not list(self.path.glob("*.mcap"))):
            assert not self.written
            return
        with open_session(self.path) as session:
            items = list(session)
            assert session.damage == []
            packets = [item for item in items if isinstance(item, SessionPacket)]
            assert session.packet_count == len(packets)
        found = [tuple(p[:7]) for p in packets]
        if self.maybe and found == self.written + self.maybe:
            self.written, self.maybe = found, []
        assert found == self.written

    @rule()
    def follow(self):
        while items := self.follower.poll():
            self.followed += [tuple(i[:7]) for i in items if isinstance(i, SessionPacket)]
        assert self.followed == self.written
        if self.follower.ended:
            self.follower, self.followed = Follower(self.path), []

    def teardown(self):
        if self.writer is not None:
            self.writer.abandon()
        shutil.rmtree(self.home)


class FolderCrashes(Crashes):
    """The same with rotation."""

    folder = True


SETTINGS = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestCrashes = Crashes.TestCase
TestCrashes.settings = SETTINGS
TestFolderCrashes = FolderCrashes.TestCase
TestFolderCrashes.settings = SETTINGS


@settings(max_examples=50, deadline=None)
@given(data=st.data(), batches=st.lists(st.integers(1, 9), min_size=1, max_size=25))
def test_cut_off_at_any_byte(data, batches):
    """A file that lost its end gives every whole chunk and batch that is left, once, in order."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as home:
        path = Path(home) / "s.mcap"
        writer = SessionWriter(path, chunk_bytes=400, background=False)
        whole_prefix = path.stat().st_size
        written = []
        for number, count in enumerate(batches):
            written += made(len(written), count)
            writer.write_packets(written[-count:])
            if number % 5 == 4:
                writer.tick(T0 + number * 1_000_000_000)
        if data.draw(st.booleans(), label="closed"):
            writer.close()
        else:
            writer.abandon()
        victim = data.draw(st.sampled_from(sorted(Path(home).iterdir())), label="victim")
        size = victim.stat().st_size
        low = whole_prefix if victim == path else 0
        keep = data.draw(st.integers(low, size), label="keep")
        with victim.open("r+b") as file:
            file.truncate(keep)
        with open_session(path) as session:
            found = [tuple(p[:7]) for p in session.packets()]
        assert found == [p for p in written if p in found]
        if keep == size:
            assert found == written
        with SessionWriter(path, background=False) as writer:
            writer.write_packets(made(10_000, 3))
        with open_session(path) as session:
            again = list(session.packets())
        assert [tuple(p[:7]) for p in again] == found + made(10_000, 3)
        assert all(a.sequence < b.sequence for a, b in itertools.pairwise(again))


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_one_changed_byte_never_gives_a_wrong_packet(data):
    """Whatever byte changes, a packet is read as it was written, or named as damage."""
    with tempfile.TemporaryDirectory(dir=MEMORY) as home:
        path = Path(home) / "s.mcap"
        writer = SessionWriter(path, chunk_bytes=400, background=False)
        written = made(0, 60)
        for at in range(0, 60, 4):
            writer.write_packets(written[at : at + 4])
        if data.draw(st.booleans(), label="closed"):
            writer.close()
        else:
            writer.abandon()
        victim = data.draw(st.sampled_from(sorted(Path(home).iterdir())), label="victim")
        content = bytearray(victim.read_bytes())
        at = data.draw(st.integers(0, len(content) - 1), label="at")
        content[at] ^= data.draw(st.integers(1, 255), label="flip")
        victim.write_bytes(content)
        for salvage in (False, True):
            try:
                session = SessionReader(path, salvage=salvage)
            except InputError:
                assert not salvage
                continue
            found = [tuple(p[:7]) for p in session.packets()]
            assert found == [p for p in written if p in found]
            if len(found) < len(written) and victim == path:
                assert session.damage
            assert verify_session(session) is not None
            session.close()
