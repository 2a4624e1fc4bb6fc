"""Takes a vault in: verifies it, copies it, matches it to the track, writes it to the store."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from overflight_contract.errors import ContractError, InputError, UnavailableError
from overflight_contract.messages import Position, decode
from overflight_contract.record import FILE_NAME, RecordDamage, RecordEntry, read_record
from overflight_contract.times import to_ns
from overflight_contract.topics import Kind
from overflight_contract.vault import VaultEntry, VaultReport, sha256_of, verify_vault
from overflight_ground.recover.matching import Fix, Match, Offset, Shot, estimate_offset, match
from overflight_ground.recover.rows import save, stored_payload, stored_tracks
from overflight_ground.recover.source import Source, leads_outside, open_source

UNKNOWN_FLIGHT: Final = "unknown"


@dataclass(frozen=True, kw_only=True)
class RecoverInputs:
    """What to take in and where to. `now_ns` is when (nanoseconds since 1970 UTC)."""

    source: Path
    store: str
    into: Path
    now_ns: int
    payload: str | None = None
    clock_offset_s: float | None = None
    max_gap_s: float = 900.0


class Unmatched(msgspec.Struct, frozen=True, kw_only=True):
    """A picture that could not be placed, and why."""

    file: str
    reason: str


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken in."""

    source: str
    payload: str
    flights: tuple[str, ...]
    chain_ok: bool
    bare: bool
    pictures: int
    bytes: int
    copied: int
    already_there: int
    missing: tuple[str, ...]
    changed: tuple[str, ...]
    swapped: tuple[str, ...]
    extra: tuple[str, ...]
    damage: tuple[str, ...]
    clock_offset_s: float
    clock_offset: str
    clock_spread_s: float | None
    matched: int
    unmatched: tuple[Unmatched, ...]
    record_messages: int
    record_damage: tuple[str, ...]
    into: str


def recover(inputs: RecoverInputs) -> Recovery:
    """Take a vault in; may be done again and again. Raises `InputError`, `UnavailableError`."""
    with open_source(inputs.source) as source:
        vault = verify_vault(source.vault)
        links = [
            e.file for e in vault.entries if leads_outside(vault.folder / e.file, vault.folder)
        ]
        source.damage.extend(f"{name} is a link out of the vault: left out" for name in links)
        absent = {entry.file for entry in vault.missing}.union(links)
        entries, record_damage = _record(source.record)
        tracks = _tracks(entries)
        payload = _payload(inputs, source, set(tracks))
        if not tracks:
            tracks = stored_tracks(inputs.store, payload)
        shots = _shots(vault)
        offset = _offset(inputs, shots, tracks)
        matches = match(shots, dict(tracks), offset, max_gap_s=inputs.max_gap_s)
        flights = _flights(matches, tracks)
        copied, there, paths = _copy(inputs.into / payload, source, vault, flights, absent)
        made = _describe(inputs, source, vault, payload, tracks, offset, matches,
                         len(entries), record_damage, copied, there, absent)  # fmt: skip
        save(inputs.store, made, vault, matches, flights, paths, inputs.now_ns)
        return made


def _record(path: Path | None) -> tuple[list[RecordEntry], list[str]]:
    entries: list[RecordEntry] = []
    damage: list[str] = []
    for item in read_record(path) if path is not None else ():
        if isinstance(item, RecordDamage):
            damage.append(f"line {item.line} of the record {item.reason}")
        else:
            entries.append(item)
    return entries, damage


def _tracks(entries: list[RecordEntry]) -> dict[str, list[Fix]]:
    tracks: dict[str, list[Fix]] = {}
    for entry in entries:
        track = tracks.setdefault(entry.flight, [])
        if entry.kind is not Kind.POSITION:
            continue
        try:
            found = decode(Kind.POSITION, entry.payload)
        except ContractError:
            continue
        if isinstance(found, Position) and found.lat_deg is not None and found.lon_deg is not None:
            at_ns = to_ns(found.measured_at)
            track.append(Fix(at_ns, found.lat_deg, found.lon_deg, found.alt_msl_m))
    return {flight: sorted(track) for flight, track in tracks.items()}


