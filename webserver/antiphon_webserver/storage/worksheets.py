"""Worksheets: making, listing, renaming and deleting them, and their session."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, bindparam, case, func, literal, or_, select

from ..errors import Conflict
from ..limits import LIMITS, check
from ..model import (
    AccountName,
    AnyEntry,
    Cell,
    CellCreated,
    CellId,
    ListedWorksheet,
    SessionOpened,
    Worksheet,
    WorksheetId,
    WorksheetRenamed,
)
from . import cells, dialect, log, marks, sessions
from .tables import cells as cell_rows
from .tables import members, worksheets
from .tables import sessions as session_rows


def heads(connection: Connection, ids: Collection[WorksheetId]) -> dict[WorksheetId, int]:
    """The number of the newest entry of those of the worksheets that are there."""
    query = select(worksheets.c.id, worksheets.c.latest).where(worksheets.c.id.in_(ids))
    return {row.id: row.latest for row in connection.execute(query)}


def create(
    connection: Connection, id: WorksheetId, cell: CellId, *, title: str, owner: AccountName, now: str
) -> Worksheet:
    """Make a worksheet with one empty code cell; done again with the same id, it is found instead.

    Raises:
        Conflict: the id is somebody else's.
        LimitExceeded: the account has too many worksheets.
    """
    row = {
        "id": id,
        "title": title,
        "owner": owner,
        "created": now,
        "changed": now,
        "session": None,
        "latest": 0,
    }
    if dialect.insert_new(connection, worksheets, [row]):
        owned = select(func.count()).select_from(worksheets).where(worksheets.c.owner == owner)
        check("account_worksheets", connection.execute(owned).scalar_one(), "The account")
        connection.execute(members.insert().values(worksheet=id, account=owner, role="own"))
        first = Cell(id=cell, type="code", source="")
        cells.insert(connection, id, [(0, first)])
        log.append(
            connection,
            id,
            CellCreated(number=log.lock(connection, id), author=owner, date=now, cell=first, after=None),
        )
    found = find(connection, id, owner)
    if found is None or found.owner != owner:
        raise Conflict("worksheet: this id is taken.")
    return found


def find(connection: Connection, id: WorksheetId, account: AccountName) -> Worksheet | None:
    """The worksheet as the account sees it; None when it does not."""
    row = connection.execute(_FIND, {"account": account, "id": id}).one_or_none()
    return None if row is None else _worksheet(row)


def list_all(connection: Connection, account: AccountName) -> tuple[ListedWorksheet, ...]:
    """The account's own and those shared with it, newest change first."""
    return tuple(_listed(row, "") for row in connection.execute(_LIST, {"account": account}))


def search(connection: Connection, account: AccountName, query: str) -> tuple[ListedWorksheet, ...]:
    """Those of ``list_all`` in which title, owner or a cell's text holds the query, whatever the case.

    It looks through the ``search_worksheets`` that were changed last, and returns at most ``search_items``.
    """
    wanted = literal(query)
    seen = _LIST.limit(LIMITS["search_worksheets"]).subquery()
    at = dialect.position(connection, cell_rows.c.source, wanted)
    # Some text around it, from which Python takes the line: a cell may have a megabyte.
    around = func.substr(cell_rows.c.source, case((at > EXCERPT, at - EXCERPT), else_=1), 3 * EXCERPT)
    excerpt = (
        select(around)
        .where(cell_rows.c.worksheet == seen.c.id, at > 0)
        .order_by(cell_rows.c.position)
        .limit(1)
        .scalar_subquery()
    )
    looked = select(*seen.c, excerpt.label("excerpt")).subquery()
    rows = connection.execute(
        select(looked)
        .where(
            or_(
                looked.c.excerpt.is_not(None),
                dialect.position(connection, looked.c.title, wanted) > 0,
                dialect.position(connection, looked.c.owner, wanted) > 0,
            )
        )
        .order_by(looked.c.changed.desc(), looked.c.id)
        .limit(LIMITS["search_items"]),
        {"account": account},
    )
    return tuple(_listed(row, _line(row.excerpt or "", query)) for row in rows)


