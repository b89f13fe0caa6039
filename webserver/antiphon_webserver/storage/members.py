"""Members: who may do what with a worksheet."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, func, select

from ..errors import Conflict, NotFound, RoleTooLow
from ..limits import check
from ..model import (
    AccountName,
    AnyEntry,
    Member,
    MemberRemoved,
    MemberSet,
    OwnerChanged,
    Role,
    WorksheetId,
)
from . import accounts as account_rows
from . import log
from .lookup import Lookup
from .tables import accounts, members, sessions, worksheets


def role(connection: Connection, worksheet: WorksheetId, account: AccountName) -> Role | None:
    """The account's role; None when it has none, or there is no such worksheet."""
    row = _ROLE.one(connection, worksheet=worksheet, account=account)
    return None if row is None else row.role


def list_all(connection: Connection, worksheet: WorksheetId) -> tuple[Member, ...]:
    """By name."""
    rows = connection.execute(
        select(members.c.account, accounts.c.display_name, members.c.role, members.c.link)
        .join_from(members, accounts)
        .where(members.c.worksheet == worksheet)
        .order_by(members.c.account)
    )
    return tuple(
        Member(account=row.account, display_name=row.display_name, role=row.role, link=row.link)
        for row in rows
    )


def set_role(
    connection: Connection,
    worksheet: WorksheetId,
    account: AccountName,
    role: Role,
    *,
    author: AccountName,
    now: str,
) -> tuple[Member, tuple[AnyEntry, ...]]:
    """Make the account a member by name, or change its role. A visitor stays with the link by which it came.

    Raises:
        NotFound: there is no such account, or it is a visitor of another worksheet.
        Conflict: it is the owner's account, or a visitor's, that should own.
        LimitExceeded: the worksheet has too many members.
    """
    number = log.lock(connection, worksheet)
    person = account_rows.find(connection, account)
    if person is None:
        raise NotFound("There is no such account.")
    before = standing(connection, worksheet, account)
    if person.visitor and before is None:
        raise NotFound("There is no such account.")
    if person.visitor and role == "own":
        raise Conflict("A visitor cannot own a worksheet.")
    link = before.link if before and person.visitor else None
    member = Member(account=person.name, display_name=person.display_name, role=role, link=link)
    if before == member:
        return member, ()
    _keep_owner(connection, worksheet, account)
    put(connection, worksheet, member)
    entry = MemberSet(number=number, author=author, date=now, member=member)
    return member, (log.append(connection, worksheet, entry),)


def remove(
    connection: Connection, worksheet: WorksheetId, account: AccountName, *, author: AccountName, now: str
) -> tuple[AnyEntry, ...]:
    """End a membership; nothing happens when there is none.

    Raises:
        Conflict: it is the owner's.
    """
    number = log.lock(connection, worksheet)
    if _role_now(connection, worksheet, account) is None:
        return ()
    _keep_owner(connection, worksheet, account)
    connection.execute(members.delete().where(members.c.worksheet == worksheet, members.c.account == account))
    entry = MemberRemoved(number=number, author=author, date=now, account=account)
    return (log.append(connection, worksheet, entry),)


def transfer(
    connection: Connection, worksheet: WorksheetId, account: AccountName, *, author: AccountName, now: str
) -> tuple[Member, tuple[AnyEntry, ...]]:
    """Make the account the worksheet's owner; the one before keeps the role "own", which can be taken away.

    Raises:
        RoleTooLow: ``author`` is not the owner. To have the role "own" is not enough to give it all away.
        NotFound: there is no such account.
        LimitExceeded: the account has too many worksheets, or the worksheet too many members.
    """
    number = log.lock(connection, worksheet)
    if _owner(connection, worksheet) != author:
        raise RoleTooLow(needs="owner", has="own")
    person = account_rows.find(connection, account)
    if person is None or person.visitor:
        raise NotFound("There is no such account.")
    owner = Member(account=person.name, display_name=person.display_name, role="own")
    if person.name == author:
        return owner, ()
    owned = select(func.count()).select_from(worksheets).where(worksheets.c.owner == account)
    check("account_worksheets", connection.execute(owned).scalar_one() + 1, "The account")
    put(connection, worksheet, owner)
    connection.execute(worksheets.update().where(worksheets.c.id == worksheet).values(owner=account))
    connection.execute(sessions.update().where(sessions.c.worksheet == worksheet).values(owner=account))
    entry = OwnerChanged(number=number, author=author, date=now, owner=owner)
    return owner, (log.append(connection, worksheet, entry),)


_role_now = role

_ROLE = Lookup(
    select(members.c.role).where(
        members.c.worksheet == bindparam("worksheet"), members.c.account == bindparam("account")
    )
)


def _keep_owner(connection: Connection, worksheet: WorksheetId, account: AccountName) -> None:
    if _owner(connection, worksheet) == account:
        raise Conflict("The owner of a worksheet stays its owner, until they give it to somebody else.")


def _owner(connection: Connection, worksheet: WorksheetId) -> AccountName | None:
    return connection.execute(select(worksheets.c.owner).where(worksheets.c.id == worksheet)).scalar()


def standing(connection: Connection, worksheet: WorksheetId, account: AccountName) -> Member | None:
    """The account as a member; None when it is none."""
    row = connection.execute(
        select(accounts.c.display_name, members.c.role, members.c.link)
        .join_from(members, accounts)
        .where(members.c.worksheet == worksheet, members.c.account == account)
    ).one_or_none()
    if row is None:
        return None
    return Member(account=account, display_name=row.display_name, role=row.role, link=row.link)


def put(connection: Connection, worksheet: WorksheetId, member: Member) -> None:
    """Write the member's row, new or changed; the caller has locked the worksheet and writes the entry.

    Raises:
        LimitExceeded: the worksheet has too many members.
    """
    changed = connection.execute(
        members.update()
        .where(members.c.worksheet == worksheet, members.c.account == member.account)
        .values(role=member.role, link=member.link)
    ).rowcount
    if not changed:
        connection.execute(
            members.insert().values(
                worksheet=worksheet, account=member.account, role=member.role, link=member.link
            )
        )
        count = select(func.count()).select_from(members).where(members.c.worksheet == worksheet)
        check("worksheet_members", connection.execute(count).scalar_one(), "The worksheet")
