"""Tokens: what programs sign in with. The secret is shown once; its digest stays."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, bindparam, func, select

from ..model import Account, AccountName, Token, TokenId
from . import accounts as noun
from .tables import accounts, tokens


def create(
    connection: Connection, id: TokenId, digest: str, account: AccountName, *, label: str, now: str
) -> Token:
    connection.execute(
        tokens.insert().values(id=id, hash=digest, account=account, label=label, created=now, last_used=None)
    )
    return Token(id=id, label=label, created=now)


def count(connection: Connection, account: AccountName) -> int:
    return connection.execute(
        select(func.count()).select_from(tokens).where(tokens.c.account == account)
    ).scalar_one()


def list_all(connection: Connection, account: AccountName) -> tuple[Token, ...]:
    """Oldest first."""
    rows = connection.execute(
        _SELECT.where(tokens.c.account == account).order_by(tokens.c.created, tokens.c.id)
    )
    return tuple(map(_token, rows))


def find(connection: Connection, digest: str) -> tuple[Account, Token] | None:
    """Whose token has this digest."""
    return _found(connection, _BY_DIGEST, digest)


def find_by_id(connection: Connection, id: str) -> tuple[Account, Token] | None:
    return _found(connection, _BY_ID, id)


def used(connection: Connection, id: TokenId, now: str) -> None:
    connection.execute(tokens.update().where(tokens.c.id == id).values(last_used=now))


def revoke(connection: Connection, id: str, account: AccountName) -> bool:
    """Whether the account had such a token."""
    return (
        connection.execute(tokens.delete().where(tokens.c.id == id, tokens.c.account == account)).rowcount
        == 1
    )


def _found(connection: Connection, query: Select[Any], key: str) -> tuple[Account, Token] | None:
    row = connection.execute(query, {"key": key}).one_or_none()
    return None if row is None else (noun.of(row), _token(row))


def _token(row: Any) -> Token:
    return Token(id=TokenId(row.id), label=row.label, created=row.created, last_used=row.last_used)


_COLUMNS = (tokens.c.id, tokens.c.label, tokens.c.created, tokens.c.last_used)
_SELECT = select(*_COLUMNS)

_WITH_ACCOUNT = select(accounts.c.name, accounts.c.display_name, accounts.c.admin, *_COLUMNS).join_from(
    tokens, accounts
)
_BY_DIGEST = _WITH_ACCOUNT.where(tokens.c.hash == bindparam("key"))
_BY_ID = _WITH_ACCOUNT.where(tokens.c.id == bindparam("key"))
