"""Databases for the tests of the web server: the same tests on SQLite and on a real PostgreSQL."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import URL, Connection, text

from antiphon_webserver import signin
from antiphon_webserver.context import Context
from antiphon_webserver.dispatcher import dispatch
from antiphon_webserver.model import Account, AccountName, SignUp
from antiphon_webserver.passwords import Passwords
from antiphon_webserver.storage import accounts
from antiphon_webserver.storage.database import Database, open_database
from antiphon_webserver.storage.tables import metadata
from tests.conftest import put_database
from tests.webserver.fakes import FakeRelay, FakeSessions

START = 1_800_000_000.0
"""When the tests happen, in seconds since the epoch."""


def postgresql_programs() -> Path | None:
    """The folder of ``initdb`` and ``pg_ctl``; the newest version if there are several."""
    on_path = shutil.which("initdb")
    if on_path:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    return found[-1].parent if found else None


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A PostgreSQL of our own; its URL without a database."""
    with postgresql() as url:
        yield url


@contextmanager
def postgresql() -> Iterator[str]:
    """A PostgreSQL of our own, on a Unix socket in a folder of its own; its URL without a database."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("there is no PostgreSQL on this machine (initdb)")
    # A socket's path has at most 107 bytes, so not below pytest's own folders.
    folder = Path(tempfile.mkdtemp(prefix="antiphon-pg-"))
    as_user: dict[str, Any] = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to be root
        name = next(name for name in ("postgres", "nobody") if _has_user(name))
        as_user = {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}
        shutil.chown(folder, name)
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC", "HOME": str(folder)}

    def call(program: str, *arguments: str) -> None:
        subprocess.run(
            [programs / program, *arguments],
            check=True,
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            timeout=120,
            **as_user,
        )

    data = str(folder / "data")
    options = f"-c listen_addresses='' -c unix_socket_directories='{folder}' -c fsync=off"
    try:
        call("initdb", "-D", data, "-U", "antiphon", "-A", "trust", "-E", "UTF8", "--no-sync")
        call("pg_ctl", "-D", data, "-l", str(folder / "log"), "-w", "-o", options, "start")
        try:
            yield f"postgresql://antiphon@/postgres?host={folder}"
        finally:
            call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


@pytest.fixture(scope="session")
def postgresql_url(postgresql_server: str) -> str:
    """A database in it, with its tables."""
    asyncio.run(_make(postgresql_server))
    return postgresql_server


@pytest.fixture
def data(tmp_path: Path, sqlite_template: Path) -> Path:
    """The data directory of a server that has been there before."""
    put_database(sqlite_template, tmp_path / "data")
    return tmp_path / "data"


async def _make(where: str) -> None:
    async with await open_database(where):
        pass


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        path = tmp_path / "antiphon.sqlite"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        return f"sqlite:///{path}"
    url: str = request.getfixturevalue("postgresql_url")
    asyncio.run(_empty(url))
    return url


async def _empty(url: str) -> None:
    def work(connection: Connection) -> None:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names}"))

    async with await open_database(url) as database:
        await database.write(work)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with await open_database(database_url) as opened:
        yield opened


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    seconds: float = START

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Server:
    """The dispatcher over a database, with a fake kernel and a fake relay."""

    context: Context
    sessions: FakeSessions
    relay: FakeRelay
    clock: Clock

    async def sign_in(self, name: str, *, admin: bool = False) -> Person:
        """Somebody with an account, made if it is not there, and a token."""
        token = await self.context.database.write(_account_with_token, name, admin, self.context.now)
        caller = await signin.identify(self.context, bearer=token)
        return Person(replace(self.context, caller=caller))

    @property
    def nobody(self) -> Person:
        return Person(self.context)


@dataclass(frozen=True)
class Person:
    """A caller; ``call`` gives the result, ``refused`` the error."""

    context: Context

    @property
    def account(self) -> Account:
        return self.context.account

    async def answer(self, method: str, **params: Any) -> dict[str, Any]:
        text = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
        answer = await dispatch(self.context, text)
        assert answer is not None
        return msgspec.json.decode(answer, type=dict[str, Any])

    async def call(self, method: str, **params: Any) -> Any:
        answer = await self.answer(method, **params)
        assert "error" not in answer, answer["error"]
        return answer["result"]

    async def refused(self, method: str, **params: Any) -> dict[str, Any]:
        answer = await self.answer(method, **params)
        assert "error" in answer, answer["result"]
        error: dict[str, Any] = answer["error"]
        return error


def _account_with_token(connection: Connection, name: str, admin: bool, now: str) -> str:
    accounts.create(connection, AccountName(name), display_name="", password=None, admin=admin, now=now)
    _, secret = signin.issue_token(connection, AccountName(name), "tests", now)
    return secret


def make_server(database: Database, signup: SignUp = "closed") -> Server:
    sessions, clock = FakeSessions(), Clock()
    relay = FakeRelay(database, sessions)
    context = Context(
        database=database,
        sessions=sessions,
        relay=relay,
        public_url="http://antiphon.test",
        passwords=Passwords(threads=False, time_cost=1, memory_kib=64),
        clock=clock,
        signup=signup,
    )
    return Server(context, sessions, relay, clock)


@pytest.fixture
def server(database: Database) -> Server:
    """A server on each kind of database."""
    return make_server(database)


def in_memory(template: Path, *, threads: bool = True) -> Database:
    """An SQLite in memory with its tables."""
    database = Database(URL.create("sqlite", database=":memory:"), threads=threads)
    with closing(sqlite3.connect(template)) as source, database._writes.connect() as connection:
        target = connection.connection.dbapi_connection
        assert isinstance(target, sqlite3.Connection)
        source.backup(target)
    return database


@pytest.fixture
async def memory(sqlite_template: Path) -> AsyncIterator[Database]:
    """A database in memory, for the parts that need one and do not depend on its kind."""
    async with in_memory(sqlite_template) as database:
        yield database


@pytest.fixture
async def quick_server(sqlite_template: Path) -> AsyncIterator[Server]:
    """A server on an SQLite in memory, for what does not depend on the database."""
    async with in_memory(sqlite_template, threads=False) as database:
        yield make_server(database)
