"""The recovery's rows in the ground's store: pictures once each, one row a recovery."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from overflight_contract.vault import VaultEntry, VaultReport
from overflight_ground.audit.inputs import payloads_of
from overflight_ground.recover.matching import Fix, Match
from overflight_ground.store import Store, tables

if TYPE_CHECKING:
    from overflight_ground.recover.run import Recovery


def stored_payload(store: str, flights: set[str]) -> str | None:
    """Return the payload of `flights` in the store, where there is just one."""
    opened = Store.open(store)
    opened.close()
    names = payloads_of(store, flights)
    return next(iter(names)) if len(names) == 1 else None


def stored_tracks(store: str, payload: str) -> dict[str, list[Fix]]:
    """Return the tracks of `payload` in the store, by flight, in order of time."""
    table = tables.messages
    wanted = select(
        table.c.flight, table.c.measured_at_ns, table.c.lat_deg, table.c.lon_deg, table.c.alt_msl_m
    ).where(table.c.payload == payload, table.c.lat_deg.is_not(None))
    tracks: dict[str, list[Fix]] = {}
    opened = Store.open(store)
    try:
        with opened.reading() as connection:
            for row in connection.execute(wanted.order_by(table.c.measured_at_ns)):
                fix = Fix(row.measured_at_ns, row.lat_deg, row.lon_deg, row.alt_msl_m)
                tracks.setdefault(row.flight, []).append(fix)
    finally:
        opened.close()
    return tracks


def save(
    store: str,
    made: Recovery,
    vault: VaultReport,
    matches: list[Match],
    flights: dict[str, str],
    paths: dict[str, Path],
    now_ns: int,
) -> None:
    """Write pictures and the recovery; what is there is brought up to date, never doubled."""
    opened = Store.open(store)
    placed = {found.sha256: found for found in matches}
    try:
        with opened.writing() as connection:
            for entry in vault.entries:
                if (path := paths.get(entry.file)) is not None:
                    place = (made.payload, flights[entry.sha256])
                    _picture(connection, place, entry, placed[entry.sha256], path)
            for flight in sorted(set(flights.values()) or set(made.flights)):
                _one(connection, made, flight, now_ns)
    finally:
        opened.close()


def _picture(
    connection: Connection, place: tuple[str, str], entry: VaultEntry, found: Match, path: Path
) -> None:
    """Write one picture of a (payload, flight)."""
    table = tables.pictures
    key = {"payload": place[0], "flight": place[1], "sha256": entry.sha256}
    values = {
        "file": entry.file,
        "bytes": entry.bytes,
        "taken_at_ns": entry.taken_at_ns,
        "lat_deg": found.lat_deg,
        "lon_deg": found.lon_deg,
        "alt_msl_m": found.alt_m,
        "serial": entry.serial,
        "match": found.how if not found.reason else f"{found.how}: {found.reason}",
        "path_on_disk": str(path.resolve()),
    }
    same = [table.c[name] == value for name, value in key.items()]
    if connection.execute(update(table).where(*same).values(values)).rowcount == 0:
        connection.execute(insert(table).values({**key, **values}))


def _one(connection: Connection, made: Recovery, flight: str, now_ns: int) -> None:
    table = tables.recoveries
    same = (
        table.c.payload == made.payload,
        table.c.flight == flight,
        table.c.source == made.source,
    )
    connection.execute(delete(table).where(*same))
    connection.execute(
        insert(table).values(
            payload=made.payload,
            flight=flight,
            source=made.source,
            recovered_at_ns=now_ns,
            chain_ok=made.chain_ok,
            pictures=made.pictures,
            bytes=made.bytes,
            report=msgspec.json.encode(made).decode(),
        )
    )
