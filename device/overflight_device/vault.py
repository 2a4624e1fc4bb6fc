"""The vault on the payload: keeps pictures so that a kill or a power cut at any instant loses none.

A picture is written to a hidden temporary file, fsynced, renamed to its place and then entered in
the manifest (fsynced). Killed in between, the picture is there without an entry, and the next start
enters it. A kept picture is never deleted or changed. A full disk or quota raises `VaultFullError`
and leaves the vault as it was: the camera stops, and goes on when there is room again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from overflight_contract.errors import OverflightError, UnavailableError
from overflight_contract.exif import read_facts
from overflight_contract.times import from_ns
from overflight_contract.vault import (
    GENESIS,
    MANIFEST,
    SET_ASIDE,
    ManifestDamage,
    VaultEntry,
    chain_value,
    encode_entry,
    read_manifest,
    sha256_of,
)
from overflight_device.camera.picture import Picture

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_TEMPORARY: Final = ".part"
MANIFEST_ROOM: Final = 4096
"""Kept free of a quota, so that there is room for the entry of a picture that was."""


class VaultFullError(OverflightError):
    """No room for this picture: the disk is full or the quota is used up."""

    exit_code = 4


class Vault:
    """One payload's vault, open for writing; one writer at a time."""

    def __init__(
        self, folder: Path, *, quota_bytes: int | None = None, reserve_bytes: int = 0
    ) -> None:
        """Open or make the vault in `folder` and put right what a kill left behind.

        `quota_bytes` bounds the pictures' sum; `reserve_bytes` of the disk are left free for the
        telemetry. Raises `UnavailableError` where another process has it open.
        """
        self.folder = folder
        self._quota, self._reserve = quota_bytes, reserve_bytes
        self._known: set[str] = set()
        self._chain, self.count, self.bytes, self.next_serial = GENESIS, 0, 0, 1
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = self._locked()
        self._fd = -1
        try:
            self._read()
            self._adopt()
        except BaseException:
            self.close()
            raise

    def store(self, picture: Picture) -> VaultEntry | None:
        """Keep a picture; it is on disk when this returns. `None`: its very bytes are kept already.

        Raises `VaultFullError` where there is no room, `OSError` where the disk fails.
        """
        name = hashlib.sha256(picture.data).hexdigest()
        if name in self._known:
            return None
        if not self.has_room(len(picture.data)):
            raise VaultFullError("the vault is full: the camera waits until there is room")
        day = from_ns(picture.taken_at_ns).strftime("%Y/%m/%d")
        entry = VaultEntry(
            n=0,
            taken_at_ns=picture.taken_at_ns,
            file=f"{day}/{name}.jpg",
            sha256=name,
            bytes=len(picture.data),
            lat_deg=picture.lat_deg,
            lon_deg=picture.lon_deg,
            alt_msl_m=picture.alt_msl_m,
            serial=picture.serial,
        )
        path = self.folder / entry.file
        try:
            _write_atomically(self.folder, path, picture.data)
            return self._enter([entry])[0]
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()  # never entered, so never kept
            if error.errno not in _FULL:
                raise
            raise VaultFullError(
                "the disk is full: the camera waits until there is room"
            ) from error

    def has_room(self, size: int = 0) -> bool:
        """Tell whether a picture of `size` bytes would fit now."""
        if self._quota is not None and self.bytes + size + MANIFEST_ROOM > self._quota:
            return False
        free = shutil.disk_usage(self.folder).free
        return free >= self._reserve + size + MANIFEST_ROOM

    def close(self) -> None:
        """Give the files back. Safe to call twice."""
        for fd in (self._fd, self._lock):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock = -1

    def _locked(self) -> int:
        lock = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise UnavailableError(f"another process writes to the vault {self.folder}") from error
        return lock

    def _read(self) -> None:
        """Read the manifest; cut off a torn last line; set an unusable one aside."""
        path = self.folder / MANIFEST
        items = list(read_manifest(self.folder))
        if items and isinstance(items[-1], ManifestDamage):
            if items[-1].reason == "is cut off":
                _cut_torn_line(path)
                items.pop()
            else:
                _set_aside(path)
                items = []
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        _sync_folder(self.folder)
        for item in items:
            if isinstance(item, VaultEntry):
                self._count(item)

    def _count(self, entry: VaultEntry) -> None:
        self._known.add(entry.sha256)
        self._chain, self.count = chain_value(entry), entry.n
        self.bytes += entry.bytes
        self.next_serial = max(self.next_serial, (entry.serial or 0) + 1)

    def _adopt(self) -> None:
        """Enter pictures that were renamed into place and never entered; clear unfinished ones."""
        for path in self.folder.glob(f".*{_TEMPORARY}"):
            path.unlink()
        found = [
            _entry_of(self.folder, path)
            for path in self.folder.glob("[0-9]*/[0-9]*/[0-9]*/*.jpg")
            if path.stem not in self._known and sha256_of(path) == path.stem
        ]
        if found:
            self._enter(sorted(found, key=lambda e: (e.taken_at_ns or 0, e.serial or 0)))

    def _enter(self, entries: Iterable[VaultEntry]) -> list[VaultEntry]:
        """Append entries to the manifest in one write, then fsync; all or none."""
        chain, n, lines, made = self._chain, self.count, [], []
        for entry in entries:
            n += 1
            chained, line = encode_entry(_numbered(entry, n), chain)
            chain = chain_value(chained)
            lines.append(line)
            made.append(chained)
        block = b"".join(lines)
        size = os.fstat(self._fd).st_size
        try:
            if os.write(self._fd, block) != len(block):
                raise OSError(errno.ENOSPC, "no space left for the manifest")
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size)
            raise
        for entry in made:
            self._count(entry)
        return made


def _numbered(entry: VaultEntry, n: int) -> VaultEntry:
    fields = {name: getattr(entry, name) for name in VaultEntry.__struct_fields__}
    return VaultEntry(**fields | {"n": n})


def _entry_of(folder: Path, path: Path) -> VaultEntry:
    """Make the entry of a picture from its EXIF, as it was when it was stored."""
    facts = read_facts(path.read_bytes())
    return VaultEntry(
        n=0,
        taken_at_ns=facts.taken_at_ns if facts.taken_at_ns is not None else path.stat().st_mtime_ns,
        file=path.relative_to(folder).as_posix(),
        sha256=path.stem,
        bytes=path.stat().st_size,
        lat_deg=facts.lat_deg,
        lon_deg=facts.lon_deg,
        alt_msl_m=facts.alt_msl_m,
        serial=facts.serial,
    )


def _write_atomically(root: Path, path: Path, data: bytes) -> None:
    temporary = root / f".{path.stem}{_TEMPORARY}"
    _make_folders(root, path.parent)
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _make_folders(root: Path, folder: Path) -> None:
    if folder == root or folder.is_dir():
        return
    _make_folders(root, folder.parent)
    folder.mkdir(exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _cut_torn_line(path: Path) -> None:
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate(data.rfind(b"\n") + 1)
        file.flush()
        os.fsync(file.fileno())


def _set_aside(path: Path) -> None:
    number = 1
    while (aside := path.with_name(f"{SET_ASIDE}{number}.jsonl")).exists():
        number += 1
    path.rename(aside)
