"""Signing in and out, and finding out who calls.

What belongs here: what ``/login``, ``/logout`` and every request share. What must never come here:
cookies and headers (``http``), SQL (``storage``).
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import msgspec
from sqlalchemy import Connection

from .clock import iso
from .context import Caller, Context
from .errors import LimitExceeded, NotSignedIn, TooManyAttempts
from .limits import NOT_IN_A_LINE, check_chars
from .model import Account, AccountName, AnyEntry, Role, SignInId, Token, TokenId, Way, WorksheetId
from .oidc import Identity, ProviderFailed
from .secret import digest, new_id, new_secret
from .storage import accounts, identities, links, servers, signins, tokens, worksheet_links

SIGNIN_SECONDS = 30 * 86_400
"""A cookie signs in for this long."""

LINK_SECONDS = 7 * 86_400
"""A login link for somebody else can be used for this long: it travels by mail."""

LOCAL_LINK_SECONDS = 600
"""The link that a start prints: it is clicked at once, and a terminal's history keeps it."""

OIDC_SECONDS = 600
"""A sign-in at the provider that takes longer is begun again."""

USED_SECONDS = 60
"""``last_used`` of a token is exact to this: writing it for each request would cost more than it tells."""

LOCAL_LABEL = "this machine"
"""With the server's id, the label of the token in a runtime file."""


_log = logging.getLogger(__name__)


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """Who came by a link, and where to. ``cookie`` is a new visitor's secret, empty for who was known."""

    account: Account
    worksheet: WorksheetId
    cookie: str


async def check_password(context: Context, name: str, password: str) -> Account:
    """Whose name and password these are.

    Raises:
        NotSignedIn: they are wrong; which of the two, or whether the account exists, is not told.
        TooManyAttempts: the account or the address has tried too often.
    """
    check_chars("name_chars", name, "The name")
    check_chars("password_chars", password, "The password")
    address = context.caller.address
    context.attempts.take(name, address, context.clock())
    account, stored = await context.database.read(_account_and_password, name)
    right = await context.passwords.verify(stored, password)
    if account is None or not right:
        raise NotSignedIn("The name or the password is wrong.")
    context.attempts.give_back(name, address)
    return account


async def by_password(context: Context, name: str, password: str) -> tuple[Account, str]:
    """Sign in; the second value is the secret for the cookie.

    Raises:
        NotSignedIn, TooManyAttempts: as ``check_password``.
    """
    with _refusals(context, "signin.password"):
        account = await check_password(context, name, password)
    context.note("signin.password", account=account.name)
    return account, await context.database.write(_sign_in, account.name, "password", context.clock())


async def by_link(context: Context, secret: str) -> tuple[Account, str]:
    """Sign in by a one-time link; the second value is the secret for the cookie.

    Raises:
        NotSignedIn: the link was used, has expired or never was.
    """
    with _refusals(context, "signin.link"):
        account, cookie = await context.database.write(_use_link, secret, context.clock())
    context.note("signin.link", account=account.name)
    return account, cookie


async def by_visit(context: Context, secret: str) -> Visit:
    """Come into a worksheet by its link: as the caller, or as a new visitor.

    Raises:
        NotSignedIn: the link is over, was used as often as it may be, or never was.
        TooManyAttempts: too many have come, or tried to, from this address.
        LimitExceeded: the worksheet has too many members.
    """
    address = context.caller.address
    with _refusals(context, "signin.visit"):
        context.visits.take("", address, context.clock())
        visit, entries = await context.database.write(_visit, secret, context.caller.account, context.clock())
    if not entries:
        context.visits.give_back("", address)
    context.note("signin.visit", account=visit.account.name, subject={"worksheet": visit.worksheet})
    context.relay.announce(visit.worksheet, entries)
    return visit


OidcFault: TypeAlias = Literal["denied", "expired", "unknown", "failed", "off", "busy"]
"""Why a sign-in at the provider came to nothing; the page has a sentence for each."""


class OidcRefused(Exception):
    """A sign-in at the provider came to nothing."""

    def __init__(self, fault: OidcFault) -> None:
        super().__init__(fault)
        self.fault: OidcFault = fault


async def begin_oidc(context: Context) -> tuple[str, str]:
    """Begin a sign-in at the provider: where the browser goes, and the secret for its cookie.

    Raises:
        OidcRefused: there is no provider, it cannot be reached, or too many are on their way.
    """
    if context.oidc is None:
        raise OidcRefused("off")
    try:
        context.visits.take("", context.caller.address, context.clock())
        begun = await context.oidc.begin()
        secret, now = new_secret(), context.clock()
        await context.database.write(
            identities.begin,
            digest(secret),
            state=begun.state,
            nonce=begun.nonce,
            verifier=begun.verifier,
            now=iso(now),
            expires=iso(now + OIDC_SECONDS),
        )
    except (TooManyAttempts, LimitExceeded) as error:
        raise OidcRefused("busy") from error
    except ProviderFailed as error:
        _log.warning("the OpenID provider failed: %s", error)
        raise OidcRefused("failed") from error
    return begun.url, secret


