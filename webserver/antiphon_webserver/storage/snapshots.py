"""Snapshots: a worksheet as it is at one moment, for whoever opens it."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from ..errors import NotFound
from ..model import (
    AccountName,
    Cell,
    Publication,
    Run,
    RunId,
    SessionCursor,
    ShownCell,
    Snapshot,
    WorksheetId,
)
from . import cells, log, members, publications, runs, sessions, worksheets

RUN_BYTES = 8 * 2**20
"""Outputs of one run: a few large pictures, or a hundred thousand printed lines."""

SNAPSHOT_BYTES = 32 * 2**20
"""Outputs of all runs: what a page can take at once. The newest runs come first."""


def take(connection: Connection, worksheet: WorksheetId, account: AccountName) -> Snapshot:
    """The worksheet with its cells, and their newest runs with their outputs.

    Inside one read transaction everything is of one moment, so the two cursors fit.

    Raises:
        NotFound: there is no such worksheet, or it is not the account's.
    """
    found = worksheets.find(connection, worksheet, account)
    if found is None:
        raise NotFound("There is no such worksheet.")
    listed = cells.list_all(connection, worksheet)
    present = {cell.id for cell in listed}
    last = tuple(run for run in runs.newest(connection, worksheet) if run.cell in present)
    newest = {run.cell: run for run in last}
    since = None if found.session is None else sessions.live_since(connection, found.session)
    shown = tuple(shown_cell(cell, newest.get(cell.id), found.session, since) for cell in listed)
    outputs, omitted = _outputs(connection, last)
    return Snapshot(
        worksheet=found,
        cells=shown,
        members=members.list_all(connection, worksheet),
        runs=last,
        outputs=outputs,
        omitted=omitted,
        cursor=log.latest(connection, worksheet),
        session=None
        if found.session is None
        else SessionCursor(uid=found.session, cursor=publications.last_number(connection, found.session)),
    )


def shown_cell(cell: Cell, newest: Run | None, session: str | None, since: str | None) -> ShownCell:
    """A cell with what became of its newest run.

    Args:
        session: the worksheet's.
        since: from when on what ran in it is there (``sessions.live_since``); None is nothing.
    """
    edited = newest is not None and newest.code != cell.source
    gone = newest is not None and (newest.session != session or since is None or newest.created < since)
    return ShownCell(
        id=cell.id, type=cell.type, source=cell.source, version=cell.version, edited=edited, ended=gone
    )


def _outputs(
    connection: Connection, last: tuple[Run, ...]
) -> tuple[dict[RunId, tuple[Publication, ...]], dict[RunId, int]]:
    outputs: dict[RunId, tuple[Publication, ...]] = {}
    omitted: dict[RunId, int] = {}
    left = SNAPSHOT_BYTES
    for run in reversed(last):
        items, older = publications.of_run(connection, run.session, run.msg_id, min(RUN_BYTES, left))
        outputs[run.id] = items
        if older:
            omitted[run.id] = older
        left = max(0, left - sum(map(_bytes, items)))
    return outputs, omitted


def _bytes(item: Publication) -> int:
    return len(msgspec.json.encode(item.content))
