"""Who somebody is at an OpenID provider, and sign-ins there that were begun."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from ..limits import check
from ..model import Account, AccountName
from . import accounts as noun
from .tables import accounts, identities, oidc_begun


def find(connection: Connection, issuer: str, subject: str) -> Account | None:
    row = connection.execute(
        select(*noun.COLUMNS)
        .join_from(identities, accounts)
        .where(identities.c.issuer == issuer, identities.c.subject == subject)
    ).one_or_none()
    return None if row is None else noun.of(row)


def put(connection: Connection, issuer: str, subject: str, account: AccountName, now: str) -> None:
    """The subject signs in as the account from now on, and as no other."""
    connection.execute(
        identities.delete().where(identities.c.issuer == issuer, identities.c.subject == subject)
    )
    connection.execute(
        identities.insert().values(issuer=issuer, subject=subject, account=account, created=now)
    )


def begin(
    connection: Connection, digest: str, *, state: str, nonce: str, verifier: str, now: str, expires: str
) -> None:
    """Keep what a sign-in needs when it comes back, and clear away those that did not.

    Raises:
        LimitExceeded: too many were begun.
    """
    connection.execute(oidc_begun.delete().where(oidc_begun.c.expires <= now))
    count = connection.execute(select(func.count()).select_from(oidc_begun)).scalar_one()
    check("oidc_begun", count + 1, "The server")
    connection.execute(
        oidc_begun.insert().values(hash=digest, state=state, nonce=nonce, verifier=verifier, expires=expires)
    )


def take(connection: Connection, digest: str, now: str) -> tuple[str, str, str] | None:
    """State, nonce and verifier of a sign-in that comes back; once."""
    row = connection.execute(
        select(oidc_begun).where(oidc_begun.c.hash == digest, oidc_begun.c.expires > now)
    ).one_or_none()
    gone = connection.execute(oidc_begun.delete().where(oidc_begun.c.hash == digest)).rowcount
    return (row.state, row.nonce, row.verifier) if row is not None and gone == 1 else None
