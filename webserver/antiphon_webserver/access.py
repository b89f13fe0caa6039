"""Who may call what: one table, one check.

A method without a row cannot be called: the dispatcher refuses to start. What is not yours and what
does not exist get the same answer, and only who can see a thing is told that a role is too low.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec
from sqlalchemy import Connection

from . import signin
from .context import Caller
from .errors import NotFound, NotSignedIn, RoleTooLow
from .model import ROLES, Account, AccountName, Role, WorksheetId
from .storage import members, sessions

Who: TypeAlias = Literal["anyone", "account", "admin", "worksheet", "session", "place"]


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What a method needs.

    A token has a bound, its ``scope``: besides what its account may, the call needs a scope that reaches
    ``role``. So each method has a role, even where no worksheet is named.

    Args:
        who: anyone; an account; an admin; or a role in the ``worksheet`` or ``session`` that the
            parameter of that name names; "place" is whichever of the two is given, or an account.
        role: that role, and the least scope of a token.
        edits: a parameter; giving it needs the role "edit".
        oneself: a parameter that names an account; naming the caller's own needs less: the role
            "observe" instead of ``role``, an account instead of an admin.
        whole: the method goes beyond the worksheets that the caller was let into: a visitor may not,
            nor a token for one worksheet.
        live: the method needs a connection on which the server speaks first.
        makes: the method makes another worksheet: it needs besides what ``worksheet.create`` does.
    """

    who: Who
    role: Role = "observe"
    edits: str = ""
    oneself: str = ""
    whole: bool = False
    live: bool = False
    makes: bool = False


ANYONE = Need(who="anyone")
ACCOUNT = Need(who="account")
OWNER = Need(who="account", role="own", whole=True)
ADMIN = Need(who="admin", role="own", whole=True)


def _worksheet(role: Role, *, edits: str = "", oneself: str = "", live: bool = False) -> Need:
    return Need(who="worksheet", role=role, edits=edits, oneself=oneself, live=live)


def _session(role: Role, *, live: bool = False) -> Need:
    return Need(who="session", role=role, live=live)


ACCESS: dict[str, Need] = {
    "rpc.discover": ANYONE,
    "server.info": ANYONE,
    "token.login": ANYONE,
    "account.me": ACCOUNT,
    "account.sign_up": ANYONE,
    "account.create": ADMIN,
    "account.invite": ADMIN,
    "account.identify": ADMIN,
    "account.disable": ADMIN,
    "account.enable": ADMIN,
    "account.list": ADMIN,
    "admin.sessions": ADMIN,
    "admin.close_session": ADMIN,
    "admin.limits": ADMIN,
    "audit.list": ADMIN,
    "account.set_password": OWNER,
    "account.link": Need(who="admin", role="own", whole=True, oneself="account"),
    "signin.list": Need(who="admin", role="own", whole=True, oneself="account"),
    "signin.end": Need(who="admin", role="own", whole=True, oneself="account"),
    "token.create": OWNER,
    "token.list": OWNER,
    "token.revoke": OWNER,
    "worksheet.list": ACCOUNT,
    "worksheet.create": Need(who="account", role="edit", whole=True),
    "worksheet.duplicate": Need(who="worksheet", role="observe", makes=True),
    "worksheet.open": _worksheet("observe"),
    "worksheet.since": _worksheet("observe"),
    "worksheet.at": _worksheet("observe"),
    "worksheet.history": _worksheet("observe"),
    "worksheet.bin": _worksheet("observe"),
    "worksheet.restore": _worksheet("edit"),
    "worksheet.import": Need(who="account", role="edit", whole=True),
    "worksheet.export": _worksheet("observe"),
    "worksheet.rename": _worksheet("edit"),
    "worksheet.clear": _worksheet("edit"),
    "worksheet.change": _worksheet("edit"),
    "worksheet.transfer": _worksheet("own"),
    "worksheet.delete": _worksheet("own"),
    "worksheet.session": _worksheet("run"),
    "worksheet.run": _worksheet("run"),
    "worksheet.subscribe": _worksheet("observe", live=True),
    "worksheet.caret": _worksheet("observe", live=True),
    "worksheet.unsubscribe": Need(who="account", live=True),
    "member.set": _worksheet("own"),
    "member.remove": _worksheet("own", oneself="account"),
    "link.create": _worksheet("own"),
    "link.list": _worksheet("own"),
    "link.revoke": _worksheet("own"),
    "cell.create": _worksheet("edit"),
    "cell.edit": _worksheet("edit"),
    "cell.convert": _worksheet("edit"),
    "cell.annotate": _worksheet("edit"),
    "cell.move": _worksheet("edit"),
    "cell.delete": _worksheet("edit"),
    "cell.restore": _worksheet("edit"),
    "cell.runs": _worksheet("observe"),
    "cell.run": _worksheet("run", edits="source"),
    "comment.list": _worksheet("observe"),
    "comment.read": _worksheet("observe"),
    "comment.create": _worksheet("answer"),
    "comment.reply": _worksheet("answer"),
    "comment.edit": _worksheet("answer"),
    "comment.delete": _worksheet("answer"),
    "comment.restore": _worksheet("answer"),
    "comment.resolve": _worksheet("answer"),
    "run.outputs": _worksheet("observe"),
    "session.create": Need(who="account", role="run", whole=True),
    "session.list": ACCOUNT,
    "session.info": _session("observe"),
    "session.execute": _session("run"),
    "session.run": Need(who="place", role="run"),
    "session.complete": _session("run"),
    "session.inspect": _session("run"),
    "session.variables": _session("run"),
    "session.variable": _session("run"),
    "file.list": _session("run"),
    "file.read": _session("run"),
    "file.write": _session("run"),
    "file.rename": _session("run"),
    "file.delete": _session("run"),
    "file.make": _session("run"),
    "session.interrupt": _session("run"),
    "session.queue": _session("observe"),
    "session.cancel": _session("run"),
    "session.move": _session("run"),
    "session.restart": _session("run"),
    "session.close": _session("own"),
    "session.answer": _session("answer"),
    "feed.since": _session("observe"),
    "feed.subscribe": _session("observe", live=True),
    "feed.unsubscribe": Need(who="account", live=True),
    "widget.send": _session("run"),
}
"""Every method, and what it needs. Source: ``spec/message_spec.rst``, the methods' *Who*."""


