"""Sessions: the kernel's namespaces, as far as the web server has anything to do with them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, bindparam, func, or_, select

from ..model import AccountName, Role, Session, WorksheetId
from . import dialect
from .lookup import Lookup
from .tables import members, publications, runs, servers, sessions

OVER = ("closed", "lost")
"""States that do not change any more."""


def create(
    connection: Connection,
    uid: str,
    *,
    title: str,
    owner: AccountName,
    worksheet: WorksheetId | None,
    now: str,
    server: str = "",
) -> Session:
    """Keep a session that the kernel has made. ``server``: closes it, when the call is over that made it."""
    row = {
        "uid": uid,
        "title": title,
        "owner": owner,
        "worksheet": worksheet,
        "state": "starting",
        "reason": "",
        "created": now,
        "server": server,
    }
    if not dialect.insert_new(connection, sessions, [row]) and (known := find(connection, uid)) is not None:
        return known  # asked for twice at the same time
    return Session(uid=uid, title=title, owner=owner, worksheet=worksheet, state="starting", created=now)


def count_live(connection: Connection) -> dict[str, int]:
    """How many sessions are in each state that is not over."""
    state = sessions.c.state
    rows = connection.execute(select(state, func.count()).where(state.not_in(OVER)).group_by(state))
    return {row[0]: row[1] for row in rows}


def find(connection: Connection, uid: str) -> Session | None:
    row = _FIND.one(connection, uid=uid)
    return None if row is None else _session(row)


def list_all(connection: Connection, account: AccountName) -> tuple[Session, ...]:
    """Those that the account may observe and that are not over, newest first."""
    rows = connection.execute(
        _SELECT.outerjoin(
            members, and_(members.c.worksheet == sessions.c.worksheet, members.c.account == account)
        )
        .where(
            or_(
                members.c.account.is_not(None),
                and_(sessions.c.worksheet.is_(None), sessions.c.owner == account),
            ),
            sessions.c.state.not_in(OVER),
        )
        .order_by(sessions.c.created.desc(), sessions.c.uid)
    )
    return tuple(map(_session, rows))


def live(connection: Connection) -> tuple[Session, ...]:
    """Every session that is neither closed nor lost."""
    return tuple(map(_session, connection.execute(_SELECT.where(sessions.c.state.not_in(OVER)))))


def unsettled(connection: Connection) -> tuple[Session, ...]:
    """Those of ``live``, and those that have runs whose end is not told."""
    is_open = select(runs.c.session).where(runs.c.state.in_(("queued", "running")))
    wanted = or_(sessions.c.state.not_in(OVER), sessions.c.uid.in_(is_open))
    return tuple(map(_session, connection.execute(_SELECT.where(wanted))))


def live_uids(connection: Connection) -> tuple[str, ...]:
    """The UIDs of ``live``."""
    return tuple(connection.execute(select(sessions.c.uid).where(sessions.c.state.not_in(OVER))).scalars())


def left(connection: Connection) -> tuple[str, ...]:
    """The UIDs of sessions that were made for one call each, in servers that are dead."""
    query = select(sessions.c.uid).where(
        sessions.c.state.not_in(OVER),
        sessions.c.server != "",
        sessions.c.server.not_in(select(servers.c.id)),
    )
    return tuple(connection.execute(query).scalars())


def of_worksheet(connection: Connection, worksheet: WorksheetId) -> tuple[str, ...]:
    """The UIDs of the worksheet's sessions that are not over."""
    return tuple(
        connection.execute(
            select(sessions.c.uid).where(sessions.c.worksheet == worksheet, sessions.c.state.not_in(OVER))
        ).scalars()
    )


def count_own(connection: Connection, account: AccountName) -> int:
    """How many open sessions without a worksheet the account has."""
    return connection.execute(
        select(func.count())
        .select_from(sessions)
        .where(sessions.c.owner == account, sessions.c.worksheet.is_(None), sessions.c.state.not_in(OVER))
    ).scalar_one()


def role(connection: Connection, uid: str, account: AccountName) -> Role | None:
    """What the account may do with the session: its role in the worksheet, or all with its own."""
    row = _ROLE.one(connection, uid=uid, account=account)
    if row is None:
        return None
    if row.worksheet is None:
        return "own" if row.owner == account else None
    role: Role | None = row.role
    return role


def is_of(connection: Connection, uid: str, worksheet: WorksheetId) -> bool:
    """Whether the session is one of the worksheet's."""
    query = select(sessions.c.uid).where(sessions.c.uid == uid, sessions.c.worksheet == worksheet)
    return connection.execute(query).scalar() is not None


def set_state(connection: Connection, uid: str, state: str, reason: str = "") -> None:
    """What was last heard of the session. One that is over stays so."""
    connection.execute(_SET_STATE, {"of": uid, "state": state, "reason": dialect.text(reason)})


def set_restarted(connection: Connection, uid: str, date: str) -> None:
    """From then on nothing is left of what ran before."""
    connection.execute(
        sessions.update()
        .where(sessions.c.uid == uid)
        .values(restarted=date, namespace=sessions.c.namespace + 1)
    )


def live_since(connection: Connection, uid: str) -> str | None:
    """Since when the session has the namespace that it has; None when it is over or not there.

    "Always" is the empty string: it is before every time.
    """
    row = connection.execute(
        select(sessions.c.state, sessions.c.restarted).where(sessions.c.uid == uid)
    ).one_or_none()
    if row is None or row.state in (*OVER, "dead"):
        return None
    return row.restarted or ""


def _session(row: Any) -> Session:
    return Session(
        uid=row.uid,
        title=row.title,
        owner=row.owner,
        worksheet=row.worksheet,
        state=row.state,
        reason=row.reason,
        latest=row.latest,
        created=row.created,
    )


_LATEST = (
    select(func.coalesce(func.max(publications.c.number), 0))
    .where(publications.c.session == sessions.c.uid)
    .scalar_subquery()
    .label("latest")
)

_SELECT = select(
    sessions.c.uid,
    sessions.c.title,
    sessions.c.owner,
    sessions.c.worksheet,
    sessions.c.state,
    sessions.c.reason,
    sessions.c.created,
    _LATEST,
)

_FIND = Lookup(_SELECT.where(sessions.c.uid == bindparam("uid")))

_ROLE = Lookup(
    select(sessions.c.owner, sessions.c.worksheet, members.c.role)
    .outerjoin(
        members, and_(members.c.worksheet == sessions.c.worksheet, members.c.account == bindparam("account"))
    )
    .where(sessions.c.uid == bindparam("uid"))
)

# "of", because in an update SQLAlchemy keeps the names of columns for their new values.
_SET_STATE = (
    sessions.update()
    .where(sessions.c.uid == bindparam("of"), sessions.c.state.not_in(OVER))
    .values(state=bindparam("state"), reason=bindparam("reason"))
)
