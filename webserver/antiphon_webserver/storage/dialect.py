"""Where SQLite and PostgreSQL differ in what they are told. Everything else is the same SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Table, func
from sqlalchemy.dialects import postgresql, sqlite


def text(value: str) -> str:
    """The text as every database can keep it: PostgreSQL's has no NUL."""
    return value.replace("\0", "\ufffd")


def position(
    connection: Connection, text: ColumnElement[str], wanted: ColumnElement[str]
) -> ColumnElement[int]:
    """Where a text is found in another one, counted from 1; 0 where it is not. SQLite knows the case of
    ASCII's letters alone."""
    find = func.strpos if connection.dialect.name == "postgresql" else func.instr
    return find(func.lower(text), func.lower(wanted))


def insert_new(connection: Connection, table: Table, rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows whose keys are free, leave the others as they are; returns how many were new.

    The keys may be taken by a transaction that is running: PostgreSQL waits for its end.
    """
    if not rows:
        return 0
    statement = _insert_new(connection.dialect.name, table)
    options = {"preserve_rowcount": True}
    return connection.execute(statement, list(rows), execution_options=options).rowcount


def insert_and_tell(
    connection: Connection, table: Table, rows: Sequence[dict[str, Any]], column: str
) -> Sequence[Any]:
    """As ``insert_new``; returns the values of one column of the rows that were new, in any order."""
    if not rows:
        return ()
    statement = _insert_and_tell(connection.dialect.name, table, column)
    return connection.execute(statement, list(rows)).scalars().all()


@cache
def _insert_new(dialect: str, table: Table) -> Executable:
    # Inline: without it SQLAlchemy asks PostgreSQL for the new keys, and then nobody counts the rows.
    return _insert(dialect)(table).on_conflict_do_nothing().inline()


@cache
def _insert_and_tell(dialect: str, table: Table, column: str) -> Executable:
    return _insert(dialect)(table).on_conflict_do_nothing().returning(table.c[column])


def _insert(dialect: str) -> Callable[[Table], postgresql.Insert | sqlite.Insert]:
    return postgresql.insert if dialect == "postgresql" else sqlite.insert
