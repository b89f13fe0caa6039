"""Worksheets from files and for files.

What a file says of outputs becomes a session that is over, with a run for each cell: whoever reads
worksheets reads imported ones without a rule of their own. What a worksheet has no word for is kept
beside it as the file had it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from .. import widgets
from ..blobs import Bytes, restored, take_out
from ..exchange import Document, DocumentCell
from ..limits import check
from ..model import (
    AccountName,
    Blob,
    Cell,
    CellCreated,
    CellId,
    Entry,
    Publication,
    Run,
    RunCreated,
    RunEnded,
    RunId,
    ShownCell,
    WidgetModel,
    Widgets,
    Worksheet,
    WorksheetId,
)
from ..outputs import Fold, Stream
from ..secret import new_id
from . import blobs, cells, dialect, log, publications, runs, sessions, snapshots, worksheets
from .tables import originals

IMPORTED = "It was imported from a file."

EDITED = "Edited since it was run."
OUTDATED = "What it reads was run or edited since."

SHOWN = ("stream", "display_data", "execute_result", "error")
"""Outputs that are publications by another name."""

VIEW = "application/vnd.jupyter.widget-view+json"
"""A display that shows a widget."""

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
        connection.execute(originals.insert().values(_original(id, WHOLE, document.original, None)))
    if document.cells:
        cells.delete(connection, id, first, author=owner, now=now)
    bring = _Import(id, owner, now, log.lock(connection, id))
    for cell in document.cells:
        bring.add(cell)
    bring.write(connection)
    found = worksheets.find(connection, id, owner)
    assert found is not None
    return found


class _Import:
    """The rows of one import, put together first and written with a statement for each table: SQLite has
    one writer, and a statement for each row of a long notebook would keep everybody else waiting.

    Args:
        number: of the first entry.
    """

    def __init__(self, worksheet: WorksheetId, owner: AccountName, now: str, number: int) -> None:
        self._worksheet = worksheet
        self._owner = owner
        self._now = now
        self._next = number
        self._session = new_id()
        self._cells: list[Cell] = []
        self._entries: list[Entry] = []
        self._runs: list[tuple[int, Run]] = []
        self._publications: list[Publication] = []
        self._data: Bytes = {}
        self._originals: list[dict[str, Any]] = []

    def add(self, given: DocumentCell) -> None:
        after = self._cells[-1].id if self._cells else None
        source = dialect.text(given.source)
        cell = Cell(id=CellId(new_id()), type=given.type, source=source, metadata=given.metadata)
        self._cells.append(cell)
        self._entries.append(
            CellCreated(number=self._number(), author=self._owner, date=self._now, cell=cell, after=after)
        )
        ran = given.outputs or given.execution_count is not None
        first = len(self._publications)
        run = self._run(cell, given) if ran else None
        if given.original:
            # In place of what the original says: of a worksheet's cell that is older than its newest run.
            original = {name: value for name, value in given.original.items() if name != "outputs"}
            if given.outputs:
                original["outputs"] = self._kept(given.outputs, first)
            if "execution_count" in original:
                original["execution_count"] = given.execution_count
            self._originals.append(_original(self._worksheet, cell.id, original, run))

    def write(self, connection: Connection) -> None:
        if not self._cells:
            return
        if self._runs:
            sessions.create(
                connection,
                self._session,
                title="import",
                owner=self._owner,
                worksheet=self._worksheet,
                now=self._now,
            )
            sessions.set_state(connection, self._session, "closed", IMPORTED)
        cells.insert(connection, self._worksheet, list(enumerate(self._cells)))
        runs.insert(connection, self._runs)
        publications.store(connection, self._session, self._publications, self._data)
        if self._originals:
            connection.execute(originals.insert(), self._originals)
        log.append_all(connection, self._worksheet, self._entries)

    def _number(self) -> int:
        self._next += 1
        return self._next - 1

    def _run(self, cell: Cell, given: DocumentCell) -> RunId:
        """A run that was asked for, and ended, at once: two entries of the log."""
        asked = Run(
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
        failed = any(output["output_type"] == "error" for output in given.outputs)
        ended = msgspec.structs.replace(
            asked,
            state="error" if failed else "ok",
            execution_count=given.execution_count or 0,
            ended=self._now,
        )
        created = RunCreated(number=self._number(), author=self._owner, date=self._now, run=asked)
        self._runs.append((created.number, ended))
        self._entries.append(created)
        self._entries.append(
            RunEnded(
                number=self._number(),
                author=self._owner,
                date=self._now,
                run=ended.id,
                state=ended.state,
                execution_count=ended.execution_count,
                ended=self._now,
            )
        )
        self._publish(asked.msg_id, given.outputs)
        return asked.id

    def _publish(self, parent: str, outputs: Sequence[dict[str, Any]]) -> None:
        for output in outputs:
            if output["output_type"] not in SHOWN:
                continue  # of a later nbformat: kept, and given back by an export
            content = dict(output)
            taken: dict[str, Blob] = {}
            if "data" in content:
                content["data"], taken, data = take_out(content["data"])
                self._data |= data
            self._publications.append(
                Publication(
                    number=len(self._publications) + 1,
                    msg_id=new_id(),
                    msg_type=content.pop("output_type"),
                    parent=parent,
                    username=self._owner,
                    date=self._now,
                    metadata={},
                    content=content,
                    blobs=taken,
                )
            )

    def _kept(self, outputs: Sequence[dict[str, Any]], first: int) -> list[dict[str, Any] | int]:
        """In the place of an output that became a publication, its number."""
        numbers = count(first + 1)
        return [next(numbers) if output["output_type"] in SHOWN else output for output in outputs]


def document(connection: Connection, worksheet: WorksheetId, account: AccountName) -> Document:
    """The worksheet as a document, with the outputs of its newest runs.

    Where a run has more than a file should hold, a line on stderr says how much is left out.

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
    outputs_of = {
        run.id: publications.of_run(connection, run.session, run.msg_id, snapshots.SNAPSHOT_BYTES)
        for run in snapshot.runs
    }
    updates = [
        (run, item)
        for run in snapshot.runs
        for item in outputs_of[run.id].publications
        if item.msg_type == "update_display_data"
    ]

    def make(cell: ShownCell) -> DocumentCell:
        original, imported = kept.get(cell.id, ({}, None))
        run = newest.get(cell.id)
        outputs: Sequence[dict[str, Any]] = ()
        number: int | None = None
        if run is not None and run.id == imported:
            outputs = _imported(connection, run, original.get("outputs", ()))
            number = original.get("execution_count")
        elif run is not None:
            theirs = [item for other, item in updates if other.session == run.session and other.id != run.id]
            said = sorted([*outputs_of[run.id].publications, *theirs], key=lambda item: item.number)
            fold = Fold(run.msg_id, most_bytes=snapshots.SNAPSHOT_BYTES)
            fold.take(said)
            read = blobs.read(connection, run.session, [blob.digest for blob in fold.blobs])
            folded = [
                *_left_out(outputs_of[run.id].omitted, "before this"),
                *fold.with_blobs(read),
                *_left_out(fold.omitted, "here"),
            ]
            outputs, number = msgspec.to_builtins(folded), run.execution_count or None
        return DocumentCell(
            type=cell.type,
            source=cell.source,
            id=cell.id,
            metadata=cell.metadata,
            outputs=tuple(outputs),
            execution_count=number,
            original=original,
            remark=EDITED if cell.edited else OUTDATED if cell.outdated else "",
        )

    made = tuple(map(make, snapshot.cells))
    views = any(VIEW in output.get("data", ()) for cell in made for output in cell.outputs)
    return Document(
        title=snapshot.worksheet.title,
        cells=made,
        original=kept.get(WHOLE, ({}, None))[0],
        widgets=_widgets(connection, snapshot.widgets) if views else {},
    )


