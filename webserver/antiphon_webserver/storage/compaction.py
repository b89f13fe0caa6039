"""Compaction: old runs of edits become one edit each, a piece at a time.

Each keystroke is an entry, and nobody asks a month later what stood there between two of them. What
people need stays: who wrote what, when, in spans of at most five minutes, every state that somebody
stopped at, and every entry that is not an edit. ``history.merge`` is the rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile

import msgspec
from sqlalchemy import Connection, bindparam, select

from ..errors import NotFound
from ..history import merge
from ..model import WorksheetId
from . import comments, log
from .tables import entries, worksheets

BATCH = 500
"""Entries in one transaction, so that it holds up nobody. Edits are not merged across batches."""


def due(connection: Connection, after: WorksheetId, limit: int) -> Sequence[WorksheetId]:
    """Worksheets with entries that are not compacted, in the order of their ids, after one of them."""
    found = select(worksheets.c.id).where(
        worksheets.c.latest > worksheets.c.compacted, worksheets.c.id > after
    )
    return connection.execute(found.order_by(worksheets.c.id).limit(limit)).scalars().all()


def compact(connection: Connection, worksheet: WorksheetId, before: str) -> bool:
    """Compact the next entries of a worksheet, those made before a time; whether there may be more.

    What ``log.since`` gives after it leads every reader to the same texts, wherever its cursor is.
    """
    try:
        log.lock(connection, worksheet)
    except NotFound:
        return False
    done = connection.execute(select(worksheets.c.compacted).where(worksheets.c.id == worksheet)).scalar_one()
    rows = connection.execute(
        select(entries.c.entry)
        .where(entries.c.worksheet == worksheet, entries.c.number > done)
        .order_by(entries.c.number)
        .limit(BATCH)
    ).scalars()
    old = list(takewhile(lambda entry: entry.date < before, map(log.decode, rows)))
    if not old:
        return False
    written, gone = merge(old, comments.first_ranges(connection, worksheet))
    for edit in written:
        text = msgspec.json.encode(edit).decode()
        connection.execute(_WRITE, {"of": worksheet, "at": edit.number, "text": text})
    if gone:
        of_it = entries.c.worksheet == worksheet
        connection.execute(entries.delete().where(of_it, entries.c.number.in_(gone)))
    connection.execute(
        worksheets.update().where(worksheets.c.id == worksheet).values(compacted=old[-1].number)
    )
    return len(old) == BATCH


_WRITE = (
    entries.update()
    .where(entries.c.worksheet == bindparam("of"), entries.c.number == bindparam("at"))
    .values(entry=bindparam("text"))
)
