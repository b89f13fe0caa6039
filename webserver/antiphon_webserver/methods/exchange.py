"""worksheet.import, export and duplicate: worksheets from files, to files and from worksheets."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from .. import exchange
from ..context import Context, Handler
from ..errors import InvalidParams
from ..exchange import Document, ReadFormat, WriteFormat
from ..limits import LIMITS, check_bytes, check_chars, check_id, check_line
from ..model import AccountName, Worksheet, WorksheetId
from ..secret import new_id
from ..storage import originals


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A file: its name, its media type and its text."""

    filename: str
    media_type: str
    text: str


async def import_worksheet(
    context: Context,
    *,
    filename: str,
    text: str,
    format: ReadFormat | None = None,
    title: str | None = None,
    worksheet: WorksheetId | None = None,
) -> Worksheet:
    """Make a worksheet of a notebook or a script; an id made by the client is applied once."""
    check_chars("filename_chars", filename, "The file's name")
    check_bytes("import_bytes", text, "The file")
    if title is not None:
        check_chars("title_chars", title, "The title")
    if worksheet is not None:
        check_id(worksheet, "worksheet")
    # By a thread of the database: a large notebook would hold the event loop for too long.
    document = await context.database.read(_read, filename, format, text, title)
    imported = await context.database.write(
        originals.create,
        worksheet or WorksheetId(new_id()),
        document,
        owner=context.account.name,
        now=context.now,
    )
    return context.caller.bounded(imported)


async def export(context: Context, *, worksheet: WorksheetId, format: WriteFormat = "ipynb") -> Exported:
    """Return the worksheet as a file, with the outputs of its newest runs."""
    return await context.database.read(_export, worksheet, context.account.name, format)


async def duplicate(
    context: Context,
    *,
    worksheet: WorksheetId,
    title: str | None = None,
    outputs: bool = False,
    copy: WorksheetId | None = None,
) -> Worksheet:
    """Make a worksheet of one's own that begins as this one is now; an id ``copy`` made by the client is
    applied once."""
    if title is not None:
        check_line("title_chars", title, "title", "The title")
    if copy is not None:
        check_id(copy, "copy")
    document = await context.database.read(_copy, worksheet, context.account.name, title, outputs)
    made = await context.database.write(
        originals.create,
        copy or WorksheetId(new_id()),
        document,
        owner=context.account.name,
        now=context.now,
    )
    return context.caller.bounded(made)


def _copy(
    connection: Connection, worksheet: WorksheetId, account: AccountName, title: str | None, outputs: bool
) -> Document:
    document = originals.document(connection, worksheet, account)
    copy = document if outputs else document.without_outputs()
    named = (title or f"Copy of {document.title}")[: LIMITS["title_chars"]]
    return msgspec.structs.replace(copy, title=named)


def _read(_: Connection, filename: str, format: ReadFormat | None, text: str, title: str | None) -> Document:
    document = exchange.READ[format or _format(filename)](text.removeprefix("\ufeff"))
    for number, cell in enumerate(document.cells):
        check_bytes("source_bytes", cell.source, f"The source of cell {number}")
    if title is None:
        title = (document.title or exchange.stem(filename) or "Untitled")[:200]
    return msgspec.structs.replace(document, title=title.replace("\0", "\ufffd"))


def _format(filename: str) -> ReadFormat:
    for format in exchange.READ:
        if filename.lower().endswith(f".{format}"):
            return format
    known = " or ".join(f".{format}" for format in exchange.READ)
    raise InvalidParams(f"filename: a file that ends with {known} can be imported.", field="filename")


def _export(
    connection: Connection, worksheet: WorksheetId, account: AccountName, format: WriteFormat
) -> Exported:
    document = originals.document(connection, worksheet, account)
    writer = exchange.WRITE[format]
    return Exported(
        filename=exchange.filename(document.title, format),
        media_type=writer.media_type,
        text=writer.write(document),
    )


METHODS: dict[str, Handler] = {
    "worksheet.import": import_worksheet,
    "worksheet.export": export,
    "worksheet.duplicate": duplicate,
}
