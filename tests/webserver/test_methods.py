"""The methods, through the dispatcher, on each kind of database."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from antiphon_webserver import signin
from antiphon_webserver.errors import KernelUnavailable, NotSignedIn
from antiphon_webserver.limits import LIMITS
from antiphon_webserver.model import RunCreated, RunEnded, SessionOpened
from antiphon_webserver.storage import publications, runs
from tests.webserver.conftest import Person, Server
from tests.webserver.fakes import FakeSubscriber

ID = "made-by-the-client-0001"


async def sheet_of(person: Person, title: str = "Sheet") -> tuple[str, str]:
    """A new worksheet and its one cell."""
    sheet = await person.call("worksheet.create", title=title)
    snapshot = await person.call("worksheet.open", worksheet=sheet["id"])
    return sheet["id"], snapshot["cells"][0]["id"]


def kinds(server: Server) -> list[str]:
    return [type(entry).__name__ for entry in server.relay.announced]


# --- What this server is ----------------------------------------------------------------------


async def test_info_tells_a_stranger_little(quick_server: Server) -> None:
    assert await quick_server.nobody.call("server.info") == {
        "version": quick_server.context.version,
        "edition": "default",
        "kernel": "ready",
        "signup": "closed",
        "oidc": False,
        "signed_in": None,
    }


# --- Worksheets -------------------------------------------------------------------------------


async def test_a_worksheet_made_twice_with_one_id_is_one(server: Server) -> None:
    ana = await server.sign_in("ana")
    first = await ana.call("worksheet.create", title="A", worksheet=ID)
    assert first == await ana.call("worksheet.create", title="A", worksheet=ID)
    assert [sheet["id"] for sheet in await ana.call("worksheet.list")] == [ID]


async def test_an_edit_goes_from_one_to_the_other(server: Server) -> None:
    ana, ben = await server.sign_in("ana"), await server.sign_in("ben")
    sheet, cell = await sheet_of(ana)
    await ana.call("member.set", worksheet=sheet, account="ben", role="edit")
    cursor = (await ben.call("worksheet.open", worksheet=sheet))["cursor"]
    assert await ana.call("cell.edit", worksheet=sheet, cell=cell, version=0, source="x = 1") == {
        "version": 1
    }
    page = await ben.call("worksheet.since", worksheet=sheet, cursor=cursor)
    (entry,) = page["entries"]
    assert (entry["kind"], entry["changes"], entry["author"]) == ("cell_edited", [[0, "x = 1"]], "ana")
    error = await ben.refused("cell.edit", worksheet=sheet, cell=cell, version=0, source="x = 2")
    assert (error["code"], error["data"]["version"], error["data"]["source"]) == (-32004, 1, "x = 1")


async def test_cells_are_made_moved_converted_and_deleted(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, first = await sheet_of(ana)
    second = await ana.call("cell.create", worksheet=sheet, after=first, type="markdown", source="# Hi")
    again = await ana.call("cell.create", worksheet=sheet, cell=ID)
    assert again == await ana.call("cell.create", worksheet=sheet, cell=ID)
    await ana.call("cell.move", worksheet=sheet, cell=first, after=second["id"])
    await ana.call("cell.convert", worksheet=sheet, cell=second["id"], type="code")
    await ana.call("cell.delete", worksheet=sheet, cell=ID)
    await ana.call("cell.delete", worksheet=sheet, cell=ID)
    cells = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    assert [(cell["id"], cell["type"]) for cell in cells] == [(second["id"], "code"), (first, "code")]
    assert kinds(server) == ["CellCreated", "CellCreated", "CellMoved", "CellConverted", "CellDeleted"]


async def test_what_is_said_about_a_cell_is_patched_and_bounded(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    (cell,) = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    assert cell["metadata"] == {}

    async def patch(patch: dict[str, Any]) -> Any:
        answer = await ana.call("cell.annotate", worksheet=sheet, cell=cell["id"], patch=patch)
        return answer["metadata"]

    assert await patch({"tags": ["a"], "jupyter": {"source_hidden": True}}) == {
        "tags": ["a"],
        "jupyter": {"source_hidden": True},
    }
    # Source: the examples of RFC 7396, as far as they concern objects.
    assert await patch({"tags": None, "jupyter": {"outputs_hidden": True, "source_hidden": None}}) == {
        "jupyter": {"outputs_hidden": True}
    }
    assert await patch({"jupyter": {"outputs_hidden": None}, "a": {"b": {"c": None}}}) == {
        "jupyter": {},
        "a": {"b": {}},
    }
    before = len(server.relay.announced)
    await patch({"a": {"b": {}}})
    assert len(server.relay.announced) == before
    error = await ana.refused("cell.annotate", worksheet=sheet, cell=cell["id"], patch={"a": "x" * 65_536})
    assert error["data"]["limit"] == "metadata_bytes"


async def test_what_is_said_about_a_cell_comes_back_with_it(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    (cell,) = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    of_it = {"worksheet": sheet, "cell": cell["id"]}
    await ana.call("cell.edit", **of_it, version=0, source="1")
    await ana.call("cell.annotate", **of_it, patch={"tags": ["kept"]})
    await ana.call("cell.convert", **of_it, type="markdown")
    told = (await ana.call("worksheet.since", worksheet=sheet, cursor=0))["entries"]
    (annotated,) = [entry for entry in told if entry["kind"] == "cell_annotated"]
    assert annotated["metadata"] == {"tags": ["kept"]}
    await ana.call("cell.annotate", **of_it, patch={"tags": None})
    earlier = await ana.call("worksheet.at", worksheet=sheet, number=annotated["number"])
    assert earlier["cells"][0]["metadata"] == {"tags": ["kept"]}
    await ana.call("worksheet.restore", worksheet=sheet, number=annotated["number"])
    await ana.call("cell.delete", **of_it)
    (deleted,) = (await ana.call("worksheet.bin", worksheet=sheet))["deleted"]
    assert deleted["cell"]["metadata"] == {"tags": ["kept"]}
    await ana.call("cell.restore", **of_it)
    (back,) = [
        one for one in (await ana.call("worksheet.open", worksheet=sheet))["cells"] if one["id"] == cell["id"]
    ]
    assert (back["metadata"], back["type"]) == ({"tags": ["kept"]}, "code")
    exported = await ana.call("worksheet.export", worksheet=sheet, format="ipynb")
    assert {"tags": ["kept"]} in [one["metadata"] for one in json.loads(exported["text"])["cells"]]


async def test_what_is_made_twice_under_one_id_is_made_once(server: Server) -> None:
    ana, ben = await server.sign_in("ana"), await server.sign_in("ben")
    sheet = (await ana.call("worksheet.create"))["id"]
    other = (await ben.call("worksheet.create"))["id"]
    id = "an-id-of-22-characters"

    async def signs_in(secret: str) -> bool:
        return (await signin.identify(server.context, bearer=secret)).account is not None

    before = len(await ana.call("token.list"))
    first = await ana.call("token.create", label="x", scope="run", token=id)
    again = await ana.call("token.create", label="x", scope="run", token=id)
    assert first["token"] == again["token"]
    assert len(await ana.call("token.list")) == before + 1
    assert [await signs_in(each["secret"]) for each in (first, again)] == [False, True]
    error = await ben.refused("token.create", label="x", token=id)
    assert (error["data"]["name"], error["data"]["field"]) == ("Conflict", "token")
    assert await signs_in(again["secret"])

    first = await ana.call("link.create", worksheet=sheet, role="observe", link=id)
    again = await ana.call("link.create", worksheet=sheet, role="observe", link=id)
    assert first["link"] == again["link"]
    assert first["url"] != again["url"]
    assert len(await ana.call("link.list", worksheet=sheet)) == 1
    error = await ben.refused("link.create", worksheet=other, role="observe", link=id)
    assert (error["data"]["name"], error["data"]["field"]) == ("Conflict", "link")

    first = await ana.call("session.create", msg_id=id)
    assert await ana.call("session.create", msg_id=id) == first
    assert (await ben.call("session.create", msg_id=id))["uid"] != first["uid"]
    assert [each["uid"] for each in await ana.call("session.list")] == [first["uid"]]


async def test_what_is_announced_is_what_is_stored(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    await ana.call("worksheet.rename", worksheet=sheet, title="New")
    await ana.call("cell.run", worksheet=sheet, cell=cell, source="1", version=0)
    page = await server.relay.entries_since(sheet, 1, limit=100, wait=0)  # type: ignore[arg-type]  # a plain string
    assert tuple(server.relay.announced) == page.entries


async def test_deleting_a_worksheet_ends_its_session_and_its_readers(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    session = await ana.call("worksheet.session", worksheet=sheet)
    await ana.call("worksheet.delete", worksheet=sheet)
    assert server.sessions.closed == [session["uid"]]
    assert server.relay.forgotten == [sheet]
    assert (await ana.refused("session.info", session=session["uid"]))["code"] == -32002


async def test_a_worksheet_is_deleted_though_the_kernel_is_gone(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    await ana.call("worksheet.session", worksheet=sheet)
    server.sessions.refuse = KernelUnavailable("The kernel cannot be reached.")
    await ana.call("worksheet.delete", worksheet=sheet)
    assert await ana.call("worksheet.list") == []


@pytest.mark.parametrize(
    ("method", "params", "limit"),
    [
        ("worksheet.create", {"title": "x" * 201}, "title_chars"),
        ("token.create", {"label": "x" * 101}, "label_chars"),
        ("token.login", {"name": "n" * 65, "password": "p", "label": ""}, "name_chars"),
        ("token.login", {"name": "n", "password": "p" * 1025, "label": ""}, "password_chars"),
        ("account.set_password", {"password": "p" * 1025}, "password_chars"),
        ("session.create", {"title": "x" * 201}, "title_chars"),
    ],
)
async def test_what_is_too_long_names_its_limit(
    method: str, params: dict[str, Any], limit: str, quick_server: Server
) -> None:
    ana = await quick_server.sign_in("ana")
    error = await ana.refused(method, **params)
    assert error["code"] == -32005
    assert error["data"] == {"name": "LimitExceeded", "limit": limit, "value": LIMITS[limit]}


@pytest.mark.parametrize("character", ["\n", "\x1b", "\u202e", "\u2066"])
async def test_a_line_holds_nothing_that_changes_what_stands_around_it(
    character: str, quick_server: Server
) -> None:
    admin = await quick_server.sign_in("root", admin=True)
    sheet, _ = await sheet_of(admin)
    for method, field, params in (
        ("worksheet.create", "title", {}),
        ("worksheet.rename", "title", {"worksheet": sheet}),
        ("session.create", "title", {}),
        ("account.create", "display_name", {"name": "ben"}),
    ):
        error = await admin.refused(method, **params, **{field: f"nim{character}da"})
        assert error["data"]["field"] == field
    await admin.call("worksheet.rename", worksheet=sheet, title="\u200fמזג אוויר\u200f <b>")


async def test_a_source_is_bounded_in_bytes(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    at_limit = "é" * (LIMITS["source_bytes"] // 2)
    await ana.call("cell.edit", worksheet=sheet, cell=cell, version=0, source=at_limit)
    for method, more in (("cell.edit", {}), ("cell.run", {}), ("cell.create", None)):
        params: dict[str, Any] = {"cell": cell, "version": 1} if more is not None else {}
        error = await ana.refused(method, worksheet=sheet, source=at_limit + "x", **params)
        assert error["data"]["limit"] == "source_bytes"


async def test_what_an_account_may_have_is_bounded(
    quick_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("account_worksheets", "account_tokens", "account_sessions", "worksheet_members"):
        monkeypatch.setitem(LIMITS, name, 1)
    ana = await quick_server.sign_in("ana")
    await quick_server.sign_in("ben")
    sheet, _ = await sheet_of(ana)
    await ana.call("session.create")
    for method, params, limit in (
        ("worksheet.create", {}, "account_worksheets"),
        ("token.create", {"label": "x"}, "account_tokens"),
        ("session.create", {}, "account_sessions"),
        ("member.set", {"worksheet": sheet, "account": "ben", "role": "run"}, "worksheet_members"),
    ):
        assert (await ana.refused(method, **params))["data"]["limit"] == limit


# --- Running ----------------------------------------------------------------------------------


async def test_a_run_is_written_before_it_is_handed_over(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    run = await ana.call("cell.run", worksheet=sheet, cell=cell, source="1 + 1", version=0)
    assert (run["state"], run["code"]) == ("queued", "1 + 1")
    assert server.sessions.executed == [(run["session"], "1 + 1", run["msg_id"], "ana")]
    assert server.sessions.recorded == [run["session"]]
    assert kinds(server) == ["SessionOpened", "CellEdited", "RunCreated"]
    assert [item["id"] for item in (await ana.call("worksheet.open", worksheet=sheet))["runs"]] == [run["id"]]


async def test_a_run_asks_the_kernel_only_about_a_session_it_has_not_heard(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    await ana.call("cell.run", worksheet=sheet, cell=cell)
    await ana.call("cell.run", worksheet=sheet, cell=cell)
    assert server.sessions.asked == []
    server.sessions.silent = True
    run = await ana.call("cell.run", worksheet=sheet, cell=cell)
    assert server.sessions.asked == [run["session"]]


async def test_a_run_asked_for_twice_runs_once(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    params = {"worksheet": sheet, "cell": cell, "source": "x", "version": 0, "run": ID}
    first = await ana.call("cell.run", **params)
    assert await ana.call("cell.run", **params) == first
    answers = await asyncio.gather(*(ana.call("cell.run", **params) for _ in range(5)))
    assert answers == [first] * 5
    assert len(server.sessions.executed) == 1


async def test_runs_at_once_share_one_session(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    done = await asyncio.gather(*(ana.call("cell.run", worksheet=sheet, cell=cell) for _ in range(5)))
    (session,) = {run["session"] for run in done}
    assert set(server.sessions.known) == {session}
    assert kinds(server).count("SessionOpened") == 1
    assert len(server.sessions.executed) == 5


async def test_a_run_that_cannot_be_handed_over_is_lost(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    await ana.call("worksheet.session", worksheet=sheet)
    server.sessions.refuse = KernelUnavailable("The kernel cannot be reached.")
    error = await ana.refused("cell.run", worksheet=sheet, cell=cell)
    assert error["data"]["name"] == "KernelUnavailable"
    _, created, ended = server.relay.announced
    assert isinstance(created, RunCreated)
    assert isinstance(ended, RunEnded)
    assert (ended.run, ended.state, ended.reason) == (created.run.id, "lost", "The kernel cannot be reached.")
    (run,) = (await ana.call("worksheet.open", worksheet=sheet))["runs"]
    assert run["state"] == "lost"


async def test_a_run_that_was_refused_early_leaves_nothing(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    server.sessions.refuse = KernelUnavailable("The kernel cannot be reached.")
    await ana.refused("cell.run", worksheet=sheet, cell=cell, source="x", version=0)
    snapshot = await ana.call("worksheet.open", worksheet=sheet)
    assert (snapshot["runs"], snapshot["session"], snapshot["cells"][0]["source"]) == ([], None, "")


async def test_a_stale_edit_runs_nothing(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    await ana.call("cell.edit", worksheet=sheet, cell=cell, version=0, source="new")
    error = await ana.refused("cell.run", worksheet=sheet, cell=cell, source="old", version=0)
    assert error["data"]["source"] == "new"
    assert server.sessions.executed == []


@pytest.mark.parametrize(("given", "field"), [({"source": "x"}, "version"), ({"version": 0}, "source")])
async def test_a_source_needs_its_version(given: dict[str, Any], field: str, quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    error = await ana.refused("cell.run", worksheet=sheet, cell=cell, **given)
    assert (error["code"], error["data"]["field"]) == (-32602, field)


async def test_a_kernel_that_was_restarted_gives_a_new_session(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    old = await ana.call("cell.run", worksheet=sheet, cell=cell)
    server.sessions.lose_everything()
    new = await ana.call("cell.run", worksheet=sheet, cell=cell)
    assert new["session"] != old["session"]
    opened, lost, created = server.relay.announced[2:]
    assert isinstance(opened, SessionOpened)
    assert isinstance(lost, RunEnded)
    assert isinstance(created, RunCreated)
    assert (lost.run, lost.state) == (old["id"], "lost")
    assert (await ana.call("session.info", session=old["session"]))["state"] == "lost"


async def test_a_dead_session_is_not_replaced_unasked(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    uid = (await ana.call("worksheet.session", worksheet=sheet))["uid"]
    server.sessions.die(uid, "It was ended by signal 9.")
    error = await ana.refused("cell.run", worksheet=sheet, cell=cell)
    assert (error["code"], error["data"]["reason"]) == (-32008, "It was ended by signal 9.")
    assert (await ana.call("session.info", session=uid))["state"] == "dead"


async def test_a_session_that_lost_the_race_is_closed_again(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    got = await asyncio.gather(*(ana.call("worksheet.session", worksheet=sheet) for _ in range(5)))
    (uid,) = {session["uid"] for session in got}
    assert set(server.sessions.known) == {uid}
    assert server.sessions.recorded == [uid]


async def test_outputs_are_in_the_snapshot_with_their_cursor(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, cell = await sheet_of(ana)
    run = await ana.call("cell.run", worksheet=sheet, cell=cell)
    await server.context.database.write(
        publications.store, run["session"], [_printed(number, run["msg_id"]) for number in (1, 2, 3)]
    )
    await server.context.database.write(
        runs.end, run["session"], run["msg_id"], state="ok", execution_count=1, now=server.context.now
    )
    snapshot = await ana.call("worksheet.open", worksheet=sheet)
    (printed,) = snapshot["outputs"][run["id"]]
    assert (printed["number"], printed["content"]["text"]) == (3, "123")
    assert snapshot["session"] == {"uid": run["session"], "cursor": 3}
    assert snapshot["runs"][0]["state"] == "ok"
    page = await ana.call("feed.since", session=run["session"], cursor=1)
    assert ([item["number"] for item in page["publications"]], page["latest"]) == ([2, 3], 3)


def _printed(number: int, parent: str) -> Any:
    from tests.webserver.test_storage import stream

    return stream(number, str(number), parent=parent)


# --- Sessions ---------------------------------------------------------------------------------


async def test_a_session_of_another_kernel(server: Server) -> None:
    ana = await server.sign_in("ana")
    session = await ana.call("session.create", title="scratch", kernel="ir")
    assert server.sessions.known[session["uid"]].kernel == "ir"


async def test_a_session_of_ones_own(server: Server) -> None:
    ana = await server.sign_in("ana")
    session = await ana.call("session.create", title="scratch")
    uid = session["uid"]
    assert (session["owner"], session["worksheet"]) == ("ana", None)
    assert await ana.call("session.execute", session=uid, code="1", msg_id=ID) == {"msg_id": ID}
    assert server.sessions.executed == [(uid, "1", ID, "ana")]
    assert (await ana.call("session.info", session=uid))["state"] == "idle"
    assert (await ana.call("session.complete", session=uid, code="a", cursor_pos=1))["matches"] == ["ax"]
    assert (await ana.call("session.inspect", session=uid, code="a", cursor_pos=1))["found"] is True
    found = await ana.call("session.variables", session=uid, search="a")
    assert [variable["name"] for variable in found["variables"]] == ["a"]
    assert (await ana.call("session.variable", session=uid, name="a"))["text"] == "1"
    await ana.call("session.close", session=uid)
    assert await ana.call("session.list") == []
    assert (await ana.call("session.info", session=uid))["state"] == "closed"


async def test_what_one_person_tries_is_a_run_without_a_number(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet, _ = await sheet_of(ana)
    session = (await ana.call("worksheet.session", worksheet=sheet))["uid"]
    await ana.call("session.execute", session=session, code="x", msg_id=ID, scratch=True)
    assert server.sessions.tried == [ID]
    told = (await ana.call("worksheet.since", worksheet=sheet, cursor=0))["entries"]
    assert [entry["run"]["scratch"] for entry in told if entry["kind"] == "run_created"] == [True]


async def test_subscriptions_reach_the_connection(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    follower = FakeSubscriber()
    ana = Person(replace(ana.context, subscriber=follower))
    sheet, _ = await sheet_of(ana)
    session = (await ana.call("worksheet.session", worksheet=sheet))["uid"]
    await ana.call("worksheet.subscribe", worksheet=sheet, cursor=3)
    await ana.call("feed.subscribe", session=session, cursor=7)
    await ana.call("worksheet.unsubscribe", worksheet=sheet)
    await ana.call("feed.unsubscribe", session=session)
    assert follower.followed == [("worksheet", sheet, 3), ("feed", session, 7)]
    assert follower.unfollowed == [sheet, session]


# --- Accounts ---------------------------------------------------------------------------------


async def test_an_account_is_made_and_its_link_signs_in_once(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    made = await admin.call("account.create", name="ben", display_name="Ben")
    assert made["account"] == {"name": "ben", "display_name": "Ben", "admin": False, "visitor": False}
    url, secret = made["link"]["url"].split("/#link=")
    assert url == "http://antiphon.test"
    account, cookie = await signin.by_link(server.context, secret)
    assert account.name == "ben"
    caller = await signin.identify(server.context, cookie=cookie)
    assert (caller.account, caller.way) == (account, "link")
    with pytest.raises(NotSignedIn):
        await signin.by_link(server.context, secret)
    assert (await admin.refused("account.create", name="ben"))["code"] == -32004


async def test_a_link_expires(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    link = await admin.call("account.link")
    server.clock.seconds += signin.LINK_SECONDS
    with pytest.raises(NotSignedIn):
        await signin.by_link(server.context, link["url"].split("=")[1])


async def test_a_password_signs_in_by_cookie_and_by_token(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    await admin.call("account.create", name="ben", password="correct horse")  # noqa: S106
    _, cookie = await signin.by_password(server.context, "ben", "correct horse")
    assert (await signin.identify(server.context, cookie=cookie)).way == "password"
    made = await server.nobody.call("token.login", name="ben", password="correct horse", label="cli")  # noqa: S106
    caller = await signin.identify(server.context, bearer=made["secret"])
    assert (caller.way, caller.account and caller.account.name) == ("token", "ben")


@pytest.mark.parametrize("name", ["ben", "nobody-of-this-name", "root"])
async def test_a_wrong_password_an_unknown_name_and_no_password_are_the_same(
    name: str, server: Server
) -> None:
    admin = await server.sign_in("root", admin=True)
    await admin.call("account.create", name="ben", password="correct horse")  # noqa: S106
    error = await server.nobody.refused("token.login", name=name, password="wrong horse", label="")  # noqa: S106
    assert error == {
        "code": -32001,
        "message": "The name or the password is wrong.",
        "data": {"name": "NotSignedIn"},
    }


async def test_signing_in_is_limited_and_the_wait_is_told(quick_server: Server) -> None:
    wrong = {"name": "ana", "password": "wrong horse", "label": ""}
    for _ in range(10):
        await quick_server.nobody.refused("token.login", **wrong)
    error = await quick_server.nobody.refused("token.login", **wrong)
    assert (error["code"], error["data"]["retry_after"]) == (-32006, 30)
    quick_server.clock.seconds += 30
    assert (await quick_server.nobody.refused("token.login", **wrong))["code"] == -32001


async def test_a_new_password_needs_the_old_one_and_ends_other_signins(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    await admin.call("account.create", name="ben", password="correct horse")  # noqa: S106
    context = server.context
    _, here = await signin.by_password(context, "ben", "correct horse")
    _, there = await signin.by_password(context, "ben", "correct horse")
    ben = Person(replace(context, caller=await signin.identify(context, cookie=here)))
    for current in (None, "wrong horse"):
        error = await ben.refused("account.set_password", password="battery staple", current=current)  # noqa: S106
        assert error["data"] == {"name": "InvalidParams", "field": "current"}
    await ben.call("account.set_password", password="battery staple", current="correct horse")  # noqa: S106
    assert (await ben.call("account.me"))["name"] == "ben"
    assert (await signin.identify(context, cookie=there)).account is None
    await signin.by_password(context, "ben", "battery staple")


async def test_who_came_by_link_needs_no_old_password(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    await admin.call("account.create", name="ben", password="correct horse")  # noqa: S106
    link = await admin.call("account.link", account="ben")
    _, cookie = await signin.by_link(server.context, link["url"].split("=")[1])
    ben = Person(replace(server.context, caller=await signin.identify(server.context, cookie=cookie)))
    await ben.call("account.set_password", password="battery staple")  # noqa: S106


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "a b"}, "name"),
        ({"name": "-a"}, "name"),
        ({"name": "a\u202eb"}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "ben", "password": "1234567"}, "password"),
    ],
)
async def test_an_account_needs_a_proper_name_and_password(
    params: dict[str, Any], field: str, quick_server: Server
) -> None:
    admin = await quick_server.sign_in("root", admin=True)
    assert (await admin.refused("account.create", **params))["data"]["field"] == field


async def test_signing_out_ends_the_cookie(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    link = await admin.call("account.link")
    _, cookie = await signin.by_link(server.context, link["url"].split("=")[1])
    caller = await signin.identify(server.context, cookie=cookie)
    await signin.out(replace(server.context, caller=caller))
    assert (await signin.identify(server.context, cookie=cookie)).account is None


async def test_a_cookie_ends_by_itself(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    link = await admin.call("account.link")
    _, cookie = await signin.by_link(server.context, link["url"].split("=")[1])
    server.clock.seconds += signin.SIGNIN_SECONDS
    assert (await signin.identify(server.context, cookie=cookie)).account is None


async def test_no_secret_is_in_the_database(server: Server) -> None:
    admin = await server.sign_in("root", admin=True)
    made = await admin.call("account.create", name="ben", password="correct horse")  # noqa: S106
    token = await admin.call("token.create", label="x")
    link = await admin.call("account.link")
    _, cookie = await signin.by_link(server.context, link["url"].split("=")[1])
    stored = await server.context.database.read(_everything)
    for secret in (token["secret"], cookie, made["link"]["url"].split("=")[1], "correct horse"):
        assert secret not in stored
    assert "$argon2id$" in stored


def _everything(connection: Any) -> str:
    from antiphon_webserver.storage.tables import metadata

    return str([row for table in metadata.sorted_tables for row in connection.execute(table.select())])


async def test_the_local_account_is_made_once_and_its_token_replaced(server: Server) -> None:
    database, now = server.context.database, server.context.now
    account = await database.write(signin.ensure_local_account, "ana", now)
    assert account == await database.write(signin.ensure_local_account, "ana", now)
    assert account.admin
    first = await database.write(signin.issue_local_token, account.name, "first", now)
    second = await database.write(signin.issue_local_token, account.name, "second", now)
    assert (await signin.identify(server.context, bearer=first)).account is None
    assert (await signin.identify(server.context, bearer=second)).account == account


async def test_a_token_says_when_it_was_used(server: Server) -> None:
    ana = await server.sign_in("ana")
    made = await ana.call("token.create", label="cli")
    server.clock.seconds += 1000
    await signin.identify(server.context, bearer=made["secret"])
    used = {token["label"]: token["last_used"] for token in await ana.call("token.list")}
    assert used["cli"] == server.context.now


# --- Ownership --------------------------------------------------------------------------------


async def test_a_worksheet_is_given_to_somebody_else_by_its_owner_alone(server: Server) -> None:
    ana, ben, eve = [await server.sign_in(name) for name in ("ana", "ben", "eve")]
    sheet = (await ana.call("worksheet.create", title="T"))["id"]
    session = await ana.call("worksheet.session", worksheet=sheet)
    await ana.call("member.set", worksheet=sheet, account="eve", role="own")
    error = await eve.refused("worksheet.transfer", worksheet=sheet, account="eve")
    assert error["data"] == {"name": "RoleTooLow", "needs": "owner", "has": "own"}

    owner = await ana.call("worksheet.transfer", worksheet=sheet, account="ben")
    assert owner == {"account": "ben", "display_name": "ben", "role": "own", "link": None}
    snapshot = await ben.call("worksheet.open", worksheet=sheet)
    assert snapshot["worksheet"]["owner"] == "ben"
    assert [(m["account"], m["role"]) for m in snapshot["members"]] == [
        ("ana", "own"),
        ("ben", "own"),
        ("eve", "own"),
    ]
    assert (await ben.call("session.info", session=session["uid"]))["owner"] == "ben"
    entry = (await ben.call("worksheet.since", worksheet=sheet, cursor=0))["entries"][-1]
    assert (entry["kind"], entry["author"], entry["owner"]["account"]) == ("owner_changed", "ana", "ben")

    assert (await ana.refused("worksheet.transfer", worksheet=sheet, account="ana"))["code"] == -32003
    assert (await ana.refused("member.remove", worksheet=sheet, account="ben"))["code"] == -32004
    await ben.call("member.remove", worksheet=sheet, account="ana")
    assert (await ana.refused("worksheet.open", worksheet=sheet))["code"] == -32002


async def test_to_give_to_oneself_what_one_owns_changes_nothing(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    await ana.call("worksheet.transfer", worksheet=sheet, account="ana")
    assert (await ana.call("worksheet.since", worksheet=sheet, cursor=0))["latest"] == 1


async def test_a_change_of_many_cells_is_done_whole_or_not_at_all(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    (first,) = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    names = {first["id"]: "first"} | {f"an-id-of-22-characters-{name}": name for name in "abc"}
    ids = {name: id for id, name in names.items()}

    async def change(*steps: dict[str, Any]) -> None:
        await ana.call("worksheet.change", worksheet=sheet, steps=list(steps))

    async def order() -> list[str]:
        return [names[cell["id"]] for cell in (await ana.call("worksheet.open", worksheet=sheet))["cells"]]

    a = {"do": "create", "cell": ids["a"], "after": first["id"], "source": "1", "metadata": {"tags": ["x"]}}
    b = {"do": "create", "cell": ids["b"], "after": ids["a"], "type": "markdown"}
    before = len(server.relay.announced)
    await change(a, b, {"do": "move", "cell": first["id"], "after": ids["b"]})
    assert await order() == ["a", "b", "first"]
    assert len(server.relay.announced) == before + 3
    await change(a, b)  # a retry
    assert await order() == ["a", "b", "first"]
    assert len(server.relay.announced) == before + 3

    convert = {"do": "convert", "cell": ids["a"], "type": "markdown"}
    annotate = {"do": "annotate", "cell": ids["a"], "patch": {"tags": None, "collapsed": True}}
    await change(convert, annotate, {"do": "delete", "cell": ids["b"]}, {"do": "delete", "cell": first["id"]})
    (cell,) = (await ana.call("worksheet.open", worksheet=sheet))["cells"]
    assert (cell["type"], cell["source"], cell["metadata"]) == ("markdown", "1", {"collapsed": True})
    # The last one that went is the first to come back, to where it stood.
    await change({"do": "restore", "cell": first["id"]}, {"do": "restore", "cell": ids["b"]})
    assert await order() == ["a", "b", "first"]

    c = {"do": "create", "cell": ids["c"], "after": None}
    refused = await ana.refused(
        "worksheet.change", worksheet=sheet, steps=[c, {"do": "move", "cell": "gone", "after": None}]
    )
    assert (refused["data"]["name"], refused["data"]["step"]) == ("NotFound", 1)
    assert await order() == ["a", "b", "first"]
    refused = await ana.refused("worksheet.change", worksheet=sheet, steps=[{"do": "explode", "cell": "x"}])
    assert refused["data"]["name"] == "InvalidParams"
    refused = await ana.refused("worksheet.change", worksheet=sheet, steps=[convert] * 4_001)
    assert refused["data"]["limit"] == "change_steps"
