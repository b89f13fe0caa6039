"""cell.*: the cells of a worksheet."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection

from ..changes import Changes
from ..context import Context, Handler
from ..errors import InvalidParams, NotFound
from ..handover import hand_over
from ..limits import check, check_bytes, check_id
from ..model import AccountName, AnyEntry, Cell, CellId, CellType, Run, RunId, WorksheetId
from ..secret import new_id
from ..steps import AnyStep, CreateStep, patched
from ..storage import cells, changing, runs
from .worksheet import Version, ensure_session


class Edited(msgspec.Struct, frozen=True, kw_only=True):
    """The version that the cell has now."""

    version: int


class Annotated(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said about the cell now."""

    metadata: dict[str, Any]


async def create(
    context: Context,
    *,
    worksheet: WorksheetId,
    after: CellId | None = None,
    type: CellType = "code",
    source: str = "",
    cell: CellId | None = None,
) -> Cell:
    """Add a cell after another one, or at the top; an id made by the client is applied once."""
    check_bytes("source_bytes", source, "The source")
    if cell is not None:
        check_id(cell, "cell")
    new = Cell(id=cell or CellId(new_id()), type=type, source=source)
    created, entries = await context.database.write(
        cells.create, worksheet, new, after=after, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)
    return created


async def edit(
    context: Context,
    *,
    worksheet: WorksheetId,
    cell: CellId,
    version: Version,
    changes: Changes | None = None,
    source: str | None = None,
    edit: str | None = None,
) -> Edited:
    """Change the text of a cell whose version is still the one given; an edit with an id is applied once.

    ``changes`` is a change set for that version's text, ``source`` a whole new text: one of the two.
    """
    if edit is not None:
        check_id(edit, "edit")
    change = changes if source is None else source
    if change is None or (changes is not None and source is not None):
        raise InvalidParams("changes: give either changes or source.", field="changes")
    if source is not None:
        check_bytes("source_bytes", source, "The source")
    edited, entries = await context.database.write(
        cells.edit,
        worksheet,
        cell,
        version=version,
        change=change,
        edit=edit or "",
        author=context.account.name,
        now=context.now,
    )
    context.relay.announce(worksheet, entries)
    return Edited(version=edited.version)


async def convert(context: Context, *, worksheet: WorksheetId, cell: CellId, type: CellType) -> None:
    """Make a cell code or Markdown."""
    entries = await context.database.write(
        cells.convert, worksheet, cell, type, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)


async def annotate(
    context: Context, *, worksheet: WorksheetId, cell: CellId, patch: dict[str, Any]
) -> Annotated:
    """Change what is said about a cell, by a merge patch (RFC 7396): null takes a member out."""
    annotated, entries = await context.database.write(
        cells.annotate,
        worksheet,
        cell,
        lambda metadata: patched(metadata, patch),
        author=context.account.name,
        now=context.now,
    )
    context.relay.announce(worksheet, entries)
    return Annotated(metadata=annotated.metadata)


async def move(context: Context, *, worksheet: WorksheetId, cell: CellId, after: CellId | None) -> None:
    """Put a cell after another one, or at the top."""
    entries = await context.database.write(
        cells.move, worksheet, cell, after=after, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)


async def change(context: Context, *, worksheet: WorksheetId, steps: tuple[AnyStep, ...]) -> None:
    """Do several things to cells at once: all of them or none."""
    check("change_steps", len(steps), "The change")
    for step in steps:
        if isinstance(step, CreateStep):
            check_id(step.cell, "steps")
            check_bytes("source_bytes", step.source, "The source")
            check_bytes("metadata_bytes", msgspec.json.encode(step.metadata).decode(), "The metadata")
    entries = await context.database.write(
        changing.change, worksheet, steps, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)


async def delete(context: Context, *, worksheet: WorksheetId, cell: CellId) -> None:
    """Take a cell out of the worksheet."""
    entries = await context.database.write(
        cells.delete, worksheet, cell, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)


async def run(
    context: Context,
    *,
    worksheet: WorksheetId,
    cell: CellId,
    source: str | None = None,
    version: Version | None = None,
    run: RunId | None = None,
) -> Run:
    """Run a cell, edited first if a source is given; an id made by the client is applied once.

    The run is written before the request is sent. If the kernel does not take it, the run ends as
    "lost", and the caller gets the error.
    """
    if (source is None) != (version is None):
        field = "version" if version is None else "source"
        raise InvalidParams(f"{field}: source and version are given together.", field=field)
    if source is not None:
        check_bytes("source_bytes", source, "The source")
    if run is not None:
        check_id(run, "run")
        earlier = await context.database.glance(runs.find, run)
        if earlier is not None and earlier.worksheet == worksheet:
            return earlier
    session = await ensure_session(context, worksheet)
    wanted = _Wanted(
        id=run or RunId(new_id()),
        worksheet=worksheet,
        cell=cell,
        source=source,
        version=version,
        session=session,
    )
    created, entries = await context.database.write(
        _create_run, wanted, context.account.name, context.server, context.now
    )
    context.relay.announce(worksheet, entries)
    if not entries:
        return created  # a retry: the first call has handed it over
    await hand_over(context, created)
    return created


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A run as it was asked for."""

    id: RunId
    worksheet: WorksheetId
    cell: CellId
    source: str | None
    version: int | None
    session: str


def _create_run(
    connection: Connection, wanted: _Wanted, account: AccountName, server: str, now: str
) -> tuple[Run, tuple[AnyEntry, ...]]:
    """The edit and the run, in one transaction. No entries: the run was there already."""
    earlier = runs.find(connection, wanted.id)
    if earlier is not None and (earlier.worksheet, earlier.cell) == (wanted.worksheet, wanted.cell):
        return earlier, ()
    edits: tuple[AnyEntry, ...] = ()
    if wanted.source is not None and wanted.version is not None:
        cell, edits = cells.edit(
            connection,
            wanted.worksheet,
            wanted.cell,
            version=wanted.version,
            change=wanted.source,
            author=account,
            now=now,
            mark=False,  # the run does
        )
    else:
        found = cells.find(connection, wanted.worksheet, wanted.cell)
        if found is None:
            raise NotFound("There is no such cell.")
        cell = found
    run = Run(
        id=wanted.id,
        worksheet=wanted.worksheet,
        cell=wanted.cell,
        session=wanted.session,
        msg_id=new_id(),
        account=account,
        code=cell.source,
        state="queued",
        created=now,
    )
    created, entries = runs.create(connection, run, server)
    return created, edits + entries


METHODS: dict[str, Handler] = {
    "cell.create": create,
    "cell.edit": edit,
    "cell.convert": convert,
    "cell.annotate": annotate,
    "cell.move": move,
    "cell.delete": delete,
    "worksheet.change": change,
    "cell.run": run,
}
