"""Runs: one evaluation each, with exactly one end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from ..errors import Conflict, NotFound
from ..limits import LIMITS
from ..model import (
    AnyEntry,
    CellId,
    Run,
    RunCreated,
    RunEnded,
    RunId,
    Runs,
    RunState,
    WorksheetId,
)
from . import dialect, log, marks
from .tables import runs, servers, sessions

OPEN: tuple[RunState, ...] = ("queued", "running")


def create(connection: Connection, run: Run, server: str = "") -> tuple[Run, tuple[AnyEntry, ...]]:
    """Write a run before its request is sent. One with the same id is returned as it is now.

    Args:
        server: the web server that will send it.

    Raises:
        NotFound: there is no such worksheet.
        Conflict: the id is that of a run of another worksheet, account or cell.
    """
    number = log.lock(connection, run.worksheet)
    existing = find(connection, run.id)
    if existing is not None:
        same = (run.worksheet, run.cell, run.account)
        if (existing.worksheet, existing.cell, existing.account) != same:
            raise Conflict("run: this id is taken.", field="run")
        return existing, ()
    insert(connection, [(number, run)], server, claimed=run.created)
    entry = RunCreated(number=number, author=run.account, date=run.created, run=run)
    made = (log.append(connection, run.worksheet, entry),)
    if run.cell is None:
        return run, made
    return run, (*made, *marks.refresh(connection, run.worksheet, author=run.account, now=run.created))


def create_all(
    connection: Connection, worksheet: WorksheetId, number: int, created: Sequence[Run], server: str = ""
) -> tuple[AnyEntry, ...]:
    """Write the runs of a series, new all of them, from the number that ``log.lock`` gave. They wait until
    ``claims.turn``."""
    entries = tuple(
        RunCreated(number=at, author=run.account, date=run.created, run=run)
        for at, run in enumerate(created, number)
    )
    insert(connection, [(entry.number, entry.run) for entry in entries], server)
    if not entries:
        return ()
    log.append_all(connection, worksheet, entries)
    last = created[-1]
    return (*entries, *marks.refresh(connection, worksheet, author=last.account, now=last.created))


def of_series(connection: Connection, worksheet: WorksheetId, id: RunId) -> tuple[Run, ...]:
    """The runs that one ``worksheet.run`` with this id made, in their order."""
    wanted = (runs.c.worksheet == worksheet) & runs.c.id.startswith(f"{id}.", autoescape=True)
    return tuple(map(of_row, connection.execute(_SELECT.where(wanted).order_by(runs.c.number))))


def insert(
    connection: Connection,
    numbered: Sequence[tuple[int, Run]],
    server: str = "",
    *,
    claimed: str | None = None,
) -> None:
    """Write the rows alone, each with the number of its entry. ``create`` makes a run.

    Args:
        claimed: since when the server hands them over.
    """
    if numbered:
        rows = [
            {"number": number, "server": server, "claimed": claimed, "of": run.session, **_row(run)}
            for number, run in numbered
        ]
        connection.execute(_INSERT, rows)


def find(connection: Connection, id: RunId) -> Run | None:
    row = connection.execute(_FIND, {"id": id}).one_or_none()
    return None if row is None else of_row(row)


def open_runs(connection: Connection, session: str) -> tuple[Run, ...]:
    """The session's runs that have not ended, oldest first."""
    return tuple(
        map(
            of_row,
            connection.execute(
                _SELECT.where(runs.c.session == session, runs.c.state.in_(OPEN)).order_by(runs.c.number)
            ),
        )
    )


def orphans(connection: Connection, session: str, server: str) -> tuple[str, ...]:
    """The msg_ids of the session's open runs that are this server's to see to, oldest first: those that it
    was to send itself, and those of servers that are dead. Not those whose turn in a series has not come."""
    alive = select(servers.c.id).where(servers.c.id != server)
    query = (
        select(runs.c.msg_id)
        .where(
            runs.c.session == session,
            runs.c.state.in_(OPEN),
            runs.c.claimed.is_not(None),
            runs.c.server.not_in(alive),
        )
        .order_by(runs.c.number)
    )
    return tuple(connection.execute(query).scalars())


def start(connection: Connection, session: str, msg_id: str, now: str) -> None:
    """The kernel has begun with the run. Not an entry: everybody hears it on the feed."""
    connection.execute(_START, {"of": session, "request": msg_id, "started": now})


