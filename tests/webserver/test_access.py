"""Every method, called by everyone: who may, who may not, and what those are told who may not."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from antiphon_kernel.message import SessionInfo
from antiphon_webserver import signin
from antiphon_webserver.access import ACCESS, AUDITED, AUDITED_RUNS
from antiphon_webserver.clock import iso
from antiphon_webserver.method import Method, table
from antiphon_webserver.methods import TABLE
from antiphon_webserver.model import AccountName
from antiphon_webserver.oidc import Provider
from antiphon_webserver.storage import tokens
from antiphon_webserver.storage.database import Database, open_database
from tests.webserver.conftest import Person, Server, make_server
from tests.webserver.fakes import FakeSubscriber

MEMBERS = ("observe", "answer", "run", "edit", "own")
CALLERS = ("nobody", "stranger", "admin", *MEMBERS)
"""Somebody of each kind: without an account, with one, an admin, and a member of each role."""

TOKENS = {
    **{f"token to {role}": (role, "") for role in MEMBERS},
    "token for this worksheet": ("own", "WORKSHEET"),
    "token for another worksheet": ("own", "OTHER"),
}
"""Tokens of the owner, each with its scope and the worksheet for which it is good."""

ALL = frozenset(CALLERS)
SIGNED_IN = ALL - {"nobody"}
OBSERVE = frozenset(MEMBERS)
ANSWER = OBSERVE - {"observe"}
RUN = ANSWER - {"answer"}
EDIT = RUN - {"run"}
OWN = frozenset({"own"})
ADMIN = frozenset({"admin"})

TITLE = "Q3 layoffs"
PASSWORD = "correct horse"  # noqa: S105  of nobody


LEAST_SCOPE = {
    "account.me": "observe",
    "worksheet.list": "observe",
    "worksheet.create": "edit",
    "worksheet.import": "edit",
    "worksheet.duplicate": "edit",
    "worksheet.unsubscribe": "observe",
    "member.remove": "own",
    "session.create": "run",
    "session.list": "observe",
    "session.run": "run",
    "feed.unsubscribe": "observe",
    **dict.fromkeys(("comment.edit", "comment.delete", "comment.restore"), "answer"),
}
"""What a token needs for methods that any account may call, for all others of these it is "own"; and for
those that ask besides who made a thing, which here is the owner."""

MAKES = {"worksheet.duplicate"}
"""Methods that begin at a worksheet and go beyond it: neither a visitor nor a token for one worksheet may."""

ANYWHERE = {"account.me", "worksheet.list", "session.list", "worksheet.unsubscribe", "feed.unsubscribe"}
"""Methods without a worksheet that a token for one worksheet may call."""


VISITORS = {f"visitor who may {role}": role for role in ("observe", "answer", "run", "edit")}
"""Those who came by a link with that role."""

VISITORS_MAY = {
    "account.sign_up",
    "rpc.discover",
    "server.info",
    "token.login",
    "account.me",
    "worksheet.list",
    "worksheet.unsubscribe",
    "session.list",
    "feed.unsubscribe",
}
"""Methods without a worksheet that a visitor may call."""


class Case(NamedTuple):
    """A method with good parameters, and who may call it so."""

    method: str
    may: frozenset[str]
    params: dict[str, Any]


W = {"worksheet": "WORKSHEET"}
S = {"session": "SESSION"}
C = {**W, "cell": "CELL"}

CASES = [
    Case("rpc.discover", ALL, {}),
    Case("server.info", ALL, {}),
    Case("token.login", ALL, {"name": "somebody", "password": PASSWORD, "label": "x"}),
    Case("account.me", SIGNED_IN, {}),
    Case("account.create", ADMIN, {"name": "new"}),
    Case("account.sign_up", ALL, {"name": "new", "password": PASSWORD}),
    Case("account.invite", ADMIN, {}),
    Case("account.identify", ADMIN, {"account": "somebody", "subject": "x"}),
    Case("account.identify", ADMIN, {"account": "missing", "subject": "x"}),
    Case("account.disable", ADMIN, {"account": "somebody"}),
    Case("account.disable", ADMIN, {"account": "missing"}),
    Case("account.enable", ADMIN, {"account": "somebody"}),
    Case("account.enable", ADMIN, {"account": "missing"}),
    Case("account.list", ADMIN, {}),
    Case("admin.sessions", ADMIN, {}),
    Case("admin.close_session", ADMIN, S),
    Case("admin.limits", ADMIN, {}),
    Case("audit.list", ADMIN, {}),
    Case("signin.list", SIGNED_IN, {}),
    Case("signin.list", ADMIN, {"account": "somebody"}),
    Case("signin.list", ADMIN, {"account": "missing"}),
    Case("signin.end", SIGNED_IN, {}),
    Case("signin.end", ADMIN, {"account": "somebody"}),
    Case("signin.end", ADMIN, {"account": "missing"}),
    Case("account.set_password", SIGNED_IN, {"password": PASSWORD}),
    Case("account.link", SIGNED_IN, {}),
    Case("account.link", ADMIN, {"account": "somebody"}),
    Case("account.link", ADMIN, {"account": "missing"}),
    Case("token.create", SIGNED_IN, {"label": "x"}),
    Case("token.list", SIGNED_IN, {}),
    Case("token.revoke", SIGNED_IN, {"token": "its own"}),
    Case("worksheet.list", SIGNED_IN, {}),
    Case("worksheet.create", SIGNED_IN, {}),
    Case("worksheet.open", OBSERVE, W),
    Case("worksheet.since", OBSERVE, {**W, "cursor": 0}),
    Case("worksheet.at", OBSERVE, {**W, "number": 1}),
    Case("worksheet.history", OBSERVE, W),
    Case("worksheet.bin", OBSERVE, W),
    Case("worksheet.restore", EDIT, {**W, "number": 1}),
    Case("worksheet.import", SIGNED_IN, {"filename": "a.py", "text": "1"}),
    Case("worksheet.export", OBSERVE, W),
    Case("worksheet.duplicate", OBSERVE, W),
    Case("worksheet.change", EDIT, {**W, "steps": []}),
    Case("worksheet.rename", EDIT, {**W, "title": "x"}),
    Case("worksheet.clear", EDIT, W),
    Case("worksheet.transfer", OWN, {**W, "account": "somebody"}),
    Case("worksheet.transfer", OWN, {**W, "account": "missing"}),
    Case("worksheet.delete", OWN, W),
    Case("worksheet.session", RUN, W),
    *(Case("worksheet.run", RUN, {**W, "which": which}) for which in ("all", "stale")),
    Case("worksheet.run", RUN, {**C, "which": "below"}),
    Case("worksheet.subscribe", OBSERVE, {**W, "cursor": 0}),
    Case("worksheet.caret", OBSERVE, {**C, "version": 0, "anchor": 0, "head": 0}),
    Case("worksheet.unsubscribe", SIGNED_IN, W),
    Case("member.set", OWN, {**W, "account": "somebody", "role": "run"}),
    Case("member.set", OWN, {**W, "account": "missing", "role": "run"}),
    Case("member.remove", OWN, {**W, "account": "somebody"}),
    Case("member.remove", OBSERVE, {**W, "account": "oneself"}),
    Case("link.create", OWN, {**W, "role": "run"}),
    Case("link.list", OWN, W),
    Case("link.revoke", OWN, {**W, "link": "LINK"}),
    Case("cell.create", EDIT, W),
    Case("cell.edit", EDIT, {**C, "version": 0, "source": "x"}),
    Case("cell.convert", EDIT, {**C, "type": "markdown"}),
    Case("cell.annotate", EDIT, {**C, "patch": {"tags": ["x"]}}),
    Case("cell.move", EDIT, {**C, "after": None}),
    Case("cell.delete", EDIT, C),
    Case("cell.restore", EDIT, C),
    Case("cell.runs", OBSERVE, C),
    Case("comment.list", OBSERVE, W),
    Case("comment.read", OBSERVE, {**W, "thread": "COMMENT", "number": 1}),
    Case("comment.create", ANSWER, {**C, "text": "x"}),
    Case("comment.reply", ANSWER, {**W, "thread": "COMMENT", "text": "x"}),
    Case("comment.edit", OWN, {**W, "comment": "COMMENT", "text": "x"}),
    Case("comment.delete", OWN, {**W, "comment": "COMMENT"}),
    Case("comment.restore", OWN, {**W, "comment": "COMMENT"}),
    Case("comment.resolve", ANSWER, {**W, "thread": "COMMENT"}),
    Case("run.outputs", OBSERVE, {**W, "run": "RUN"}),
    Case("cell.run", RUN, C),
    Case("cell.run", EDIT, {**C, "version": 0, "source": "x"}),
    Case("session.create", SIGNED_IN, {}),
    Case("session.list", SIGNED_IN, {}),
    Case("session.info", OBSERVE, S),
    Case("session.execute", RUN, {**S, "code": "1"}),
    Case("session.run", SIGNED_IN, {"code": "1"}),
    Case("session.run", RUN, {**S, "code": "1"}),
    Case("session.run", RUN, {**W, "code": "1"}),
    Case("session.complete", RUN, {**S, "code": "1", "cursor_pos": 1}),
    Case("session.inspect", RUN, {**S, "code": "1", "cursor_pos": 1}),
    Case("session.variables", RUN, S),
    Case("file.list", RUN, S),
    Case("file.read", RUN, {**S, "path": "a"}),
    Case("file.write", RUN, {**S, "path": "a", "data": ""}),
    Case("file.rename", RUN, {**S, "path": "a", "to": "b"}),
    Case("file.delete", RUN, {**S, "path": "a"}),
    Case("file.make", RUN, {**S, "path": "a"}),
    Case("session.variable", RUN, {**S, "name": "a"}),
    Case("session.interrupt", RUN, S),
    Case("session.queue", OBSERVE, S),
    Case("session.cancel", RUN, {**S, "msg_id": "m"}),
    Case("session.move", RUN, {**S, "msg_id": "m"}),
    Case("session.restart", RUN, S),
    Case("session.close", OWN, S),
    Case("session.answer", ANSWER, {**S, "prompt": "p", "value": "v"}),
    Case("feed.since", OBSERVE, {**S, "cursor": 0}),
    Case("feed.subscribe", OBSERVE, {**S, "cursor": 0}),
    Case("feed.unsubscribe", SIGNED_IN, S),
    Case("widget.send", RUN, {**S, "comm": "c", "data": {}}),
]


class World(NamedTuple):
    """A database in which everyone is, and the names in it."""

    database: Database
    first: sqlite3.Connection
    tokens: dict[str, str]
    names: dict[str, str]

    def begin_again(self) -> None:
        """Whatever was done is undone. To copy pages is quicker than to open a file for each call."""
        with self.database._writes.connect() as connection:
            copy = connection.connection.dbapi_connection
            assert isinstance(copy, sqlite3.Connection)
            self.first.backup(copy)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    database = asyncio.run(open_database(":memory:", threads=False))
    tokens, names = asyncio.run(_populate(database))
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as first:
        with database._writes.connect() as connection:
            original = connection.connection.dbapi_connection
            assert isinstance(original, sqlite3.Connection)
            original.backup(first)
        yield World(database, first, tokens, names)
    asyncio.run(database.close())


async def _populate(database: Database) -> tuple[dict[str, str], dict[str, str]]:
    server = make_server(database)
    people = {name: await server.sign_in(name, admin=name == "admin") for name in (*CALLERS[1:], "somebody")}
    owner = people["own"]
    await people["somebody"].call("account.set_password", password=PASSWORD)
    sheet = await owner.call("worksheet.create", title=TITLE)
    for role in ("observe", "answer", "run", "edit"):
        await owner.call("member.set", worksheet=sheet["id"], account=role, role=role)
    await owner.call("member.set", worksheet=sheet["id"], account="somebody", role="observe")
    session = await owner.call("worksheet.session", worksheet=sheet["id"])
    snapshot = await owner.call("worksheet.open", worksheet=sheet["id"])
    run = await owner.call("cell.run", worksheet=sheet["id"], cell=snapshot["cells"][0]["id"])
    about = {"worksheet": sheet["id"], "cell": snapshot["cells"][0]["id"]}
    thread = await owner.call("comment.create", **about, text="What is this?")
    secrets = {
        name: (await person.call("token.create", label="again"))["secret"] for name, person in people.items()
    }
    other = await owner.call("worksheet.create", title="another")
    for token, (scope, worksheet) in TOKENS.items():
        only = {"": None, "WORKSHEET": sheet["id"], "OTHER": other["id"]}[worksheet]
        made = await owner.call("token.create", label=token, scope=scope, worksheet=only)
        secrets[token] = made["secret"]
    for visitor, role in VISITORS.items():
        made = await owner.call("link.create", worksheet=sheet["id"], role=role)
        visit = await signin.by_visit(server.context, made["url"].partition("#visit=")[2])
        secrets[visitor] = visit.cookie
    names = {
        "LINK": made["link"]["id"],
        "WORKSHEET": sheet["id"],
        "SESSION": session["uid"],
        "CELL": snapshot["cells"][0]["id"],
        "RUN": run["id"],
        "COMMENT": thread["id"],
    }
    return secrets, names


async def outcome(
    world: World, caller: str, method: str, params: dict[str, Any], *, live: bool = True
) -> dict[str, Any]:
    """The answer in a fresh copy of the world."""
    _, person, given = await ready(world, caller, params, live=live)
    return await person.answer(method, **given)


async def ready(
    world: World, caller: str, params: dict[str, Any], *, live: bool = True
) -> tuple[Server, Person, dict[str, Any]]:
    """A fresh copy of the world, the caller in it, and the parameters with the names that are there."""
    world.begin_again()
    server = make_server(world.database, signup="open")
    provider = Provider("https://provider.test", "antiphon", "secret", "http://antiphon.test/oidc/return")
    server = replace(server, context=replace(server.context, oidc=provider))
    session = world.names["SESSION"]
    server.sessions.known[session] = SessionInfo(uid=session, name="", execution_state="idle", latest=0)
    person = await _person(server, world, caller)
    if live:
        person = Person(replace(person.context, subscriber=FakeSubscriber()))
    given = {
        name: world.names.get(value, value) if isinstance(value, str) else value
        for name, value in params.items()
    }
    name = "own" if caller in TOKENS else caller
    if given.get("account") == "oneself":
        given["account"] = person.account.name if caller in VISITORS else name
    if given.get("token") == "its own" and caller not in ("nobody", *VISITORS):
        given["token"] = (await world.database.read(tokens.list_all, AccountName(name)))[0].id
    return server, person, given


async def _person(server: Server, world: World, caller: str) -> Person:
    if caller == "nobody":
        return server.nobody
    way = "cookie" if caller in VISITORS else "bearer"
    found = await signin.identify(server.context, **{way: world.tokens[caller]})
    assert found.account is not None
    return Person(replace(server.context, caller=found))


def code_of(answer: dict[str, Any]) -> int:
    return int(answer["error"]["code"]) if "error" in answer else 0


def test_every_method_is_tried() -> None:
    assert set(ACCESS) >= AUDITED | AUDITED_RUNS
    assert {case.method for case in CASES} == set(ACCESS) == set(TABLE)


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case.method, *case.params]))
async def test_those_who_may_do_and_the_others_learn_nothing(case: Case, world: World) -> None:
    for caller in CALLERS:
        answer = await outcome(world, caller, case.method, case.params)
        code = code_of(answer)
        if caller in case.may:
            # Naming an account that does not exist is the only way to fail with good parameters,
            # and the owner of a worksheet cannot leave it.
            missing = case.params.get("account") == "missing"
            leaves = case.params.get("account") == "oneself" and caller == "own"
            assert code == (-32002 if missing else -32004 if leaves else 0), (caller, answer)
        elif caller == "nobody":
            assert code == -32001, (caller, answer)
        elif case.may == ADMIN or caller in MEMBERS:
            assert code == -32003, (caller, answer)
        else:
            assert code == -32002, (caller, answer)
        if caller not in MEMBERS:
            assert TITLE not in str(answer)


def code_for_token(case: Case, scope: str, worksheet: str) -> int:
    """What the owner is told who calls with such a token."""
    if case.may == ALL:
        return 0
    if "own" not in case.may:
        return -32003
    named = bool({"worksheet", "session"} & case.params.keys()) and case.method not in ANYWHERE
    if worksheet == "OTHER" and named:
        return -32002
    if worksheet and (not named or case.method in MAKES) and case.method not in ANYWHERE:
        return -32003
    if case.may == SIGNED_IN or case.method in LEAST_SCOPE:
        least = LEAST_SCOPE.get(case.method, "own")
    else:
        least = next(role for role in MEMBERS if role in case.may)
    return 0 if MEMBERS.index(scope) >= MEMBERS.index(least) else -32003


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case.method, *case.params]))
async def test_a_token_may_do_no_more_than_its_scope(case: Case, world: World) -> None:
    for token, (scope, worksheet) in TOKENS.items():
        answer = await outcome(world, token, case.method, case.params)
        expected = code_for_token(case, scope, worksheet)
        if expected == 0:  # as the owner, who cannot leave, and whom "missing" does not exist for
            expected = code_of(await outcome(world, "own", case.method, case.params))
        assert code_of(answer) == expected, (token, answer)
        if expected == -32002:
            assert TITLE not in str(answer)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if {"worksheet", "session"} & case.params.keys() and case.may not in (SIGNED_IN, ADMIN)
    ],
    ids=lambda case: "-".join([case.method, *case.params]),
)
async def test_what_is_not_yours_looks_as_if_it_did_not_exist(case: Case, world: World) -> None:
    noun = "worksheet" if "worksheet" in case.params else "session"
    missing = {**case.params, noun: "no-such-thing-0000000000"}
    for caller in ("stranger", "admin"):
        foreign = await outcome(world, caller, case.method, case.params)
        assert foreign == await outcome(world, caller, case.method, missing)
    assert code_of(await outcome(world, "own", case.method, missing)) == -32002
    elsewhere = await outcome(world, "token for another worksheet", case.method, case.params)
    assert elsewhere == await outcome(world, "token for another worksheet", case.method, missing)


@pytest.mark.parametrize("method", [name for name, need in ACCESS.items() if need.live])
async def test_a_subscription_needs_a_connection(method: str, world: World) -> None:
    (case,) = [case for case in CASES if case.method == method]
    answer = await outcome(world, "own", method, case.params, live=False)
    assert code_of(answer) == -32010
    assert code_of(await outcome(world, "nobody", method, case.params, live=False)) == -32001


def test_a_method_without_a_row_is_an_error_at_start() -> None:
    async def handler(context: object) -> None:
        """Do nothing."""

    with pytest.raises(TypeError, match=r"secret\.method has no row"):
        Method("secret.method", handler, None)


def test_a_row_without_a_method_is_an_error_at_start() -> None:
    handlers = {name: method.handler for name, method in TABLE.items() if name != "cell.run"}
    with pytest.raises(TypeError, match=r"cell\.run"):
        table(handlers)


async def test_a_right_that_was_taken_away_is_over_on_an_open_connection(quick_server: Server) -> None:
    ana, ben = await quick_server.sign_in("ana"), await quick_server.sign_in("ben")
    sheet = await ana.call("worksheet.create")
    await ana.call("member.set", worksheet=sheet["id"], account="ben", role="edit")
    await ben.call("worksheet.rename", worksheet=sheet["id"], title="x")
    await ana.call("member.set", worksheet=sheet["id"], account="ben", role="observe")
    error = await ben.refused("worksheet.rename", worksheet=sheet["id"], title="y")
    assert error["data"] == {"name": "RoleTooLow", "needs": "edit", "has": "observe"}
    await ana.call("member.remove", worksheet=sheet["id"], account="ben")
    assert (await ben.refused("worksheet.open", worksheet=sheet["id"]))["data"]["name"] == "NotFound"


async def test_who_loses_a_right_while_waiting_for_news_gets_none(quick_server: Server) -> None:
    ana, ben = await quick_server.sign_in("ana"), await quick_server.sign_in("ben")
    sheet = await ana.call("worksheet.create")
    await ana.call("member.set", worksheet=sheet["id"], account="ben", role="observe")
    cursor = (await ben.call("worksheet.open", worksheet=sheet["id"]))["cursor"]
    waiting = asyncio.create_task(
        ben.refused("worksheet.since", worksheet=sheet["id"], cursor=cursor, wait=20)
    )
    await quick_server.relay.waited_for.wait()
    await ana.call("member.remove", worksheet=sheet["id"], account="ben")
    assert (await waiting)["data"]["name"] == "NotFound"


async def test_a_revoked_token_is_over_on_an_open_connection(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    (token,) = await ana.call("token.list")
    await ana.call("token.revoke", token=token["id"])
    assert (await ana.refused("account.me"))["data"]["name"] == "NotSignedIn"
    assert (await ana.call("server.info"))["signed_in"] is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: "-".join([case.method, *case.params]))
async def test_a_visitor_may_what_the_link_says_and_has_nothing_else(case: Case, world: World) -> None:
    for visitor, role in VISITORS.items():
        answer = await outcome(world, visitor, case.method, case.params)
        named = bool({"worksheet", "session"} & case.params.keys())
        may = case.method in VISITORS_MAY or (named and role in case.may and case.method not in MAKES)
        assert code_of(answer) == (0 if may else -32003), (visitor, answer)


async def test_a_token_for_one_worksheet_lists_that_one_with_its_scope(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    one, other = [await ana.call("worksheet.create", title=title) for title in ("one", "other")]
    for sheet in (one, other):
        await ana.call("worksheet.session", worksheet=sheet["id"])
    made = await ana.call("token.create", label="x", scope="run", worksheet=one["id"])
    caller = await signin.identify(quick_server.context, bearer=made["secret"])
    program = Person(replace(quick_server.context, caller=caller))
    (listed,) = await program.call("worksheet.list")
    assert (listed["title"], listed["role"]) == ("one", "run")
    assert (await program.call("worksheet.open", worksheet=one["id"]))["worksheet"]["role"] == "run"
    assert [session["worksheet"] for session in await program.call("session.list")] == [one["id"]]
    error = await program.refused("session.create")
    assert error["message"] == "This token is for one worksheet; this needs more."
    error = await program.refused("worksheet.rename", worksheet=one["id"], title="x")
    assert error["message"] == "This needs a token with the scope 'edit'; yours is 'run'."
    await ana.call("worksheet.delete", worksheet=one["id"])
    assert (await program.refused("account.me"))["data"]["name"] == "NotSignedIn"


async def test_a_token_ends_at_its_date(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    soon = iso(quick_server.clock.seconds + 3600)
    made = await ana.call("token.create", label="x", expires=soon)
    assert made["token"]["expires"] == soon
    caller = await signin.identify(quick_server.context, bearer=made["secret"])
    program = Person(replace(quick_server.context, caller=caller))
    await program.call("account.me")
    quick_server.clock.seconds += 3601
    assert (await program.refused("account.me"))["data"]["name"] == "NotSignedIn"
    assert (await signin.identify(quick_server.context, bearer=made["secret"])).account is None
    error = await ana.refused("token.create", label="x", expires=soon)
    assert (error["data"]["field"], error["message"]) == ("expires", "expires: this time has passed.")
    error = await ana.refused("token.create", label="x", expires="2027-01-01T00:00:00")
    assert error["data"]["field"] == "expires"


async def test_a_token_for_a_worksheet_of_others_is_not_made(quick_server: Server) -> None:
    ana, ben = await quick_server.sign_in("ana"), await quick_server.sign_in("ben")
    sheet = await ana.call("worksheet.create")
    error = await ben.refused("token.create", label="x", worksheet=sheet["id"])
    assert error == await ben.refused("token.create", label="x", worksheet="no-such-thing-0000000000")
    assert error["data"]["name"] == "NotFound"
