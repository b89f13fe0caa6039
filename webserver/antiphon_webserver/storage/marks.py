"""Marks: which cells are outdated, kept with the cells and told as entries when that changes.

A cell is outdated when another, whose names it read when it ran, has run since, or was edited since, or is
outdated itself (``dataflow``). Only what ran in the worksheet's present session counts: another one shares
no names with it, so ``session_opened`` ends all marks.
"""

from __future__ import annotations

from sqlalchemy import Connection, and_, bindparam, func, select

from ..dataflow import Ran, outdated
from ..model import AccountName, CellId, CellsMarked, WorksheetId
from . import log
from .tables import cells, runs, worksheets


def outdated_cells(connection: Connection, worksheet: WorksheetId) -> set[CellId]:
    """As they are marked."""
    query = select(cells.c.id).where(cells.c.worksheet == worksheet, cells.c.outdated)
    return set(connection.execute(query).scalars())


def ran(connection: Connection, worksheet: WorksheetId) -> list[Ran]:
    """The code cells that have run in the worksheet's session, in their order."""
    return [
        Ran(cell=row.id, number=row.number, code=row.code, changed=row.changed)
        for row in connection.execute(_RAN, {"of": worksheet})
    ]


def refresh(
    connection: Connection, worksheet: WorksheetId, *, author: AccountName, now: str
) -> tuple[CellsMarked, ...]:
    """Mark the cells anew, after something that may change marks was written; the entry that says what
    changed, if anything did."""
    before = outdated_cells(connection, worksheet)
    after = outdated(ran(connection, worksheet))
    gained, lost = sorted(after - before), sorted(before - after)
    if not gained and not lost:
        return ()
    for marked, ids in ((True, gained), (False, lost)):
        if ids:
            rows = [{"of": worksheet, "cell": id, "marked": marked} for id in ids]
            connection.execute(_MARK, rows)
    number = log.lock(connection, worksheet)
    entry = CellsMarked(number=number, author=author, date=now, outdated=tuple(gained), current=tuple(lost))
    return (log.append(connection, worksheet, entry),)


def clear(connection: Connection, worksheet: WorksheetId) -> None:
    """The worksheet gets a new session, and its entry says so: no mark is left."""
    connection.execute(
        cells.update().where(cells.c.worksheet == worksheet, cells.c.outdated).values(outdated=False)
    )


_later = runs.alias()
_NEWEST = (
    select(func.max(_later.c.number))
    .where(_later.c.worksheet == cells.c.worksheet, _later.c.cell == cells.c.id)
    .correlate(cells)
    .scalar_subquery()
)
_RAN = (
    select(cells.c.id, runs.c.number, runs.c.code, (cells.c.source != runs.c.code).label("changed"))
    .join_from(
        cells,
        runs,
        and_(runs.c.worksheet == cells.c.worksheet, runs.c.cell == cells.c.id, runs.c.number == _NEWEST),
    )
    .join(worksheets, and_(worksheets.c.id == cells.c.worksheet, worksheets.c.session == runs.c.session))
    .where(cells.c.worksheet == bindparam("of"), cells.c.type == "code")
    .order_by(cells.c.position)
)
_MARK = (
    cells.update()
    .where(cells.c.worksheet == bindparam("of"), cells.c.id == bindparam("cell"))
    .values(outdated=bindparam("marked"))
)
