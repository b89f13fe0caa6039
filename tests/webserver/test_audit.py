"""The audit: who did what, who was refused, nothing secret, and an end to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon_webserver import signin
from antiphon_webserver.audit import HELD, Audit
from antiphon_webserver.context import Caller
from antiphon_webserver.errors import DatabaseUnavailable, NotSignedIn
from antiphon_webserver.storage import audit
from tests.webserver.conftest import Person, Server

PASSWORD = "correct horse"  # noqa: S105  of nobody
NOW = "2027-01-15T08:00:00.000Z"


async def told(admin: Person, **params: Any) -> list[tuple[str, str, str, int]]:
    """Oldest first: who, what, how it ended, how often."""
    found = await admin.call("audit.list", **params)
    return [(e["account"], e["act"], e["outcome"], e["count"]) for e in reversed(found)]


async def test_rights_runs_and_refusals_are_written_down(server: Server) -> None:
    root, ana, ben = [await server.sign_in(name, admin=name == "root") for name in ("root", "ana", "ben")]
    sheet = (await ana.call("worksheet.create", title="layoffs"))["id"]
    await ana.call("member.set", worksheet=sheet, account="ben", role="observe")
    await ben.call("worksheet.open", worksheet=sheet)
    for _ in range(3):
        await ben.refused("worksheet.rename", worksheet=sheet, title="secret plan")
    await ana.call("session.run", worksheet=sheet, code="secret_code = 1")
    assert await told(root) == [
        ("ana", "member.set", "ok", 1),
        ("ben", "worksheet.rename", "RoleTooLow", 3),
        ("ana", "session.run", "ok", 1),
    ]
    (entry,) = await root.call("audit.list", act="member")
    assert entry["subject"] == {"worksheet": sheet, "account": "ben", "role": "observe"}
    assert [e["act"] for e in await root.call("audit.list", account="ana")] == ["session.run", "member.set"]
    first = (await root.call("audit.list", limit=1))[0]["number"]
    assert len(await root.call("audit.list", before=first)) == 2
    everything = str(await root.call("audit.list"))
    for secret in ("secret", "layoffs"):
        assert secret not in everything


async def test_a_right_that_was_given_is_written_before_it_is_answered(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    await ana.call("token.create", label="x")
    (entry,) = await quick_server.context.database.read(
        audit.list_all, before=None, limit=10, account=None, act=None
    )
    assert (entry.act, entry.outcome) == ("token.create", "ok")


async def test_sign_ins_are_written_down_without_what_was_typed(quick_server: Server) -> None:
    root = await quick_server.sign_in("root", admin=True)
    await root.call("account.create", name="eve", password=PASSWORD)
    context = replace(quick_server.context, caller=Caller(address="192.0.2.7"))
    await signin.by_password(context, "eve", PASSWORD)
    with pytest.raises(NotSignedIn):
        await signin.by_password(context, "hunter2", "hunter3")
    with pytest.raises(NotSignedIn):
        await signin.by_link(context, "hunter4")
    link = (await root.call("account.link", account="eve"))["url"].partition("#link=")[2]
    _, cookie = await signin.by_link(context, link)
    await signin.out(replace(context, caller=await signin.identify(context, cookie=cookie)))
    assert (await Person(context).refused("account.me"))["data"]["name"] == "NotSignedIn"
    acts = await told(root, act="signin")
    assert acts == [
        ("eve", "signin.password", "ok", 1),
        ("", "signin.password", "NotSignedIn", 1),
        ("", "signin.link", "NotSignedIn", 1),
        ("eve", "signin.link", "ok", 1),
        ("eve", "signin.out", "ok", 1),
    ]
    entries = await root.call("audit.list")
    assert {e["address"] for e in entries if e["act"].startswith("signin.p")} == {"192.0.2.7"}
    for secret in ("hunter", PASSWORD, link, cookie):
        assert secret not in str(entries)


async def test_a_flood_of_refusals_takes_little_room(quick_server: Server) -> None:
    record = Audit()
    for number in range(HELD + 500):
        record.note("x", date=NOW, subject={"cell": str(number)}, outcome="NotFound")
    database = quick_server.context.database
    await record.flush(database)
    found = await database.read(audit.list_all, before=None, limit=2 * HELD, account=None, act=None)
    assert len(found) == HELD + 1
    assert (found[0].act, found[0].count) == ("more", 500)


async def test_the_oldest_make_room(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "MOST_ENTRIES", 5)
    record, database = Audit(), server.context.database
    for number in range(12):
        record.note(f"act {number}", date=NOW)
        await record.flush(database)
    found = await database.read(audit.list_all, before=None, limit=100, account=None, act=None)
    assert [entry.act for entry in found] == [f"act {number}" for number in range(11, 6, -1)]


async def test_what_cannot_be_written_waits(quick_server: Server) -> None:
    class Broken:
        async def write(self, *_: object) -> None:
            raise DatabaseUnavailable("the disk is full")

    record = Audit()
    record.note("x", date=NOW)
    await record.flush(Broken())  # type: ignore[arg-type]  # a database that fails
    await record.flush(quick_server.context.database)
    found = await quick_server.context.database.read(
        audit.list_all, before=None, limit=10, account=None, act=None
    )
    assert [entry.act for entry in found] == ["x"]


async def test_an_admin_sees_sessions_and_ends_them_but_not_what_they_hold(server: Server) -> None:
    root, ana = await server.sign_in("root", admin=True), await server.sign_in("ana")
    made = await ana.call("session.create", title="layoffs")
    (seen,) = await root.call("admin.sessions")
    assert (seen["uid"], seen["owner"]) == (made["uid"], "ana")
    assert "layoffs" not in str(seen)
    assert (await root.refused("feed.since", session=made["uid"], cursor=0))["data"]["name"] == "NotFound"
    await root.call("admin.close_session", session=made["uid"])
    assert await root.call("admin.sessions") == []
    assert (await ana.call("session.info", session=made["uid"]))["reason"] == "An administrator closed it."
    assert (await root.refused("admin.close_session", session="none"))["data"]["name"] == "NotFound"
    assert ("root", "admin.close_session", "ok", 1) in await told(root)
    assert (await root.call("admin.limits"))["limits"]["title_chars"] == 200
