"""session.*: what one can ask of a session."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from antiphon_kernel.message import (
    VARIABLE_ROWS_LIMIT,
    VARIABLES_LIMIT,
    MimeBundle,
    Preloaded,
    QueuedRun,
    SessionInfo,
    SessionLimits,
    Variable,
    VariableColumn,
    VariableRequest,
    VariablesRequest,
)

from ..context import Context, Handler
from ..errors import NotFound
from ..handover import hand_over
from ..limits import check, check_bytes, check_id, check_line
from ..model import AccountName, Run, RunId, Session
from ..secret import digest, new_id
from ..storage import claims, creations, runs, sessions
from ..storage.creations import Creation
from .worksheet import making

KernelName = Annotated[str, Meta(max_length=200)]
"""Of a kernelspec of Jupyter's."""

AnyId = Annotated[str, Meta(min_length=1, max_length=200)]
"""The msg_id of a request that the kernel may have from any client, in that client's form."""

CursorPos = Annotated[int, Meta(ge=0, le=2**31 - 1)]

Place = Annotated[int, Meta(ge=0, le=2**53)]
"""In a list, from 0."""


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """The request that the kernel has; its publications have it as their parent."""

    msg_id: str


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a session uses now, and may. ``waiting``: requests in its queue; the rest is as in the kernel's
    ``session_info_reply``.
    """

    memory_bytes: int
    cpu_seconds: float
    processes: int
    waiting: int
    idle_seconds: float
    last_activity: str
    limits: SessionLimits
    preloaded: tuple[Preloaded, ...]


class SessionDetails(Session, frozen=True, kw_only=True):
    """A session, with what it uses; ``use`` is null where it is over."""

    use: Use | None = None


class Completion(msgspec.Struct, frozen=True, kw_only=True):
    """Positions count Unicode code points."""

    matches: tuple[str, ...]
    cursor_start: int
    cursor_end: int
    metadata: MimeBundle


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of the name at the position, by MIME type."""

    found: bool
    data: MimeBundle
    metadata: MimeBundle


class Variables(msgspec.Struct, frozen=True, kw_only=True):
    """Some variables of a session; ``next`` is where the others begin. Not ``known``: those of another
    kernel."""

    known: bool
    variables: tuple[Variable, ...]
    total: int
    next: int | None


