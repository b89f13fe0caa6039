"""Snapshots: a worksheet as it is at one moment, for whoever opens it."""

from __future__ import annotations

from sqlalchemy import Connection

from ..errors import NotFound
from ..model import AccountName, SessionCursor, Snapshot, WorksheetId
from . import cells, log, members, publications, runs, worksheets


def take(connection: Connection, worksheet: WorksheetId, account: AccountName) -> Snapshot:
    """The worksheet with its cells, and their newest runs with their outputs.

    Inside one read transaction everything is of one moment, so the two cursors fit.

    Raises:
        NotFound: there is no such worksheet, or it is not the account's.
    """
    found = worksheets.find(connection, worksheet, account)
    if found is None:
        raise NotFound("There is no such worksheet.")
    shown = cells.list_all(connection, worksheet)
    present = {cell.id for cell in shown}
    newest = tuple(run for run in runs.newest(connection, worksheet) if run.cell in present)
    return Snapshot(
        worksheet=found,
        cells=shown,
        members=members.list_all(connection, worksheet),
        runs=newest,
        outputs={run.id: publications.of_run(connection, run.session, run.msg_id) for run in newest},
        cursor=log.latest(connection, worksheet),
        session=None
        if found.session is None
        else SessionCursor(uid=found.session, cursor=publications.last_number(connection, found.session)),
    )
