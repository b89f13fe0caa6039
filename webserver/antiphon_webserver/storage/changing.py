"""Several changes of a worksheet's cells at once: all of them or none.

What a person does to many cells (move what is selected, paste, put everything back) is one step for the
others too: they never see half of it, and what fails in the middle leaves nothing behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection

from ..errors import RpcError
from ..model import AccountName, AnyEntry, Cell, WorksheetId
from ..steps import (
    AnnotateStep,
    AnyStep,
    ConvertStep,
    CreateStep,
    DeleteStep,
    MoveStep,
    RestoreStep,
    patched,
)
from . import cells, history, log, marks


def change(
    connection: Connection, worksheet: WorksheetId, steps: Sequence[AnyStep], *, author: AccountName, now: str
) -> tuple[AnyEntry, ...]:
    """Do the steps in their order. What one of them finds done already it does not do again.

    Raises:
        NotFound, Conflict, LimitExceeded: as the methods of one cell. ``data`` says which ``step`` it
            was, counted from 0.
    """
    log.lock(connection, worksheet)
    entries: list[AnyEntry] = []
    for number, step in enumerate(steps):
        try:
            entries.extend(_do(connection, worksheet, step, author, now))
        except RpcError as error:
            error.data["step"] = number
            raise
    if not entries:
        return ()
    return (*entries, *marks.refresh(connection, worksheet, author=author, now=now))


def _do(
    connection: Connection, worksheet: WorksheetId, step: AnyStep, author: AccountName, now: str
) -> Iterator[AnyEntry]:
    match step:
        case CreateStep():
            new = Cell(id=step.cell, type=step.type, source=step.source, metadata=step.metadata)
            yield from cells.create(
                connection, worksheet, new, after=step.after, author=author, now=now, mark=False
            )[1]
        case DeleteStep():
            yield from cells.delete(connection, worksheet, step.cell, author=author, now=now, mark=False)
        case RestoreStep():
            yield from history.restore_cell(
                connection, worksheet, step.cell, None, author=author, now=now, mark=False
            )[1]
        case MoveStep():
            yield from cells.move(
                connection, worksheet, step.cell, after=step.after, author=author, now=now, mark=False
            )
        case ConvertStep():
            yield from cells.convert(
                connection, worksheet, step.cell, step.type, author=author, now=now, mark=False
            )
        case AnnotateStep():
            yield from cells.annotate(
                connection,
                worksheet,
                step.cell,
                lambda metadata: patched(metadata, step.patch),
                author=author,
                now=now,
            )[1]