class VariableDetails(msgspec.Struct, frozen=True, kw_only=True):
    """A variable, null where there is none, and a part of the ``total`` rows and ``width`` columns."""

    variable: Variable | None
    text: str
    columns: tuple[VariableColumn, ...]
    rows: tuple[tuple[str, ...], ...]
    total: int
    width: int


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, by its msg_id, and since when, both empty when nothing does; and the runs that wait, the
    next one first."""

    running: str = ""
    running_since: str = ""
    queue: tuple[QueuedRun, ...] = ()


async def create(
    context: Context, *, title: str = "", kernel: KernelName = "", msg_id: str | None = None
) -> Session:
    """Make a session that belongs to the caller and to no worksheet; of another kernel, if one is named.

    Asked for again under one ``msg_id``, it is the same session.
    """
    if msg_id is not None:
        check_id(msg_id, "msg_id")
        # One kernel serves many accounts, and what one of them asked for again is nobody else's.
        msg_id = digest(f"{context.account.name}/{msg_id}")
    return await make(context, title, kernel, msg_id)


async def make(
    context: Context, title: str, kernel: str = "", msg_id: str | None = None, *, for_call: bool = False
) -> Session:
    """``for_call``: it is closed with the call that makes it, by another server if this one is killed."""
    check_line("title_chars", title, "title", "The title")
    owner = context.account.name
    creation = Creation(
        request=msg_id or new_id(),
        owner=owner,
        title=title,
        kernel=kernel,
        server=context.server,
        lasts=msg_id is not None and not for_call,
    )
    made = await context.database.write(creations.begin, creation, context.now)
    if made is not None and (known := await context.database.glance(sessions.find, made)) is not None:
        return known
    check("account_sessions", await context.database.read(sessions.count_own, owner) + 1, "The account")
    async with making(context, creation) as uid:
        server = context.server if for_call else ""
        session = await context.database.write(
            _create, creation.request, uid, title, owner, server, context.now, named=msg_id is not None
        )
    await context.sessions.record(uid)
    return session


async def list_all(context: Context) -> tuple[Session, ...]:
    """List the sessions that the caller may observe, newest first."""
    found = await context.database.read(sessions.list_all, context.account.name)
    return tuple(each for each in found if context.caller.sees(each.worksheet))


async def info(context: Context, *, session: str) -> SessionDetails:
    """Tell how a session is, and what it uses."""
    found = await context.database.glance(sessions.find, session)
    if found is None:
        raise NotFound("There is no such session.")
    details = SessionDetails(**msgspec.structs.asdict(found))
    if found.state in sessions.OVER:
        return details
    now: SessionInfo | None = await context.sessions.info(session)
    if now is None:
        return details
    return msgspec.structs.replace(
        details,
        state=now.execution_state,
        reason=now.reason,
        latest=max(now.latest, found.latest),
        use=Use(
            memory_bytes=now.memory_bytes,
            cpu_seconds=now.cpu_seconds,
            processes=now.processes,
            waiting=len(now.queue),
            idle_seconds=now.idle_seconds,
            last_activity=now.last_activity,
            limits=now.limits,
            preloaded=now.preloaded,
        ),
    )


async def execute(
    context: Context, *, session: str, code: str, msg_id: str | None = None, scratch: bool = False
) -> Handed:
    """Hand over code and return; the feed tells what comes of it. An id made by the client runs once.

    In the session of a worksheet it becomes a run beside the cells; ``scratch`` is what one person tries.
    """
    check_bytes("code_bytes", code, "The code")
    if msg_id is not None:
        check_id(msg_id, "msg_id")
    name = msg_id or new_id()
    await submit(context, session, code, name, scratch=scratch)
    return Handed(msg_id=name)


async def submit(context: Context, session: str, code: str, name: str, *, scratch: bool = False) -> int:
    """Hand over code as the request ``name``; returns a cursor before its first publication.

    Raises:
        NotFound: there is no such session.
    """
    known = await context.database.glance(sessions.find, session)
    if known is None:
        raise NotFound("There is no such session.")
    if known.worksheet is None:
        await context.sessions.execute(session, code, name, context.account.name, history=not scratch)
    else:
        # The msg_id is the run's id as well, so that a retry finds the run of the first call.
        run = Run(
            id=RunId(name),
            worksheet=known.worksheet,
            cell=None,
            session=session,
            msg_id=name,
            account=context.account.name,
            code=code,
            state="queued",
            scratch=scratch,
            created=context.now,
        )
        _, entries = await context.database.write(runs.create, run, context.server)
        context.relay.announce(known.worksheet, entries)
        if entries:
            await hand_over(context, run)
    return known.latest


async def complete(context: Context, *, session: str, code: str, cursor_pos: CursorPos) -> Completion:
    """Tell how the code could go on at the position."""
    check_bytes("code_bytes", code, "The code")
    reply = await context.sessions.complete(session, code, cursor_pos)
    return Completion(
        matches=reply.matches,
        cursor_start=reply.cursor_start,
        cursor_end=reply.cursor_end,
        metadata=reply.metadata,
    )


async def inspect(
    context: Context, *, session: str, code: str, cursor_pos: CursorPos, detail_level: Literal[0, 1] = 0
) -> Inspection:
    """Tell what is known of the name at the position."""
    check_bytes("code_bytes", code, "The code")
    reply = await context.sessions.inspect(session, code, cursor_pos, detail_level)
    return Inspection(found=reply.found, data=reply.data, metadata=reply.metadata)


async def variables(
    context: Context,
    *,
    session: str,
    start: Place = 0,
    limit: Annotated[int, Meta(ge=1, le=VARIABLES_LIMIT)] = 500,
    search: Annotated[str, Meta(max_length=200)] = "",
    hidden: bool = False,
) -> Variables:
    """List the session's variables; runs none of its code, and waits for none."""
    request = VariablesRequest(start=start, limit=limit, search=search, hidden=hidden)
    reply = await context.sessions.variables(session, request)
    return Variables(known=reply.known, variables=reply.variables, total=reply.total, next=reply.next)


