"""A vault that is killed at any instant keeps every picture that it said it kept."""

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from overflight_contract.vault import read_vault, verify_vault
from overflight_device.camera.exif import stamped
from overflight_device.vault import Vault, VaultFullError

JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + b"\xff\xda\x00\x02"
TIME_NS = 1_675_252_800_000_000_000


def picture(number, size=100):
    data = JPEG + number.to_bytes(4, "big") * size + b"\xff\xd9"
    return stamped(data, None, TIME_NS + number * 10**9, number)


class Killed(BaseException):
    """The power went."""


class Power:
    """Lets so many system calls happen, then none."""

    def __init__(self, calls):
        self.left = calls

    def wrap(self, function, *, tear=False):
        def call(*args, **kwargs):
            if self.left <= 0:
                if tear and isinstance(args[1], bytes):
                    function(args[0], args[1][: len(args[1]) // 2])
                raise Killed
            self.left -= 1
            return function(*args, **kwargs)

        return call


class VaultMachine(RuleBasedStateMachine):
    """Stores pictures; the power goes at any system call; the vault is opened again."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="vault-"))
        self.vault = Vault(self.folder)
        self.kept = set()
        self.number = 0

    @rule(count=st.integers(1, 3))
    def store(self, count):
        for _ in range(count):
            self.number += 1
            self.kept.add(self.vault.store(picture(self.number)).sha256)

    @rule()
    def store_again(self):
        if self.number and self.vault.count:
            self.vault.store(picture(self.number))

    @rule(calls=st.integers(0, 12))
    def power_cut(self, calls):
        power = Power(calls)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(os, "write", power.wrap(os.write, tear=True))
            for name in ("fsync", "mkdir"):
                patch.setattr(os, name, power.wrap(getattr(os, name)))
            patch.setattr(Path, "rename", power.wrap(Path.rename))
            try:
                for _ in range(3):
                    self.number += 1
                    self.kept.add(self.vault.store(picture(self.number)).sha256)
            except Killed:
                pass
        self.vault.close()
        self.vault = Vault(self.folder)

    @rule()
    def full_disk(self):
        self.vault.close()
        self.vault = Vault(self.folder, quota_bytes=1)
        self.number += 1
        with pytest.raises(VaultFullError):
            self.vault.store(picture(self.number))
        self.vault.close()
        self.vault = Vault(self.folder)

    @invariant()
    def nothing_that_was_kept_is_lost(self):
        report = verify_vault(self.folder)
        assert not (report.missing)
        assert not (report.changed)
        assert not (report.swapped)
        assert not (report.extra)
        assert not report.damage
        held = [entry.sha256 for entry in report.entries]
        assert self.kept <= set(held)
        assert len(held) == len(set(held)) == self.vault.count
        assert self.vault.next_serial > max((entry.serial for entry in report.entries), default=0)

    def teardown(self):
        self.vault.close()
        shutil.rmtree(self.folder)


TestVaultMachine = VaultMachine.TestCase
TestVaultMachine.settings = settings(max_examples=25, stateful_step_count=10, deadline=None)

CHILD = """
import sys
from pathlib import Path
from overflight_device.camera.exif import stamped
from overflight_device.vault import Vault
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + b"\\xff\\xda\\x00\\x02"
vault = Vault(Path(sys.argv[1]))
while True:
    n = vault.next_serial
    data = JPEG + n.to_bytes(4, "big") * 5000 + b"\\xff\\xd9"
    entry = vault.store(stamped(data, None, 1_675_252_800_000_000_000 + n * 10**9, n))
    print(entry.sha256, flush=True)
"""


def test_sigkill_at_random_instants_loses_nothing(tmp_path):
    rng, kept = random.Random(5), set()
    for _ in range(12):
        child = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(tmp_path / "vault")], stdout=subprocess.PIPE
        )
        for _ in range(rng.randint(1, 25)):
            kept.add(child.stdout.readline().decode().strip())
        child.send_signal(signal.SIGKILL)
        kept |= {line.decode().strip() for line in child.stdout if len(line) == 65}
        child.wait()
        child.stdout.close()
    Vault(tmp_path / "vault").close()
    assert verify_vault(tmp_path / "vault").ok
    entries = read_vault(tmp_path / "vault")
    assert kept <= {entry.sha256 for entry in entries}
    assert [entry.serial for entry in entries] == list(range(1, len(entries) + 1))
