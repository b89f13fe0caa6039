"""token.*: how programs sign in."""

from __future__ import annotations

import msgspec
from sqlalchemy import Connection

from .. import signin
from ..context import Context, Handler
from ..errors import NotFound
from ..limits import Moment, check, check_chars, check_id, ends
from ..model import AccountName, Role, Token, TokenId, WorksheetId
from ..storage import members, tokens


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """``secret`` is shown this once."""

    token: Token
    secret: str


async def login(context: Context, *, name: str, password: str, label: str) -> NewToken:
    """Make a token with a name and a password."""
    check_chars("label_chars", label, "The label")
    account = await signin.check_password(context, name, password)
    return await context.database.write(_create, account.name, label, context.now)


async def create(
    context: Context,
    *,
    label: str,
    scope: Role = "own",
    worksheet: WorksheetId | None = None,
    expires: Moment | None = None,
    token: TokenId | None = None,
) -> NewToken:
    """Make a token for the caller, with all rights, or up to a role, in one worksheet, until a date.

    Asked for again with the id that the client made, it is the same token with another secret.
    """
    check_chars("label_chars", label, "The label")
    if token is not None:
        check_id(token, "token")
    end = ends(expires, context.clock())
    return await context.database.write(
        _create, context.account.name, label, context.now, scope, worksheet, end, token
    )


async def list_all(context: Context) -> tuple[Token, ...]:
    """List the caller's tokens, oldest first."""
    return await context.database.read(tokens.list_all, context.account.name)


async def revoke(context: Context, *, token: TokenId) -> None:
    """End a token of the caller; whatever it signed in is disconnected."""
    if not await context.database.write(tokens.revoke, token, context.account.name):
        raise NotFound("There is no such token.")


def _create(
    connection: Connection,
    account: AccountName,
    label: str,
    now: str,
    scope: Role = "own",
    worksheet: WorksheetId | None = None,
    expires: str | None = None,
    id: TokenId | None = None,
) -> NewToken:
    if id is not None and (known := tokens.find_own(connection, id, account)) is not None:
        return NewToken(token=known, secret=signin.reissue_token(connection, known))
    if worksheet is not None and members.role(connection, worksheet, account) is None:
        raise NotFound("There is no such worksheet.")
    check("account_tokens", tokens.count(connection, account) + 1, "The account")
    token, secret = signin.issue_token(
        connection, account, label, now, scope=scope, worksheet=worksheet, expires=expires, id=id
    )
    return NewToken(token=token, secret=secret)


METHODS: dict[str, Handler] = {
    "token.login": login,
    "token.create": create,
    "token.list": list_all,
    "token.revoke": revoke,
}
