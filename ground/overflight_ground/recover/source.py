"""Where a vault comes from: a folder as it is, or an archive unpacked into a temporary folder."""

from __future__ import annotations

import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Final

from overflight_contract import record as record_file
from overflight_contract.errors import InputError
from overflight_contract.vault import MANIFEST, PICTURES

LIMIT_BYTES: Final = 1 << 40
OUTBOX: Final = "outbox.sqlite"
_BLOCK: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """What was found: the vault (or a bare folder), and the payload's record and outbox."""

    name: str
    vault: Path
    record: Path | None
    outbox: Path | None
    damage: list[str] = field(default_factory=list)


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open a folder or an archive (tar, also compressed, or zip); raises `InputError`.

    Archives are unpacked into a temporary folder: files only, none outside it. What of them is
    damaged is left out and named.
    """
    if path.is_dir():
        yield _find(path, path.name, [])
        return
    if not path.is_file():
        raise InputError(f"there is no folder and no archive {path}")
    with tempfile.TemporaryDirectory(prefix="overflight-recover-") as name:
        damage = _unpack(path, Path(name))
        yield _find(Path(name), path.name, damage)


def leads_outside(file: Path, folder: Path) -> bool:
    """Tell whether a link takes `file` out of `folder`: whatever it leads to is not the vault's."""
    return not file.resolve().is_relative_to(folder.resolve())


def _unpack(path: Path, into: Path) -> list[str]:
    try:
        if zipfile.is_zipfile(path):
            return _unzip(path, into)
        return _untar(path, into)
    except (tarfile.ReadError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is neither a folder, a tar nor a zip") from error


def _unzip(path: Path, into: Path) -> list[str]:
    damage: list[str] = []
    total = 0
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            target = _inside(member.filename, into, damage)
            total += member.file_size
            if target is None or _is_link(member) or total > LIMIT_BYTES:
                continue
            try:
                with archive.open(member) as content:
                    _write(content, target)
            except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError) as error:
                damage.append(_lost(member.filename, target, error))
    return damage


def _is_link(member: zipfile.ZipInfo) -> bool:
    return (member.external_attr >> 16) & 0o170000 == 0o120000


def _untar(path: Path, into: Path) -> list[str]:
    damage: list[str] = []
    total = 0
    with tarfile.open(path) as archive:
        while True:
            try:
                member = archive.next()
            except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
                damage.append(f"the archive is cut off: {error}")
                return damage
            if member is None:
                return damage
            total += member.size
            if not member.isfile() or total > LIMIT_BYTES:
                continue
            target = _inside(member.name, into, damage)
            content = archive.extractfile(member) if target is not None else None
            if target is None or content is None:
                continue
            try:
                _write(content, target)
            except (tarfile.TarError, zlib.error, OSError, EOFError) as error:
                damage.append(_lost(member.name, target, error))


def _lost(name: str, target: Path, error: Exception) -> str:
    """Take back what was written of a member that can't be read; say why."""
    with suppress(OSError):
        target.unlink()
    why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{name!r} in the archive can't be read: {why}"


def _inside(name: str, into: Path, damage: list[str]) -> Path | None:
    """Return where a member goes; None for one that would lie outside."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0] or "\0" in name:
        damage.append(f"{name!r} in the archive would lie outside of it, and is left out")
        return None
    return into.joinpath(*parts)


def _write(content: IO[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as out:
        shutil.copyfileobj(content, out, _BLOCK)


def _find(folder: Path, name: str, damage: list[str]) -> Source:
    manifests = sorted(folder.rglob(MANIFEST), key=lambda p: (len(p.parts), str(p)))
    if manifests:
        vault = manifests[0].parent
        if len(manifests) > 1:
            damage.append(f"{len(manifests)} vaults lie here; {vault.name} is taken")
    else:
        vault = _pictures_folder(folder, name, damage)
    return Source(name, vault, _beside(folder, vault, record_file.FILE_NAME),
                  _beside(folder, vault, OUTBOX), damage)  # fmt: skip


def _pictures_folder(folder: Path, name: str, damage: list[str]) -> Path:
    inner = folder / "vault"
    if inner.is_dir():
        return inner
    if not any(p.suffix.lower() in PICTURES for p in folder.rglob("*")):
        why = f" ({damage[0]})" if damage else ""
        raise InputError(f"{name} holds neither a vault nor a picture{why}")
    return folder


def _beside(folder: Path, vault: Path, name: str) -> Path | None:
    for place in (vault / name, vault.parent / name, folder / name):
        if place.is_file() and not place.is_symlink():
            return place
    found = sorted(path for path in folder.rglob(name) if not path.is_symlink())
    return found[0] if found else None
