"""The worksheet log: what was written, moved, deleted, shared and run, numbered 1, 2, 3, … without gaps.

Every change of a worksheet happens in one transaction: ``lock`` the worksheet, change the tables,
``append`` the entry. The tables are the fold of the log: who reads the entries in order comes to the
same cells. The functions that change something return the entries they appended, none when there was
nothing to change; the caller announces them after the commit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import Connection, bindparam, select

from ..errors import NotFound
from ..history import Fold
from ..model import AccountName, AnyEntry, CellEdited, Entries, Entry, Merged, WorksheetId
from .tables import entries, worksheets

E = TypeVar("E", bound=Entry)

decode: Callable[[str], AnyEntry] = msgspec.json.Decoder[AnyEntry](AnyEntry).decode
"""An entry from the column of the table."""


def lock(connection: Connection, worksheet: WorksheetId) -> int:
    """Keep every other writer out of the worksheet until the transaction ends.

    Returns: the number for the next entry.
    Raises:
        NotFound: there is no such worksheet (any more).
    """
    number: int | None = connection.execute(_LOCK, {"id": worksheet}).scalar()
    if number is None:
        raise NotFound("There is no such worksheet.")
    return number + 1


def append(connection: Connection, worksheet: WorksheetId, entry: E) -> E:
    """Write the entry whose number ``lock`` gave."""
    text = msgspec.json.encode(entry).decode()
    connection.execute(_INSERT, {"worksheet": worksheet, "number": entry.number, "entry": text})
    connection.execute(_MOVE, {"of": worksheet, "latest": entry.number, "changed": entry.date})
    return entry


def append_all(connection: Connection, worksheet: WorksheetId, written: Sequence[Entry]) -> None:
    """Write entries that follow one another from the number that ``lock`` gave; there is at least one."""
    rows = [
        {"worksheet": worksheet, "number": entry.number, "entry": msgspec.json.encode(entry).decode()}
        for entry in written
    ]
    connection.execute(_INSERT, rows)
    last = written[-1]
    connection.execute(_MOVE, {"of": worksheet, "latest": last.number, "changed": last.date})


def since(connection: Connection, worksheet: WorksheetId, cursor: int, limit: int) -> Entries:
    """The entries after number ``cursor``, oldest first, at most ``limit`` of them.

    In the place of those that were compacted stand ``Merged`` ones: the numbers have no gaps.
    """
    rows = connection.execute(
        select(entries.c.entry)
        .where(entries.c.worksheet == worksheet, entries.c.number > cursor)
        .order_by(entries.c.number)
        .limit(limit)
    ).scalars()
    found: list[AnyEntry] = []
    for entry in map(decode, rows):
        missing = range(found[-1].number + 1 if found else cursor + 1, entry.number)
        found += (Merged(number=number, author=AccountName(""), date=entry.date) for number in missing)
        if isinstance(entry, CellEdited) and 0 < entry.first <= cursor:
            # The reader has some of the edits that this one stands for, and so a text of its own.
            cell = fold(connection, worksheet, entry.number).cell(entry.cell)
            entry = msgspec.structs.replace(entry, source=cell.source if cell else "")
        found.append(entry)
    return Entries(entries=tuple(found[:limit]), latest=latest(connection, worksheet))


def fold(connection: Connection, worksheet: WorksheetId, number: int) -> Fold:
    """The cells after entry ``number``."""
    state = Fold()
    rows = connection.execute(
        select(entries.c.entry)
        .where(
            entries.c.worksheet == worksheet,
            entries.c.number <= number,
            # They change no cell, and each carries the code that was run.
            entries.c.entry.not_like('{"kind":"run_%'),
        )
        .order_by(entries.c.number),
        execution_options={"yield_per": 1000},
    ).scalars()
    for row in rows:
        state.take(decode(row))
    return state


def read(connection: Connection, worksheet: WorksheetId, numbers: Sequence[int]) -> list[AnyEntry]:
    """The entries with these numbers, in their order."""
    rows = connection.execute(
        select(entries.c.entry)
        .where(entries.c.worksheet == worksheet, entries.c.number.in_(numbers))
        .order_by(entries.c.number)
    ).scalars()
    return list(map(decode, rows))


def latest(connection: Connection, worksheet: WorksheetId) -> int:
    """The number of the newest entry; 0 when there is no such worksheet."""
    query = select(worksheets.c.latest).where(worksheets.c.id == worksheet)
    number: int | None = connection.execute(query).scalar()
    return number or 0


# SQLite knows no FOR UPDATE and needs none: its write transactions follow one another.
_LOCK = select(worksheets.c.latest).where(worksheets.c.id == bindparam("id")).with_for_update()

_INSERT = entries.insert()

# "of", because in an update SQLAlchemy keeps the names of columns for their new values.
_MOVE = (
    worksheets.update()
    .where(worksheets.c.id == bindparam("of"))
    .values(latest=bindparam("latest"), changed=bindparam("changed"))
)
