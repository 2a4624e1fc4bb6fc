"""Migrations: both ways, equal to the tables, a copy before an old file is changed."""

import sqlite3

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect

from overflight_contract.errors import InputError
from overflight_ground.store import Store, migrating
from overflight_ground.store.tables import metadata

FIRST = "0001"


def test_head_is_alembics_head() -> None:
    scripts = ScriptDirectory(str(migrating._FOLDER))
    assert scripts.get_current_head() == migrating.HEAD


def test_the_migrations_make_the_tables_of_the_code(store) -> None:
    with store.reader.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_down_to_nothing_and_up_again(store) -> None:
    with store.writer.begin() as connection:
        command.downgrade(migrating.config(connection), "base")
    assert set(inspect(store.reader).get_table_names()) <= {"alembic_version"}
    with store.writer.begin() as connection:
        command.upgrade(migrating.config(connection), "head")
    assert migrating.revision(store.reader) == migrating.HEAD


def test_each_step_down_and_up_keeps_the_messages(store, intake, arrival, position) -> None:
    intake.commit([arrival(position(1))])
    revisions = [r.revision for r in ScriptDirectory(str(migrating._FOLDER)).walk_revisions()]
    for revision in revisions[1:]:
        with store.writer.begin() as connection:
            command.downgrade(migrating.config(connection), revision)
        with store.writer.begin() as connection:
            command.upgrade(migrating.config(connection), "head")
    assert sqlite3.connect(store.file).execute("SELECT seq FROM messages").fetchall() == [(1,)]


def test_an_old_file_is_copied_before_it_is_changed(tmp_path) -> None:
    file = tmp_path / "old.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        command.upgrade(migrating.config(connection), FIRST)
        connection.exec_driver_sql("INSERT INTO meta VALUES ('note', 'kept')")
    engine.dispose()
    if migrating.HEAD == FIRST:
        pytest.skip("there is only one revision yet")
    Store.open(str(file)).close()
    copy = sqlite3.connect(tmp_path / f"old.sqlite.{FIRST}.bak")
    assert copy.execute("SELECT value FROM meta WHERE key = 'note'").fetchone() == ("kept",)
    assert copy.execute("SELECT version_num FROM alembic_version").fetchone() == (FIRST,)


def test_a_file_that_stays_as_it_is_is_not_copied(tmp_path) -> None:
    file = tmp_path / "recent.sqlite"
    engine = create_engine(f"sqlite:///{file}")
    with engine.begin() as connection:
        command.upgrade(migrating.config(connection), "0002")
    engine.dispose()
    store = Store.open(str(file))
    assert migrating.revision(store.reader) == migrating.HEAD
    store.close()
    assert list(tmp_path.glob("*.bak")) == []


def test_a_store_of_a_newer_program_is_refused(tmp_path) -> None:
    file = tmp_path / "new.sqlite"
    Store.open(str(file)).close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(InputError, match="newer"):
        Store.open(str(file))


def test_somebody_elses_database_is_refused(tmp_path) -> None:
    file = tmp_path / "theirs.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE messages (x)")
    connection.close()
    with pytest.raises(InputError, match="not ours"):
        Store.open(str(file))


def test_no_store_is_an_error_where_none_is_to_be_made(tmp_path) -> None:
    with pytest.raises(InputError, match="no store"):
        Store.open(str(tmp_path / "none.sqlite"), create=False)
