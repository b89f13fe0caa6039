"""worksheet.*: worksheets, their log and their session."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from ..changes import Units
from ..context import Context, Handler
from ..errors import InvalidParams, LimitExceeded, NotFound, RpcError, SessionDead
from ..limits import LIMITS, check_chars, check_id, check_line
from ..model import (
    AccountName,
    AnyEntry,
    Caret,
    CellId,
    Entries,
    ListedWorksheet,
    Member,
    Session,
    Snapshot,
    Worksheet,
    WorksheetId,
)
from ..secret import new_id
from ..storage import creations, members, runs, sessions, snapshots, worksheets
from ..storage.creations import Creation

Cursor = Annotated[int, Meta(ge=0, le=2**53)]
Limit = Annotated[int, Meta(ge=1, le=LIMITS["since_items"])]
Version = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Wait = Annotated[float, Meta(ge=0, le=LIMITS["wait_seconds"])]

CAN_RUN = ("starting", "idle", "busy")
"""States of a session that takes code."""

GONE = "The kernel has lost the session: it was restarted."

_log = logging.getLogger(__name__)


async def list_all(context: Context, *, query: str = "") -> tuple[ListedWorksheet, ...]:
    """List the caller's worksheets and those shared with it, newest change first; with a query, those whose
    title, owner or cells hold it."""
    check_chars("query_chars", query, "The query")
    name = context.account.name
    if query:
        found = await context.database.read(worksheets.search, name, query)
    else:
        found = await context.database.read(worksheets.list_all, name)
    return tuple(context.caller.bounded(each) for each in found if context.caller.sees(each.id))


async def create(
    context: Context, *, title: str = "Untitled", worksheet: WorksheetId | None = None
) -> Worksheet:
    """Make a worksheet with one empty code cell; an id made by the client is applied once."""
    check_line("title_chars", title, "title", "The title")
    if worksheet is not None:
        check_id(worksheet, "worksheet")
    created = await context.database.write(
        worksheets.create,
        worksheet or WorksheetId(new_id()),
        CellId(new_id()),
        title=title,
        owner=context.account.name,
        now=context.now,
    )
    return context.caller.bounded(created)


async def open_worksheet(context: Context, *, worksheet: WorksheetId) -> Snapshot:
    """Return the worksheet with its outputs, and the cursors from which to follow."""
    snapshot = await context.database.read(snapshots.take, worksheet, context.account.name)
    return msgspec.structs.replace(snapshot, worksheet=context.caller.bounded(snapshot.worksheet))


async def since(
    context: Context, *, worksheet: WorksheetId, cursor: Cursor, limit: Limit = 1000, wait: Wait = 0
) -> Entries:
    """Return what the log has after the cursor; wait that many seconds while that is nothing."""
    return await context.relay.entries_since(worksheet, cursor, limit=limit, wait=wait)


async def rename(context: Context, *, worksheet: WorksheetId, title: str) -> None:
    """Give the worksheet another title."""
    check_line("title_chars", title, "title", "The title")
    entries = await context.database.write(
        worksheets.rename, worksheet, title, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)


async def transfer(context: Context, *, worksheet: WorksheetId, account: AccountName) -> Member:
    """Give the worksheet to somebody else, who owns it from now on; by its owner alone."""
    owner, entries = await context.database.write(
        members.transfer, worksheet, account, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)
    return owner


async def delete(context: Context, *, worksheet: WorksheetId) -> None:
    """Delete the worksheet, its outputs and its session."""
    uids = await context.database.write(worksheets.delete, worksheet)
    context.relay.forget(worksheet, "The worksheet was deleted.")
    for uid in uids:
        await give_up(context, uid)


async def session(context: Context, *, worksheet: WorksheetId) -> Session:
    """Return the worksheet's session; make one if there is none."""
    uid = await ensure_session(context, worksheet)
    found = await context.database.glance(sessions.find, uid)
    if found is None:
        raise NotFound("There is no such worksheet.")
    return found


async def subscribe(context: Context, *, worksheet: WorksheetId, cursor: Cursor) -> None:
    """Follow the worksheet's log and presence from the cursor on, by notifications."""
    assert context.subscriber is not None
    context.subscriber.subscribe_worksheet(worksheet, cursor)


