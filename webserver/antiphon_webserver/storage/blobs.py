"""Blobs: bytes kept once by their SHA-256, and the publications that refer to them.

Rule: a blob is kept as long as a publication refers to it. A reference is a row that is written with the
publication, and goes with it; ``clear`` takes out what has none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, and_, or_, select

from ..blobs import Bytes, blobs_of
from ..model import AccountName, Publication, WorksheetId
from . import dialect
from .tables import blob_uses, blobs, members, sessions

CLEAR_ROWS = 100
"""Blobs taken out in one transaction: each may be some megabytes."""


def store(
    connection: Connection, session: str, items: Sequence[Publication], data: Mapping[str, bytes]
) -> None:
    """Keep the bytes and the references of publications that are stored."""
    if not data:
        return
    uses = {
        (session, item.number, blob.digest, blob.type)
        for item in items
        for blob in blobs_of(item)
        if blob.digest in data
    }
    used = {digest for _, _, digest, _ in uses}
    # In one order everywhere: two servers that store the same feed must not wait for each other.
    dialect.insert_new(
        connection, blobs, [{"digest": digest, "data": data[digest]} for digest in sorted(used)]
    )
    columns = [column.name for column in blob_uses.c]
    dialect.insert_new(connection, blob_uses, [dict(zip(columns, use, strict=True)) for use in sorted(uses)])


def read(connection: Connection, session: str, digests: Collection[str]) -> Bytes:
    """The bytes of those blobs that the session's publications refer to."""
    found: Bytes = {}
    wanted = sorted(set(digests))
    for at in range(0, len(wanted), CLEAR_ROWS):
        query = select(blobs.c.digest, blobs.c.data).where(
            blobs.c.digest.in_(wanted[at : at + CLEAR_ROWS]),
            select(blob_uses.c.digest)
            .where(blob_uses.c.digest == blobs.c.digest, blob_uses.c.session == session)
            .exists(),
        )
        found.update((row.digest, bytes(row.data)) for row in connection.execute(query))
    return found


def find(
    connection: Connection, digest: str, type: str, account: AccountName, worksheet: WorksheetId | None
) -> bytes | None:
    """The bytes, if the account may observe a publication that refers to them as this media type.

    Args:
        worksheet: only in this one; None is everywhere.
    """
    seen = or_(
        members.c.account.is_not(None), and_(sessions.c.worksheet.is_(None), sessions.c.owner == account)
    )
    query = (
        select(blobs.c.data)
        .join_from(blob_uses, blobs, blobs.c.digest == blob_uses.c.digest)
        .join(sessions, sessions.c.uid == blob_uses.c.session)
        .outerjoin(members, and_(members.c.worksheet == sessions.c.worksheet, members.c.account == account))
        .where(blob_uses.c.digest == digest, blob_uses.c.type == type, seen)
        .limit(1)
    )
    if worksheet is not None:
        query = query.where(sessions.c.worksheet == worksheet)
    data = connection.execute(query).scalar()
    return None if data is None else bytes(data)


def clear(connection: Connection) -> bool:
    """Take out some blobs that nothing refers to any more; whether there may be others."""
    unused = (
        select(blobs.c.digest)
        .where(~select(blob_uses.c.digest).where(blob_uses.c.digest == blobs.c.digest).exists())
        .limit(CLEAR_ROWS)
        .with_for_update(skip_locked=True)
    )
    found = connection.execute(unused).scalars().all()
    if found:
        connection.execute(blobs.delete().where(blobs.c.digest.in_(found)))
    return len(found) == CLEAR_ROWS
