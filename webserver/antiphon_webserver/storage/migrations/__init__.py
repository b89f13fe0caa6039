"""The versions of the tables, and the way from any of them to the newest.

Each file in ``versions`` is one step; once released, it is never edited. Alembic runs the steps and
is imported only when there are some to run: most starts find everything up to date.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from ...errors import DatabaseTooNew

VERSIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
    "0016",
    "0017",
    "0018",
    "0019",
    "0020",
)
"""Every version, oldest first. A test holds them against the files."""

_LOCK = 7_236_180_549
"""Names the lock under which PostgreSQL is migrated: two servers may start at once."""


def bring_up_to_date(connection: Connection) -> None:
    """Run the steps that are missing, inside the caller's transaction: all of them or none.

    Raises:
        DatabaseTooNew: the version is not one of ours.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    version = current_version(connection)
    if version == VERSIONS[-1]:
        return
    if version is not None and version not in VERSIONS:
        raise DatabaseTooNew(
            f"The database has version {version}, this program knows versions up to {VERSIONS[-1]}: "
            "a newer Antiphon has written it. Install that one, or choose another database."
        )
    _upgrade(connection)


def current_version(connection: Connection) -> str | None:
    """The version of the tables; None when there are none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def touch(connection: Connection) -> None:
    """Write without changing anything: whether that is possible is what tells that a database is writable."""
    connection.execute(text("UPDATE alembic_version SET version_num = version_num"))


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, VERSIONS[-1])