def _widgets(connection: Connection, by_session: Mapping[str, Widgets]) -> dict[str, Any]:
    """All in one: a comm_id is of one session alone."""
    models: dict[str, WidgetModel] = {}
    read: dict[str, bytes] = {}
    for uid, found in by_session.items():
        models |= found.models
        read |= blobs.read(connection, uid, widgets.digests(found))
    return widgets.document(Widgets(models=models), read) if models else {}


def _left_out(count: int, where: str) -> list[Stream]:
    """The line that says so, if something is."""
    text = f"[{count:,} messages {where} are left out of this file; the worksheet has them.]\n"
    return [Stream(name="stderr", text=text)] if count else []


def _imported(
    connection: Connection, run: Run, kept: Sequence[dict[str, Any] | int]
) -> Sequence[dict[str, Any]]:
    """The outputs as the file had them: those that became publications are read from these."""
    said = {item.number: item for item in publications.all_of_run(connection, run.session, run.msg_id)}
    digests = [blob.digest for item in said.values() for blob in item.blobs.values()]
    read = blobs.read(connection, run.session, digests)
    whole = {number: restored(item, read) for number, item in said.items()}
    return [
        {"output_type": whole[output].msg_type, **whole[output].content}
        if isinstance(output, int)
        else output
        for output in kept
    ]


def _original(
    worksheet: WorksheetId, cell: str, original: dict[str, Any], run: RunId | None
) -> dict[str, Any]:
    text = msgspec.json.encode(original).decode()
    return {"worksheet": worksheet, "cell": cell, "original": text, "run": run}
