"""The queries that every call makes: one row by its key, without the way through SQLAlchemy.

On SQLite, SQLAlchemy takes five to ten times as long around such a query as the database takes for it.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.dialects import sqlite


class Lookup:
    """A query for at most one row, compiled once.

    Args:
        query: with a ``bindparam`` for each value that ``one`` is given.
    """

    def __init__(self, query: Select[Any]) -> None:
        self._query = query

    def one(self, connection: Connection, **values: str) -> Any | None:
        """The row, whose members are the query's columns; None where there is none.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database failed.
        """
        if connection.dialect.name != "sqlite":
            # A server's answer takes longer than all that could be saved here.
            return connection.execute(self._query, values).one_or_none()
        text, parameters, row = self._compiled
        driver = connection.connection.dbapi_connection
        assert driver is not None
        try:
            cursor = driver.cursor()
            try:
                cursor.execute(text, [values.get(name, constant) for name, constant in parameters])
                found = cursor.fetchone()
            finally:
                cursor.close()
        except connection.dialect.loaded_dbapi.Error:
            # Asked once more by SQLAlchemy, which raises as it does for all other queries.
            return connection.execute(self._query, values).one_or_none()
        return None if found is None else row(found)

    @cached_property
    def _compiled(self) -> tuple[str, list[tuple[str, Any]], Callable[[tuple[Any, ...]], Any]]:
        """The SQL, its parameters in their order with what is constant of them, and what makes a row."""
        dialect = sqlite.dialect()
        compiled = self._query.compile(dialect=dialect)
        assert compiled.positiontup is not None
        columns = list(self._query.selected_columns)
        names = [str(column.key) for column in columns]
        row: Any = namedtuple("Row", names)  # type: ignore[misc]
        converters = [column.type.dialect_impl(dialect).result_processor(dialect, None) for column in columns]

        def made(found: tuple[Any, ...]) -> Any:
            return row._make(
                value if convert is None else convert(value)
                for value, convert in zip(found, converters, strict=True)
            )

        parameters = [(name, compiled.params[name]) for name in compiled.positiontup]
        return str(compiled), parameters, made if any(converters) else row._make