async def unsubscribe(context: Context, *, worksheet: WorksheetId) -> None:
    """Stop following the worksheet."""
    assert context.subscriber is not None
    context.subscriber.unsubscribe_worksheet(worksheet)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """The number of the caller's window, by which it knows its own caret among the others."""

    window: int


async def caret(
    context: Context,
    *,
    worksheet: WorksheetId,
    cell: CellId | None = None,
    version: Version = 0,
    anchor: Units = 0,
    head: Units = 0,
) -> Told:
    """Tell the others who follow the worksheet where one writes; without a cell, nowhere."""
    assert context.subscriber is not None
    there = None
    if cell is not None:
        check_id(cell, "cell")
        there = Caret(
            window=0, account=context.account.name, cell=cell, version=version, anchor=anchor, head=head
        )
    return Told(window=context.subscriber.move_caret(worksheet, there))


async def ensure_session(context: Context, worksheet: WorksheetId) -> str:
    """The UID of a session in which the worksheet can run code.

    Two callers at once make two sessions of the kernel; the database gives the worksheet one of
    them, and the other is closed again.

    Raises:
        SessionDead: there is one whose worker has died; restarting it is for people to decide.
        KernelUnavailable: the kernel does not answer.
    """
    known = await context.database.glance(worksheets.find, worksheet, context.account.name)
    if known is None:
        raise NotFound("There is no such worksheet.")
    if known.session is not None:
        if context.sessions.heard(known.session) in CAN_RUN:
            return known.session
        info = await context.sessions.info(known.session)
        if info is not None and info.execution_state != "closed":
            if info.execution_state == "dead":
                raise SessionDead(info.reason)
            return known.session
    creation = Creation(
        request=new_id(),
        owner=context.account.name,
        title=known.title,
        kernel="",
        server=context.server,
        lasts=False,
    )
    await context.database.write(creations.begin, creation, context.now)
    async with making(context, creation) as uid:
        now_open, entries = await context.database.write(
            _replace_session, known, creation.request, uid, context.account.name, context.now
        )
    if now_open != uid:
        await give_up(context, uid)
        return now_open
    await context.sessions.record(uid)
    context.relay.announce(worksheet, entries)
    return uid


@asynccontextmanager
async def making(context: Context, creation: Creation) -> AsyncIterator[str]:
    """Ask the kernel for what ``creations.begin`` has noted; inside, write its row and ``creations.end``.

    Where that fails, the session is closed again. While it is not known whether there is one, the note stays.
    """
    try:
        uid = await context.sessions.create(creation.title, creation.kernel, creation.request)
    except (InvalidParams, LimitExceeded):  # there is none
        await context.database.write(creations.end, creation.request, None)
        raise
    try:
        yield uid
    except BaseException:
        await give_up(context, uid)
        raise


async def give_up(context: Context, uid: str) -> None:
    """Close a session that nobody needs any more. A kernel that cannot be asked does not undo what was
    done, so the caller is not told; such a session ends with its kernel."""
    try:
        await context.sessions.close(uid)
    except RpcError as error:
        _log.warning("session %s could not be closed: %s", uid, error.sentence)


def _replace_session(
    connection: Connection, known: Worksheet, request: str, uid: str, author: AccountName, now: str
) -> tuple[str, tuple[AnyEntry, ...]]:
    """Give the worksheet its new session; what the old one has left open is lost."""
    creations.end(connection, request, None)
    now_open, opened = worksheets.open_session(
        connection, known.id, uid, instead_of=known.session, title=known.title, author=author, now=now
    )
    if now_open != uid or known.session is None:
        return now_open, opened
    sessions.set_state(connection, known.session, "lost", GONE)
    lost = runs.lose(connection, runs.open_runs(connection, known.session), GONE, now)
    return now_open, (*opened, *(entry for _, entry in lost))


METHODS: dict[str, Handler] = {
    "worksheet.list": list_all,
    "worksheet.create": create,
    "worksheet.open": open_worksheet,
    "worksheet.since": since,
    "worksheet.rename": rename,
    "worksheet.transfer": transfer,
    "worksheet.delete": delete,
    "worksheet.session": session,
    "worksheet.subscribe": subscribe,
    "worksheet.unsubscribe": unsubscribe,
    "worksheet.caret": caret,
}