async def by_oidc(
    context: Context, secret: str, *, state: str, code: str, denied: bool
) -> tuple[Account, str]:
    """Sign in who came back from the provider; the second value is the secret for the cookie.

    Raises:
        OidcRefused: it was denied, came back too late or from elsewhere, or the account is not known here.
    """
    try:
        if context.oidc is None:
            raise OidcRefused("off")
        begun = await context.database.write(identities.take, digest(secret), context.now)
        if begun is None or not hmac.compare_digest(begun[0].encode(), state.encode()):
            raise OidcRefused("expired")
        if denied or not code:
            raise OidcRefused("denied")
        try:
            identity = await context.oidc.finish(code, begun[1], begun[2])
        except ProviderFailed as error:
            _log.warning("the OpenID provider failed: %s", error)
            raise OidcRefused("failed") from error
        account, cookie = await context.database.write(
            _use_identity, identity, context.oidc_signup, context.clock()
        )
    except OidcRefused as refusal:
        context.note("signin.oidc", outcome=refusal.fault)
        raise
    except NotSignedIn as refusal:
        context.note("signin.oidc", outcome=refusal.name)
        raise OidcRefused("unknown") from refusal
    context.note("signin.oidc", account=account.name)
    return account, cookie


async def out(context: Context) -> None:
    """End the sign-in of a caller that came with a cookie."""
    if context.caller.signin:
        await context.database.write(signins.end, context.caller.signin)
        context.note("signin.out")


async def identify(context: Context, *, cookie: str = "", bearer: str = "", address: str = "") -> Caller:
    """Who calls. A bearer token goes before a cookie; a wrong or ended one is nobody.

    Args:
        cookie, bearer: the secrets that came with the request, or nothing.
        address: where it came from.
    """
    now = context.clock()
    if bearer:
        found = await context.database.glance(tokens.find, digest(bearer), iso(now))
        if found is None:
            return Caller(address=address)
        account, token = found
        if token.last_used is None or token.last_used < iso(now - USED_SECONDS):
            await context.database.write(tokens.used, token.id, iso(now))
        return _by_token(Caller(credential=f"token:{token.id}", address=address), account, token)
    if cookie:
        key = digest(cookie)
        signin = await context.database.glance(signins.find, key, iso(now))
        if signin is not None:
            account, way = signin
            return Caller(account=account, way=way, credential=f"signin:{key}", address=address)
    return Caller(address=address)


def refresh(connection: Connection, caller: Caller, now: str) -> Caller:
    """The caller as it is now; without an account when the sign-in or token has ended."""
    kind, _, key = caller.credential.partition(":")
    if kind == "token" and (token := tokens.find_by_id(connection, key, now)):
        return _by_token(caller, *token)
    if kind == "signin" and (signin := signins.find(connection, key, now)):
        return msgspec.structs.replace(caller, account=signin[0])
    return msgspec.structs.replace(caller, account=None)


def _by_token(caller: Caller, account: Account, token: Token) -> Caller:
    return msgspec.structs.replace(
        caller, account=account, way="token", scope=token.scope, worksheet=token.worksheet
    )


def ensure_local_account(connection: Connection, name: str, now: str) -> Account:
    """The account of the person who started the server; made, as an admin, when it is not there."""
    created = accounts.create(
        connection, AccountName(name), display_name="", password=None, admin=True, now=now
    )
    account = created or accounts.find(connection, name)
    assert account is not None
    # Who starts the server has all that it holds anyway; locked out of it, nobody could let others in.
    accounts.set_disabled(connection, account.name, False)
    return account


def issue_local_token(connection: Connection, account: AccountName, server: str, now: str) -> str:
    """A token for the runtime file of a server; it replaces those of servers that are over. Returns its
    secret."""
    alive = {f"{LOCAL_LABEL} {id}" for id in servers.others(connection, server)}
    for token in tokens.list_all(connection, account):
        if token.label.startswith(LOCAL_LABEL) and token.label not in alive:
            tokens.revoke(connection, token.id, account)
    _, secret = issue_token(connection, account, f"{LOCAL_LABEL} {server}", now)
    return secret


