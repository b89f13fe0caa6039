"""admin.* and audit.*: what those see who look after the server."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from ..attempts import BURST, SECONDS_EACH
from ..context import Context, Handler
from ..errors import NotFound
from ..limits import LIMITS
from ..model import AuditEntry, LiveSession, SignUp
from ..storage import audit, sessions

Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Limit = Annotated[int, Meta(ge=1, le=LIMITS["since_items"])]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """``limits``: what callers may send, by name. ``settings``: those that are settings, by name; 0 is
    none. ``attempts`` wrong passwords in a row are free, for an
    account and for an address; then one each ``attempt_seconds``. ``audit_entries`` are kept."""

    limits: dict[str, int]
    settings: dict[str, int]
    signup: SignUp
    attempts: int
    attempt_seconds: float
    audit_entries: int


async def list_sessions(context: Context) -> tuple[LiveSession, ...]:
    """List every session that is not over, without what it holds."""
    return await context.database.read(_live)


async def close_session(context: Context, *, session: str) -> None:
    """End a session of anybody."""
    if await context.database.glance(sessions.find, session) is None:
        raise NotFound("There is no such session.")
    await context.sessions.close(session)
    await context.database.write(sessions.set_state, session, "closed", "An administrator closed it.")


async def limits(context: Context) -> Limits:
    """Tell the limits that hold here."""
    return Limits(
        limits=LIMITS,
        settings=dict(context.allowed),
        signup=context.signup,
        attempts=BURST,
        attempt_seconds=SECONDS_EACH,
        audit_entries=audit.MOST_ENTRIES,
    )


async def list_audit(
    context: Context,
    *,
    before: Number | None = None,
    limit: Limit = 100,
    account: str | None = None,
    act: str | None = None,
) -> tuple[AuditEntry, ...]:
    """List what was done and refused, newest first; of one account, or of acts that begin with a word."""
    await context.audit.flush(context.database)
    return await context.database.read(audit.list_all, before=before, limit=limit, account=account, act=act)


def _live(connection: Connection) -> tuple[LiveSession, ...]:
    return tuple(
        LiveSession(
            uid=each.uid, owner=each.owner, state=each.state, created=each.created, latest=each.latest
        )
        for each in sessions.live(connection)
    )


METHODS: dict[str, Handler] = {
    "admin.sessions": list_sessions,
    "admin.close_session": close_session,
    "admin.limits": limits,
    "audit.list": list_audit,
}
