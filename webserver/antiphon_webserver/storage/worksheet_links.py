"""Links of worksheets: rights for whoever has the secret, and the visitors that come by them.

A visitor is an account that a link made: with one sign-in, without a password, gone when no link holds it.
So it is a member like any other, and every right is looked up in one place.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, exists, func, or_, select

from ..errors import Conflict, NotFound, NotSignedIn
from ..limits import check
from ..model import (
    ROLES,
    Account,
    AccountName,
    AnyEntry,
    Link,
    LinkCreated,
    LinkEnded,
    LinkId,
    Member,
    MemberRemoved,
    MemberSet,
    WorksheetId,
)
from . import accounts as account_rows
from . import log
from . import members as member_rows
from .tables import accounts, members, signins, worksheet_links

STALE_AT_ONCE = 100
"""Visitors that are cleared away in one transaction: others may write soon."""


def create(
    connection: Connection, worksheet: WorksheetId, link: Link, digest: str
) -> tuple[Link, tuple[AnyEntry, ...]]:
    """Keep a new link. One of the same id, of this worksheet and author, stays as it is and gets the digest:
    whoever asks again never got the secret before.

    Raises:
        Conflict: the id is another one's.
        LimitExceeded: the worksheet has too many.
    """
    number = log.lock(connection, worksheet)
    known = connection.execute(select(worksheet_links).where(worksheet_links.c.id == link.id)).one_or_none()
    if known is not None:
        if (known.worksheet, known.author) != (worksheet, link.author):
            raise Conflict("link: this id is taken.", field="link")
        of_it = worksheet_links.c.id == link.id
        connection.execute(worksheet_links.update().where(of_it).values(hash=digest))
        return _link(known), ()
    count = select(func.count()).select_from(worksheet_links).where(worksheet_links.c.worksheet == worksheet)
    check("worksheet_links", connection.execute(count).scalar_one() + 1, "The worksheet")
    connection.execute(
        worksheet_links.insert().values(
            id=link.id,
            hash=digest,
            worksheet=worksheet,
            role=link.role,
            author=link.author,
            created=link.created,
            expires=link.expires,
            uses=link.uses,
            most_uses=link.most_uses,
        )
    )
    entry = LinkCreated(number=number, author=link.author, date=link.created, link=link)
    return link, (log.append(connection, worksheet, entry),)


def list_all(connection: Connection, worksheet: WorksheetId) -> tuple[Link, ...]:
    """Oldest first."""
    rows = connection.execute(
        select(worksheet_links)
        .where(worksheet_links.c.worksheet == worksheet)
        .order_by(worksheet_links.c.created, worksheet_links.c.id)
    )
    return tuple(map(_link, rows))


def end(
    connection: Connection, worksheet: WorksheetId, id: LinkId, reason: str, *, author: AccountName, now: str
) -> tuple[AnyEntry, ...]:
    """End a link, the memberships of those who came by it, and the visitors among them.

    Raises:
        NotFound: the worksheet has no such link.
    """
    number = log.lock(connection, worksheet)
    came = select(members.c.account).where(members.c.link == id)
    names = connection.execute(came).scalars().all()
    ended = connection.execute(
        worksheet_links.delete().where(worksheet_links.c.id == id, worksheet_links.c.worksheet == worksheet)
    ).rowcount
    if not ended:
        raise NotFound("There is no such link.")
    connection.execute(accounts.delete().where(accounts.c.name.in_(names), accounts.c.visitor, ~_IS_MEMBER))
    entry = LinkEnded(number=number, author=author, date=now, link=id, reason=reason)
    return (log.append(connection, worksheet, entry),)


def enter(
    connection: Connection, digest: str, who: Account | None, now: str
) -> tuple[Account, WorksheetId, tuple[AnyEntry, ...]]:
    """Make whoever has the link a member: ``who``, or a new visitor. Who may as much already stays as it is.

    Raises:
        NotSignedIn: the link is over, was used as often as it may be, or never was.
        LimitExceeded: the worksheet has too many members.
    """
    by_digest = select(worksheet_links).where(
        worksheet_links.c.hash == digest,
        or_(worksheet_links.c.expires.is_(None), worksheet_links.c.expires > now),
    )
    row = connection.execute(by_digest).one_or_none()
    if row is None:
        raise NotSignedIn("This link is over, or never was. Ask whoever sent it for a new one.")
    worksheet = WorksheetId(row.worksheet)
    number = log.lock(connection, worksheet)
    # Once more, now that nobody else uses it: it may have been revoked, or used up.
    row = connection.execute(by_digest).one_or_none()
    if row is None:
        raise NotSignedIn("This link is over. Ask whoever sent it for a new one.")
    link = _link(row)
    if who is not None:
        before = member_rows.standing(connection, worksheet, who.name)
        if before and (before.link is None or ROLES.index(before.role) >= ROLES.index(link.role)):
            return who, worksheet, ()
    if link.most_uses is not None and link.uses >= link.most_uses:
        raise NotSignedIn("This link was used as often as it may be. Ask whoever sent it for a new one.")
    connection.execute(
        worksheet_links.update().where(worksheet_links.c.id == link.id).values(uses=link.uses + 1)
    )
    account = who or _new_visitor(connection, link.uses + 1, now)
    member = Member(account=account.name, display_name=account.display_name, role=link.role, link=link.id)
    member_rows.put(connection, worksheet, member)
    entry = MemberSet(number=number, author=account.name, date=now, member=member)
    return account, worksheet, (log.append(connection, worksheet, entry),)


def due(connection: Connection, now: str) -> Sequence[tuple[WorksheetId, LinkId, AccountName]]:
    """The links whose end has come."""
    rows = connection.execute(
        select(worksheet_links.c.worksheet, worksheet_links.c.id, worksheet_links.c.author).where(
            worksheet_links.c.expires <= now
        )
    )
    return [(row.worksheet, row.id, row.author) for row in rows]


def clear(connection: Connection, now: str) -> Sequence[tuple[WorksheetId, AnyEntry]]:
    """Clear away visitors whose sign-in is over, or who are members of nothing any more."""
    signed_in = exists().where(signins.c.account == accounts.c.name, signins.c.expires > now)
    stale = select(accounts.c.name).where(accounts.c.visitor, or_(~signed_in, ~_IS_MEMBER))
    gone: list[tuple[WorksheetId, AnyEntry]] = []
    for name in connection.execute(stale.limit(STALE_AT_ONCE)).scalars().all():
        visited = select(members.c.worksheet).where(members.c.account == name).order_by(members.c.worksheet)
        for worksheet in connection.execute(visited).scalars().all():
            number = log.lock(connection, WorksheetId(worksheet))
            entry = MemberRemoved(
                number=number, author=AccountName(name), date=now, account=AccountName(name)
            )
            gone.append((WorksheetId(worksheet), log.append(connection, WorksheetId(worksheet), entry)))
        connection.execute(accounts.delete().where(accounts.c.name == name))
    return gone


def _new_visitor(connection: Connection, count: int, now: str) -> Account:
    """The name has a character that no account's name may have."""
    name = AccountName(f"visitor~{secrets.token_hex(6)}")
    visitor = account_rows.create(
        connection, name, display_name=f"visitor {count}", password=None, admin=False, now=now, visitor=True
    )
    assert visitor is not None, "48 random bits were drawn twice"
    return visitor


def _link(row: Any) -> Link:
    return Link(
        id=LinkId(row.id),
        role=row.role,
        author=AccountName(row.author),
        created=row.created,
        expires=row.expires,
        uses=row.uses,
        most_uses=row.most_uses,
    )


_IS_MEMBER = exists().where(members.c.account == accounts.c.name)
