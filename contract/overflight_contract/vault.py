"""The vault: pictures named by their hash, and a manifest whose entries chain by SHA-256.

::

    vault/manifest.jsonl
    vault/2023/02/01/<sha256>.jpg

One line of ASCII a picture::

    {"n":1,"taken_at_ns":…,"file":"2023/02/01/….jpg","sha256":"…","bytes":…,"lat_deg":…,
     "lon_deg":…,"alt_msl_m":…,"serial":1,"chain":"<hex>"}

``n`` counts lines from 1. ``chain`` is SHA-256 over the chain value of the line before (32 zero
bytes for the first) and the bytes of this line up to ``,"chain":``, as in the record. A bare folder
of pictures, without a manifest, can be read too: its entries come from the pictures' own EXIF, and
nothing vouches for their completeness.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec

from overflight_contract.errors import InputError
from overflight_contract.exif import read_facts

MANIFEST: Final = "manifest.jsonl"
SET_ASIDE: Final = "manifest-damaged-"
"""A manifest that could not be gone on with is kept under this name and a number."""
GENESIS: Final = bytes(32)
PICTURES: Final = (".jpg", ".jpeg")
_SEPARATOR: Final = b',"chain":'
_HASH: Final = re.compile(r"[0-9a-f]{64}")
_BLOCK: Final = 1 << 20


class VaultEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kept picture. `file` is relative to the vault; `n` is 0 without a manifest."""

    n: int
    taken_at_ns: int | None
    file: str
    sha256: str
    bytes: int
    lat_deg: float | None = None
    lon_deg: float | None = None
    alt_msl_m: float | None = None
    serial: int | None = None
    chain: str = ""


