"""Sign-ins: the rows behind the cookies. Without its row a cookie is nothing."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, select

from ..model import Account, AccountName, SignIn, SignInId, Way
from . import accounts as noun
from .lookup import Lookup
from .tables import accounts, signins


def create(
    connection: Connection,
    id: SignInId,
    digest: str,
    account: AccountName,
    *,
    way: Way,
    now: str,
    expires: str,
) -> None:
    """Keep a sign-in, and clear away those of the account that have ended."""
    connection.execute(signins.delete().where(signins.c.account == account, signins.c.expires <= now))
    connection.execute(
        signins.insert().values(id=id, hash=digest, account=account, way=way, created=now, expires=expires)
    )


def find(connection: Connection, digest: str, now: str) -> tuple[Account, Way] | None:
    """Whose sign-in this is and how it was made; None when it has ended or never was."""
    row = _FIND.one(connection, digest=digest, now=now)
    return None if row is None else (noun.of(row), row.way)


def list_all(connection: Connection, account: AccountName, digest: str, now: str) -> tuple[SignIn, ...]:
    """The account's, oldest first; ``digest`` is that of the one that asks."""
    rows = connection.execute(
        select(signins)
        .where(signins.c.account == account, signins.c.expires > now)
        .order_by(signins.c.created, signins.c.id)
    )
    return tuple(
        SignIn(
            id=SignInId(row.id),
            way=row.way,
            created=row.created,
            expires=row.expires,
            here=row.hash == digest,
        )
        for row in rows
    )


def end_one(connection: Connection, account: AccountName, id: SignInId) -> bool:
    """Whether the account had such a sign-in."""
    ended = signins.delete().where(signins.c.id == id, signins.c.account == account)
    return connection.execute(ended).rowcount == 1


def end(connection: Connection, digest: str) -> None:
    connection.execute(signins.delete().where(signins.c.hash == digest))


def end_others(connection: Connection, account: AccountName, digest: str) -> None:
    """End every sign-in of the account but one; none is kept when ``digest`` is empty."""
    connection.execute(signins.delete().where(signins.c.account == account, signins.c.hash != digest))


_FIND = Lookup(
    select(*noun.COLUMNS, signins.c.way)
    .join_from(signins, accounts)
    .where(signins.c.hash == bindparam("digest"), signins.c.expires > bindparam("now"))
)
