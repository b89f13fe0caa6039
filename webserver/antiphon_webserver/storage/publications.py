"""Publications: what sessions said, kept by (session, number)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from heapq import merge
from operator import attrgetter
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ..blobs import blobs_of
from ..model import Publication, Publications, RunOutputs
from ..terminal import folded
from ..widgets import COMMS, captured_request
from . import blobs, dialect, room
from .tables import publications

CHUNK = 500
"""Requests asked for in one query."""

SHORT_ITEMS = 500
"""An answer of more publications is read from its two ends."""


def store(
    connection: Connection, session: str, items: Sequence[Publication], data: Mapping[str, bytes] = {}
) -> int:
    """Keep publications; those that are kept already stay as they are. Returns how many were new.

    The bytes of the new ones are counted in their session's row, outputs alone, once.

    Args:
        data: the bytes of the blobs that they refer to, by digest.
    """
    rows = [_row(session, item) for item in items]
    new = set(dialect.insert_and_tell(connection, publications, rows, "number"))
    blobs.store(connection, session, items, data)
    counted = (
        room.output_bytes(len(row["content"]), blobs_of(item))
        for item, row in zip(items, rows, strict=True)
        if item.number in new and item.msg_type in room.COUNTED
    )
    room.count(connection, session, sum(counted))
    return len(new)


def since(connection: Connection, session: str, cursor: int, limit: int) -> Publications:
    """The stored publications after number ``cursor``, oldest first, at most ``limit`` of them.

    ``latest`` is the newest one stored. ``gone`` stays None: whether a number that is not stored may
    still come, only the recorder knows.
    """
    rows = connection.execute(
        _SELECT.where(publications.c.session == session, publications.c.number > cursor)
        .order_by(publications.c.number)
        .limit(limit)
    )
    return Publications(publications=tuple(map(_publication, rows)), latest=last_number(connection, session))


def last_number(connection: Connection, session: str) -> int:
    """The number of the newest stored publication; 0 when there is none."""
    number: int | None = connection.execute(
        select(func.max(publications.c.number)).where(publications.c.session == session)
    ).scalar()
    return number or 0


def first_of_run(connection: Connection, session: str, msg_id: str) -> int | None:
    """The number of the first stored publication of one request."""
    of_it = (publications.c.session == session) & (publications.c.parent == msg_id)
    number: int | None = connection.execute(select(func.min(publications.c.number)).where(of_it)).scalar()
    return number


def of_comms(connection: Connection, session: str, outputs: Collection[str]) -> Iterator[Publication]:
    """The messages of the session's comms, oldest first, and its other publications of the types ``outputs``
    whose parent a widget has named: it may have taken them."""
    of_session = publications.c.session == session
    told = _SELECT.where(of_session, publications.c.msg_type.in_(COMMS)).order_by(publications.c.number)
    naming = told.where(_NAMES_REQUEST)
    asking = map(captured_request, map(_publication, connection.execute(naming)))
    parents = sorted({asked for asked in asking if asked})
    taken: list[Publication] = []
    for at in range(0, len(parents), CHUNK):
        among = publications.c.parent.in_(parents[at : at + CHUNK])
        rows = connection.execute(_SELECT.where(of_session, among, publications.c.msg_type.in_(outputs)))
        taken += map(_publication, rows)
    # One at a time: many thousands at once cost more in the collector of garbage than they do to read.
    said = map(_publication, connection.execute(told, execution_options={"yield_per": 1000}))
    return merge(said, sorted(taken, key=_number), key=_number)


def all_of_run(connection: Connection, session: str, msg_id: str) -> tuple[Publication, ...]:
    """What the session published for one request, as it was stored, oldest first."""
    of_it = (publications.c.session == session) & (publications.c.parent == msg_id)
    return tuple(map(_publication, connection.execute(_SELECT.where(of_it).order_by(publications.c.number))))


def of_run(
    connection: Connection, session: str, msg_id: str, most_bytes: int, before: int | None = None
) -> RunOutputs:
    """What the session published for one request, with streams merged.

    Args:
        most_bytes: the newest ones are taken until they have this many; always at least one.
        before: only those with a number below it.
    """
    of_it = (publications.c.session == session) & (publications.c.parent == msg_id) & _SHOWN
    if before is not None:
        of_it &= publications.c.number < before
    query = _SELECT.where(of_it).order_by(publications.c.number.desc())
    rows = connection.execute(query, execution_options={"yield_per": 1000})
    taken: list[Publication] = []
    size = 0
    with rows:
        for row in rows:
            size += len(row.content)
            if taken and size > most_bytes:
                break
            taken.append(_publication(row))
    taken.reverse()
    first = taken[0].number if taken else 0
    omitted = 0
    if size > most_bytes and taken:
        older = select(func.count()).where(of_it, publications.c.number < first)
        omitted = connection.execute(older).scalar_one()
    return RunOutputs(publications=merge_streams(taken), first=first, omitted=omitted)


def of_run_after(
    connection: Connection, session: str, msg_id: str, most_bytes: int, after: int
) -> RunOutputs:
    """As ``of_run``, from the other end: what comes after a number, until it has so many bytes.

    ``omitted`` is how many come after those.
    """
    of_it = (publications.c.session == session) & (publications.c.parent == msg_id) & _SHOWN
    query = _SELECT.where(of_it, publications.c.number > after).order_by(publications.c.number)
    taken: list[Publication] = []
    size = 0
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for row in rows:
            size += len(row.content)
            if taken and size > most_bytes:
                break
            taken.append(_publication(row))
    omitted = 0
    if size > most_bytes and taken:
        later = select(func.count()).where(of_it, publications.c.number > taken[-1].number)
        omitted = connection.execute(later).scalar_one()
    first = taken[0].number if taken else 0
    return RunOutputs(publications=merge_streams(taken), first=first, omitted=omitted)


def of_runs(
    connection: Connection, session: str, msg_ids: Collection[str], head: int, tail: int
) -> dict[str, tuple[tuple[Publication, ...], int]]:
    """What the session published for each of the requests, with streams merged: of a long answer its head and
    its tail, and between them a line that says how much is left out.

    Args:
        head, tail: bytes; at least one publication of each.

    Returns: by msg_id the publications, oldest first, and how many were left out.
    """
    found: dict[str, tuple[tuple[Publication, ...], int]] = {}
    wanted = sorted(msg_ids)
    for at in range(0, len(wanted), CHUNK):
        of_some = (
            (publications.c.session == session) & publications.c.parent.in_(wanted[at : at + CHUNK]) & _SHOWN
        )
        grouped = select(publications.c.parent, func.count()).where(of_some).group_by(publications.c.parent)
        counts: dict[str, int] = {row[0]: row[1] for row in connection.execute(grouped)}
        short = [parent for parent, count in counts.items() if count <= SHORT_ITEMS]
        rows: dict[str, list[Any]] = {parent: [] for parent in short}
        of_short = (publications.c.session == session) & publications.c.parent.in_(short) & _SHOWN
        for row in connection.execute(_SELECT.where(of_short).order_by(publications.c.number)):
            rows[row.parent].append(row)
        for parent, count in counts.items():
            if parent in rows:
                first = rows[parent]
                last = first[::-1]
            else:
                of_one = (publications.c.session == session) & (publications.c.parent == parent) & _SHOWN
                query = _SELECT.where(of_one).limit(SHORT_ITEMS)
                first = list(connection.execute(query.order_by(publications.c.number)))
                last = list(connection.execute(query.order_by(publications.c.number.desc())))
            found[parent] = _head_and_tail(first, last, count, head, tail)
    return found


def _head_and_tail(
    first: Sequence[Any], last: Sequence[Any], count: int, head: int, tail: int
) -> tuple[tuple[Publication, ...], int]:
    """Of an answer of ``count`` publications, from its first rows and, newest first, its last ones."""
    end = _within(last, tail)
    if len(end) == count:
        return merge_streams([_publication(row) for row in reversed(end)]), 0
    begin = [row for row in _within(first, head) if row.number < end[-1].number]
    omitted = count - len(begin) - len(end)
    if omitted == 0:
        return merge_streams([_publication(row) for row in (*begin, *reversed(end))]), 0
    after = merge_streams([_publication(row) for row in reversed(end)])
    text = f"[{omitted} messages are left out here; “show all” has them.]\n"
    notice = msgspec.structs.replace(
        _publication(end[-1]),
        number=end[-1].number - 1,
        msg_id="",
        msg_type="stream",
        content={"name": "stderr", "text": text},
        blobs={},
        buffers=(),
    )
    return (*merge_streams([_publication(row) for row in begin]), notice, *after), omitted


def _within(rows: Sequence[Any], most_bytes: int) -> Sequence[Any]:
    """The rows from the first on that have so many bytes; always one."""
    size = 0
    for at, row in enumerate(rows):
        size += len(row.content)
        if at and size > most_bytes:
            return rows[:at]
    return rows


def merge_streams(items: Sequence[Publication]) -> tuple[Publication, ...]:
    """Make one publication of streams that follow one another and have the same name and parent.

    The text is joined, and folded as a terminal does; everything else is that of the last one, its
    number too: a reader that has the merged one has seen all of them.
    """
    merged: list[Publication] = []
    texts: list[str] = []

    def finish() -> None:
        if len(texts) > 1:
            last = merged[-1]
            text = folded("".join(texts))
            merged[-1] = msgspec.structs.replace(last, content={**last.content, "text": text})
        texts.clear()

    for item in items:
        if texts and _continues(merged[-1], item):
            merged[-1] = item
        else:
            finish()
            merged.append(item)
        if item.msg_type == "stream":
            texts.append(item.content["text"])
    finish()
    return tuple(merged)


def _continues(last: Publication, item: Publication) -> bool:
    return (
        item.msg_type == "stream"
        and item.parent == last.parent
        and item.content["name"] == last.content["name"]
    )


def _row(session: str, item: Publication) -> dict[str, Any]:
    """Whatever a session says can be stored: one publication that could not would hold up all others."""
    return {
        "session": session,
        "number": item.number,
        "msg_id": dialect.text(item.msg_id),
        "msg_type": dialect.text(item.msg_type),
        "parent": dialect.text(item.parent),
        "username": dialect.text(item.username),
        "date": dialect.text(item.date),
        "metadata": msgspec.json.encode(item.metadata).decode(),
        "content": msgspec.json.encode(item.content).decode(),
        "blobs": msgspec.json.encode(item.blobs).decode() if item.blobs else None,
        "buffers": msgspec.json.encode(item.buffers).decode() if item.buffers else None,
    }


def _publication(row: Any) -> Publication:
    return Publication(
        number=row.number,
        msg_id=row.msg_id,
        msg_type=row.msg_type,
        parent=row.parent,
        username=row.username,
        date=row.date,
        metadata=msgspec.json.decode(row.metadata),
        content=msgspec.json.decode(row.content),
        blobs=room.taken_out(row),
        buffers=room.brought(row),
    )


_number = attrgetter("number")

_NAMES_REQUEST = publications.c.content.contains('"msg_id":')
"""Perhaps: what ``captured_request`` finds something in has this."""

# What widgets told each other is not shown under a cell: their state is. Where they take outputs is told.
_SHOWN = publications.c.msg_type.not_in(COMMS) | _NAMES_REQUEST

_SELECT = select(*(column for column in publications.c if column is not publications.c.session))