def _payload(inputs: RecoverInputs, source: Source, flights: set[str]) -> str:
    if inputs.payload is not None:
        return inputs.payload
    if source.outbox is not None and (name := _outbox_payload(source.outbox)):
        return name
    name = stored_payload(inputs.store, flights)
    if name is None:
        raise InputError("whose vault is this? Neither it nor the store says: name --payload")
    return name


def _outbox_payload(path: Path) -> str | None:
    address = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'payload'").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def _shots(vault: VaultReport) -> list[Shot]:
    return [
        Shot(entry.sha256, entry.taken_at_ns, entry.lat_deg, entry.lon_deg, entry.alt_msl_m)
        for entry in vault.entries
    ]


def _offset(inputs: RecoverInputs, shots: list[Shot], tracks: dict[str, list[Fix]]) -> Offset:
    if inputs.clock_offset_s is not None:
        return Offset(inputs.clock_offset_s, "given", 0, None)
    everything = sorted(fix for track in tracks.values() for fix in track)
    return estimate_offset(shots, everything)


def _flights(matches: list[Match], tracks: dict[str, list[Fix]]) -> dict[str, str]:
    """Return the flight of each picture; one that fits none goes to the last flight."""
    times = {flight: track[0].at_ns for flight, track in tracks.items() if track}
    last = max(times, key=lambda flight: times[flight], default=UNKNOWN_FLIGHT)
    if last == UNKNOWN_FLIGHT and tracks:
        last = max(tracks)
    return {found.sha256: found.flight or last for found in matches}


def _copy(
    into: Path, source: Source, vault: VaultReport, flights: dict[str, str], absent: set[str]
) -> tuple[int, int, dict[str, Path]]:
    """Copy what is there, by temporary file and rename; what is there already stays."""
    paths: dict[str, Path] = {}
    copied = there = 0
    try:
        for entry in vault.entries:
            if entry.file in absent:
                continue
            folder = into / flights.get(entry.sha256, UNKNOWN_FLIGHT)
            target = folder / "pictures" / f"{entry.sha256}{Path(entry.file).suffix.lower()}"
            paths[entry.file] = target
            if _place(vault.folder / entry.file, target):
                copied += 1
            else:
                there += 1
        for flight in sorted(set(flights.values())):
            if source.record is not None:
                _place(source.record, into / flight / FILE_NAME)
            manifest = vault.folder / "manifest.jsonl"
            if manifest.is_file() and not manifest.is_symlink():
                _place(manifest, into / flight / manifest.name)
    except OSError as error:
        raise UnavailableError(f"can't write to {into}: {error.strerror}") from error
    return copied, there, paths


def _place(source: Path, target: Path) -> bool:
    """Copy a file unless its copy is there; False where it was."""
    if target.is_file() and sha256_of(target) == sha256_of(source):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}.part")
    shutil.copyfile(source, part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
    return True


def _describe(
    inputs: RecoverInputs, source: Source, vault: VaultReport, payload: str,
    tracks: dict[str, list[Fix]], offset: Offset, matches: list[Match], messages: int,
    record_damage: list[str], copied: int, there: int, absent: set[str],
) -> Recovery:  # fmt: skip
    names: dict[str, VaultEntry] = {entry.sha256: entry for entry in vault.entries}
    unmatched = [m for m in matches if m.how == "unmatched"]
    return Recovery(
        source=source.name,
        payload=payload,
        flights=tuple(sorted(tracks)),
        chain_ok=not vault.damage and not vault.bare,
        bare=vault.bare,
        pictures=len(vault.entries) - len(absent),
        bytes=sum(e.bytes for e in vault.entries if e.file not in absent),
        copied=copied,
        already_there=there,
        missing=tuple(sorted(entry.file for entry in vault.missing)),
        changed=tuple(e.file for e in vault.changed),
        swapped=tuple(f"{one.file} has the content of {two.file}" for one, two in vault.swapped),
        extra=vault.extra,
        damage=(*vault.damage, *source.damage),
        clock_offset_s=offset.offset_s,
        clock_offset=offset.source,
        clock_spread_s=offset.spread_s,
        matched=len(matches) - len(unmatched),
        unmatched=tuple(Unmatched(file=names[m.sha256].file, reason=m.reason) for m in unmatched),
        record_messages=messages,
        record_damage=tuple(record_damage),
        into=str(inputs.into / payload),
    )
