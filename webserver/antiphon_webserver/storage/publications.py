"""Publications: what sessions said, kept by (session, number)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from ..model import Blob, Publication, Publications
from . import blobs, dialect
from .tables import publications


def store(
    connection: Connection, session: str, items: Sequence[Publication], data: Mapping[str, bytes] = {}
) -> int:
    """Keep publications; those that are kept already stay as they are. Returns how many were new.

    Args:
        data: the bytes of the blobs that they refer to, by digest.
    """
    new = dialect.insert_new(connection, publications, [_row(session, item) for item in items])
    blobs.store(connection, session, items, data)
    return new


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


def all_of_run(connection: Connection, session: str, msg_id: str) -> tuple[Publication, ...]:
    """What the session published for one request, as it was stored, oldest first."""
    of_it = (publications.c.session == session) & (publications.c.parent == msg_id)
    return tuple(map(_publication, connection.execute(_SELECT.where(of_it).order_by(publications.c.number))))


def of_run(
    connection: Connection, session: str, msg_id: str, most_bytes: int
) -> tuple[tuple[Publication, ...], int]:
    """What the session published for one request, with streams merged.

    Args:
        most_bytes: the newest ones are taken until they have this many; always at least one.

    Returns: the publications, oldest first, and how many older ones were left out.
    """
    of_it = (publications.c.session == session) & (publications.c.parent == msg_id)
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
    omitted = 0
    if size > most_bytes and taken:
        older = select(func.count()).where(of_it, publications.c.number < taken[0].number)
        omitted = connection.execute(older).scalar_one()
    return merge_streams(taken), omitted


def merge_streams(items: Sequence[Publication]) -> tuple[Publication, ...]:
    """Make one publication of streams that follow one another and have the same name and parent.

    The text is joined; everything else is that of the last one, its number too: a reader that has
    the merged one has seen all of them.
    """
    merged: list[Publication] = []
    texts: list[str] = []

    def finish() -> None:
        if len(texts) > 1:
            last = merged[-1]
            merged[-1] = msgspec.structs.replace(last, content={**last.content, "text": "".join(texts)})
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
        blobs={} if row.blobs is None else _blobs.decode(row.blobs),
        buffers=() if row.buffers is None else _buffers.decode(row.buffers),
    )


_blobs = msgspec.json.Decoder(dict[str, Blob])
_buffers = msgspec.json.Decoder(tuple[Blob, ...])

_SELECT = select(*(column for column in publications.c if column is not publications.c.session))