async def variable(
    context: Context,
    *,
    session: str,
    name: Annotated[str, Meta(max_length=1000)],
    start: Place = 0,
    limit: Annotated[int, Meta(ge=1, le=VARIABLE_ROWS_LIMIT)] = 50,
) -> VariableDetails:
    """Show a variable, with some of its rows, items or attributes."""
    reply = await context.sessions.variable(session, VariableRequest(name=name, start=start, limit=limit))
    return VariableDetails(
        variable=reply.variable,
        text=reply.text,
        columns=reply.columns,
        rows=reply.rows,
        total=reply.total,
        width=reply.width,
    )


async def interrupt(context: Context, *, session: str) -> None:
    """Interrupt what is running."""
    await context.sessions.interrupt(session)


async def queue(context: Context, *, session: str) -> Queue:
    """Tell what runs and which runs wait. The feed tells how it goes on."""
    known = await context.database.glance(sessions.find, session)
    if known is None:
        raise NotFound("There is no such session.")
    now = None if known.state in sessions.OVER else await context.sessions.info(session)
    if now is None:
        return Queue()
    return Queue(running=now.running, running_since=now.running_since, queue=now.queue)


async def cancel(context: Context, *, session: str, msg_id: AnyId) -> None:
    """Drop a run that waits; one that runs takes an interrupt."""
    by = f"cancelled by {context.account.name}"
    ended = await context.database.write(claims.cancel, session, msg_id, by, context.now)
    if ended is not None:  # the kernel has not heard of it
        context.relay.announce(ended[0], [ended[1]])
        return
    await context.sessions.cancel(session, msg_id, context.account.name)


async def move(context: Context, *, session: str, msg_id: AnyId, before: AnyId | None = None) -> None:
    """Let a run that waits stand before another one, or at the end of the queue."""
    await context.sessions.move(session, msg_id, before or "", context.account.name)


async def restart(context: Context, *, session: str) -> None:
    """Replace the session's worker by a fresh one; the feed goes on."""
    await context.sessions.restart(session)


async def close(context: Context, *, session: str) -> None:
    """End the session; what it published stays."""
    await context.sessions.close(session)
    await context.database.write(sessions.set_state, session, "closed", "It was closed.")


async def answer(context: Context, *, session: str, prompt: str, value: str) -> None:
    """Answer a prompt of the code; the first answer counts."""
    check_bytes("code_bytes", value, "The answer")
    await context.sessions.answer(session, prompt, value, context.account.name)


def _create(
    connection: Connection,
    request: str,
    uid: str,
    title: str,
    owner: AccountName,
    server: str,
    now: str,
    *,
    named: bool,
) -> Session:
    session = sessions.create(
        connection, uid, title=title, owner=owner, worksheet=None, now=now, server=server
    )
    creations.end(connection, request, uid if named else None)
    return session


METHODS: dict[str, Handler] = {
    "session.create": create,
    "session.list": list_all,
    "session.info": info,
    "session.execute": execute,
    "session.complete": complete,
    "session.inspect": inspect,
    "session.variables": variables,
    "session.variable": variable,
    "session.interrupt": interrupt,
    "session.queue": queue,
    "session.cancel": cancel,
    "session.move": move,
    "session.restart": restart,
    "session.close": close,
    "session.answer": answer,
}
