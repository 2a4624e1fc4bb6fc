"""The vault keeps what it was given, through kills, torn lines and full disks."""

import errno
import os

import pytest

from overflight_contract.errors import UnavailableError
from overflight_contract.messages import Fix as FixMode
from overflight_contract.vault import MANIFEST, read_vault, verify_vault
from overflight_device.camera.exif import stamped
from overflight_device.camera.picture import Picture
from overflight_device.fix import Fix
from overflight_device.vault import Vault, VaultFullError

TIME_NS = 1_675_252_800_123_000_000  # 2023-02-01T12:00:00.123Z
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000") + b"\xff\xda\x00\x02"


def picture(number, size=200):
    fix = Fix(
        measured_at_ns=TIME_NS + number * 60_000_000_000,
        mode=FixMode.THREE_D,
        lat_deg=-45.5 + number,
        lon_deg=-111.25,
        alt_msl_m=18_500.5,
    )
    data = JPEG + bytes([number % 256]) * size + b"\xff\xd9"
    return stamped(data, fix, fix.measured_at_ns, number)


@pytest.fixture
def vault(tmp_path):
    vault = Vault(tmp_path / "vault")
    yield vault
    vault.close()


def test_pictures_lie_under_their_day_and_hash_and_the_vault_verifies(vault):
    entries = [vault.store(picture(number)) for number in (1, 2, 3)]
    assert entries[0].file == f"2023/02/01/{entries[0].sha256}.jpg"
    assert [entry.n for entry in entries] == [1, 2, 3]
    assert (vault.folder / entries[2].file).read_bytes() == picture(3).data
    report = verify_vault(vault.folder)
    assert report.ok
    assert list(report.entries) == entries
    assert vault.next_serial == 4


def test_the_same_bytes_are_kept_once(vault):
    assert vault.store(picture(1)) is not None
    assert vault.store(picture(1)) is None
    assert vault.count == 1


def reopened(vault):
    vault.close()
    return Vault(vault.folder)


def test_it_goes_on_where_it_was(vault):
    vault.store(picture(1))
    again = reopened(vault)
    again.store(picture(2))
    assert verify_vault(again.folder).ok
    assert again.count == 2
    assert again.bytes == len(picture(1).data) + len(picture(2).data)
    again.close()


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_a_kill_before_the_entry_loses_no_picture(vault, lines):
    kept = [vault.store(picture(number)) for number in (1, 2, 3)]
    path = vault.folder / MANIFEST
    whole = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(whole[:lines]) + whole[lines][:40])
    again = reopened(vault)
    report = verify_vault(again.folder)
    assert report.ok
    assert list(report.entries) == kept
    again.close()


def test_unfinished_files_are_cleared(vault):
    (vault.folder / ".abc.part").write_bytes(b"half a picture")
    again = reopened(vault)
    assert not list(again.folder.glob(".*.part"))
    again.close()


def test_an_unreadable_manifest_is_set_aside_and_made_anew(vault):
    vault.store(picture(1))
    with (vault.folder / MANIFEST).open("ab") as file:
        file.write(b"garbage that ends as a line does\n")
    again = reopened(vault)
    again.store(picture(2))
    assert [entry.serial for entry in read_vault(again.folder)] == [1, 2]
    report = verify_vault(again.folder)
    assert not report.missing
    assert report.damage == ("an older manifest was set aside as manifest-damaged-1.jsonl",)
    again.close()


def test_two_writers_are_not_let_in(vault):
    with pytest.raises(UnavailableError, match="another process"):
        Vault(vault.folder)


def test_a_used_up_quota_stops_the_camera_and_more_quota_lets_it_go_on(tmp_path):
    size = len(picture(1).data)
    vault = Vault(tmp_path, quota_bytes=2 * size + 4096)
    vault.store(picture(1))
    vault.store(picture(2))
    assert not vault.has_room(size)
    with pytest.raises(VaultFullError):
        vault.store(picture(3))
    vault.close()
    vault = Vault(tmp_path, quota_bytes=4 * size + 4096)
    vault.store(picture(3))
    assert verify_vault(tmp_path).ok
    vault.close()


@pytest.mark.parametrize("call", ["fsync", "write"])
def test_a_full_disk_leaves_the_vault_as_it_was(vault, monkeypatch, call):
    vault.store(picture(1))

    def full(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(VaultFullError):
            vault.store(picture(2))
    report = verify_vault(vault.folder)
    assert report.ok
    assert len(report.entries) == 1
    assert vault.store(picture(2)) is not None
    assert verify_vault(vault.folder).ok


def test_a_picture_without_a_position_is_kept_too(vault):
    bare = Picture(data=b"anything", taken_at_ns=TIME_NS)
    entry = vault.store(bare)
    assert entry.lat_deg is None
    assert entry.serial is None
    assert verify_vault(vault.folder).ok
