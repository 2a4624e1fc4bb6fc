"""Opens what the audit reads: session files, the ground's store, the vault, the record.

All of it read only. Each input is hashed, so that a report can be checked against it.
"""

from __future__ import annotations

import glob
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from sqlalchemy import Connection as DatabaseConnection
from sqlalchemy import create_engine, select
from sqlalchemy.exc import SQLAlchemyError

from overflight_contract import record as record_file
from overflight_contract.errors import ContractError, InputError, UnavailableError
from overflight_contract.messages import Receipt, decode, kind_of
from overflight_contract.record import RecordDamage, RecordEntry, read_record
from overflight_contract.session import (
    Direction,
    Note,
    SessionPacket,
    SessionReader,
    open_session,
)
from overflight_contract.session.model import Part
from overflight_contract.times import to_ns
from overflight_contract.topics import Kind, topic_for
from overflight_contract.vault import VaultReport, sha256_of, verify_vault
from overflight_ground.audit.ledgers import Recorded, Stored
from overflight_ground.audit.report import Input
from overflight_ground.audit.traffic import Connection, Crossing, Gap, Packet
from overflight_ground.store import tables
from overflight_ground.store.store import Store, store_url

OUTBOX: Final = "outbox.sqlite"


@dataclass(frozen=True, kw_only=True)
class AuditInputs:
    """What to audit; any part may be absent, and the report says what that leaves unproved.

    `sessions`: session files or folders. `store`: URL or file. `vaults`: vaults or bare folders of
    pictures. `records`: payloads' records; where none is given, one beside a vault is taken.
    `payloads`: the names that may cross; where none is given, they come from the record's outbox
    or from the store. `others`: payloads that share the relay and are audited on their own.
    """

    sessions: Sequence[Path] = ()
    store: str | None = None
    vaults: Sequence[Path] = ()
    records: Sequence[Path] = ()
    payloads: Sequence[str] = ()
    others: Sequence[str] = ()
    flights: Sequence[str] = ()


@dataclass(slots=True)
class RecordContent:
    """A record, read."""

    messages: list[Recorded] = field(default_factory=list)
    damage: list[tuple[str, RecordDamage]] = field(default_factory=list)
    """(record, what is wrong with which line)."""


@dataclass(slots=True)
class StoreContent:
    """What the store has of the flights in question."""

    messages: list[Stored] = field(default_factory=list)
    quarantined: dict[bytes, str] = field(default_factory=dict)
    """Body → reason."""
    other_flights: int = 0


def default_records(inputs: AuditInputs) -> list[Path]:
    """Return the records to read: those given, else those that lie beside the vaults."""
    if inputs.records:
        return list(inputs.records)
    found: list[Path] = []
    for vault in inputs.vaults:
        for place in (vault, vault.parent):
            path = place / record_file.FILE_NAME
            if path.is_file() and path not in found:
                found.append(path)
                break
    return found


def read_records(paths: Iterable[Path]) -> tuple[RecordContent, list[Input]]:
    """Read records; lines that their chain does not vouch for are named."""
    content, inputs = RecordContent(), []
    given = list(paths)
    for number, path in enumerate(given, 1):
        name = "record" if len(given) == 1 else f"record {number}"
        for item in read_record(path):
            if isinstance(item, RecordEntry):
                kind = str(item.kind)
                content.messages.append(
                    Recorded(item.flight, item.seq, kind, item.payload, item.n, name)
                )
            else:
                content.damage.append((name, item))
        size = path.stat().st_size
        inputs.append(Input(kind="record", name=path.name, sha256=sha256_of(path), bytes=size))
    return content, inputs


def known_payloads(inputs: AuditInputs, records: Sequence[Path]) -> set[str]:
    """Return the payload names that the records' outboxes state."""
    names: set[str] = set(inputs.payloads)
    if names:
        return names
    for path in records:
        outbox = path.with_name(OUTBOX)
        if not outbox.is_file():
            continue
        try:
            with closing(sqlite3.connect(f"{outbox.resolve().as_uri()}?mode=ro", uri=True)) as db:
                row = db.execute("SELECT value FROM meta WHERE key = 'payload'").fetchone()
        except sqlite3.Error:
            continue
        if row:
            names.add(str(row[0]))
    return names