def end(
    connection: Connection,
    session: str,
    msg_id: str,
    *,
    state: RunState,
    reason: str = "",
    execution_count: int = 0,
    now: str,
) -> tuple[WorksheetId, RunEnded] | None:
    """End a run, once: later outcomes are ignored.

    Returns: the worksheet and the entry of its log; None when there is no such run that is open.
    """
    row = connection.execute(_OPEN, {"session": session, "msg_id": msg_id}).one_or_none()
    if row is None:
        return None
    try:
        number = log.lock(connection, row.worksheet)
    except NotFound:
        return None  # deleted meanwhile, and the run with it
    reason = dialect.text(reason) or row.reason
    ended = connection.execute(
        _END,
        {"of": row.id, "state": state, "reason": reason, "execution_count": execution_count, "ended": now},
    )
    if ended.rowcount == 0:
        return None
    entry = RunEnded(
        number=number,
        author=row.account,
        date=now,
        run=row.id,
        state=state,
        reason=reason,
        execution_count=execution_count,
        ended=now,
    )
    return row.worksheet, log.append(connection, row.worksheet, entry)


def remark(connection: Connection, session: str, reason: str) -> None:
    """Something happened to the session's open runs that their readers should know at the end."""
    connection.execute(
        runs.update().where(runs.c.session == session, runs.c.state.in_(OPEN)).values(reason=reason)
    )


def lose(
    connection: Connection, lost: Sequence[Run], reason: str, now: str
) -> tuple[tuple[WorksheetId, RunEnded], ...]:
    """End those of the runs that are still open, as "lost": nobody will ever know more."""
    ends = [end(connection, run.session, run.msg_id, state="lost", reason=reason, now=now) for run in lost]
    return tuple(ended for ended in ends if ended is not None)


def newest(connection: Connection, worksheet: WorksheetId) -> tuple[Run, ...]:
    """The newest run of each cell, oldest first."""
    last = (
        select(func.max(runs.c.number))
        .where(runs.c.worksheet == worksheet, runs.c.cell.is_not(None))
        .group_by(runs.c.cell)
    )
    rows = connection.execute(
        _SELECT.where(runs.c.worksheet == worksheet, runs.c.number.in_(last)).order_by(runs.c.number)
    )
    return tuple(map(of_row, rows))


def _row(run: Run) -> dict[str, Any]:
    return {name: getattr(run, name) for name in run.__struct_fields__}


def of_cell(
    connection: Connection, worksheet: WorksheetId, cell: CellId, before: RunId | None, limit: int
) -> Runs:
    """A cell's runs, newest first; those before a run if it is given.

    Raises:
        NotFound: ``before`` is no run of the worksheet.
    """
    wanted = (runs.c.worksheet == worksheet) & (runs.c.cell == cell)
    if before is not None:
        number = connection.execute(
            select(runs.c.number).where(runs.c.worksheet == worksheet, runs.c.id == before)
        ).scalar()
        if number is None:
            raise NotFound("before: there is no such run.", field="before")
        wanted &= runs.c.number < number
    found: list[Run] = []
    size = 0
    more = False
    for row in connection.execute(_SELECT.where(wanted).order_by(runs.c.number.desc()).limit(limit + 1)):
        size += len(row.code)
        if found and (len(found) == limit or size > LIMITS["page_bytes"]):
            more = True
            break
        found.append(of_row(row))
    return Runs(runs=tuple(found), more=more)


def of_row(row: Any) -> Run:
    """A row of the table as a run."""
    return Run(
        id=row.id,
        worksheet=row.worksheet,
        cell=row.cell,
        session=row.session,
        msg_id=row.msg_id,
        account=row.account,
        code=row.code,
        state=row.state,
        reason=row.reason,
        execution_count=row.execution_count,
        scratch=row.scratch,
        created=row.created,
        started=row.started,
        ended=row.ended,
    )


_SELECT = select(*(runs.c[name] for name in Run.__struct_fields__))

_FIND = _SELECT.where(runs.c.id == bindparam("id"))

_INSERT = runs.insert().values(
    namespace=select(sessions.c.namespace).where(sessions.c.uid == bindparam("of")).scalar_subquery()
)

# "of", because in an update SQLAlchemy keeps the names of columns for their new values.
_START = (
    runs.update()
    .where(runs.c.session == bindparam("of"), runs.c.msg_id == bindparam("request"), runs.c.state == "queued")
    .values(state="running", started=bindparam("started"))
)

_OPEN = select(runs.c.id, runs.c.worksheet, runs.c.account, runs.c.reason).where(
    runs.c.session == bindparam("session"), runs.c.msg_id == bindparam("msg_id"), runs.c.state.in_(OPEN)
)

_END = (
    runs.update()
    .where(runs.c.id == bindparam("of"), runs.c.state.in_(OPEN))
    .values(
        state=bindparam("state"),
        reason=bindparam("reason"),
        execution_count=bindparam("execution_count"),
        ended=bindparam("ended"),
    )
)
