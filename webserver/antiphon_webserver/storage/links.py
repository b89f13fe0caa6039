"""One-time login links. A used one has no row any more."""

from __future__ import annotations

from sqlalchemy import Connection, select

from ..model import Account, AccountName
from . import accounts as noun
from .tables import accounts, links


def create(connection: Connection, digest: str, account: AccountName, *, now: str, expires: str) -> None:
    """Keep a link, and clear away those of the account that have expired."""
    connection.execute(links.delete().where(links.c.account == account, links.c.expires <= now))
    connection.execute(links.insert().values(hash=digest, account=account, created=now, expires=expires))


def keep_newest(connection: Connection, account: AccountName, number: int) -> None:
    """Give up the account's links but the ``number`` newest ones."""
    newest = (
        select(links.c.hash)
        .where(links.c.account == account)
        .order_by(links.c.expires.desc(), links.c.created.desc())
        .limit(number)
    )
    connection.execute(links.delete().where(links.c.account == account, links.c.hash.not_in(newest)))


def use(connection: Connection, digest: str, now: str) -> Account | None:
    """Whose link it was; None when it was used, has expired or never was. Two users at once: one wins."""
    row = connection.execute(
        select(*noun.COLUMNS).join_from(links, accounts).where(links.c.hash == digest, links.c.expires > now)
    ).one_or_none()
    # Whoever deletes the row has used the link: PostgreSQL lets two transactions read it.
    if row is None or connection.execute(links.delete().where(links.c.hash == digest)).rowcount != 1:
        return None
    return noun.of(row)
