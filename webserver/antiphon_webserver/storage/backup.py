"""A backup of an SQLite database while it is used, and the way back.

What belongs here: copies of the whole database, each of one moment. What must never come here: single
tables. PostgreSQL brings its own program for it, which is named to whoever asks.

Source: https://www.sqlite.org/lang_vacuum.html#vacuuminto
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from ..errors import DatabaseTooNew, DatabaseUnavailable
from .database import database_file
from .migrations import VERSIONS

BUSY_SECONDS = 30.0


def save(where: str | Path, file: Path) -> int:
    """Write the database as it is at one moment to a new file of this user alone; returns its bytes.

    Servers may go on writing: what was acknowledged before this was called is in the file.

    Args:
        where: as ``open_database`` takes it.

    Raises:
        DatabaseUnavailable: it is no SQLite file, it cannot be read, or ``file`` cannot be written or
            is there already.
    """
    source = _source(where)
    with _new(file) as fresh, _told(source):
        with closing(
            sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        ) as database:
            database.execute("VACUUM INTO ?", (str(fresh),))
        _check(fresh)
    return file.stat().st_size


def restore(file: Path, where: str | Path) -> str:
    """Put a backup in the place of a database that is not there; returns the version of its tables.

    Raises:
        DatabaseUnavailable: there is a database already, the file is damaged or no database of ours.
        DatabaseTooNew: a newer Antiphon has written it.
    """
    target = _source(where)
    if not file.is_file():
        raise DatabaseUnavailable(f"There is no file {file}.")
    for beside in (target, *(target.with_name(target.name + end) for end in ("-wal", "-shm"))):
        if beside.exists():
            raise DatabaseUnavailable(f"There is a database already: {beside}. Nothing was changed.")
    with _told(file), _new(target) as fresh:
        shutil.copyfile(file, fresh)
        return _check(fresh)


def _source(where: str | Path) -> Path:
    path = database_file(where)
    if path is None:
        raise DatabaseUnavailable(
            "The database is no SQLite file. A PostgreSQL is saved with pg_dump --format=custom, "
            "and brought back with pg_restore."
        )
    return path.absolute()


def _check(path: Path) -> str:
    """The version of the tables of a whole database of ours."""
    # Nobody else has the file: without this SQLite would leave a log and its index beside it.
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as database:
        found = database.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            raise DatabaseUnavailable(f"The database is damaged: {found}")
        row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    if row is None:
        raise DatabaseUnavailable("The file is no database of Antiphon.")
    if row[0] not in VERSIONS:
        raise DatabaseTooNew(
            f"The backup has version {row[0]}, this program knows versions up to {VERSIONS[-1]}: "
            "a newer Antiphon has written it."
        )
    return str(row[0])


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DatabaseUnavailable(f"{path} cannot be used: {error}.") from error


@contextmanager
def _new(path: Path) -> Iterator[Path]:
    """A file of this user that appears under its name when it is whole and on disk, and never in the
    place of another."""
    fresh = path.absolute().with_name(f".{path.name}.{os.getpid()}")
    try:
        fresh.unlink(missing_ok=True)
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield fresh
        with open(fresh, "rb") as written:
            os.fsync(written.fileno())
        os.link(fresh, path)
        folder = os.open(fresh.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError:
        raise DatabaseUnavailable(f"{path} is there already. Choose another name.") from None
    except OSError as error:
        raise DatabaseUnavailable(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        fresh.unlink(missing_ok=True)
