"""Rows as both databases take them: every column gets its own value, in any number of rows."""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from collections.abc import Iterator

import pytest

from overflight_ground.ingest.judge import Accepted, judge
from overflight_ground.ingest.rows import message_row
from overflight_ground.store import ClashError, Store, StoreUnavailableError, copying
from overflight_ground.store.inserting import (
    COLUMNS,
    NAVIGATION,
    PLACES,
    POSITION,
    RAW,
    insert_sqlite,
)
from overflight_ground.store.tables import messages


@pytest.fixture
def row(arrival, position, navigation):
    def made(seq: int, suspect: str | None = None, **fields):
        body = (position if seq % 2 else navigation)(seq, **fields)
        item = judge(arrival(body)._replace(retained=True))
        assert isinstance(item, Accepted)
        return message_row(seq, item, suspect)

    return made


def stored(store: Store) -> list[dict[str, object]]:
    with store.reading() as connection:
        found = connection.execute(messages.select().order_by(messages.c.id)).mappings()
        return [dict(one) for one in found]


def test_the_columns_are_those_of_the_table() -> None:
    assert set(COLUMNS) == set(messages.c.keys())
    assert len(COLUMNS) == len(messages.c)


def test_a_row_has_only_what_sqlite3_binds_at_once(row) -> None:
    for seq in (1, 2):
        assert len(row(seq)) == PLACES
        assert {type(value) for value in row(seq)} <= {int, float, str, bytearray}


def test_each_kind_fills_its_own_columns(store, row) -> None:
    with store.batch() as cursor:
        insert_sqlite(cursor, [*row(1), *row(2, "future"), *row(4, waypoint=None)], 77)
    position, navigation, other = stored(store)
    assert (position["lat_deg"], position["fix"], position["hdop"]) == (50.0, "3d", 0.9)
    assert all(position[name] is None for name in NAVIGATION)
    assert (navigation["track_deg"], navigation["cross_track_m"]) == (90.0, -1200)
    assert all(navigation[name] is None for name in POSITION)
    assert (other["waypoint"], other["waypoint_bearing_deg"], other["phase"]) == (
        None,
        None,
        "float",
    )
    assert (position["suspect"], navigation["suspect"]) == (None, "future")
    assert {one["stored_at_ns"] for one in (position, navigation)} == {77}
    assert (position["qos"], position["retained"], position["dup"]) == (1, True, False)


@pytest.mark.parametrize("count", [1, 3, 21, 85, 341])
def test_any_number_of_rows(store, row, count) -> None:
    with store.batch() as cursor:
        insert_sqlite(cursor, [value for n in range(1, count + 1) for value in row(n)], 1)
    assert [one["seq"] for one in stored(store)] == list(range(1, count + 1))


class Cursor:
    """Takes what is copied to PostgreSQL, and reads its binary format as the manual has it."""

    def __init__(self) -> None:
        self.data = b""

    @contextlib.contextmanager
    def copy(self, statement: str) -> Iterator[Cursor]:
        assert statement == copying.COPY
        yield self

    def write(self, data: bytes) -> None:
        self.data += data

    def rows(self) -> list[dict[str, bytes | None]]:
        data, found = self.data, []
        assert data[:19] == b"PGCOPY\n\xff\r\n\0" + bytes(8)
        at = 19
        while (count := int.from_bytes(data[at : at + 2], signed=True)) != -1:
            at, fields = at + 2, []
            for _ in range(count):
                size = int.from_bytes(data[at : at + 4], signed=True)
                fields.append(None if size < 0 else data[at + 4 : at + 4 + size])
                at += 4 + max(size, 0)
            found.append(dict(zip(copying.COLUMNS, fields, strict=True)))
        assert data[at:] == b"\xff\xff"
        return found


def number(code: str, value: bytes | None) -> float | None:
    return None if value is None else struct.unpack(f">{code}", value)[0]


def test_rows_for_postgresql(row) -> None:
    cursor = Cursor()
    rows = [row(1, hdop=None), row(2, "past,sats"), row(3), row(4, waypoint=None)]
    with copying.Copying(cursor) as copy:
        copy.write([value for one in rows for value in one], 77)
    assert set(copying.COLUMNS) == set(COLUMNS)
    first, second, third, fourth = cursor.rows()
    assert (first["kind"], first["qos"], first["retained"], first["dup"]) == (
        b"position", b"\0\1", b"\1", b"\0",
    )  # fmt: skip
    assert (first["suspect"], second["suspect"]) == (None, b"past,sats")
    assert first["raw"].startswith(b'{"flight"')
    assert [number("q", one["seq"]) for one in (first, second, third, fourth)] == [1, 2, 3, 4]
    assert {number("q", one["stored_at_ns"]) for one in (first, second)} == {77}
    for one, missing in ((first, {"hdop"}), (third, set())):
        own = {name: number(code, one[name]) for name, code in copying.OF_POSITION.items()}
        assert {name for name, value in own.items() if value is None} == missing
        assert (own["lat_deg"], own["alt_hae_m"], own["sats"]) == (50.0, 18_010.5, 9)
        assert {one[name] for name in (*copying.OF_NAVIGATION, "phase")} == {None}
        assert one["fix"] == b"3d"
    lost = {"waypoint", "waypoint_distance_m", "waypoint_bearing_deg"}
    for one, missing in ((second, set()), (fourth, lost)):
        own = {name: number(code, one[name]) for name, code in copying.OF_NAVIGATION.items()}
        assert {name for name, value in own.items() if value is None} == missing
        assert (own["track_deg"], own["climb_mps"], own["cross_track_m"]) == (90.0, 0.0, -1_200)
        assert {one[name] for name in (*copying.OF_POSITION, "fix")} == {None}
        assert one["phase"] == b"float"
    assert number("d", second["waypoint_bearing_deg"]) == 91.5


def test_bytes_may_come_as_text(store, row) -> None:
    as_bytes = row(1)
    raw = bytes(as_bytes[RAW])
    as_text = (2, *as_bytes[1:3], 2, *as_bytes[4:RAW], raw.decode(), *as_bytes[RAW + 1 :])
    with store.batch() as cursor:
        insert_sqlite(cursor, [*as_bytes, *as_text], 1)
    assert [bytes(one["raw"]) for one in stored(store)] == [raw, raw]
    with store.reading() as connection:
        query = "SELECT DISTINCT typeof(raw) FROM messages"
        assert connection.exec_driver_sql(query).scalars().all() == ["blob"]
    cursor = Cursor()
    with copying.Copying(cursor) as copy:
        copy.write([*as_bytes, *as_text], 1)
    assert [one["raw"] for one in cursor.rows()] == [raw, raw]


def test_a_row_that_is_there_already_is_a_clash_and_nothing_is_stored(store, row) -> None:
    with store.batch() as cursor:
        insert_sqlite(cursor, row(1), 1)
    with pytest.raises(ClashError), store.batch() as cursor:
        insert_sqlite(cursor, [*row(2), *row(1)], 1)
    assert [one["seq"] for one in stored(store)] == [1]


def test_a_locked_store_is_unavailable_and_works_again(store, row) -> None:
    other = sqlite3.connect(store.file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match="locked"), store.batch():
        raise AssertionError("nothing may run without the lock")
    other.close()
    with store.batch() as cursor:
        insert_sqlite(cursor, row(1), 1)
    assert len(stored(store)) == 1