_NO_STORE: Final = ("no such table", "no such column", "does not exist", "not a database")


@contextmanager
def reading_store(url: str) -> Iterator[DatabaseConnection]:
    """Open a store for reading alone: no migration, no lock; errors as a person needs them."""
    where = store_url(url)
    if where.get_backend_name() == "sqlite":
        file = Path(where.database or "")
        if not file.is_file():
            raise InputError(f"there is no store at {file}")
        address = f"{file.resolve().as_uri()}?mode=ro"
        engine = create_engine("sqlite://", creator=partial(sqlite3.connect, address, uri=True))
    else:
        engine = Store(where).reader
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        if any(words in str(error) for words in _NO_STORE):
            raise InputError(f"{url} is no store of a ground station") from error
        raise UnavailableError(f"the store {url} can't be read: {error.args[0]}") from error
    finally:
        engine.dispose()


_COLUMNS: Final = (
    "flight", "seq", "held_from", "lat_deg", "lon_deg", "alt_msl_m", "alt_hae_m", "sats", "hdop",
    "track_deg", "speed_mps", "climb_mps", "cross_track_m", "fix", "phase",
)  # fmt: skip
"""Columns that hold a field of the message under its own name."""


def read_store(url: str, flights: set[str] | None) -> tuple[StoreContent, Input]:
    """Read messages of `flights` (None: of all) and what is in quarantine."""
    content = StoreContent()
    digest, size = hashlib.sha256(), 0
    table = tables.messages
    with reading_store(url) as connection:
        order = (table.c.payload, table.c.flight, table.c.seq)
        for values in connection.execute(select(table).order_by(*order)).mappings():
            row = {str(name): value for name, value in values.items()}
            if flights is not None and row["flight"] not in flights:
                content.other_flights += 1
                continue
            found = _stored(row)
            mark = f"{found.payload} {found.flight} {found.seq} {len(found.body)} "
            digest.update(mark.encode() + found.body)
            size += len(found.body)
            content.messages.append(found)
        waiting = tables.quarantine
        for kept in connection.execute(select(waiting).order_by(waiting.c.digest)):
            digest.update(b"quarantine " + bytes(kept.digest))
            content.quarantined[bytes(kept.raw)] = kept.reason
    name = store_url(url).database or url
    made = Input(kind="store", name=Path(name).name, sha256=digest.hexdigest(), bytes=size)
    return content, made


def _stored(row: Mapping[str, Any]) -> Stored:
    body = bytes(row["raw"])
    wrong = _disagreement(row, body)
    return Stored(row["payload"], row["flight"], row["seq"], row["kind"], body, row["id"], wrong)


def _disagreement(row: Mapping[str, Any], body: bytes) -> tuple[str, ...]:
    """Name decoded columns that differ from the message's own bytes."""
    try:
        message = decode(Kind(row["kind"]), body)
    except (ContractError, ValueError):
        return ("raw",)
    if isinstance(message, Receipt):
        return ("kind",)
    expected = {name: getattr(message, name, None) for name in _COLUMNS}
    waypoint = getattr(message, "waypoint", None)
    expected |= {
        "topic": topic_for(row["payload"], kind_of(message)),
        "measured_at_ns": to_ns(message.measured_at),
        "waypoint": waypoint and waypoint.number,
        "waypoint_distance_m": waypoint and waypoint.distance_m,
        "waypoint_bearing_deg": waypoint and waypoint.bearing_deg,
    }
    return tuple(name for name, value in expected.items() if name in row and row[name] != value)


def payloads_of(url: str, flights: set[str]) -> set[str]:
    """Return, for each flight, the payload that has the most messages of it in the store."""
    best: dict[str, tuple[int, str]] = {}
    table = tables.flights
    with reading_store(url) as connection:
        for row in connection.execute(select(table.c.payload, table.c.flight, table.c.messages)):
            if row.flight in flights:
                mark = (int(row.messages), row.payload)
                best[row.flight] = max(best.get(row.flight, mark), mark)
    return {name for _, name in best.values()}


