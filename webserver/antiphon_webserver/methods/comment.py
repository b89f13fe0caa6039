"""comment.*: what people say about cells."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from msgspec import Meta
from sqlalchemy import Connection

from ..changes import moved
from ..context import Context, Handler
from ..errors import InvalidParams
from ..limits import check_chars, check_id
from ..model import AccountName, AnyEntry, CellId, CommentId, Range, Thread, WorksheetId
from ..secret import new_id
from ..storage import cells, comments
from .worksheet import Version

Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]


async def list_all(context: Context, *, worksheet: WorksheetId) -> tuple[Thread, ...]:
    """Return the threads, oldest first; those of deleted cells too."""
    return await context.database.read(comments.list_all, worksheet)


async def create(
    context: Context,
    *,
    worksheet: WorksheetId,
    cell: CellId,
    text: str,
    range: Range | None = None,
    version: Version | None = None,
    comment: CommentId | None = None,
) -> Thread:
    """Begin a thread about a cell, or about a range of its text in a version; an id made by the client is
    applied once."""
    _check(text, comment)
    if (range is None) != (version is None):
        field = "version" if version is None else "range"
        raise InvalidParams(f"{field}: range and version are given together.", field=field)
    created, entries = await context.database.write(
        _create,
        worksheet,
        comment or CommentId(new_id()),
        cell,
        text,
        range,
        version or 0,
        context.account.name,
        context.now,
    )
    context.relay.announce(worksheet, entries)
    return created


def _create(
    connection: Connection,
    worksheet: WorksheetId,
    id: CommentId,
    cell: CellId,
    text: str,
    range: Range | None,
    version: int,
    author: AccountName,
    now: str,
) -> tuple[Thread, tuple[AnyEntry, ...]]:
    """The range stands in the text that the client saw: it goes with what was edited since."""
    if range is None:
        found = cells.get(connection, worksheet, cell)
    else:
        found, since = cells.since_version(connection, worksheet, cell, version)
        for changes in since:
            range = range and moved(changes, *range)
    return comments.create(connection, worksheet, id, found, text=text, range=range, author=author, now=now)


def _check(text: str, comment: CommentId | None) -> None:
    check_chars("comment_chars", text, "The comment")
    if not text.strip():
        raise InvalidParams("text: there is nothing in it.", field="text")
    if comment is not None:
        check_id(comment, "comment")


async def reply(
    context: Context,
    *,
    worksheet: WorksheetId,
    thread: CommentId,
    text: str,
    comment: CommentId | None = None,
) -> Thread:
    """Answer in a thread; an id made by the client is applied once."""
    _check(text, comment)
    answered, entries = await context.database.write(
        comments.reply,
        worksheet,
        comment or CommentId(new_id()),
        thread,
        text=text,
        author=context.account.name,
        now=context.now,
    )
    context.relay.announce(worksheet, entries)
    return answered


async def edit(context: Context, *, worksheet: WorksheetId, comment: CommentId, text: str) -> None:
    """Change the text of a comment of one's own."""
    _check(text, None)
    await _write(context, worksheet, partial(comments.edit, id=comment, text=text))


async def delete(context: Context, *, worksheet: WorksheetId, comment: CommentId) -> None:
    """Delete a comment of one's own; who owns the worksheet, any."""
    await _write(context, worksheet, partial(comments.delete, id=comment, scope=context.caller.scope))


async def restore(context: Context, *, worksheet: WorksheetId, comment: CommentId) -> None:
    """Bring a deleted comment of one's own back; who owns the worksheet, any."""
    await _write(context, worksheet, partial(comments.restore, id=comment, scope=context.caller.scope))


async def resolve(
    context: Context, *, worksheet: WorksheetId, thread: CommentId, resolved: bool = True
) -> None:
    """Say that what a thread is about is settled, or open again."""
    await _write(context, worksheet, partial(comments.resolve, thread=thread, resolved=resolved))


async def read(context: Context, *, worksheet: WorksheetId, thread: CommentId, number: Number) -> None:
    """Remember that the caller has read a thread up to an entry of the log."""
    await context.database.write(comments.mark_read, worksheet, thread, number, context.account.name)


async def _write(
    context: Context, worksheet: WorksheetId, change: Callable[..., tuple[AnyEntry, ...]]
) -> None:
    entries = await context.database.write(change, worksheet, author=context.account.name, now=context.now)
    context.relay.announce(worksheet, entries)


METHODS: dict[str, Handler] = {
    "comment.list": list_all,
    "comment.create": create,
    "comment.reply": reply,
    "comment.edit": edit,
    "comment.delete": delete,
    "comment.restore": restore,
    "comment.resolve": resolve,
    "comment.read": read,
}
