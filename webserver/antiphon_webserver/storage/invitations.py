"""Invitations to sign up. A used one has no row any more."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ..limits import check
from ..model import AccountName
from .tables import invitations


def create(connection: Connection, digest: str, author: AccountName, *, now: str, expires: str) -> None:
    """Keep an invitation, and clear away those that have expired.

    Raises:
        LimitExceeded: too many wait to be used.
    """
    connection.execute(invitations.delete().where(invitations.c.expires <= now))
    waiting = connection.execute(select(func.count()).select_from(invitations)).scalar_one()
    check("invitations", waiting + 1, "The server")
    connection.execute(invitations.insert().values(hash=digest, author=author, created=now, expires=expires))


def is_good(connection: Connection, digest: str, now: str) -> bool:
    """Whether it can be used now. Asked before a password is hashed, which is work for who was invited."""
    query = select(invitations.c.hash).where(invitations.c.hash == digest, invitations.c.expires > now)
    return connection.execute(query).scalar() is not None


def use(connection: Connection, digest: str, now: str) -> bool:
    """Whether it was good. Two at once: one wins."""
    good = invitations.delete().where(invitations.c.hash == digest, invitations.c.expires > now)
    return connection.execute(good).rowcount == 1
