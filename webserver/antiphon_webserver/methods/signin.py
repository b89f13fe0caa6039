"""signin.*: the browsers in which somebody is signed in."""

from __future__ import annotations

from sqlalchemy import Connection

from ..context import Context, Handler
from ..errors import NotFound
from ..model import AccountName, SignIn, SignInId
from ..storage import accounts, signins


async def list_all(context: Context, *, account: AccountName | None = None) -> tuple[SignIn, ...]:
    """List where the caller is signed in, oldest first; an admin may ask of others."""
    name = account or context.account.name
    return await context.database.read(_list, name, context.caller.signin, context.now)


async def end(
    context: Context, *, signin: SignInId | None = None, account: AccountName | None = None
) -> None:
    """End one sign-in, or all but the caller's own; an admin may end those of others."""
    name = account or context.account.name
    await context.database.write(_end, name, signin, context.caller.signin)


def _list(connection: Connection, account: AccountName, here: str, now: str) -> tuple[SignIn, ...]:
    _known(connection, account)
    return signins.list_all(connection, account, here, now)


def _end(connection: Connection, account: AccountName, signin: SignInId | None, here: str) -> None:
    _known(connection, account)
    if signin is None:
        signins.end_others(connection, account, here)
    elif not signins.end_one(connection, account, signin):
        raise NotFound("There is no such sign-in.")


def _known(connection: Connection, account: AccountName) -> None:
    if accounts.find(connection, account) is None:
        raise NotFound("There is no such account.")


METHODS: dict[str, Handler] = {"signin.list": list_all, "signin.end": end}