AUDITED = frozenset(
    {
        "token.login",
        "account.sign_up",
        "account.create",
        "account.invite",
        "account.identify",
        "account.disable",
        "account.enable",
        "account.set_password",
        "account.link",
        "signin.end",
        "token.create",
        "token.revoke",
        "worksheet.transfer",
        "worksheet.delete",
        "member.set",
        "member.remove",
        "link.create",
        "link.revoke",
        "admin.close_session",
    }
)
"""Methods that give or take rights: the audit has them before they are answered."""

AUDITED_RUNS = frozenset(
    {
        "cell.run",
        "worksheet.run",
        "session.execute",
        "session.run",
        "file.write",
        "file.rename",
        "file.delete",
        "file.make",
    }
)
"""Methods that run code, or change files as code may: the audit has them within a second. A run itself is
written before it is sent."""


def check(connection: Connection, need: Need, caller: Caller, params: Any, now: str) -> Caller:
    """Whether the caller may; returns it as it is now.

    Args:
        params: the method's parameters, already of the right types.

    Raises:
        NotSignedIn: the method needs an account, or the sign-in or token has ended.
        NotFound: the worksheet or session does not exist, or is none of the caller's business.
        RoleTooLow: the caller can see it, but needs a higher role, or a token with a wider scope.
    """
    caller = signin.refresh(connection, caller, now) if caller.credential else caller
    if need.who == "anyone":
        return caller
    if caller.account is None:
        raise NotSignedIn("You are not signed in, or your sign-in has ended.")
    account = caller.account
    own = bool(need.oneself) and getattr(params, need.oneself) in (None, account.name)
    if need.who == "admin" and not account.admin and not own:
        raise RoleTooLow(needs="admin", has="account")
    has: Role | None = None
    if need.who in ("worksheet", "place") and params.worksheet is not None:
        if caller.sees(params.worksheet):
            has = members.role(connection, params.worksheet, account.name)
        _compare(need, has, caller.scope, params, own, "worksheet")
        if need.makes:
            _refuse_bound(caller, account)
    elif need.who in ("session", "place") and params.session is not None:
        if caller.worksheet is None or sessions.is_of(connection, params.session, caller.worksheet):
            has = sessions.role(connection, params.session, account.name)
        _compare(need, has, caller.scope, params, own, "session")
    else:
        _compare(need, "own", caller.scope, params, own, "account")
        if need.whole or need.who == "place":
            _refuse_bound(caller, account)
    return caller


def may_observe_worksheet(connection: Connection, account: AccountName, worksheet: WorksheetId) -> bool:
    return members.role(connection, worksheet, account) is not None


def may_observe_session(connection: Connection, account: AccountName, session: str) -> bool:
    return sessions.role(connection, session, account) is not None


def _refuse_bound(caller: Caller, account: Account) -> None:
    if account.visitor:
        raise RoleTooLow(needs="account", has="visitor", sentence="This needs an account; you are a visitor.")
    if caller.worksheet is not None:
        raise RoleTooLow(
            needs="account", has="worksheet", sentence="This token is for one worksheet; this needs more."
        )


def _compare(need: Need, has: Role | None, scope: Role, params: Any, own: bool, noun: str) -> None:
    if has is None:
        raise NotFound(f"There is no such {noun}.")
    needs = need.role
    if need.edits and getattr(params, need.edits) is not None:
        needs = max(needs, "edit", key=ROLES.index)
    # To leave needs no role above observing, but no token that may only observe.
    if ROLES.index(has) < ROLES.index("observe" if own else needs):
        raise RoleTooLow(needs=needs, has=has)
    if need.makes:
        needs = max(needs, "edit", key=ROLES.index)
    if ROLES.index(scope) < ROLES.index(needs):
        raise RoleTooLow(
            needs=needs,
            has=scope,
            sentence=f"This needs a token with the scope {needs!r}; yours is {scope!r}.",
        )
