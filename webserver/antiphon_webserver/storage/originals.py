"""Worksheets from files and for files.

What a file says of outputs becomes a session that is over, with a run for each cell: whoever reads
worksheets reads imported ones without a rule of their own. What a worksheet has no word for is kept
beside it as the file had it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from ..exchange import Document, DocumentCell
from ..limits import check
from ..model import (
    AccountName,
    Cell,
    CellCreated,
    CellId,
    Publication,
    Run,
    RunId,
    RunState,
    Worksheet,
    WorksheetId,
)
from ..outputs import Fold
from ..secret import new_id
from . import cells, dialect, log, publications, runs, sessions, snapshots, worksheets
from .tables import originals

IMPORTED = "It was imported from a file."

SHOWN = ("stream", "display_data", "execute_result", "error")
"""Outputs that are publications by another name."""

WHOLE = ""
"""In place of a cell's id: the notebook as a whole."""


def create(
    connection: Connection, id: WorksheetId, document: Document, *, owner: AccountName, now: str
) -> Worksheet:
    """Make a worksheet of a document; done again with the same id, it is found instead.

    Raises:
        Conflict: the id is somebody else's.
        LimitExceeded: the account has too many worksheets, or the document too many cells.
    """
    check("worksheet_cells", len(document.cells), "The worksheet")
    first = CellId(new_id())
    made = worksheets.create(connection, id, first, title=document.title, owner=owner, now=now)
    if cells.find(connection, id, first) is None:
        return made
    if document.original:
        _keep(connection, id, WHOLE, document.original, None)
    if document.cells:
        cells.delete(connection, id, first, author=owner, now=now)
    writer = _Writer(connection, id, owner, now)
    for position, cell in enumerate(document.cells):
        writer.add(position, cell)
    found = worksheets.find(connection, id, owner)
    assert found is not None
    return found


class _Writer:
    """Adds the cells of one import."""

    def __init__(self, connection: Connection, worksheet: WorksheetId, owner: AccountName, now: str) -> None:
        self._connection = connection
        self._worksheet = worksheet
        self._owner = owner
        self._now = now
        self._session = ""
        self._number = 0
        self._last: CellId | None = None

    def add(self, position: int, given: DocumentCell) -> None:
        cell = Cell(id=CellId(new_id()), type=given.type, source=dialect.text(given.source))
        cells.insert(self._connection, self._worksheet, cell, position)
        number = log.lock(self._connection, self._worksheet)
        entry = CellCreated(number=number, author=self._owner, date=self._now, cell=cell, after=self._last)
        log.append(self._connection, self._worksheet, entry)
        self._last = cell.id
        ran = given.outputs or given.execution_count is not None
        run = self._run(cell, given) if ran else None
        if given.original:
            _keep(self._connection, self._worksheet, cell.id, given.original, run)

    def _run(self, cell: Cell, given: DocumentCell) -> RunId:
        if not self._session:
            self._session = self._open_session()
        failed = any(output["output_type"] == "error" for output in given.outputs)
        state: RunState = "error" if failed else "ok"
        run = Run(
            id=RunId(new_id()),
            worksheet=self._worksheet,
            cell=cell.id,
            session=self._session,
            msg_id=new_id(),
            account=self._owner,
            code=cell.source,
            state="queued",
            created=self._now,
        )
        runs.create(self._connection, run)
        publications.store(self._connection, self._session, self._publications(run.msg_id, given.outputs))
        runs.end(
            self._connection,
            self._session,
            run.msg_id,
            state=state,
            execution_count=given.execution_count or 0,
            now=self._now,
        )
        return run.id

    def _open_session(self) -> str:
        uid = new_id()
        sessions.create(
            self._connection, uid, title="import", owner=self._owner, worksheet=self._worksheet, now=self._now
        )
        sessions.set_state(self._connection, uid, "closed", IMPORTED)
        return uid

    def _publications(self, parent: str, outputs: Sequence[dict[str, Any]]) -> list[Publication]:
        made = []
        for output in outputs:
            if output["output_type"] not in SHOWN:
                continue  # of a later nbformat: kept, and given back by an export
            self._number += 1
            content = dict(output)
            made.append(
                Publication(
                    number=self._number,
                    msg_id=new_id(),
                    msg_type=content.pop("output_type"),
                    parent=parent,
                    username=self._owner,
                    date=self._now,
                    metadata={},
                    content=content,
                )
            )
        return made


def document(connection: Connection, worksheet: WorksheetId, account: AccountName) -> Document:
    """The worksheet as a document, with the outputs of its newest runs as far as a snapshot has them.

    Raises:
        NotFound: there is no such worksheet, or it is not the account's.
    """
    snapshot = snapshots.take(connection, worksheet, account)
    rows = connection.execute(
        select(originals.c.cell, originals.c.original, originals.c.run).where(
            originals.c.worksheet == worksheet
        )
    ).all()
    kept = {row.cell: (msgspec.json.decode(row.original), row.run) for row in rows}
    newest = {run.cell: run for run in snapshot.runs}
    updates = [
        (run, item)
        for run in snapshot.runs
        for item in snapshot.outputs[run.id]
        if item.msg_type == "update_display_data"
    ]

    def make(cell: Cell) -> DocumentCell:
        original, imported = kept.get(cell.id, ({}, None))
        run = newest.get(cell.id)
        outputs: Sequence[dict[str, Any]] = ()
        count = None
        if run is not None and run.id == imported:
            outputs, count = original.get("outputs", ()), original.get("execution_count")
        elif run is not None:
            theirs = [item for other, item in updates if other.session == run.session and other.id != run.id]
            said = sorted([*snapshot.outputs[run.id], *theirs], key=lambda item: item.number)
            fold = Fold(run.msg_id, most_bytes=snapshots.SNAPSHOT_BYTES)
            fold.take(said)
            outputs, count = msgspec.to_builtins(fold.outputs), run.execution_count or None
        return DocumentCell(
            type=cell.type,
            source=cell.source,
            id=cell.id,
            outputs=tuple(outputs),
            execution_count=count,
            original=original,
        )

    return Document(
        title=snapshot.worksheet.title,
        cells=tuple(map(make, snapshot.cells)),
        original=kept.get(WHOLE, ({}, None))[0],
    )


def _keep(
    connection: Connection, worksheet: WorksheetId, cell: str, original: dict[str, Any], run: RunId | None
) -> None:
    text = msgspec.json.encode(original).decode()
    connection.execute(originals.insert().values(worksheet=worksheet, cell=cell, original=text, run=run))
