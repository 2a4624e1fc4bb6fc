"""Brings a store to the newest schema: alembic, after a copy where there is something to lose."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import Connection, Engine, inspect, text

from overflight_contract.errors import InputError

if TYPE_CHECKING:
    from alembic.config import Config  # imported where they are used: a start needs them seldom
    from alembic.script import ScriptDirectory

log = logging.getLogger(__name__)

HEAD: Final = "0003"
"""The newest revision; a test holds it equal to alembic's."""

_FOLDER: Final = Path(__file__).with_name("migrations")
_ADVISORY_LOCK: Final = 0x0F17


def config(connection: Connection | None = None) -> Config:
    """Return alembic's configuration for `connection`."""
    from alembic.config import Config

    made = Config()
    made.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    made.attributes["connection"] = connection
    return made


def revision(engine: Engine) -> str | None:
    """Return the revision of the store; `None` where it is empty."""
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
        return None if found is None else str(found)


def migrate(engine: Engine, reader: Engine) -> None:
    """Bring the store to `HEAD`; an old SQLite file is copied first, beside itself.

    `engine` is the writer's; a store that needs nothing is only read.

    Raises `InputError` for a store that a newer program made, or that is none of ours.
    """
    before = revision(reader)
    if before == HEAD:
        return
    if before is None:
        _refuse_strangers(engine)
    elif before not in _known():
        raise InputError(f"the store is of revision {before}, newer than this program; update it")
    elif not _leaves_alone(engine, before):
        _copy(engine, before)
    from alembic import command

    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:n)"), {"n": _ADVISORY_LOCK})
        command.upgrade(config(connection), "head")


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory

    return ScriptDirectory(str(_FOLDER))


def _known() -> set[str]:
    return {script.revision for script in _scripts().walk_revisions()}


def _leaves_alone(engine: Engine, before: str) -> bool:
    """Tell whether no step from `before` on changes anything in SQLite."""
    steps = _scripts().iterate_revisions("head", before)
    return engine.dialect.name == "sqlite" and all(
        getattr(step.module, "POSTGRESQL_ONLY", False) for step in steps
    )


def _refuse_strangers(engine: Engine) -> None:
    found = set(inspect(engine).get_table_names()) & {"messages", "flights", "quarantine"}
    if found:
        raise InputError(f"the store has tables that are not ours: {', '.join(sorted(found))}")


def _copy(engine: Engine, before: str) -> None:
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:":
        log.warning("migrating the store from %s to %s; back it up yourself", before, HEAD)
        return
    target = Path(f"{name}.{before}.bak")
    number = 1
    while target.exists():
        number += 1
        target = Path(f"{name}.{before}.{number}.bak")
    source, copy = sqlite3.connect(name), sqlite3.connect(target)
    try:
        source.backup(copy)
    finally:
        copy.close()
        source.close()
    log.warning("migrating the store from %s to %s; a copy is in %s", before, HEAD, target)
