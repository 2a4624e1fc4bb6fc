"""Rows as both databases take them: every column gets its own value, in any number of rows."""

import sqlite3

import pytest

from overflight_ground.ingest.judge import Accepted, judge
from overflight_ground.ingest.rows import message_row
from overflight_ground.store import ClashError, Store, StoreUnavailableError
from overflight_ground.store.inserting import (
    COLUMNS,
    NAVIGATION,
    PLACES,
    POSITION,
    RAW,
    copy_line,
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


def test_a_line_for_postgresql(row) -> None:
    fields = copy_line(row(1, hdop=None), 77).removesuffix("\n").split("\t")
    named = dict(zip(COLUMNS, fields, strict=True))
    assert (named["seq"], named["kind"], named["retained"], named["dup"]) == (
        "1", "position", "1", "0",
    )  # fmt: skip
    assert named["raw"].startswith(r"\\x7b22666c69676874")
    assert (named["suspect"], named["stored_at_ns"], named["hdop"]) == (r"\N", "77", r"\N")
    assert {named[name] for name in NAVIGATION} == {r"\N"}
    fields = copy_line(row(2, "past,sats"), 77).removesuffix("\n").split("\t")
    named = dict(zip(COLUMNS, fields, strict=True))
    assert (named["suspect"], named["phase"], named["waypoint"]) == ("past,sats", "float", "3")
    assert {named[name] for name in POSITION} == {r"\N"}


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
    assert f"\t{raw.decode()}\t" in copy_line(as_text, 77)


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
