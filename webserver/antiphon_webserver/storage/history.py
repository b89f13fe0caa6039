"""A worksheet's past: what it was at some number, and going back, as new entries like any other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, and_, select

from ..errors import NotFound
from ..history import apart, spans, to_move
from ..limits import LIMITS
from ..model import (
    AccountName,
    AnyEntry,
    Bin,
    Cell,
    CellId,
    Deleted,
    History,
    Moment,
    WorksheetId,
    WorksheetRestored,
)
from . import cells, log, marks
from .tables import deleted, entries

READ_ENTRIES = 5_000
"""Entries read for one page of spans; a span that would need more is shown in pieces."""


def at(connection: Connection, worksheet: WorksheetId, number: int) -> Moment:
    """The cells after entry ``number``.

    Raises:
        NotFound: the log has no such entry (yet).
    """
    # In the place of a merged edit stands what comes after it.
    text = connection.execute(
        select(entries.c.entry)
        .where(entries.c.worksheet == worksheet, entries.c.number >= number)
        .order_by(entries.c.number)
        .limit(1)
    ).scalar()
    if text is None:
        raise NotFound(f"number: the worksheet has no entry {number}.", field="number")
    found = log.decode(text)
    return Moment(
        number=number,
        author=found.author,
        date=found.date,
        cells=log.fold(connection, worksheet, number).cells,
    )


def list_spans(connection: Connection, worksheet: WorksheetId, before: int | None, limit: int) -> History:
    """The spans of the entries before number ``before`` (None: of all), newest first."""
    newest = log.latest(connection, worksheet) if before is None else before - 1
    query = (
        select(entries.c.entry)
        .where(entries.c.worksheet == worksheet, entries.c.number <= newest)
        .order_by(entries.c.number.desc())
        .limit(READ_ENTRIES)
    )
    read: list[AnyEntry] = []
    count = 0
    rows = connection.execute(query, execution_options={"yield_per": 500}).scalars()
    with rows:
        for row in rows:
            entry = log.decode(row)
            if read and apart(entry.date, read[-1].date):
                count += 1
                if count == limit:
                    break
            read.append(entry)
    found = list(spans(reversed(read)))
    cut = len(read) == READ_ENTRIES and len(found) > 1
    shown = tuple(reversed(found[1:] if cut else found))
    return History(spans=shown, more=bool(shown) and shown[-1].first > 1)


def list_bin(connection: Connection, worksheet: WorksheetId, before: int | None, limit: int) -> Bin:
    """The deleted cells that said something, those deleted before number ``before`` (None: all)."""
    wanted = and_(deleted.c.worksheet == worksheet, deleted.c.source != "")
    if before is not None:
        wanted = and_(wanted, deleted.c.number < before)
    query = select(deleted).where(wanted).order_by(deleted.c.number.desc()).limit(limit + 1)
    found: list[Deleted] = []
    size = 0
    more = False
    for row in connection.execute(query):
        size += len(row.source)
        if found and (len(found) == limit or size > LIMITS["page_bytes"]):
            more = True
            break
        cell = cells.of_row(row)
        found.append(Deleted(cell=cell, after=row.after, number=row.number, author=row.author, date=row.date))
    return Bin(deleted=tuple(found), more=more)


def restore(
    connection: Connection, worksheet: WorksheetId, then: Moment, *, author: AccountName, now: str
) -> tuple[AnyEntry, ...]:
    """Make the cells what they were, by new entries. Nothing happens when they are.

    Args:
        then: what ``at`` gave. The past does not change, so it may have been read before this transaction.
    """
    return tuple(_restore(connection, worksheet, then, author, now))


def _restore(
    connection: Connection, worksheet: WorksheetId, then: Moment, author: AccountName, now: str
) -> Iterator[AnyEntry]:
    number = log.lock(connection, worksheet)
    present = {cell.id: cell for cell in cells.list_all(connection, worksheet)}
    if list(map(_shown, present.values())) == list(map(_shown, then.cells)):
        return
    entry = WorksheetRestored(number=number, author=author, date=now, to=then.number)
    yield log.append(connection, worksheet, entry)
    wanted = {cell.id for cell in then.cells}
    for id in present:
        if id not in wanted:
            yield from cells.delete(connection, worksheet, id, author=author, now=now, mark=False)
    moves = to_move(
        [id for id in present if id in wanted], [cell.id for cell in then.cells if cell.id in present]
    )
    after: CellId | None = None
    for cell in then.cells:
        if cell.id not in present:
            yield from cells.create(
                connection, worksheet, cell, after=after, author=author, now=now, mark=False
            )[1]
        else:
            yield from _make_as(connection, worksheet, present[cell.id], cell, author, now)
            if cell.id in moves:
                yield from cells.move(
                    connection, worksheet, cell.id, after=after, author=author, now=now, mark=False
                )
        after = cell.id
    yield from marks.refresh(connection, worksheet, author=author, now=now)


def _shown(cell: Cell) -> tuple[CellId, str, str, dict[str, Any]]:
    return cell.id, cell.type, cell.source, cell.metadata


def _make_as(
    connection: Connection, worksheet: WorksheetId, is_now: Cell, was: Cell, author: AccountName, now: str
) -> Iterator[AnyEntry]:
    if is_now.type != was.type:
        yield from cells.convert(connection, worksheet, was.id, was.type, author=author, now=now, mark=False)
    if is_now.metadata != was.metadata:
        yield from cells.annotate(connection, worksheet, was.id, was.metadata, author=author, now=now)[1]
    if is_now.source != was.source:
        yield from cells.edit(
            connection,
            worksheet,
            was.id,
            version=is_now.version,
            change=was.source,
            author=author,
            now=now,
            mark=False,
        )[1]


def restore_cell(
    connection: Connection,
    worksheet: WorksheetId,
    id: CellId,
    then: Moment | None,
    *,
    author: AccountName,
    now: str,
    mark: bool = True,
) -> tuple[Cell, tuple[AnyEntry, ...]]:
    """Bring a deleted cell back to where it stood, or make a cell what it was.

    Args:
        mark: see to the marks of cells that come back; False leaves that to the caller.
        then: a moment at which there was the cell; None: as it was when it was deleted. A cell that is
            not deleted stays where it is, and without ``then`` as it is.

    Raises:
        NotFound: there was no such cell.
        LimitExceeded: the worksheet has too many cells.
    """
    log.lock(connection, worksheet)
    present = cells.find(connection, worksheet, id)
    was = None if then is None else next((cell for cell in then.cells if cell.id == id), None)
    if then is not None and was is None:
        raise NotFound(f"There was no such cell at number {then.number}.", field="cell")
    if present is not None:
        if was is None:
            return present, ()
        made = tuple(_make_as(connection, worksheet, present, was, author, now))
        marked = marks.refresh(connection, worksheet, author=author, now=now)
        return cells.find(connection, worksheet, id) or present, (*made, *marked)
    after: CellId | None
    if then is not None and was is not None:
        at = then.cells.index(was)
        after = then.cells[at - 1].id if at else None
    else:
        binned = connection.execute(
            select(deleted).where(deleted.c.worksheet == worksheet, deleted.c.id == id)
        ).one_or_none()
        if binned is None:
            raise NotFound("There is no such cell in the bin.", field="cell")
        was = cells.of_row(binned)
        after = binned.after
    if after is not None and cells.find(connection, worksheet, after) is None:
        # What it stood after is gone too: at the end it is found.
        after = next((cell.id for cell in reversed(cells.list_all(connection, worksheet))), None)
    return cells.create(connection, worksheet, was, after=after, author=author, now=now, mark=mark)