EXCERPT = 80
"""Characters before what was found, and of it and after it twice as many."""


def _line(excerpt: str, query: str) -> str:
    """The line of the excerpt that has the query, or where that goes over several, the first of them."""
    first = query.split("\n", 1)[0].lower()
    return next((line.strip() for line in excerpt.splitlines() if first in line.lower()), "")


def rename(
    connection: Connection, id: WorksheetId, title: str, *, author: AccountName, now: str
) -> tuple[AnyEntry, ...]:
    number = log.lock(connection, id)
    changed = connection.execute(
        worksheets.update().where(worksheets.c.id == id, worksheets.c.title != title).values(title=title)
    ).rowcount
    if not changed:
        return ()
    return (
        log.append(connection, id, WorksheetRenamed(number=number, author=author, date=now, title=title)),
    )


def delete(connection: Connection, id: WorksheetId) -> tuple[str, ...]:
    """Delete the worksheet and all that belongs to it; returns the sessions it had."""
    uids = sessions.of_worksheet(connection, id)
    connection.execute(worksheets.delete().where(worksheets.c.id == id))
    return uids


def open_session(
    connection: Connection,
    id: WorksheetId,
    uid: str,
    *,
    instead_of: str | None,
    title: str,
    author: AccountName,
    now: str,
) -> tuple[str, tuple[AnyEntry, ...]]:
    """Give the worksheet a session, unless somebody was faster.

    Args:
        uid: a new session of the kernel.
        instead_of: the worksheet's session as the caller knew it.

    Returns: the session that the worksheet has now (``uid``, or that of whoever was faster), and the
    entry that says so.
    """
    number = log.lock(connection, id)
    row = connection.execute(
        select(worksheets.c.session, worksheets.c.owner).where(worksheets.c.id == id)
    ).one()
    if row.session is not None and row.session != instead_of:
        return row.session, ()
    sessions.create(connection, uid, title=title, owner=row.owner, worksheet=id, now=now)
    connection.execute(worksheets.update().where(worksheets.c.id == id).values(session=uid))
    marks.clear(connection, id)
    entry = SessionOpened(number=number, author=author, date=now, session=uid)
    return uid, (log.append(connection, id, entry),)


def _listed(row: Any, found: str) -> ListedWorksheet:
    return ListedWorksheet(
        id=row.id,
        title=row.title,
        owner=row.owner,
        role=row.role,
        created=row.created,
        changed=row.changed,
        session=row.session,
        state=row.state,
        cells=row.cells,
        members=row.members,
        found=found,
    )


def _worksheet(row: Any) -> Worksheet:
    return Worksheet(
        id=row.id,
        title=row.title,
        owner=row.owner,
        role=row.role,
        created=row.created,
        changed=row.changed,
        session=row.session,
    )


_SEEN = (
    select(
        worksheets.c.id,
        worksheets.c.title,
        worksheets.c.owner,
        worksheets.c.created,
        worksheets.c.changed,
        worksheets.c.session,
        members.c.role,
    )
    .join_from(members, worksheets)
    .where(members.c.account == bindparam("account"))
)
_FIND = _SEEN.where(worksheets.c.id == bindparam("id"))

_ALSO = members.alias()
_CELLS = select(func.count()).where(cell_rows.c.worksheet == worksheets.c.id).scalar_subquery()
_MEMBERS = select(func.count()).where(_ALSO.c.worksheet == worksheets.c.id).scalar_subquery()
_LIST = (
    _SEEN.add_columns(session_rows.c.state, _CELLS.label("cells"), _MEMBERS.label("members"))
    .outerjoin(session_rows, session_rows.c.uid == worksheets.c.session)
    .order_by(worksheets.c.changed.desc(), worksheets.c.id)
)
