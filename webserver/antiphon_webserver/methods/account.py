"""account.*: people."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta
from sqlalchemy import Connection

from .. import signin
from ..clock import iso
from ..context import Context, Handler
from ..errors import Conflict, InvalidParams, NotFound, NotSignedIn
from ..limits import LIMITS, check_account_name, check_line
from ..model import Account, AccountDetails, AccountName, Invitation, LoginLink
from ..passwords import check_password
from ..secret import digest, new_secret
from ..storage import accounts, identities, invitations, links, signins

NO_INVITATION = "This invitation was used already, or has expired. Ask an administrator for a new one."


Subject = Annotated[str, Meta(min_length=1, max_length=255)]
"""As OpenID Connect Core 1.0, section 2, bounds it."""


class NewAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The account, and the one-time link for the person to whom it belongs."""

    account: Account
    link: LoginLink


async def me(context: Context) -> Account:
    """Return the caller's account."""
    return context.account


async def create(
    context: Context,
    *,
    name: AccountName,
    display_name: str = "",
    password: str | None = None,
    admin: bool = False,
) -> NewAccount:
    """Make an account and a one-time link for its person."""
    check_account_name(name)
    check_line("name_chars", display_name, "display_name", "The display name")
    if password is not None:
        check_password(password)
    hashed = None if password is None else await context.passwords.hash(password)

    def work(connection: Connection) -> NewAccount:
        account = accounts.create(
            connection, name, display_name=display_name, password=hashed, admin=admin, now=context.now
        )
        if account is None:
            raise Conflict("name: there is an account of this name.", field="name")
        return NewAccount(account=account, link=_link(connection, context, name))

    return await context.database.write(work)


async def sign_up(
    context: Context,
    *,
    name: AccountName,
    password: str,
    display_name: str = "",
    invitation: str | None = None,
) -> Account:
    """Make an account for oneself, where the server lets anybody or who has an invitation."""
    check_account_name(name)
    check_line("name_chars", display_name, "display_name", "The display name")
    check_password(password)
    if context.signup == "closed":
        raise NotFound("This server has no sign-up. Ask an administrator for an account.")
    # Never given back: an address that makes many accounts is slowed down as one that guesses.
    context.attempts.take("", context.caller.address, context.clock())
    invited = "" if invitation is None else digest(invitation)
    if context.signup == "invite" and not await context.database.read(
        invitations.is_good, invited, context.now
    ):
        raise NotFound(NO_INVITATION)
    hashed = await context.passwords.hash(password)

    def work(connection: Connection) -> Account:
        if context.signup == "invite" and not invitations.use(connection, invited, context.now):
            raise NotFound(NO_INVITATION)
        account = accounts.create(
            connection, name, display_name=display_name, password=hashed, admin=False, now=context.now
        )
        if account is None:
            raise Conflict("name: there is an account of this name.", field="name")
        return account

    return await context.database.write(work)


async def invite(context: Context) -> Invitation:
    """Make an invitation by which one person signs up, where the server asks for one."""
    secret, end = new_secret(), iso(context.clock() + signin.LINK_SECONDS)
    await context.database.write(
        invitations.create, digest(secret), context.account.name, now=context.now, expires=end
    )
    return Invitation(url=signin.join_url(context.public_url, secret), expires=end)


async def disable(context: Context, *, account: AccountName) -> None:
    """Let nobody in by an account; its sign-ins, tokens and login links are over."""
    if account == context.account.name:
        raise Conflict("account: this is your own account.", field="account")
    if not await context.database.write(accounts.set_disabled, account, True):
        raise NotFound("There is no such account.")


async def enable(context: Context, *, account: AccountName) -> None:
    """Let the person of an account in again, by password or a new login link."""
    if not await context.database.write(accounts.set_disabled, account, False):
        raise NotFound("There is no such account.")


async def identify(context: Context, *, account: AccountName, subject: Subject) -> None:
    """Let whom the OpenID provider knows as the subject sign in by the account."""
    if context.oidc is None:
        raise NotFound("This server has no OpenID provider.")
    issuer = context.oidc.issuer

    def work(connection: Connection) -> None:
        found = accounts.find(connection, account)
        if found is None or found.visitor:
            raise NotFound("There is no such account.")
        identities.put(connection, issuer, subject, account, context.now)

    await context.database.write(work)


async def list_all(context: Context) -> tuple[AccountDetails, ...]:
    """List every account by name, with what it has."""
    return await context.database.read(accounts.list_all, context.now)


async def set_password(context: Context, *, password: str, current: str | None = None) -> None:
    """Set the caller's password; its other sign-ins end.

    The current password is needed if there is one, unless the caller signed in by a link: whoever
    forgot the password asks for a link.
    """
    check_password(password)
    name = context.account.name
    stored = await context.database.read(accounts.find_password, name)
    if stored is not None and context.caller.way != "link":
        if current is None:
            raise InvalidParams("current: the current password is needed.", field="current")
        try:
            await signin.check_password(context, name, current)
        except NotSignedIn:
            # The caller is signed in; only this word is wrong.
            raise InvalidParams("current: this is not the current password.", field="current") from None
    hashed = await context.passwords.hash(password)

    def work(connection: Connection) -> None:
        accounts.set_password(connection, name, hashed)
        signins.end_others(connection, name, context.caller.signin)

    await context.database.write(work)


async def link(context: Context, *, account: AccountName | None = None) -> LoginLink:
    """Make a one-time login link, for the caller or, by an admin, for somebody else."""

    def work(connection: Connection) -> LoginLink:
        name = account or context.account.name
        found = accounts.find(connection, name)
        if found is None or found.visitor:
            raise NotFound("There is no such account.")
        if accounts.is_disabled(connection, name):
            raise Conflict("account: this account is switched off.", field="account")
        return _link(connection, context, name)

    return await context.database.write(work)


def _link(connection: Connection, context: Context, account: AccountName) -> LoginLink:
    # Every start of a server prints a link, and most are never used: the oldest makes room.
    links.keep_newest(connection, account, LIMITS["account_links"] - 1)
    secret, expires = signin.issue_link(connection, account, context.clock(), signin.LINK_SECONDS)
    return LoginLink(url=signin.link_url(context.public_url, secret), account=account, expires=expires)


METHODS: dict[str, Handler] = {
    "account.me": me,
    "account.sign_up": sign_up,
    "account.create": create,
    "account.invite": invite,
    "account.identify": identify,
    "account.disable": disable,
    "account.enable": enable,
    "account.list": list_all,
    "account.set_password": set_password,
    "account.link": link,
}
