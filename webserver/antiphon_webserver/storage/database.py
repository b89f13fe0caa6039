"""The database: one place where connections, transactions and threads are.

What belongs here: opening, running a function inside a transaction, the differences between SQLite
and PostgreSQL that concern connections. What must never come here: a table.

``read``, ``glance`` and ``write`` take a synchronous function of a connection. With threads it runs off
the event loop; without (a browser has none) it runs at once, behind the same calls.

A ``glance`` at an SQLite file is the exception: it runs on the event loop itself. Finding a row or two by
their key takes a tenth of a millisecond, and in WAL mode waits for no writer; the way to a thread and
back takes several times that, because each time the loop lets go of the interpreter the thread may keep
it. PostgreSQL is asked from a thread: there the loop would wait for a network.

SQLite has one thread that writes and a few that read; a write is on disk when it returns
(``synchronous=FULL``). PostgreSQL has a small pool. Every read sees one moment of the database:
SQLite's WAL does so by itself, PostgreSQL by ``REPEATABLE READ``.

The functions that wait for a thread are bounded by who calls: the dispatcher handles a bounded
number of requests at a time, and the recorder awaits each batch.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL
from sqlalchemy.pool import StaticPool

from ..errors import DatabaseUnavailable

READERS = 4
"""Threads that read SQLite, and connections to PostgreSQL: reads are short, so a few serve many people."""

BUSY_SECONDS = 10.0
"""How long to wait for another process that writes to the same SQLite file, or for a free connection."""

_SQLITE_FILE = (f"busy_timeout={round(BUSY_SECONDS * 1000)}", "journal_mode=WAL", "foreign_keys=ON")
"""The order matters: a busy_timeout first, because switching to WAL may have to wait for another."""

STATEMENT_SECONDS = 30
"""PostgreSQL ends a statement after this long."""

ATTEMPTS = 3
"""How often a transaction is tried that PostgreSQL ended because another one stood in its way."""

P = ParamSpec("P")
T = TypeVar("T")


class Database:
    """An open database. ``await open_database(...)`` makes one; ``close`` ends it."""

    def __init__(
        self,
        url: URL,
        *,
        threads: bool = True,
        timed: Callable[[str, float], None] = lambda kind, seconds: None,
    ) -> None:
        """Prepare the connections; nothing is opened yet.

        Args:
            url: an SQLAlchemy URL of SQLite or of PostgreSQL (psycopg).
            threads: False where there are none; then every call blocks until it is done.
            timed: called with "read", "write" or "glance" and the seconds of every transaction, and with
                "wait" and those before a thread was free; in any thread.

        Raises:
            DatabaseUnavailable: another kind of database, or its driver is not installed.
        """
        self.url = url
        self._timed = timed
        try:
            self._writes, self._reads = _engines(url)
            # Its own connection: the loop must never wait for one that a thread holds.
            self._glances = _sqlite_reads(url, connections=1) if _is_file(url) else None
        except (exc.ArgumentError, exc.NoSuchModuleError, ImportError) as error:
            raise DatabaseUnavailable(f"The database {shown(url)} cannot be used: {error}") from error
        self._glancing: Connection | None = None
        self._writer: ThreadPoolExecutor | None = None
        self._readers: ThreadPoolExecutor | None = None
        if threads:
            writers = 1 if self.is_sqlite else READERS
            self._writer = ThreadPoolExecutor(writers, thread_name_prefix="database-write")
            # An SQLite in memory is one connection: its one thread does everything.
            self._readers = (
                self._writer
                if self.is_sqlite and _in_memory(url)
                else ThreadPoolExecutor(READERS, thread_name_prefix="database-read")
            )

    @property
    def is_sqlite(self) -> bool:
        return self.url.get_backend_name() == "sqlite"

    async def read(self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ``fn(connection, *args)`` in a transaction that sees one moment and changes nothing.

        Raises:
            DatabaseUnavailable: the database failed.
        """
        return await self._run(
            "read", self._readers, self._reads, lambda connection: fn(connection, *args, **kwargs)
        )

    async def glance(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """``read`` for what finds a few rows by their keys: quicker, and the event loop waits for it.

        Never for a list, a text of a user or anything else that grows.

        Raises:
            DatabaseUnavailable: the database failed.
        """
        if self._glances is None:
            return await self.read(fn, *args, **kwargs)
        began = time.perf_counter()
        try:
            return self._glance(self._glances, lambda connection: fn(connection, *args, **kwargs))
        finally:
            self._timed("glance", time.perf_counter() - began)

    async def write(
        self, fn: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run ``fn(connection, *args)`` in a transaction; what it did is durable when this returns.

        An exception undoes everything; ``fn`` may then be run again, so it must change nothing else.
        Being cancelled undoes nothing: the transaction goes on to its end.

        Raises:
            DatabaseUnavailable: the database failed, and nothing was changed.
        """
        return await self._run(
            "write", self._writer, self._writes, lambda connection: fn(connection, *args, **kwargs)
        )

    async def close(self) -> None:
        """Wait for what is running, then close every connection."""
        for executor in (self._writer, self._readers):
            if executor is not None:
                await asyncio.get_running_loop().run_in_executor(None, executor.shutdown)
        self._stop_glancing()
        for engine in (self._writes, self._reads, self._glances):
            if engine is not None:
                engine.dispose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(
        self, kind: str, executor: ThreadPoolExecutor | None, engine: Engine, fn: Callable[[Connection], T]
    ) -> T:
        if executor is None:
            return self._transact(kind, engine, fn)
        asked = time.perf_counter()

        def work() -> T:
            self._timed("wait", time.perf_counter() - asked)
            return self._transact(kind, engine, fn)

        return await asyncio.get_running_loop().run_in_executor(executor, work)

    def _transact(self, kind: str, engine: Engine, fn: Callable[[Connection], T]) -> T:
        began = time.perf_counter()
        try:
            return self._attempt(engine, fn)
        finally:
            self._timed(kind, time.perf_counter() - began)

    def _glance(self, engine: Engine, fn: Callable[[Connection], T]) -> T:
        """On a connection that stays: to take one from the pool costs as much as a query."""
        try:
            if self._glancing is None:
                self._glancing = engine.connect()
            with self._glancing.begin():
                return fn(self._glancing)
        except exc.SQLAlchemyError as error:
            self._stop_glancing()
            raise DatabaseUnavailable(f"The database {shown(self.url)} failed: {_cause(error)}") from error

    def _stop_glancing(self) -> None:
        if self._glancing is not None:
            self._glancing.close()
            self._glancing = None

    def _attempt(self, engine: Engine, fn: Callable[[Connection], T]) -> T:
        for attempt in range(ATTEMPTS):
            try:
                with engine.begin() as connection:
                    return fn(connection)
            except exc.SQLAlchemyError as error:
                if attempt + 1 < ATTEMPTS and _may_be_tried_again(error):
                    continue
                raise DatabaseUnavailable(
                    f"The database {shown(self.url)} failed: {_cause(error)}"
                ) from error
        raise AssertionError("the last attempt returns or raises")


async def open_database(
    where: str | Path,
    *,
    threads: bool = True,
    timed: Callable[[str, float], None] = lambda kind, seconds: None,
) -> Database:
    """Open a database and bring its tables up to date.

    Args:
        where: the path of an SQLite file, which is made if it is not there; or an SQLAlchemy URL,
            such as ``postgresql://user@host/name``. ``:memory:`` is an SQLite that is gone at the end.
        threads, timed: see ``Database``.

    Raises:
        DatabaseUnavailable: it cannot be opened.
        DatabaseTooNew: a newer Antiphon has written it.
    """
    from .migrations import bring_up_to_date

    url = _url(where)
    _make_private(url)
    database = Database(url, threads=threads, timed=timed)
    try:
        await database.write(bring_up_to_date)
    except BaseException:
        await database.close()
        raise
    return database


def database_file(where: str | Path) -> Path | None:
    """The SQLite file that ``open_database`` would open; None when it is another kind of database.

    Raises:
        DatabaseUnavailable: the URL cannot be read.
    """
    url = _url(where)
    return Path(url.database) if _is_file(url) and url.database else None


def _make_private(url: URL) -> None:
    """An SQLite file is for its owner only; SQLite gives the files beside it the same mode."""
    if url.get_backend_name() != "sqlite" or _in_memory(url) or url.database is None:
        return
    try:
        os.close(os.open(url.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise DatabaseUnavailable(
            f"The database {url.database} cannot be opened: {error.strerror}."
        ) from error


def shown(url: URL) -> str:
    """The URL as it may be logged: without a password."""
    return url.render_as_string(hide_password=True)


def _url(where: str | Path) -> URL:
    if isinstance(where, Path) or "://" not in where:
        return URL.create("sqlite", database=str(where))
    try:
        url = make_url(where)
    except exc.ArgumentError as error:
        raise DatabaseUnavailable("The database's URL cannot be read.") from error
    if url.drivername in ("postgresql", "postgres"):
        return url.set(drivername="postgresql+psycopg")
    return url


def _cause(error: exc.SQLAlchemyError) -> str:
    """The driver's own first line. SQLAlchemy's text would add the statement and its parameters, which
    may be secrets."""
    origin = error.orig if isinstance(error, exc.DBAPIError) and error.orig is not None else error
    return (str(origin).splitlines() or [type(origin).__name__])[0]


def _may_be_tried_again(error: exc.SQLAlchemyError) -> bool:
    """A deadlock, a serialization failure, or a reference to what was just deleted: nothing was done, and
    the other transaction is through.

    Two transactions that lock a worksheet and a session in different orders meet so; trying again is
    simpler than one order for all of them.
    """
    states = ("40P01", "40001", "23503")
    return isinstance(error, exc.DBAPIError) and getattr(error.orig, "sqlstate", None) in states


def _engines(url: URL) -> tuple[Engine, Engine]:
    """One engine that writes, one that reads."""
    if url.get_backend_name() == "sqlite":
        return _sqlite_engines(url)
    if url.get_backend_name() == "postgresql":
        engine = create_engine(
            url,
            pool_size=2 * READERS,
            max_overflow=0,
            pool_timeout=BUSY_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={"options": f"-c statement_timeout={STATEMENT_SECONDS * 1000} -c timezone=UTC"},
        )
        reads = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        return engine, reads
    raise exc.ArgumentError("Antiphon knows SQLite and PostgreSQL.")


def _sqlite_engines(url: URL) -> tuple[Engine, Engine]:
    if _in_memory(url):
        engine = _sqlite_engine(url, "BEGIN IMMEDIATE", ("foreign_keys=ON",), poolclass=StaticPool)
        return engine, engine
    pragmas = (*_SQLITE_FILE, "synchronous=FULL")
    writes = _sqlite_engine(url, "BEGIN IMMEDIATE", pragmas, pool_size=1, max_overflow=0)
    return writes, _sqlite_reads(url, connections=READERS)


def _sqlite_reads(url: URL, *, connections: int) -> Engine:
    pragmas = (*_SQLITE_FILE, "query_only=ON")
    return _sqlite_engine(url, "BEGIN", pragmas, pool_size=connections, max_overflow=0)


def _sqlite_engine(url: URL, begin: str, pragmas: tuple[str, ...], **pool: Any) -> Engine:
    """An engine that begins its transactions itself: Python's driver would begin before a write only."""
    engine = create_engine(url, hide_parameters=True, connect_args={"check_same_thread": False}, **pool)

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def start(connection: Connection) -> None:
        driver = connection.connection.driver_connection
        if begin == "BEGIN" and driver is not None:
            # This alone touches no file, so it cannot fail; through SQLAlchemy it costs as much as a query.
            driver.execute(begin)
        else:
            connection.exec_driver_sql(begin)

    return engine


def _is_file(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and not _in_memory(url)


def _in_memory(url: URL) -> bool:
    return url.database in (None, "", ":memory:")
