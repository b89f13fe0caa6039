"""Accounts: who there is."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, ScalarSelect, func, select

from ..model import Account, AccountDetails, AccountName
from . import dialect
from .tables import accounts, links, signins, tokens, worksheets


def create(
    connection: Connection,
    name: AccountName,
    *,
    display_name: str,
    password: str | None,
    admin: bool,
    now: str,
    visitor: bool = False,
) -> Account | None:
    """Add an account; None when the name is taken.

    Args:
        password: its hash, or None for an account that signs in by link or token.
    """
    row = {
        "name": name,
        "display_name": display_name or name,
        "admin": admin,
        "password": password,
        "created": now,
        "visitor": visitor,
    }
    if not dialect.insert_new(connection, accounts, [row]):
        return None
    return Account(name=name, display_name=display_name or name, admin=admin, visitor=visitor)


def find(connection: Connection, name: str) -> Account | None:
    row = connection.execute(_SELECT.where(accounts.c.name == name)).one_or_none()
    return None if row is None else of(row)


def list_all(connection: Connection, now: str) -> tuple[AccountDetails, ...]:
    """The people, by name, with what they have."""
    rows = connection.execute(
        select(
            *COLUMNS,
            accounts.c.created,
            accounts.c.disabled,
            _count(signins.c.account, signins.c.expires > now).label("signins"),
            _count(tokens.c.account).label("tokens"),
            _count(worksheets.c.owner).label("worksheets"),
        )
        .where(~accounts.c.visitor)
        .order_by(accounts.c.name)
    ).mappings()
    return tuple(AccountDetails(**row) for row in rows)


def set_disabled(connection: Connection, name: AccountName, disabled: bool) -> bool:
    """Let nobody in by the account, or let its person in again; whether there is such an account.

    What signed in by it is over: sign-ins, tokens and login links are gone, and are made anew.
    """
    changed = connection.execute(
        accounts.update().where(accounts.c.name == name, ~accounts.c.visitor).values(disabled=disabled)
    ).rowcount
    if disabled and changed:
        for table in (signins, tokens, links):
            connection.execute(table.delete().where(table.c.account == name))
    return bool(changed)


def is_disabled(connection: Connection, name: AccountName) -> bool:
    return bool(connection.execute(select(accounts.c.disabled).where(accounts.c.name == name)).scalar())


def count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(accounts)).scalar_one()


def find_password(connection: Connection, name: str) -> str | None:
    """The stored hash; None for no such account, and for one without a password."""
    return connection.execute(select(accounts.c.password).where(accounts.c.name == name)).scalar()


def set_password(connection: Connection, name: AccountName, password: str) -> None:
    """Keep the hash of a new password."""
    connection.execute(accounts.update().where(accounts.c.name == name).values(password=password))


def of(row: Any) -> Account:
    return Account(
        name=AccountName(row.name),
        display_name=row.display_name,
        admin=row.admin,
        visitor=row.visitor,
    )


COLUMNS = (accounts.c.name, accounts.c.display_name, accounts.c.admin, accounts.c.visitor)
"""What ``of`` reads."""

_SELECT = select(*COLUMNS)


def _count(account: Column[str], *only: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).where(account == accounts.c.name, *only).scalar_subquery()
