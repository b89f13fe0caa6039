"""Claims: which web server hands a run to the kernel, and since when.

A run that is written is its server's; ``claimed`` is since when that one hands it over, null while the
run's turn in a series has not come. A claim lasts as long as its server has a row (``servers``). Whoever
claims a run sends it or ends it, and nobody else does: each claim is one ``UPDATE``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from ..model import Run, RunEnded, RunId, WorksheetId
from . import runs
from .tables import runs as table
from .tables import servers, sessions

Ended = tuple[WorksheetId, RunEnded]

NEVER_SENT = "the web server ended before the kernel had the request"
NOT_KNOWN = "the kernel does not know any more how it ended"
RESTARTED = f"{NEVER_SENT}, and the session was restarted since"
RUN_AGAIN = f"{NEVER_SENT}, and its cell was run again since"
TOO_LATE = f"{NEVER_SENT}, and no other one was there for too long"
TURN_RESTARTED = "not run: the session was restarted"

_WAITS = (table.c.state == "queued") & table.c.claimed.is_(None)


def turn(connection: Connection, run: Run, server: str, now: str) -> tuple[bool, Ended | None]:
    """The turn of a run of a series has come. False: it is not this server's to send, or not any more.

    Returns: also its end, if the session was restarted since it was written: nothing that the series has
        run is left.
    """
    mine = (table.c.id == run.id) & _WAITS & (table.c.server == server)
    if not _claim(connection, mine, server, now):
        return False, None
    row = connection.execute(select(table.c.namespace).where(table.c.id == run.id)).scalar_one()
    if row == _namespace(connection, run.session):
        return True, None
    return False, runs.end(
        connection, run.session, run.msg_id, state="cancelled", reason=TURN_RESTARTED, now=now
    )


def cancel(connection: Connection, session: str, msg_id: str, reason: str, now: str) -> Ended | None:
    """End a run whose turn in a series has not come, whichever server would send it; None: there is none."""
    waits = (table.c.session == session) & (table.c.msg_id == msg_id) & _WAITS
    if not _claim(connection, waits, "", now):
        return None
    return runs.end(connection, session, msg_id, state="cancelled", reason=reason, now=now)


def keep(connection: Connection, run: Run, server: str, now: str) -> bool:
    """Whether a run is this server's to send still, after a time in which it may have been taken for dead."""
    mine = (table.c.id == run.id) & (table.c.state == "queued") & (table.c.server == server)
    return _claim(connection, mine, server, now)


def take_up(
    connection: Connection, session: str, msg_ids: Sequence[str], server: str, now: str, oldest: str
) -> tuple[tuple[Run, ...], tuple[Ended, ...]]:
    """Claim runs of which the kernel has no trace, and whose server is this one or dead.

    Args:
        oldest: who was claimed before is not sent any more.

    Returns: those to send, oldest first, and the ends of those that nobody may send any more.
    """
    namespace = _namespace(connection, session)
    chosen = table.c.msg_id.in_(msg_ids) & table.c.state.in_(runs.OPEN)
    found = connection.execute(
        select(table, _run_again())
        .where(table.c.session == session, chosen, table.c.claimed.is_not(None), _of_nobody(server))
        .order_by(table.c.number)
    ).all()
    claimed: list[Run] = []
    ended: list[Ended | None] = []
    for row in found:
        if reason := _why_not(row, namespace, oldest):
            ended.append(
                runs.end(connection, session, row.msg_id, state="lost", reason=row.reason or reason, now=now)
            )
        elif _claim(connection, (table.c.id == row.id) & _of_nobody(server), server, now):
            claimed.append(runs.of_row(row))
    return tuple(claimed), tuple(end for end in ended if end is not None)


def are_left(connection: Connection, session: str, server: str) -> bool:
    """Whether ``adopt`` has something to do."""
    left = select(table.c.id).where(table.c.session == session, _WAITS, _of_nobody(server)).limit(1)
    return connection.execute(left).scalar() is not None


def adopt(connection: Connection, session: str, server: str) -> tuple[tuple[WorksheetId, RunId], ...]:
    """The session's series that wait, of this server and of dead ones: from now on they are this one's."""
    rows = connection.execute(
        table.update()
        .where(table.c.session == session, _WAITS, _of_nobody(server))
        .values(server=server)
        .returning(table.c.worksheet, table.c.id, table.c.number)
    ).all()
    ordered = sorted(rows, key=lambda row: row.number)
    return tuple(dict.fromkeys((row.worksheet, RunId(row.id.rpartition(".")[0])) for row in ordered))


def _why_not(row: Row[Any], namespace: int, oldest: str) -> str:
    """Why a run is not sent any more; empty: it is."""
    if row.state != "queued":
        return NOT_KNOWN
    if row.reason:
        return NEVER_SENT  # what is gone of the feed may have told of it
    if row.namespace != namespace:
        return RESTARTED
    if row.again:
        return RUN_AGAIN
    return TOO_LATE if row.claimed < oldest else ""


def _run_again() -> ColumnElement[Any]:
    """How many later runs of the run's cell were handed over in its session: after them it would undo what
    they did."""
    later = table.alias()
    return (
        select(func.count())
        .where(
            later.c.worksheet == table.c.worksheet,
            later.c.cell == table.c.cell,
            later.c.number > table.c.number,
            later.c.session == table.c.session,
            later.c.started.is_not(None),
        )
        .correlate(table)
        .scalar_subquery()
        .label("again")
    )


def _of_nobody(server: str) -> ColumnElement[bool]:
    """The run is this server's, or a dead one's."""
    return table.c.server.not_in(select(servers.c.id).where(servers.c.id != server))


def _claim(connection: Connection, which: ColumnElement[bool], server: str, now: str) -> bool:
    queued = which & (table.c.state == "queued")
    claimed = connection.execute(table.update().where(queued).values(server=server, claimed=now))
    return claimed.rowcount == 1


def _namespace(connection: Connection, session: str) -> int:
    found: int | None = connection.execute(
        select(sessions.c.namespace).where(sessions.c.uid == session)
    ).scalar()
    return -1 if found is None else found