class ManifestDamage(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the manifest that its chain does not vouch for."""

    line: int
    reason: str

    def __str__(self) -> str:
        return f"line {self.line} of the manifest {self.reason}"


class VaultReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a vault found; `ok` where every picture is as it was kept."""

    folder: Path
    bare: bool
    """True where there is no manifest, so that nothing can be verified."""
    entries: tuple[VaultEntry, ...]
    missing: tuple[VaultEntry, ...]
    changed: tuple[VaultEntry, ...]
    """The file is there and its content is not what was kept; without those in `swapped`."""
    swapped: tuple[tuple[VaultEntry, VaultEntry], ...]
    """(entry, the entry whose content its file has now)."""
    extra: tuple[str, ...]
    """Files that no entry names."""
    damage: tuple[str, ...]
    """What is wrong with the manifest itself, in words."""

    @property
    def ok(self) -> bool:
        """Tell whether nothing is amiss."""
        wrong = self.missing or self.changed or self.swapped or self.extra or self.damage
        return not wrong and not self.bare


_decoder = msgspec.json.Decoder(VaultEntry)
_FIELDS: Final = VaultEntry.__struct_fields__[:-1]


def encode_entry(entry: VaultEntry, chain: bytes) -> tuple[VaultEntry, bytes]:
    """Return `entry` with its chain value after `chain`, and its line."""
    plain = {name: getattr(entry, name) for name in _FIELDS}
    body = msgspec.json.encode(plain)[:-1]
    value = hashlib.sha256(chain + body).hexdigest()
    line = body + _SEPARATOR + b'"' + value.encode() + b'"}\n'
    return msgspec.structs.replace(entry, chain=value), line


def vault_folder(folder: Path) -> Path:
    """Return the vault in `folder`: itself, or its ``vault`` (of a payload's data folder).

    Raises `InputError` where `folder` is no folder.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}")
    inner = folder / "vault"
    return inner if not (folder / MANIFEST).is_file() and inner.is_dir() else folder


def read_manifest(folder: Path) -> Iterator[VaultEntry | ManifestDamage]:
    """Yield the manifest's lines in order; nothing where there is no manifest.

    An entry whose line does not fit the chain is yielded as well, after the damage; the chain goes
    on from what it claims, so that one edit is named as one line.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return
    chain, expected = GENESIS, 1
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                entry = _decoder.decode(line)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                reason = "is not readable" if line.endswith(b"\n") else "is cut off"
                yield ManifestDamage(line=number, reason=reason)
                expected += 1
                continue
            reason = _line_fault(entry, line, chain, expected)
            if reason:
                yield ManifestDamage(line=number, reason=reason)
            if _safe(entry):
                yield entry
            chain, expected = chain_value(entry), entry.n + 1


def chain_value(entry: VaultEntry) -> bytes:
    """Return the chain value that `entry` claims, as bytes."""
    return bytes.fromhex(entry.chain) if _HASH.fullmatch(entry.chain) else GENESIS


def _line_fault(entry: VaultEntry, line: bytes, chain: bytes, expected: int) -> str:
    if not _safe(entry):
        return f"names a file outside the vault: {entry.file!r}"
    body, _, tail = line.rpartition(_SEPARATOR)
    value = hashlib.sha256(chain + body).hexdigest()
    if value != entry.chain or tail.rstrip(b"\n") != b'"' + value.encode() + b'"}':
        return f"does not fit the chain (picture {entry.n}, {entry.file})"
    if entry.n != expected:
        return f"is numbered {entry.n}, not {expected}"
    return ""


def _safe(entry: VaultEntry) -> bool:
    path = Path(entry.file)
    return bool(entry.file) and not path.is_absolute() and ".." not in path.parts


def read_vault(folder: Path) -> list[VaultEntry]:
    """Return the entries of a vault, or of a bare folder of pictures (see `read_pictures`)."""
    place = vault_folder(folder)
    if (place / MANIFEST).is_file():
        return [item for item in read_manifest(place) if isinstance(item, VaultEntry)]
    return list(read_pictures(place))


def read_pictures(folder: Path) -> Iterator[VaultEntry]:
    """Yield the JPEG files below `folder`, by name, with what their EXIF says."""
    for path in _pictures(folder):
        data = path.read_bytes()
        facts = read_facts(data)
        yield VaultEntry(
            n=0,
            taken_at_ns=facts.taken_at_ns,
            file=path.relative_to(folder).as_posix(),
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            lat_deg=facts.lat_deg,
            lon_deg=facts.lon_deg,
            alt_msl_m=facts.alt_msl_m,
            serial=facts.serial,
        )


def _pictures(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()
    )


def verify_vault(folder: Path) -> VaultReport:
    """Check every picture against the manifest, and the manifest against its chain.

    Raises `InputError` where `folder` is no folder. Reads every file once.
    """
    place = vault_folder(folder)
    if not (place / MANIFEST).is_file():
        return VaultReport(
            folder=place,
            bare=True,
            entries=tuple(read_pictures(place)),
            missing=(),
            changed=(),
            swapped=(),
            extra=(),
            damage=("there is no manifest: nothing vouches for these pictures",),
        )
    items = list(read_manifest(place))
    entries = tuple(item for item in items if isinstance(item, VaultEntry))
    damage = [str(item) for item in items if isinstance(item, ManifestDamage)]
    damage += [
        f"an older manifest was set aside as {path.name}"
        for path in sorted(place.glob(f"{SET_ASIDE}*"))
    ]
    missing, changed, swapped = _compare(place, entries)
    return VaultReport(
        folder=place,
        bare=False,
        entries=entries,
        missing=tuple(missing),
        changed=tuple(changed),
        swapped=tuple(swapped),
        extra=_extra(place, entries),
        damage=tuple(damage),
    )


def _extra(place: Path, entries: tuple[VaultEntry, ...]) -> tuple[str, ...]:
    """Name files without an entry; a payload that is flying may have entered them meanwhile."""
    named = {entry.file for entry in entries}
    files = [path.relative_to(place).as_posix() for path in _files(place)]
    if any(file not in named for file in files):
        named |= {item.file for item in read_manifest(place) if isinstance(item, VaultEntry)}
    return tuple(file for file in files if file not in named)


def _compare(
    place: Path, entries: tuple[VaultEntry, ...]
) -> tuple[list[VaultEntry], list[VaultEntry], list[tuple[VaultEntry, VaultEntry]]]:
    by_hash = {entry.sha256: entry for entry in entries}
    missing: list[VaultEntry] = []
    changed: list[VaultEntry] = []
    swapped: list[tuple[VaultEntry, VaultEntry]] = []
    for entry in entries:
        path = place / entry.file
        if not path.is_file():
            missing.append(entry)
            continue
        actual = sha256_of(path)
        if actual == entry.sha256 and path.stat().st_size == entry.bytes:
            continue
        other = by_hash.get(actual)
        if other is None or other is entry:
            changed.append(entry)
        else:
            swapped.append((entry, other))
    return missing, changed, swapped


def _files(place: Path) -> list[Path]:
    """List what lies in a vault, without its manifests and unfinished files."""
    return sorted(
        path
        for path in place.rglob("*")
        if path.is_file()
        and not path.name.startswith(".")
        and not (path.parent == place and path.name.startswith("manifest"))
    )


def sha256_of(path: Path) -> str:
    """Hash a file in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