def issue_token(
    connection: Connection,
    account: AccountName,
    label: str,
    now: str,
    *,
    scope: Role = "own",
    worksheet: WorksheetId | None = None,
    expires: str | None = None,
    id: TokenId | None = None,
) -> tuple[Token, str]:
    """A new token and its secret.

    Raises:
        Conflict: the id is somebody else's.
    """
    _refuse_disabled(connection, account)
    secret = new_secret()
    token = Token(
        id=id or TokenId(new_id()),
        label=label,
        scope=scope,
        worksheet=worksheet,
        created=now,
        expires=expires,
    )
    tokens.create(connection, token, digest(secret), account)
    return token, secret


def reissue_token(connection: Connection, token: Token) -> str:
    """Another secret for a token: whoever asks again never got the one before."""
    secret = new_secret()
    tokens.replace_digest(connection, token.id, digest(secret))
    return secret


def issue_link(
    connection: Connection, account: AccountName, now: float, seconds: float = LOCAL_LINK_SECONDS
) -> tuple[str, str]:
    """A one-time link: its secret, and when it expires.

    Args:
        now: seconds since the epoch.
        seconds: how long it can be used.
    """
    secret, expires = new_secret(), iso(now + seconds)
    links.create(connection, digest(secret), account, now=iso(now), expires=expires)
    return secret, expires


def visit_url(public_url: str, worksheet: WorksheetId, secret: str) -> str:
    """As with a login link, the secret stands behind the ``#``."""
    return f"{public_url}/w/{worksheet}#visit={secret}"


def join_url(public_url: str, secret: str) -> str:
    """As with a login link, the secret stands behind the ``#``."""
    return f"{public_url}/#join={secret}"


def link_url(public_url: str, secret: str) -> str:
    """The secret stands behind the ``#``: it reaches no log and no referrer."""
    return f"{public_url}/#link={secret}"


@contextmanager
def _refusals(context: Context, act: str) -> Iterator[None]:
    """Write down who was not let in. Not by which name: people type passwords where names belong."""
    try:
        yield
    except (NotSignedIn, TooManyAttempts) as refusal:
        context.note(act, outcome=refusal.name)
        raise


def _account_and_password(connection: Connection, name: str) -> tuple[Account | None, str | None]:
    return accounts.find(connection, name), accounts.find_password(connection, name)


def _sign_in(connection: Connection, account: AccountName, way: Way, now: float) -> str:
    _refuse_disabled(connection, account)
    secret = new_secret()
    signins.create(
        connection,
        SignInId(new_id()),
        digest(secret),
        account,
        way=way,
        now=iso(now),
        expires=iso(now + SIGNIN_SECONDS),
    )
    return secret


def _refuse_disabled(connection: Connection, account: AccountName) -> None:
    if accounts.is_disabled(connection, account):
        raise NotSignedIn("This account is switched off. Ask an administrator of the server.")


def _visit(
    connection: Connection, secret: str, who: Account | None, now: float
) -> tuple[Visit, tuple[AnyEntry, ...]]:
    account, worksheet, entries = worksheet_links.enter(connection, digest(secret), who, iso(now))
    cookie = "" if who else _sign_in(connection, account.name, "visit", now)
    return Visit(account=account, worksheet=worksheet, cookie=cookie), entries


def _use_identity(
    connection: Connection, identity: Identity, signup: bool, now: float
) -> tuple[Account, str]:
    account = identities.find(connection, identity.issuer, identity.subject)
    if account is None:
        if not signup:
            raise OidcRefused("unknown")
        account = _new_account(connection, identity, iso(now))
        identities.put(connection, identity.issuer, identity.subject, account.name, iso(now))
    return account, _sign_in(connection, account.name, "oidc", now)


def _new_account(connection: Connection, identity: Identity, now: str) -> Account:
    """An account under the name that the provider says, or one like it: a name here is nobody else's, and
    that the provider uses it too does not make it theirs."""
    wanted = re.sub(r"[^A-Za-z0-9._@+-]", "-", identity.name).lstrip("._@+-")[:48] or "person"
    shown = NOT_IN_A_LINE.sub(" ", identity.display_name)[:64]
    for number in range(1, 1_000):
        name = AccountName(wanted if number == 1 else f"{wanted}-{number}")
        account = accounts.create(connection, name, display_name=shown, password=None, admin=False, now=now)
        if account is not None:
            return account
    raise OidcRefused("failed")


def _use_link(connection: Connection, secret: str, now: float) -> tuple[Account, str]:
    account = links.use(connection, digest(secret), iso(now))
    if account is None:
        raise NotSignedIn("This link was used already, or has expired. Ask for a new one.")
    return account, _sign_in(connection, account.name, "link", now)