def read_vault(path: Path) -> tuple[VaultReport, Input]:
    """Verify a vault, or take a bare folder of pictures as it is."""
    found = verify_vault(path)
    digest, size = hashlib.sha256(), 0
    for entry in sorted(found.entries, key=lambda e: (e.file, e.sha256)):
        file = found.folder / entry.file
        actual = sha256_of(file) if file.is_file() else "missing"
        digest.update(f"{entry.file} {entry.sha256} {actual}\n".encode())
        size += entry.bytes
    for extra in found.extra:
        digest.update(f"extra {extra} {sha256_of(found.folder / extra)}\n".encode())
    return found, Input(kind="vault", name=path.name, sha256=digest.hexdigest(), bytes=size)


@dataclass(slots=True)
class SessionContent:
    """One session, opened: its connections and gaps at once, its packets as a stream."""

    number: int
    path: Path
    reader: SessionReader
    connections: list[Connection] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)

    @property
    def checks_credentials(self) -> bool:
        """Whether the relay says that it compared credentials with its configuration."""
        return any(
            _identity_rule(note.detail.get("rules", ""))
            for note in self.notes
            if note.kind == "start"
        )

    def packets(self) -> Iterator[Packet]:
        """Yield its packets in order; what could not be read stands in `gaps` afterwards."""
        for item in self.reader.packets():
            yield to_packet(item, self.number)
        self.gaps += [Gap(None, None, damage, self.number) for damage in self.reader.damage]


def _identity_rule(rules: str) -> bool:
    try:
        described = msgspec.json.decode(rules)
        return bool(described["identity"]["enabled"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return False


def to_packet(item: SessionPacket, file: int = 0) -> Packet:
    """Turn a packet of a session into the audit's own form."""
    return Packet(
        item.crossed_at_ns,
        item.connection,
        item.direction == Direction.UP,
        Crossing(int(item.verdict)),
        item.reason,
        item.data,
        Part(item.part),
        item.sequence,
        file,
    )


def open_sessions(paths: Sequence[Path]) -> list[SessionContent]:
    """Open sessions; raises `InputError` where one is none."""
    opened: list[SessionContent] = []
    for number, path in enumerate(paths):
        if not path.exists():
            raise InputError(f"there is no session {path}")
        reader = open_session(path)
        content = SessionContent(number, path, reader)
        for link in reader.connections():
            opened_as = link.opened
            if opened_as is not None:
                content.connections.append(
                    Connection(
                        link.number, opened_as.at_ns, opened_as.peer, opened_as.tls,
                        opened_as.sni, number, link.closed.at_ns if link.closed else None,
                    )
                )  # fmt: skip
        content.notes += reader.notes()
        content.gaps += [
            Gap(None, note.at_ns, _gap_text(note), number)
            for note in content.notes
            if note.kind == "gap"
        ]
        content.gaps += [Gap(None, None, what, number) for what in _cut_off(reader)]
        opened.append(content)
    return opened


def _cut_off(reader: SessionReader) -> Iterator[str]:
    """Name files whose end nothing vouches for: not closed, and without the journal."""
    for file in reader.files:
        if not file.closed and not file.tail.headers:
            yield (
                f"{file.path.name} was not closed and its journal is not beside it: "
                "packets may be missing at its end"
            )


def _gap_text(note: Note) -> str:
    return ", ".join(f"{key}: {value}" for key, value in sorted(note.detail.items())) or "a gap"


def session_input(path: Path) -> Input:
    """Hash a session: its file, or in order of name those of its folder, journals included."""
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.is_file())
    else:
        files = [path, *sorted(path.parent.glob(f"{glob.escape(path.name)}.journal*"))]
    digest, size = hashlib.sha256(), 0
    for file in files:
        digest.update(f"{file.relative_to(path.parent).as_posix()} {sha256_of(file)}\n".encode())
        size += file.stat().st_size
    sha256 = sha256_of(path) if files == [path] else digest.hexdigest()
    return Input(kind="session", name=path.name, sha256=sha256, bytes=size)
