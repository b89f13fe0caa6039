"""worksheet.run: many cells, in their order, up to the first that does not end well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection

from ..context import Context, Handler
from ..dataflow import Ran, outdated
from ..errors import InvalidParams, NotFound
from ..handover import begin
from ..limits import check, check_id
from ..model import AccountName, AnyEntry, Cell, CellId, Run, RunId, WorksheetId
from ..secret import new_id
from ..storage import cells as stored_cells
from ..storage import log, marks, runs, sessions
from ..storage.snapshots import shown_cell
from .worksheet import ensure_session

Which: TypeAlias = Literal["all", "above", "below", "selected", "stale"]


async def run(
    context: Context,
    *,
    worksheet: WorksheetId,
    which: Which,
    cell: CellId | None = None,
    cells: tuple[CellId, ...] | None = None,
    run: RunId | None = None,
) -> tuple[Run, ...]:
    """Run code cells in the worksheet's order, up to the first that does not end well.

    All runs are written at once, before the first is sent. Each is handed to the kernel when the one
    before it has ended "ok"; after any other end those that are left end as "cancelled". An id made by
    the client is applied once.
    """
    if (which in ("above", "below")) != (cell is not None):
        raise InvalidParams("cell: goes with which above and below, and with no other.", field="cell")
    if (which == "selected") != (cells is not None):
        raise InvalidParams("cells: goes with which selected, and with no other.", field="cells")
    check("worksheet_cells", len(cells or ()), "The selection")
    if run is not None:
        check_id(run, "run")
        earlier = await context.database.read(runs.of_series, worksheet, run)
        if earlier:
            return earlier
    wanted = _Wanted(
        id=run or RunId(new_id()),
        worksheet=worksheet,
        which=which,
        cell=cell,
        cells=frozenset(cells or ()),
        session=await ensure_session(context, worksheet),
    )
    created, entries = await context.database.write(
        _create, wanted, context.account.name, context.server, context.now
    )
    context.relay.announce(worksheet, entries)
    if entries:  # otherwise a retry: the first call hands them over
        begin(context, wanted.session, worksheet, wanted.id)
    return created


class _Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A series as it was asked for."""

    id: RunId
    worksheet: WorksheetId
    which: Which
    cell: CellId | None
    cells: frozenset[CellId]
    session: str


def _create(
    connection: Connection, wanted: _Wanted, account: AccountName, server: str, now: str
) -> tuple[tuple[Run, ...], tuple[AnyEntry, ...]]:
    """The runs and the entries: none if the runs were there already."""
    number = log.lock(connection, wanted.worksheet)
    if earlier := runs.of_series(connection, wanted.worksheet, wanted.id):
        return earlier, ()
    chosen = _choose(connection, wanted)
    waiting = len(runs.open_runs(connection, wanted.session))
    check("open_runs", waiting + len(chosen), "The session's queue")
    created = tuple(
        Run(
            id=RunId(f"{wanted.id}.{index}"),
            worksheet=wanted.worksheet,
            cell=cell.id,
            session=wanted.session,
            msg_id=new_id(),
            account=account,
            code=cell.source,
            state="queued",
            created=now,
        )
        for index, cell in enumerate(chosen)
    )
    entries = runs.create_all(connection, wanted.worksheet, number, created, server)
    return created, entries


def _choose(connection: Connection, wanted: _Wanted) -> list[Cell]:
    """The code cells to run.

    Raises:
        NotFound: a cell that was named is not there.
    """
    shown = stored_cells.list_all(connection, wanted.worksheet)
    ids = [cell.id for cell in shown]
    if (wanted.cell is not None and wanted.cell not in ids) or not wanted.cells <= set(ids):
        raise NotFound("There is no such cell.")
    at = 0 if wanted.cell is None else ids.index(wanted.cell)
    placed = [(place, cell) for place, cell in enumerate(shown, 1) if cell.type == "code"]
    match wanted.which:
        case "all":
            return [cell for _, cell in placed]
        case "above":
            return [cell for place, cell in placed if place <= at]
        case "below":
            return [cell for place, cell in placed if place > at]
        case "selected":
            return [cell for _, cell in placed if cell.id in wanted.cells]
        case "stale":
            stale = _stale(connection, wanted, [cell for _, cell in placed])
            return [cell for _, cell in placed if cell.id in stale]


def _stale(connection: Connection, wanted: _Wanted, code: Sequence[Cell]) -> set[CellId]:
    """The cells to run so that each has run what it says, with what it reads: those that are due, those that
    are outdated, and those that these runs would make outdated."""
    newest = {run.cell: run for run in runs.newest(connection, wanted.worksheet)}
    since = sessions.live_since(connection, wanted.session)
    due = {cell.id for cell in code if _is_due(cell, newest.get(cell.id), wanted.session, since)}
    ran = {each.cell: each for each in marks.ran(connection, wanted.worksheet)}
    now = [
        Ran(cell=cell.id, number=0, code=cell.source, changed=True) if cell.id in due else ran[cell.id]
        for cell in code
        if cell.id in due or cell.id in ran
    ]
    return due | outdated(now)


def _is_due(cell: Cell, newest: Run | None, session: str, since: str | None) -> bool:
    """What ran last of the cell is not its text, or is not in the session any more. Empty cells that never
    ran are as they are."""
    if newest is None:
        return bool(cell.source.strip())
    shown = shown_cell(cell, newest, session, since)
    return shown.edited or shown.ended or newest.state in ("cancelled", "lost")


METHODS: dict[str, Handler] = {"worksheet.run": run}
