"""Tokens: what programs sign in with. The secret is shown once; its digest stays."""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, or_, select

from ..errors import Conflict
from ..model import Account, AccountName, Token, TokenId
from . import accounts as noun
from .lookup import Lookup
from .tables import accounts, tokens


def create(connection: Connection, token: Token, digest: str, account: AccountName) -> None:
    """Keep a token, and clear away those of the account that have expired.

    Raises:
        Conflict: there is a token of this id.
    """
    connection.execute(tokens.delete().where(tokens.c.account == account, tokens.c.expires <= token.created))
    if connection.execute(select(tokens.c.id).where(tokens.c.id == token.id)).scalar() is not None:
        raise Conflict("token: this id is taken.", field="token")
    connection.execute(tokens.insert().values(hash=digest, account=account, **msgspec.structs.asdict(token)))


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


def find(connection: Connection, digest: str, now: str) -> tuple[Account, Token] | None:
    """Whose token has this digest; None when it has expired or never was."""
    return _found(connection, _BY_DIGEST, digest, now)


def find_by_id(connection: Connection, id: str, now: str) -> tuple[Account, Token] | None:
    return _found(connection, _BY_ID, id, now)


def find_own(connection: Connection, id: TokenId, account: AccountName) -> Token | None:
    """The account's token of this id."""
    row = connection.execute(_SELECT.where(tokens.c.id == id, tokens.c.account == account)).one_or_none()
    return None if row is None else _token(row)


def replace_digest(connection: Connection, id: TokenId, digest: str) -> None:
    """The secret that the token had before signs nobody in any more."""
    connection.execute(tokens.update().where(tokens.c.id == id).values(hash=digest))


def used(connection: Connection, id: TokenId, now: str) -> None:
    connection.execute(tokens.update().where(tokens.c.id == id).values(last_used=now))


def revoke(connection: Connection, id: str, account: AccountName) -> bool:
    """Whether the account had such a token."""
    return (
        connection.execute(tokens.delete().where(tokens.c.id == id, tokens.c.account == account)).rowcount
        == 1
    )


def _found(connection: Connection, lookup: Lookup, key: str, now: str) -> tuple[Account, Token] | None:
    row = lookup.one(connection, key=key, now=now)
    return None if row is None else (noun.of(row), _token(row))


def _token(row: Any) -> Token:
    return Token(
        id=TokenId(row.id),
        label=row.label,
        scope=row.scope,
        worksheet=row.worksheet,
        created=row.created,
        last_used=row.last_used,
        expires=row.expires,
    )


_COLUMNS = (
    tokens.c.id,
    tokens.c.label,
    tokens.c.scope,
    tokens.c.worksheet,
    tokens.c.created,
    tokens.c.last_used,
    tokens.c.expires,
)
_SELECT = select(*_COLUMNS)

_WITH_ACCOUNT = (
    select(*noun.COLUMNS, *_COLUMNS)
    .join_from(tokens, accounts)
    .where(or_(tokens.c.expires.is_(None), tokens.c.expires > bindparam("now")))
)
_BY_DIGEST = Lookup(_WITH_ACCOUNT.where(tokens.c.hash == bindparam("key")))
_BY_ID = Lookup(_WITH_ACCOUNT.where(tokens.c.id == bindparam("key")))
