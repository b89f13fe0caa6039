"""What was: earlier states of a worksheet, its bin, and the earlier runs of a cell."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta
from sqlalchemy import Connection

from ..context import Context, Handler
from ..errors import InvalidParams, NotFound
from ..limits import LIMITS
from ..model import Bin, Cell, CellId, History, Moment, RunId, RunOutputs, Runs, WorksheetId
from ..storage import history, publications, runs
from ..storage.snapshots import RUN_BYTES

Number = Annotated[int, Meta(ge=1, le=2**31 - 1)]
PageLimit = Annotated[int, Meta(ge=1, le=LIMITS["page_items"])]


async def at(context: Context, *, worksheet: WorksheetId, number: Number) -> Moment:
    """Return the cells as they were after an entry of the log."""
    return await context.database.read(history.at, worksheet, number)


async def list_spans(
    context: Context, *, worksheet: WorksheetId, before: Number | None = None, limit: PageLimit = 100
) -> History:
    """Return who changed what and when, newest first; of the entries before a number, if one is given."""
    return await context.database.read(history.list_spans, worksheet, before, limit)


async def list_bin(
    context: Context, *, worksheet: WorksheetId, before: Number | None = None, limit: PageLimit = 100
) -> Bin:
    """Return the deleted cells, newest first; those deleted before a number, if one is given."""
    return await context.database.read(history.list_bin, worksheet, before, limit)


async def restore(context: Context, *, worksheet: WorksheetId, number: Number) -> None:
    """Make the cells what they were after an entry of the log, by new entries."""
    then = await context.database.read(history.at, worksheet, number)
    entries = await context.database.write(
        history.restore, worksheet, then, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)


async def restore_cell(
    context: Context, *, worksheet: WorksheetId, cell: CellId, number: Number | None = None
) -> Cell:
    """Bring a deleted cell back; with a number, make a cell what it was after that entry of the log."""
    then = None if number is None else await context.database.read(history.at, worksheet, number)
    restored, entries = await context.database.write(
        history.restore_cell, worksheet, cell, then, author=context.account.name, now=context.now
    )
    context.relay.announce(worksheet, entries)
    return restored


async def list_runs(
    context: Context,
    *,
    worksheet: WorksheetId,
    cell: CellId,
    before: RunId | None = None,
    limit: PageLimit = 20,
) -> Runs:
    """Return a cell's runs, newest first; those before a run, if one is given."""
    return await context.database.read(runs.of_cell, worksheet, cell, before, limit)


async def outputs(
    context: Context,
    *,
    worksheet: WorksheetId,
    run: RunId,
    before: Number | None = None,
    after: Annotated[int, Meta(ge=0, le=2**53)] | None = None,
) -> RunOutputs:
    """Return the last part of what a run published; of that before a publication, if one is given; or the
    first part of that after one."""
    if before is not None and after is not None:
        raise InvalidParams("after: give before or after, not both.", field="after")
    return await context.database.read(_outputs, worksheet, run, before, after)


def _outputs(
    connection: Connection, worksheet: WorksheetId, id: RunId, before: int | None, after: int | None
) -> RunOutputs:
    run = runs.find(connection, id)
    if run is None or run.worksheet != worksheet:
        raise NotFound("There is no such run.", field="run")
    if after is not None:
        return publications.of_run_after(connection, run.session, run.msg_id, RUN_BYTES, after)
    return publications.of_run(connection, run.session, run.msg_id, RUN_BYTES, before)


METHODS: dict[str, Handler] = {
    "worksheet.at": at,
    "worksheet.history": list_spans,
    "worksheet.bin": list_bin,
    "worksheet.restore": restore,
    "cell.restore": restore_cell,
    "cell.runs": list_runs,
    "run.outputs": outputs,
}
