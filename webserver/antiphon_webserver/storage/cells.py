"""Cells: their text, their kind and their order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, bindparam, func, select

from ..changes import Changes, ChangesError, apply, difference
from ..errors import Conflict, InvalidParams, NotFound
from ..limits import check, check_bytes
from ..model import (
    AccountName,
    AnyEntry,
    Cell,
    CellAnnotated,
    CellConverted,
    CellCreated,
    CellDeleted,
    CellEdited,
    CellId,
    CellMoved,
    CellType,
    WorksheetId,
)
from . import comments, log, marks
from .tables import cells, deleted, edits, runs

NOTHING = "{}"
"""Of almost every cell; not worth a decoder."""

SINCE_EDITS = 200
"""Edits in a refusal. Who missed more takes the current text, or reads the log."""


def list_all(connection: Connection, worksheet: WorksheetId) -> tuple[Cell, ...]:
    """In their order."""
    rows = connection.execute(_SELECT.where(cells.c.worksheet == worksheet).order_by(cells.c.position))
    return tuple(map(of_row, rows))


def find(connection: Connection, worksheet: WorksheetId, id: CellId) -> Cell | None:
    row = connection.execute(_FIND, {"worksheet": worksheet, "id": id}).one_or_none()
    return None if row is None else of_row(row)


def insert(connection: Connection, worksheet: WorksheetId, placed: Sequence[tuple[int, Cell]]) -> None:
    """Write the rows alone, each cell with its position. ``create`` makes a cell."""
    rows = [
        {
            "worksheet": worksheet,
            "id": cell.id,
            "position": position,
            "type": cell.type,
            "source": cell.source,
            "version": cell.version,
            "metadata": _encode(cell.metadata),
        }
        for position, cell in placed
    ]
    connection.execute(cells.insert(), rows)


def create(
    connection: Connection,
    worksheet: WorksheetId,
    cell: Cell,
    *,
    after: CellId | None,
    author: AccountName,
    now: str,
    mark: bool = True,
) -> tuple[Cell, tuple[AnyEntry, ...]]:
    """Add a cell after another one, or at the top. One with the same id is returned as it is now; one in
    the bin is taken out of it.

    Args:
        mark: see to the marks of cells, here and below; False leaves that to the caller.

    Raises:
        NotFound: there is no cell ``after``.
        LimitExceeded: the worksheet has too many cells.
    """
    number = log.lock(connection, worksheet)
    existing = find(connection, worksheet, cell.id)
    if existing is not None:
        return existing, ()
    count = select(func.count()).select_from(cells).where(cells.c.worksheet == worksheet)
    check("worksheet_cells", connection.execute(count).scalar_one() + 1, "The worksheet")
    new = cell
    cell = _take_out_of_bin(connection, worksheet, new)
    insert(connection, worksheet, [(_make_room(connection, worksheet, after), cell)])
    if cell is not new and comments.come_back(connection, worksheet, cell):
        _update(connection, worksheet, cell.id, commented=True)
    entry = CellCreated(number=number, author=author, date=now, cell=cell, after=after)
    made = (log.append(connection, worksheet, entry),)
    if not mark or cell is new:
        return cell, made
    return cell, (*made, *marks.refresh(connection, worksheet, author=author, now=now))


def _take_out_of_bin(connection: Connection, worksheet: WorksheetId, cell: Cell) -> Cell:
    """The cell, in a version of its own if there was one of its name: an edit against the old one must
    not fit the new one."""
    of_it = (deleted.c.worksheet == worksheet) & (deleted.c.id == cell.id)
    version: int | None = connection.execute(select(deleted.c.version).where(of_it)).scalar()
    if version is None:
        return cell
    connection.execute(deleted.delete().where(of_it))
    return replace(cell, version=version + 1)


def edit(
    connection: Connection,
    worksheet: WorksheetId,
    id: CellId,
    *,
    version: int,
    change: Changes | str,
    edit: str = "",
    author: AccountName,
    now: str,
    mark: bool = True,
) -> tuple[Cell, tuple[AnyEntry, ...]]:
    """Change the text of a cell, if ``version`` is what the cell has.

    The same edit done again (its answer was lost) changes nothing and succeeds: it is known by its
    id, and a whole text also by what it says.

    Args:
        change: a change set for the text of that version, or the whole new text.
        edit: an id that the client made, or empty.

    Raises:
        NotFound: there is no such cell.
        Conflict: somebody else was faster. ``data`` has the ``version`` and the ``source`` that are
            current, and ``since``, the edits that came in between.
        InvalidParams: the changes do not fit the text.
        LimitExceeded: the text would be too long.
    """
    number = log.lock(connection, worksheet)
    row = _get_row(connection, worksheet, id)
    cell = of_row(row)
    if version != cell.version:
        done = _version_of(connection, worksheet, id, edit) if edit else None
        if done is not None:
            return replace(cell, version=done), ()
        if cell.source == change and version == cell.version - 1:
            return cell, ()
        raise Conflict(
            "The cell was changed meanwhile.",
            field="version",
            version=cell.version,
            source=cell.source,
            since=_since(connection, worksheet, id, version, cell.version),
        )
    if cell.source == change:
        return cell, ()
    if isinstance(change, str):
        source, change = change, difference(cell.source, change)
    else:
        try:
            source = apply(change, cell.source)
        except ChangesError as error:
            raise InvalidParams(f"changes: {error}.", field="changes") from error
        check_bytes("source_bytes", source, "The source")
    edited = replace(cell, source=source, version=version + 1)
    _update(connection, worksheet, id, source=source, version=edited.version)
    if row.commented:
        comments.follow(connection, worksheet, id, change)
    last_run = connection.execute(_LAST_CODE, {"worksheet": worksheet, "id": id}).scalar()
    differs = last_run is not None and last_run != source
    entry = CellEdited(
        number=number,
        author=author,
        date=now,
        cell=id,
        version=edited.version,
        changes=change,
        edit=edit,
        edited=differs,
    )
    connection.execute(
        _INSERT_EDIT,
        {"worksheet": worksheet, "cell": id, "version": edited.version, "number": number, "edit": edit},
    )
    made = (log.append(connection, worksheet, entry),)
    # Of all that is typed, only what makes the text another one than what ran, or that one again.
    if not mark or last_run is None or differs == (last_run != cell.source):
        return edited, made
    return edited, (*made, *marks.refresh(connection, worksheet, author=author, now=now))


def _version_of(connection: Connection, worksheet: WorksheetId, id: CellId, edit: str) -> int | None:
    """The version that an edit made, if it was done among the latest."""
    version: int | None = connection.execute(
        select(edits.c.version)
        .where(edits.c.worksheet == worksheet, edits.c.cell == id, edits.c.edit == edit)
        .order_by(edits.c.version.desc())
        .limit(1)
    ).scalar()
    return version


def _since(
    connection: Connection, worksheet: WorksheetId, id: CellId, version: int, current: int
) -> list[AnyEntry] | None:
    """The edits that lead from a version to the current one, oldest first. None if they are more than a
    refusal should carry, or do not lead there: the cell was deleted in between, and restored."""
    numbers = connection.execute(
        select(edits.c.number)
        .where(edits.c.worksheet == worksheet, edits.c.cell == id, edits.c.version > version)
        .order_by(edits.c.version)
        .limit(SINCE_EDITS + 1)
    ).scalars()
    found = list(numbers)
    if len(found) > SINCE_EDITS:
        return None
    read = log.read(connection, worksheet, found)
    # What was merged, or deleted and restored in between, does not lead from that version to this one.
    whole = len(read) == current - version and not any(isinstance(e, CellEdited) and e.first for e in read)
    return read if whole else None


def since_version(
    connection: Connection, worksheet: WorksheetId, id: CellId, version: int
) -> tuple[Cell, list[Changes]]:
    """The cell as it is now, and the changes that lead to it from a version.

    Raises:
        NotFound: there is no such cell.
        Conflict: they are too many, or none lead from there; ``data`` has the ``version`` that is current.
    """
    log.lock(connection, worksheet)
    cell = get(connection, worksheet, id)
    between = _since(connection, worksheet, id, version, cell.version) if version < cell.version else []
    if version > cell.version or between is None:
        raise Conflict("The cell was changed meanwhile.", field="version", version=cell.version)
    return cell, [entry.changes for entry in between if isinstance(entry, CellEdited)]


def convert(
    connection: Connection,
    worksheet: WorksheetId,
    id: CellId,
    type: CellType,
    *,
    author: AccountName,
    now: str,
    mark: bool = True,
) -> tuple[AnyEntry, ...]:
    """Make a cell code or Markdown.

    Raises:
        NotFound: there is no such cell.
    """
    number = log.lock(connection, worksheet)
    if get(connection, worksheet, id).type == type:
        return ()
    _update(connection, worksheet, id, type=type)
    entry = CellConverted(number=number, author=author, date=now, cell=id, type=type)
    made = (log.append(connection, worksheet, entry),)
    return (*made, *marks.refresh(connection, worksheet, author=author, now=now)) if mark else made


def annotate(
    connection: Connection,
    worksheet: WorksheetId,
    id: CellId,
    change: Callable[[dict[str, Any]], dict[str, Any]] | dict[str, Any],
    *,
    author: AccountName,
    now: str,
) -> tuple[Cell, tuple[AnyEntry, ...]]:
    """Change what is said about a cell.

    Args:
        change: makes the new metadata of the present one, or is the new one.

    Raises:
        NotFound: there is no such cell.
        LimitExceeded: it would be too much.
    """
    number = log.lock(connection, worksheet)
    cell = get(connection, worksheet, id)
    metadata = change if isinstance(change, dict) else change(cell.metadata)
    if metadata == cell.metadata:
        return cell, ()
    text = _encode(metadata)
    check_bytes("metadata_bytes", text, "The metadata")
    _update(connection, worksheet, id, metadata=text)
    entry = CellAnnotated(number=number, author=author, date=now, cell=id, metadata=metadata)
    return replace(cell, metadata=metadata), (log.append(connection, worksheet, entry),)


def move(
    connection: Connection,
    worksheet: WorksheetId,
    id: CellId,
    *,
    after: CellId | None,
    author: AccountName,
    now: str,
    mark: bool = True,
) -> tuple[AnyEntry, ...]:
    """Put a cell after another one, or at the top.

    Raises:
        NotFound: one of the two does not exist.
        Conflict: a cell cannot stand after itself.
    """
    number = log.lock(connection, worksheet)
    get(connection, worksheet, id)
    if after == id:
        raise Conflict("A cell cannot stand after itself.", field="after")
    if _before(connection, worksheet, id) == after:
        return ()
    _update(connection, worksheet, id, position=_make_room(connection, worksheet, after))
    entry = CellMoved(number=number, author=author, date=now, cell=id, after=after)
    made = (log.append(connection, worksheet, entry),)
    return (*made, *marks.refresh(connection, worksheet, author=author, now=now)) if mark else made


def delete(
    connection: Connection,
    worksheet: WorksheetId,
    id: CellId,
    *,
    author: AccountName,
    now: str,
    mark: bool = True,
) -> tuple[AnyEntry, ...]:
    """Put a cell into the bin. Nothing happens when there is none."""
    number = log.lock(connection, worksheet)
    cell = find(connection, worksheet, id)
    if cell is None:
        return ()
    connection.execute(
        deleted.insert().values(
            worksheet=worksheet,
            id=id,
            type=cell.type,
            source=cell.source,
            version=cell.version,
            metadata=_encode(cell.metadata),
            after=_before(connection, worksheet, id),
            number=number,
            author=author,
            date=now,
        )
    )
    connection.execute(cells.delete().where(cells.c.worksheet == worksheet, cells.c.id == id))
    entry = CellDeleted(number=number, author=author, date=now, cell=id)
    made = (log.append(connection, worksheet, entry),)
    return (*made, *marks.refresh(connection, worksheet, author=author, now=now)) if mark else made


def get(connection: Connection, worksheet: WorksheetId, id: CellId) -> Cell:
    """Raises:
    NotFound: there is no such cell.
    """
    return of_row(_get_row(connection, worksheet, id))


def _get_row(connection: Connection, worksheet: WorksheetId, id: CellId) -> Any:
    row = connection.execute(_FIND, {"worksheet": worksheet, "id": id}).one_or_none()
    if row is None:
        raise NotFound("There is no such cell.")
    return row


def _update(connection: Connection, worksheet: WorksheetId, id: CellId, **values: Any) -> None:
    connection.execute(
        cells.update().where(cells.c.worksheet == worksheet, cells.c.id == id).values(**values)
    )


def _position(connection: Connection, worksheet: WorksheetId, id: CellId) -> int | None:
    return connection.execute(
        select(cells.c.position).where(cells.c.worksheet == worksheet, cells.c.id == id)
    ).scalar()


def _before(connection: Connection, worksheet: WorksheetId, id: CellId) -> CellId | None:
    """The cell that stands before this one; None at the top."""
    return connection.execute(
        select(cells.c.id)
        .where(cells.c.worksheet == worksheet, cells.c.position < (_position(connection, worksheet, id) or 0))
        .order_by(cells.c.position.desc())
        .limit(1)
    ).scalar()


def _make_room(connection: Connection, worksheet: WorksheetId, after: CellId | None) -> int:
    """A free position behind a cell, or before all. Moving the later rows costs less than fractions
    that run out, and a worksheet has a bounded number of cells."""
    position = -1 if after is None else _position(connection, worksheet, after)
    if position is None:
        raise NotFound("after: there is no such cell.", field="after")
    connection.execute(
        cells.update()
        .where(cells.c.worksheet == worksheet, cells.c.position > position)
        .values(position=cells.c.position + 1)
    )
    return position + 1


def of_row(row: Any) -> Cell:
    """A row of the cells, or of the bin."""
    metadata = {} if row.metadata == NOTHING else msgspec.json.decode(row.metadata)
    return Cell(id=row.id, type=row.type, source=row.source, version=row.version, metadata=metadata)


def _encode(metadata: dict[str, Any]) -> str:
    return msgspec.json.encode(metadata).decode() if metadata else NOTHING


_LAST_CODE = (
    select(runs.c.code)
    .where(runs.c.worksheet == bindparam("worksheet"), runs.c.cell == bindparam("id"))
    .order_by(runs.c.number.desc())
    .limit(1)
)
_INSERT_EDIT = edits.insert()
_SELECT = select(
    cells.c.id, cells.c.type, cells.c.source, cells.c.version, cells.c.metadata, cells.c.commented
)
_FIND = _SELECT.where(cells.c.worksheet == bindparam("worksheet"), cells.c.id == bindparam("id"))
