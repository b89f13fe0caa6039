"""Who makes an account, by which rule; and how an admin puts somebody out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon_webserver import signin
from antiphon_webserver.attempts import BURST
from antiphon_webserver.errors import NotSignedIn
from antiphon_webserver.model import SignUp
from tests.webserver.conftest import Person, Server

PASSWORD = "correct horse"  # noqa: S105  of nobody


def with_rule(server: Server, rule: SignUp) -> Person:
    return Person(replace(server.context, signup=rule))


async def browser(server: Server, name: str) -> Person:
    """Somebody who signed in with the password."""
    _, cookie = await signin.by_password(server.context, name, PASSWORD)
    caller = await signin.identify(server.context, cookie=cookie)
    return Person(replace(server.context, caller=caller))


async def invitation(server: Server, admin: Person) -> str:
    made = await admin.call("account.invite")
    assert made["url"].startswith("http://antiphon.test/#join=")
    return str(made["url"].partition("#join=")[2])


async def test_nobody_signs_up_where_it_is_closed(quick_server: Server) -> None:
    assert (await quick_server.nobody.call("server.info"))["signup"] == "closed"
    error = await quick_server.nobody.refused("account.sign_up", name="eve", password=PASSWORD)
    assert error["message"] == "This server has no sign-up. Ask an administrator for an account."


async def test_anybody_signs_up_where_it_is_open(server: Server) -> None:
    anybody = with_rule(server, "open")
    assert (await anybody.call("server.info"))["signup"] == "open"
    made = await anybody.call("account.sign_up", name="eve", password=PASSWORD, display_name="Eve")
    assert made == {"name": "eve", "display_name": "Eve", "admin": False, "visitor": False}
    assert (await browser(server, "eve")).account.name == "eve"
    error = await anybody.refused("account.sign_up", name="eve", password=PASSWORD)
    assert error["data"]["name"] == "Conflict"
    for params, field in (
        ({"name": "a b", "password": PASSWORD}, "name"),
        ({"name": "visitor~0", "password": PASSWORD}, "name"),
        ({"name": "x", "password": "short"}, "password"),
        ({"name": "x", "password": PASSWORD, "display_name": "a\nb"}, "display_name"),
    ):
        assert (await anybody.refused("account.sign_up", **params))["data"]["field"] == field


async def test_who_was_invited_signs_up_once(server: Server) -> None:
    anybody, root = with_rule(server, "invite"), await server.sign_in("root", admin=True)
    secret = await invitation(server, root)
    for wrong in (None, "wrong"):
        error = await anybody.refused("account.sign_up", name="eve", password=PASSWORD, invitation=wrong)
        assert error["data"]["name"] == "NotFound"
    taken = await anybody.refused("account.sign_up", name="root", password=PASSWORD, invitation=secret)
    assert taken["data"]["name"] == "Conflict"  # and the invitation is still good
    await anybody.call("account.sign_up", name="eve", password=PASSWORD, invitation=secret)
    error = await anybody.refused("account.sign_up", name="eva", password=PASSWORD, invitation=secret)
    assert "used already, or has expired" in error["message"]
    late = await invitation(server, root)
    server.clock.seconds += signin.LINK_SECONDS
    error = await anybody.refused("account.sign_up", name="eva", password=PASSWORD, invitation=late)
    assert error["data"]["name"] == "NotFound"


async def test_one_address_makes_few_accounts(quick_server: Server) -> None:
    anybody = with_rule(quick_server, "open")
    for number in range(BURST):
        await anybody.call("account.sign_up", name=f"eve{number}", password=PASSWORD)
    error = await anybody.refused("account.sign_up", name="eve", password=PASSWORD)
    assert error["data"]["name"] == "TooManyAttempts"


async def person_with_password(server: Server, name: str) -> None:
    await with_rule(server, "open").call("account.sign_up", name=name, password=PASSWORD)


def ids(found: Any) -> list[str]:
    return [each["id"] for each in found]


async def test_sign_ins_are_listed_and_ended_by_their_account(server: Server) -> None:
    await person_with_password(server, "eve")
    here, there, away = [await browser(server, "eve") for _ in range(3)]
    found = await here.call("signin.list")
    assert [(each["way"], each["here"]) for each in found].count(("password", True)) == 1
    other = next(each["id"] for each in await there.call("signin.list") if each["here"])
    await here.call("signin.end", signin=other)
    assert (await there.refused("account.me"))["data"]["name"] == "NotSignedIn"
    assert (await here.refused("signin.end", signin=other))["data"]["name"] == "NotFound"
    await here.call("signin.end")
    assert (await away.refused("account.me"))["data"]["name"] == "NotSignedIn"
    (mine,) = await here.call("signin.list")
    assert mine["here"]


async def test_an_admin_ends_the_sign_ins_of_others(server: Server) -> None:
    await person_with_password(server, "eve")
    root, eve = await server.sign_in("root", admin=True), await browser(server, "eve")
    assert len(ids(await root.call("signin.list", account="eve"))) == 1
    await root.call("signin.end", account="eve")
    assert (await eve.refused("account.me"))["data"]["name"] == "NotSignedIn"
    assert (await root.call("account.me"))["name"] == "root"
    ben = await server.sign_in("ben")
    (own,) = ids(await (await browser(server, "eve")).call("signin.list"))
    assert (await ben.refused("signin.end", signin=own))["data"]["name"] == "NotFound"


async def test_a_disabled_account_lets_nobody_in(server: Server) -> None:
    await person_with_password(server, "eve")
    root, eve = await server.sign_in("root", admin=True), await browser(server, "eve")
    sheet = await eve.call("worksheet.create")
    token = (await eve.call("token.create", label="x"))["secret"]
    link = (await root.call("account.link", account="eve"))["url"].partition("#link=")[2]
    await root.call("account.disable", account="eve")
    assert (await eve.refused("account.me"))["data"]["name"] == "NotSignedIn"
    assert (await signin.identify(server.context, bearer=token)).account is None
    with pytest.raises(NotSignedIn, match="switched off"):
        await browser(server, "eve")
    with pytest.raises(NotSignedIn):
        await signin.by_link(server.context, link)
    error = await root.refused("token.login", name="eve", password=PASSWORD, label="x")
    assert error["data"]["name"] == "NotSignedIn"
    assert (await root.refused("account.link", account="eve"))["data"]["name"] == "Conflict"
    assert (await root.refused("account.disable", account="root"))["data"]["name"] == "Conflict"
    (details,) = [each for each in await root.call("account.list") if each["name"] == "eve"]
    assert (details["disabled"], details["signins"], details["tokens"], details["worksheets"]) == (
        True,
        0,
        0,
        1,
    )
    await root.call("account.enable", account="eve")
    assert ids(await (await browser(server, "eve")).call("worksheet.list")) == [sheet["id"]]


async def test_the_local_account_cannot_be_locked_out(quick_server: Server) -> None:
    root = await quick_server.sign_in("root", admin=True)
    await quick_server.sign_in("ada", admin=True)
    await root.call("account.disable", account="ada")
    write, now = quick_server.context.database.write, quick_server.context.now
    ada = await write(signin.ensure_local_account, "ada", now)
    assert await write(signin.issue_local_token, ada.name, "server", now)
