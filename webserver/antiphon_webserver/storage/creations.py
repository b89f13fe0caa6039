"""Sessions that are being made: noted before the kernel is asked, so that none is made that nobody knows.

The kernel answers a ``msg_id`` that it had before with the session of then. So whoever finds the note of a
dead server asks once more, and keeps what comes. The note of a request that its client may repeat stays with
the session: the same request is the same session, also when the session is over.
"""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection, select

from ..model import AccountName
from . import dialect
from .tables import creations, servers, sessions


class Creation(msgspec.Struct, frozen=True, kw_only=True):
    """What the kernel is asked for, with ``request`` as its msg_id, and by which ``server``."""

    request: str
    owner: AccountName
    title: str
    kernel: str
    server: str
    lasts: bool


def begin(connection: Connection, creation: Creation, now: str) -> str | None:
    """Note it. Returns the UID of the session that the request has made before."""
    row = {**msgspec.structs.asdict(creation), "created": now}
    if dialect.insert_new(connection, creations, [row]):
        return None
    made = select(creations.c.session).where(creations.c.request == creation.request)
    uid: str | None = connection.execute(made).scalar()
    return uid


def end(connection: Connection, request: str, session: str | None) -> None:
    """The request has made a session whose row is written; None: it need not be known any more."""
    of_it = creations.c.request == request
    if session is None:
        connection.execute(creations.delete().where(of_it))
    else:
        connection.execute(creations.update().where(of_it).values(session=session))


def left(connection: Connection) -> tuple[Creation, ...]:
    """What servers have begun that are dead."""
    is_dead = creations.c.server.not_in(select(servers.c.id))
    columns = (creations.c[name] for name in Creation.__struct_fields__)
    rows = connection.execute(select(*columns).where(creations.c.session.is_(None), is_dead))
    return tuple(Creation(**row._mapping) for row in rows)


def finish(connection: Connection, creation: Creation, uid: str, now: str) -> None:
    """Write the row that a dead server did not come to write. Of a session that does not last it is the sign
    that it can be closed."""
    row = {
        "uid": uid,
        "title": creation.title,
        "owner": creation.owner,
        "worksheet": None,
        "state": "starting",
        "reason": "",
        "created": now,
        "server": "" if creation.lasts else creation.server,
    }
    dialect.insert_new(connection, sessions, [row])
    end(connection, creation.request, uid if creation.lasts else None)
