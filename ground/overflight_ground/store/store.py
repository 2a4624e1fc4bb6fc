"""Opens a store by URL and hands out connections: one writer, many readers.

SQLite runs in WAL mode with synchronous FULL: what is committed survives a power cut.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from overflight_contract.errors import InputError, UnavailableError
from overflight_ground.store import migrating

log = logging.getLogger(__name__)

WRITER_BUSY_S: Final = 2.0
READER_BUSY_S: Final = 10.0
_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA cache_size=-65536",
    "PRAGMA wal_autocheckpoint=20000",
    "PRAGMA temp_store=MEMORY",
    # Overwriting what moves from page to page would take a fifth of an insert; `retention`, which
    # deletes, turns it on.
    "PRAGMA secure_delete=OFF",
)


class StoreUnavailableError(UnavailableError):
    """The database is away, locked or full; trying again later may help."""


class UnstorableError(ValueError):
    """The database is well, but takes no such value."""


class ClashError(StoreUnavailableError):
    """A row that had to be new is there already."""


def store_url(text: str) -> URL:
    """Turn what a person writes into a database URL: a URL, or the path of an SQLite file."""
    if "://" not in text:
        return URL.create("sqlite", database=str(Path(text).expanduser()))
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise InputError(
            f"{text!r} is no store: a file, sqlite:///FILE or postgresql://…"
        ) from error
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise InputError(f"a store is SQLite or PostgreSQL, not {url.get_backend_name()}")
    return url


class Store:
    """A store with the newest schema. Threads may share it."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.sqlite = url.get_backend_name() == "sqlite"
        self._turn = Lock()
        self._kept: PoolProxiedConnection | None = None
        try:
            self.reader = self._engine(READER_BUSY_S, "BEGIN", pool_size=8)
            self.writer = self._engine(WRITER_BUSY_S, "BEGIN IMMEDIATE", pool_size=2)
        except (NoSuchModuleError, ModuleNotFoundError) as error:
            raise UnavailableError(
                "PostgreSQL needs a driver: pip install 'overflight[postgres]'"
            ) from error

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Store:
        """Open the store at `url` (see `store_url`) and migrate it.

        `InputError` where there is none and `create` is false, or it is none of ours;
        `StoreUnavailableError` where the database does not answer.
        """
        store = cls(store_url(url))
        file = store.file
        if file is not None:
            if not create and not file.is_file():
                raise InputError(f"there is no store at {file}")
            file.parent.mkdir(parents=True, exist_ok=True)
        try:
            migrating.migrate(store.writer, store.reader)
        except DBAPIError as error:
            store.close()
            raise StoreUnavailableError(f"the store can't be opened: {reason(error)}") from error
        except BaseException:
            store.close()
            raise
        return store

    @property
    def file(self) -> Path | None:
        """The SQLite file, `None` for PostgreSQL and for a store in memory."""
        name = self.url.database
        return Path(name) if self.sqlite and name and name != ":memory:" else None

    @property
    def label(self) -> str:
        """The store's address without its password."""
        return self.url.render_as_string(hide_password=True)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection with one consistent view; errors become `StoreUnavailableError`."""
        try:
            with self.reader.connect() as connection:
                yield connection
        except PoolTimeoutError as error:
            raise StoreUnavailableError("the store does not answer: all readers wait") from error
        except SQLAlchemyError as error:
            if isinstance(error, DBAPIError):
                raise StoreUnavailableError(
                    f"the store does not answer: {reason(error)}"
                ) from error
            raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a write transaction, committed at the end."""
        try:
            with self._turn, self.writer.begin() as connection:
                yield connection
        except DBAPIError as error:
            raise StoreUnavailableError(f"the store can't be written: {reason(error)}") from error

    @contextmanager
    def batch(self) -> Iterator[DBAPICursor]:
        """Give the driver's own cursor in a write transaction, committed at the end.

        As `writing`, without what SQLAlchemy does for each statement: at a message a batch that
        is five times as much work as the database's. The connection is kept for the next batch
        until one fails. Raises `ClashError` and `UnstorableError` besides.
        """
        driver = self.writer.dialect.loaded_dbapi
        try:
            with self._turn:
                connection, self._kept = self._kept or self.writer.raw_connection(), None
                try:
                    yield from self._transaction(connection)
                except BaseException:
                    connection.close()
                    raise
                self._kept = connection
        except driver.IntegrityError as error:
            raise ClashError(f"the store has such a row: {one_line(error)}") from error
        except driver.DataError as error:
            raise UnstorableError(f"the store takes no such value: {one_line(error)}") from error
        except driver.Error as error:
            raise StoreUnavailableError(f"the store can't be written: {one_line(error)}") from error
        except DBAPIError as error:
            raise StoreUnavailableError(f"the store can't be written: {reason(error)}") from error

    def _transaction(self, connection: PoolProxiedConnection) -> Iterator[DBAPICursor]:
        try:
            cursor = connection.cursor()
            if self.sqlite:
                cursor.execute("BEGIN IMMEDIATE")
            yield cursor
            connection.commit()
        except BaseException:
            try:
                connection.rollback()
            except self.writer.dialect.loaded_dbapi.Error:
                connection.invalidate()
            raise

    def checkpoint(self) -> int:
        """Bring what is in SQLite's log into its file, beside the writer and without stopping it.

        A commit does so by itself, but only once the log has 20,000 pages (80 MB), and takes long
        then. Returns how many pages the log has. Nothing is lost where it fails.
        """
        if not self.sqlite:
            return 0
        try:
            connection = self.reader.raw_connection()
            try:
                cursor = connection.cursor().execute("PRAGMA wal_checkpoint(PASSIVE)")
                _busy, pages, _brought_in = cursor.fetchone()
            finally:
                connection.close()
        except (sqlite3.Error, DBAPIError) as error:
            log.debug("the store's log could not be brought in: %s", error)
            return 0
        return int(pages)

    def restart_log(self) -> None:
        """Bring in what came during `checkpoint`, in place of a commit: the log begins anew then.

        Overwriting a short log takes half as long as making a long one longer, and does not wait
        until the file system has written down where a file's new pages are. Does nothing while
        somebody reads what is only in the log.
        """
        with self._turn:
            self.checkpoint()

    def close(self) -> None:
        """Let go of all connections."""
        with self._turn:
            if self._kept is not None:
                self._kept.close()
                self._kept = None
        self.reader.dispose()
        self.writer.dispose()

    def _engine(self, busy_s: float, begin: str, pool_size: int) -> Engine:
        if not self.sqlite:
            return create_engine(
                self.url,
                pool_size=pool_size,
                max_overflow=0,
                pool_pre_ping=begin == "BEGIN",
                connect_args={"connect_timeout": 5, "application_name": "overflight ground"},
            )
        engine = create_engine(
            self.url,
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=0,
            connect_args={"timeout": busy_s, "check_same_thread": False},
        )
        event.listen(engine, "connect", _prepare)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
        return engine


def reason(error: SQLAlchemyError) -> str:
    """Say in one line what a database error is about."""
    return one_line(getattr(error, "orig", None) or error)


def one_line(error: BaseException) -> str:
    """Return the first line of what a driver says."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def default_store(data_dir: str | os.PathLike[str] = "overflight-data") -> str:
    """Return the URL of the store that a ground uses where it is not told another one."""
    return str(Path(data_dir) / "ground.sqlite")


def _prepare(connection: Any, _record: object) -> None:
    """Set up an SQLite connection; transactions are begun by us, not by the driver."""
    assert isinstance(connection, sqlite3.Connection)
    connection.isolation_level = None
    for pragma in _PRAGMAS:
        connection.execute(pragma)
