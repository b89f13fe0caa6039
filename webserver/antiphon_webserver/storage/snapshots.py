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
    Widgets,
    WorksheetId,
)
from . import cells, comments, log, marks, members, publications, runs, sessions, widgets, worksheets

RUN_BYTES = 8 * 2**20
"""Outputs of one run that somebody asks for: a hundred thousand printed lines."""

HEAD_BYTES = 16 * 2**10
TAIL_BYTES = 48 * 2**10
"""Outputs of one run in a snapshot: its beginning says what it is, its end how it went."""

SNAPSHOT_BYTES = 32 * 2**20
"""Outputs of all runs: what a page takes at once. Of older runs beyond it there is only the last word."""


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
    outdated = marks.outdated_cells(connection, worksheet)
    shown = tuple(
        shown_cell(cell, newest.get(cell.id), found.session, since, outdated=cell.id in outdated)
        for cell in listed
    )
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
        widgets=_widgets(connection, last, found.session),
        threads=comments.list_all(connection, worksheet),
        read=comments.read_up_to(connection, worksheet, account),
    )


def shown_cell(
    cell: Cell, newest: Run | None, session: str | None, since: str | None, *, outdated: bool = False
) -> ShownCell:
    """A cell with what became of its newest run.

    Args:
        session: the worksheet's.
        since: from when on what ran in it is there (``sessions.live_since``); None is nothing.
    """
    edited = newest is not None and newest.code != cell.source
    gone = newest is not None and (newest.session != session or since is None or newest.created < since)
    return ShownCell(**msgspec.structs.asdict(cell), edited=edited, outdated=outdated, ended=gone)


def _outputs(
    connection: Connection, last: tuple[Run, ...]
) -> tuple[dict[RunId, tuple[Publication, ...]], dict[RunId, int]]:
    outputs: dict[RunId, tuple[Publication, ...]] = {}
    omitted: dict[RunId, int] = {}
    by_session: dict[str, list[str]] = {}
    for run in last:
        by_session.setdefault(run.session, []).append(run.msg_id)
    found = {
        (session, msg_id): answer
        for session, msg_ids in by_session.items()
        for msg_id, answer in publications.of_runs(
            connection, session, msg_ids, HEAD_BYTES, TAIL_BYTES
        ).items()
    }
    left = SNAPSHOT_BYTES
    for run in reversed(last):
        items, between = found.get((run.session, run.msg_id), ((), 0))
        size = sum(map(_bytes, items))
        if size > left and items:
            items, between = items[-1:], between + len(items) - 1
        outputs[run.id] = items
        if between:
            omitted[run.id] = between
        left = max(0, left - size)
    return outputs, omitted


def _widgets(connection: Connection, last: tuple[Run, ...], session: str | None) -> dict[str, Widgets]:
    """Of the session, and of those before it that have left something under a cell."""
    uids = {run.session for run in last} | ({session} if session else set())
    found = {uid: widgets.of_session(connection, uid) for uid in sorted(uids)}
    return {uid: each for uid, each in found.items() if each.models}


def _bytes(item: Publication) -> int:
    return len(msgspec.json.encode(item.content))
