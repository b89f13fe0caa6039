"""Comments: threads about cells. As with cells, the rows are what the log comes to.

A thread is the row of its first comment. Deleted comments keep their row and their text, so that they can be
brought back; nobody is told the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, select

from ..changes import Changes, moved, part, units
from ..errors import Conflict, InvalidParams, NotFound, RoleTooLow
from ..limits import check, check_chars
from ..model import (
    AccountName,
    AnyEntry,
    Cell,
    CellId,
    Comment,
    CommentCreated,
    CommentDeleted,
    CommentEdited,
    CommentId,
    CommentRestored,
    Range,
    Role,
    Thread,
    ThreadResolved,
    WorksheetId,
)
from . import log, members
from .tables import cells, comment_reads, comments


def list_all(connection: Connection, worksheet: WorksheetId) -> tuple[Thread, ...]:
    """The threads, oldest first; those of deleted cells too."""
    threads: dict[CommentId, list[Any]] = {}
    for row in connection.execute(_ALL, {"of": worksheet}):
        threads.setdefault(row.thread, []).append(row)
    return tuple(map(_of_rows, threads.values()))


def read_up_to(connection: Connection, worksheet: WorksheetId, account: AccountName) -> dict[CommentId, int]:
    """For each thread that the account has read: the number of the newest entry that it has seen of it."""
    of_it = and_(comment_reads.c.worksheet == worksheet, comment_reads.c.account == account)
    rows = connection.execute(select(comment_reads.c.thread, comment_reads.c.number).where(of_it))
    return {row.thread: row.number for row in rows}


def create(
    connection: Connection,
    worksheet: WorksheetId,
    id: CommentId,
    cell: Cell,
    *,
    text: str,
    range: Range | None,
    author: AccountName,
    now: str,
) -> tuple[Thread, tuple[AnyEntry, ...]]:
    """Begin a thread. One with the same id is returned as it is now.

    Args:
        cell: as it is now, and the worksheet is locked.
        range: a stretch of its text; None is the cell as a whole.

    Raises:
        InvalidParams: the range is not in the text.
        LimitExceeded: the range is too long, or the worksheet has too many comments.
    """
    number = log.lock(connection, worksheet)
    if _find(connection, worksheet, id) is not None:
        return _thread(connection, worksheet, id), ()
    quote = ""
    if range is not None:
        if not range[0] < range[1] <= units(cell.source):
            raise InvalidParams("range: it is no stretch of the text.", field="range")
        quote = part(cell.source, *range)
        check_chars("quote_chars", quote, "The range")
        connection.execute(
            cells.update().where(cells.c.worksheet == worksheet, cells.c.id == cell.id).values(commented=True)
        )
    entry = CommentCreated(
        number=number,
        author=author,
        date=now,
        comment=id,
        thread=id,
        cell=cell.id,
        range=range,
        version=cell.version,
        quote=quote,
        text=text,
    )
    return _say(connection, worksheet, entry)


def reply(
    connection: Connection,
    worksheet: WorksheetId,
    id: CommentId,
    thread: CommentId,
    *,
    text: str,
    author: AccountName,
    now: str,
) -> tuple[Thread, tuple[AnyEntry, ...]]:
    """Answer in a thread. A comment with the same id is there already, and changes nothing.

    Raises:
        NotFound: there is no such thread.
        LimitExceeded: the worksheet has too many comments.
    """
    number = log.lock(connection, worksheet)
    found = _thread(connection, worksheet, thread)
    if _find(connection, worksheet, id) is not None:
        return found, ()
    entry = CommentCreated(
        number=number, author=author, date=now, comment=id, thread=thread, cell=found.cell, text=text
    )
    return _say(connection, worksheet, entry)


def _say(
    connection: Connection, worksheet: WorksheetId, entry: CommentCreated
) -> tuple[Thread, tuple[AnyEntry, ...]]:
    count = select(func.count()).select_from(comments).where(comments.c.worksheet == worksheet)
    check("worksheet_comments", connection.execute(count).scalar_one() + 1, "The worksheet")
    start, end = entry.range or (None, None)
    connection.execute(
        comments.insert().values(
            worksheet=worksheet,
            id=entry.comment,
            thread=entry.thread,
            number=entry.number,
            cell=entry.cell,
            start=start,
            end=end,
            quote=entry.quote,
            resolved=False,
            author=entry.author,
            created=entry.date,
            text=entry.text,
            edited=None,
            deleted=False,
        )
    )
    entries = (log.append(connection, worksheet, entry),)
    return _thread(connection, worksheet, entry.thread), entries


def edit(
    connection: Connection,
    worksheet: WorksheetId,
    id: CommentId,
    text: str,
    *,
    author: AccountName,
    now: str,
) -> tuple[AnyEntry, ...]:
    """Change the text of a comment of one's own.

    Raises:
        NotFound: there is no such comment.
        Conflict: it is deleted.
        RoleTooLow: it is somebody else's.
    """
    number = log.lock(connection, worksheet)
    found = _get(connection, worksheet, id)
    if found.author != author:
        raise RoleTooLow(needs="author", has="reader", sentence="This comment is somebody else's.")
    if found.deleted:
        raise Conflict("The comment is deleted.")
    if found.text == text:
        return ()
    _update(connection, worksheet, id, text=text, edited=now)
    entry = CommentEdited(number=number, author=author, date=now, comment=id, thread=found.thread, text=text)
    return (log.append(connection, worksheet, entry),)


def delete(
    connection: Connection,
    worksheet: WorksheetId,
    id: CommentId,
    *,
    author: AccountName,
    scope: Role,
    now: str,
) -> tuple[AnyEntry, ...]:
    """Delete a comment; nothing happens when it is.

    Args:
        scope: up to this role the author's token lets them use their own.

    Raises:
        NotFound: there is no such comment.
        RoleTooLow: it is somebody else's, and ``author`` has not the role "own".
    """
    number = log.lock(connection, worksheet)
    found = _get(connection, worksheet, id)
    _check_whose(connection, worksheet, found, author, scope)
    if found.deleted:
        return ()
    _update(connection, worksheet, id, deleted=True)
    entry = CommentDeleted(number=number, author=author, date=now, comment=id, thread=found.thread)
    return (log.append(connection, worksheet, entry),)


def restore(
    connection: Connection,
    worksheet: WorksheetId,
    id: CommentId,
    *,
    author: AccountName,
    scope: Role,
    now: str,
) -> tuple[AnyEntry, ...]:
    """Bring a deleted comment back; nothing happens when it is there. Raises what ``delete`` raises."""
    number = log.lock(connection, worksheet)
    found = _get(connection, worksheet, id)
    _check_whose(connection, worksheet, found, author, scope)
    if not found.deleted:
        return ()
    _update(connection, worksheet, id, deleted=False)
    entry = CommentRestored(
        number=number, author=author, date=now, comment=id, thread=found.thread, text=found.text
    )
    return (log.append(connection, worksheet, entry),)


def resolve(
    connection: Connection,
    worksheet: WorksheetId,
    thread: CommentId,
    resolved: bool,
    *,
    author: AccountName,
    now: str,
) -> tuple[AnyEntry, ...]:
    """Say that what a thread is about is settled, or open again; nothing happens when it is so.

    Raises:
        NotFound: there is no such thread.
    """
    number = log.lock(connection, worksheet)
    if _thread(connection, worksheet, thread).resolved == resolved:
        return ()
    _update(connection, worksheet, thread, resolved=resolved)
    entry = ThreadResolved(number=number, author=author, date=now, thread=thread, resolved=resolved)
    return (log.append(connection, worksheet, entry),)


def mark_read(
    connection: Connection, worksheet: WorksheetId, thread: CommentId, number: int, account: AccountName
) -> None:
    """Remember that the account has seen the thread up to an entry; never less than before.

    Raises:
        NotFound: there is no such thread.
    """
    latest = log.lock(connection, worksheet) - 1
    _thread(connection, worksheet, thread)
    values = {"worksheet": worksheet, "account": account, "thread": thread}
    of_it = and_(*(comment_reads.c[name] == value for name, value in values.items()))
    before = connection.execute(select(comment_reads.c.number).where(of_it)).scalar()
    number = min(number, latest)
    if before is None:
        connection.execute(comment_reads.insert().values(**values, number=number))
    elif before < number:
        connection.execute(comment_reads.update().where(of_it).values(number=number))


def follow(connection: Connection, worksheet: WorksheetId, cell: CellId, changes: Changes) -> None:
    """The text of a cell was changed: its ranges move."""
    for row in connection.execute(_RANGES, {"of": worksheet, "cell": cell}).all():
        start, end = moved(changes, row.start, row.end) or (None, None)
        if (start, end) != (row.start, row.end):
            _update(connection, worksheet, row.id, start=start, end=end)


def come_back(connection: Connection, worksheet: WorksheetId, cell: Cell) -> bool:
    """A deleted cell is there again, perhaps with another text: its ranges stand where they still fit.

    Returns: whether there are some.
    """
    stands = False
    for row in connection.execute(_RANGES, {"of": worksheet, "cell": cell.id}).all():
        if part(cell.source, row.start, row.end) == row.quote:
            stands = True
        else:
            _update(connection, worksheet, row.id, start=None, end=None)
    return stands


def first_ranges(connection: Connection, worksheet: WorksheetId) -> dict[CellId, int]:
    """By cell, the number of the first comment that was about a range of its text."""
    rows = connection.execute(
        select(comments.c.cell, func.min(comments.c.number).label("number"))
        .where(comments.c.worksheet == worksheet, comments.c.quote != "")
        .group_by(comments.c.cell)
    )
    return {row.cell: row.number for row in rows}


def _check_whose(
    connection: Connection, worksheet: WorksheetId, found: Any, author: AccountName, scope: Role
) -> None:
    if found.author == author:
        return
    if scope != "own" or members.role(connection, worksheet, author) != "own":
        raise RoleTooLow(needs="own", has="reader", sentence="This comment is somebody else's.")


def _find(connection: Connection, worksheet: WorksheetId, id: CommentId) -> Any | None:
    of_it = and_(comments.c.worksheet == worksheet, comments.c.id == id)
    return connection.execute(select(comments).where(of_it)).one_or_none()


def _get(connection: Connection, worksheet: WorksheetId, id: CommentId) -> Any:
    found = _find(connection, worksheet, id)
    if found is None:
        raise NotFound("There is no such comment.", field="comment")
    return found


def _thread(connection: Connection, worksheet: WorksheetId, id: CommentId) -> Thread:
    of_it = and_(comments.c.worksheet == worksheet, comments.c.thread == id)
    rows = connection.execute(select(comments).where(of_it).order_by(comments.c.number)).all()
    if not rows:
        raise NotFound("There is no such thread.", field="thread")
    return _of_rows(rows)


def _update(connection: Connection, worksheet: WorksheetId, id: CommentId, **values: Any) -> None:
    of_it = and_(comments.c.worksheet == worksheet, comments.c.id == id)
    connection.execute(comments.update().where(of_it).values(**values))


def _range(row: Any) -> Range | None:
    return None if row.start is None else (row.start, row.end)


def _of_rows(rows: Sequence[Any]) -> Thread:
    """The thread whose comments they are, the first one first."""
    head = rows[0]
    return Thread(
        id=head.id,
        cell=head.cell,
        range=_range(head),
        quote=head.quote,
        resolved=head.resolved,
        comments=tuple(map(_of_row, rows)),
    )


def _of_row(row: Any) -> Comment:
    return Comment(
        id=row.id,
        number=row.number,
        author=row.author,
        created=row.created,
        text="" if row.deleted else row.text,
        edited=row.edited,
        deleted=row.deleted,
    )


_ALL = select(comments).where(comments.c.worksheet == bindparam("of")).order_by(comments.c.number)
_RANGES = select(comments.c.id, comments.c.start, comments.c.end, comments.c.quote).where(
    comments.c.worksheet == bindparam("of"),
    comments.c.cell == bindparam("cell"),
    comments.c.start.is_not(None),
)
