"""How much output is stored, and how room is made.

Rule: what a session's stored outputs come to is counted in its row, in the transaction that stores or deletes
them, and only what was new or there. So the count is true with several web servers on one database.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, or_, select

from ..model import OUTPUT, AccountName, Blob, CellId, OutputsCleared, WorksheetId
from . import log
from .sessions import OVER
from .tables import cells, publications, runs, sessions

COUNTED = OUTPUT | {"error"}
"""What counts, and goes when outputs are cleared. An error is never cut, but it takes room."""

CLEAR_ROWS = 1_000
"""Publications deleted in one transaction, so that other writers get their turn."""


def output_bytes(content: int, blobs: Iterable[Blob]) -> int:
    """What a stored output counts: the characters of its content, and each of its blobs."""
    return content + sum({(blob.digest, blob.type): blob.bytes for blob in blobs}.values())


def count(connection: Connection, session: str, change: int) -> None:
    """The session's stored outputs are so many bytes more, or less."""
    if change:
        connection.execute(_COUNT, {"of": session, "change": change})


def kept(connection: Connection, session: str) -> int:
    """How many bytes of output are stored of the session's worksheet, or of the session if it has none."""
    return int(connection.execute(_KEPT, {"of": session}).scalar_one())


def kept_of(connection: Connection, worksheet: WorksheetId) -> int:
    """How many bytes of output are stored of the worksheet."""
    query = select(func.coalesce(func.sum(sessions.c.output_bytes), 0))
    return int(connection.execute(query.where(sessions.c.worksheet == worksheet)).scalar_one())


def clear(
    connection: Connection,
    worksheet: WorksheetId,
    of: Collection[CellId] | None,
    *,
    earlier: bool,
    after: int = 0,
    limit: int = CLEAR_ROWS,
) -> tuple[int, int | None]:
    """Delete some outputs of runs that are over; what else they published stays.

    Args:
        of: cells; None is every run of the worksheet.
        earlier: only of runs that are not the newest one of a cell that is there.
        after: the run at which the call before ended; 0 to begin.

    Returns: how many bytes became free, and where to go on; None is the end.
    """
    conditions = [
        runs.c.worksheet == worksheet,
        runs.c.number >= after,
        runs.c.state.not_in(("queued", "running")),
        publications.c.msg_type.in_(COUNTED),
        _stays_deleted(),
    ]
    if of is not None:
        conditions.append(runs.c.cell.in_(of))
    if earlier:
        conditions.append(_is_earlier())
    rows = connection.execute(
        select(
            runs.c.number.label("run"),
            publications.c.session,
            publications.c.number,
            func.length(publications.c.content).label("content"),
            publications.c.blobs,
            publications.c.buffers,
        )
        .join(publications, _IS_OF_RUN)
        .join(sessions, sessions.c.uid == runs.c.session)
        .where(*conditions)
        .order_by(runs.c.number, publications.c.number)
        .limit(limit)
    ).all()
    freed: dict[str, int] = {}
    numbers: dict[str, list[int]] = {}
    for row in rows:
        size = output_bytes(row.content, (*taken_out(row).values(), *brought(row)))
        freed[row.session] = freed.get(row.session, 0) + size
        numbers.setdefault(row.session, []).append(row.number)
    for session in sorted(numbers):
        these = publications.c.number.in_(numbers[session])
        connection.execute(publications.delete().where(publications.c.session == session, these))
        count(connection, session, -freed[session])
    return sum(freed.values()), rows[-1].run if len(rows) == limit else None


def note(
    connection: Connection,
    worksheet: WorksheetId,
    of: Collection[CellId] | None,
    *,
    earlier: bool,
    freed: int,
    author: AccountName,
    now: str,
) -> tuple[OutputsCleared, ...]:
    """Tell in the log what ``clear`` has done, if it did anything."""
    if not freed:
        return ()
    number = log.lock(connection, worksheet)
    shown: tuple[CellId, ...] = ()
    if not earlier:
        there = select(cells.c.id).where(cells.c.worksheet == worksheet).order_by(cells.c.position)
        shown = tuple(CellId(id) for id in connection.execute(there).scalars() if of is None or id in of)
    entry = OutputsCleared(number=number, author=author, date=now, cells=shown, bytes=freed)
    return (log.append(connection, worksheet, entry),)


def taken_out(row: Any) -> dict[str, Blob]:
    """What was taken out of the content of a publication."""
    return {} if row.blobs is None else _taken.decode(row.blobs)


def brought(row: Any) -> tuple[Blob, ...]:
    """The buffers of a publication."""
    return () if row.buffers is None else _brought.decode(row.buffers)


def _is_earlier() -> ColumnElement[bool]:
    """Of no cell, of a deleted one, or not the newest one of its cell."""
    later = runs.alias()
    here = exists().where(cells.c.worksheet == runs.c.worksheet, cells.c.id == runs.c.cell)
    newer = exists().where(
        later.c.worksheet == runs.c.worksheet,
        later.c.cell == runs.c.cell,
        later.c.number > runs.c.number,
    )
    return or_(runs.c.cell.is_(None), ~here, newer)


def _stays_deleted() -> ColumnElement[bool]:
    """A feed is heard again from its newest stored number on: in a session that goes on, that one stays."""
    any = publications.alias()
    newest = select(func.max(any.c.number)).where(any.c.session == runs.c.session).scalar_subquery()
    return or_(sessions.c.state.in_(OVER), publications.c.number < newest)


_IS_OF_RUN = (publications.c.session == runs.c.session) & (publications.c.parent == runs.c.msg_id)

_taken = msgspec.json.Decoder(dict[str, Blob])
_brought = msgspec.json.Decoder(tuple[Blob, ...])

# "of", because in an update SQLAlchemy keeps the names of columns for their new values.
_COUNT = (
    sessions.update()
    .where(sessions.c.uid == bindparam("of"))
    .values(output_bytes=sessions.c.output_bytes + bindparam("change"))
)

_its = sessions.alias()

_KEPT = select(func.coalesce(func.sum(sessions.c.output_bytes), 0)).where(
    or_(
        sessions.c.uid == bindparam("of"),
        sessions.c.worksheet
        == select(_its.c.worksheet).where(_its.c.uid == bindparam("of")).scalar_subquery(),
    )
)
