"""Links of worksheets: who comes in by one, as whom, how often, until when, and how it ends."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from antiphon_webserver import signin
from antiphon_webserver.attempts import Attempts
from antiphon_webserver.clock import iso
from antiphon_webserver.context import Caller
from antiphon_webserver.errors import NotSignedIn, TooManyAttempts
from antiphon_webserver.expiry import CLEAR_SECONDS, Expiry
from antiphon_webserver.model import Account
from antiphon_webserver.storage import accounts
from antiphon_webserver.storage.tables import metadata
from tests.webserver.conftest import Person, Server


def secret_of(made: dict[str, Any]) -> str:
    return str(made["url"].partition("#visit=")[2])


async def visit(server: Server, made: dict[str, Any], who: Person | None = None) -> Person:
    """Open the link, as a browser without a cookie or as somebody."""
    context = who.context if who else server.context
    found = await signin.by_visit(context, secret_of(made))
    if who:
        assert found.cookie == ""
        return who
    caller = await signin.identify(server.context, cookie=found.cookie)
    return Person(replace(server.context, caller=caller))


async def members(person: Person, sheet: str) -> dict[str, tuple[str, bool]]:
    found = (await person.call("worksheet.open", worksheet=sheet))["members"]
    return {each["account"]: (each["role"], each["link"] is not None) for each in found}


async def people(server: Server, name: str) -> Account | None:
    return await server.context.database.read(accounts.find, name)


async def test_a_visitor_needs_no_account_and_goes_with_the_link(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create", title="T"))["id"]
    made = await ana.call("link.create", worksheet=sheet, role="run")
    assert made["url"].startswith(f"http://antiphon.test/w/{sheet}#visit=")
    guest = await visit(server, made)
    assert (guest.account.visitor, guest.account.display_name) == (True, "visitor 1")
    assert [each["role"] for each in await guest.call("worksheet.list")] == ["run"]
    await guest.call("session.run", worksheet=sheet, code="1")
    assert (await guest.refused("worksheet.rename", worksheet=sheet, title="x"))["code"] == -32003
    assert await members(ana, sheet) == {"ana": ("own", False), guest.account.name: ("run", True)}
    assert [each["name"] for each in await (await server.sign_in("a", admin=True)).call("account.list")] == [
        "a",
        "ana",
    ]

    await ana.call("link.revoke", worksheet=sheet, link=made["link"]["id"])
    assert (await guest.refused("worksheet.open", worksheet=sheet))["data"]["name"] == "NotSignedIn"
    assert await people(server, guest.account.name) is None
    assert await members(ana, sheet) == {"ana": ("own", False)}
    entries = (await ana.call("worksheet.since", worksheet=sheet, cursor=1))["entries"]
    kinds = [(entry["kind"], entry["author"]) for entry in entries if not entry["kind"].startswith("run_")]
    assert kinds[0] == ("link_created", "ana")
    assert kinds[1] == ("member_set", guest.account.name)
    assert kinds[-1] == ("link_ended", "ana")
    with pytest.raises(NotSignedIn, match="is over"):
        await visit(server, made)
    assert (await ana.refused("link.revoke", worksheet=sheet, link=made["link"]["id"]))["code"] == -32002


async def test_a_link_lets_in_as_many_as_it_says_and_counts_each_once(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    made = await ana.call("link.create", worksheet=sheet, role="observe", most_uses=2)
    guest = await visit(server, made)
    await visit(server, made, guest)
    await visit(server, made)
    (link,) = await ana.call("link.list", worksheet=sheet)
    assert (link["uses"], link["most_uses"]) == (2, 2)
    with pytest.raises(NotSignedIn, match="as often as it may be"):
        await visit(server, made)
    await visit(server, made, guest)  # who is in, stays in
    await visit(server, made, ana)


async def test_who_is_signed_in_becomes_a_member_until_the_link_ends(server: Server) -> None:
    ana, ben = await server.sign_in("ana"), await server.sign_in("ben")
    sheet = (await ana.call("worksheet.create"))["id"]
    look = await ana.call("link.create", worksheet=sheet, role="observe")
    edit = await ana.call("link.create", worksheet=sheet, role="edit")
    await visit(server, look, ben)
    assert (await members(ana, sheet))["ben"] == ("observe", True)
    await visit(server, edit, ben)
    assert (await members(ana, sheet))["ben"] == ("edit", True)
    await visit(server, look, ben)
    assert (await members(ana, sheet))["ben"] == ("edit", True)
    await ana.call("link.revoke", worksheet=sheet, link=edit["link"]["id"])
    assert (await ben.refused("worksheet.open", worksheet=sheet))["data"]["name"] == "NotFound"
    await ben.call("account.me")

    await visit(server, look, ben)
    await ana.call("member.set", worksheet=sheet, account="ben", role="observe")
    await ana.call("link.revoke", worksheet=sheet, link=look["link"]["id"])
    assert (await members(ana, sheet))["ben"] == ("observe", False)  # by name now


async def test_a_link_ends_at_its_date_and_takes_its_visitors_with_it(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    end = iso(server.clock.seconds + 60)
    made = await ana.call("link.create", worksheet=sheet, role="edit", expires=end)
    guest = await visit(server, made)
    expiry = Expiry(server.context.database, server.context.relay, clock=server.clock)
    await expiry.look()
    await guest.call("worksheet.open", worksheet=sheet)
    server.clock.seconds += 60
    with pytest.raises(NotSignedIn):
        await visit(server, made)
    await expiry.look()
    assert (await guest.refused("worksheet.open", worksheet=sheet))["data"]["name"] == "NotSignedIn"
    last = (await ana.call("worksheet.since", worksheet=sheet, cursor=0))["entries"][-1]
    assert (last["kind"], last["author"], last["reason"]) == ("link_ended", "ana", "It has expired.")
    assert await ana.call("link.list", worksheet=sheet) == []


async def test_one_browser_visits_several_worksheets(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheets = [(await ana.call("worksheet.create"))["id"] for _ in range(2)]
    links = [await ana.call("link.create", worksheet=sheet, role="observe") for sheet in sheets]
    guest = await visit(quick_server, links[0])
    await visit(quick_server, links[1], guest)
    assert len(await guest.call("worksheet.list")) == 2
    await ana.call("link.revoke", worksheet=sheets[0], link=links[0]["link"]["id"])
    assert [each["id"] for each in await guest.call("worksheet.list")] == [sheets[1]]


async def test_a_visitor_who_signed_out_or_was_removed_is_cleared_away(server: Server) -> None:
    ana = await server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    made = await ana.call("link.create", worksheet=sheet, role="observe")
    leaves, removed, stays = [await visit(server, made) for _ in range(3)]
    await signin.out(leaves.context)
    await ana.call("member.remove", worksheet=sheet, account=removed.account.name)
    expiry = Expiry(server.context.database, server.context.relay, clock=server.clock)
    await expiry.look()
    assert await people(server, leaves.account.name) is None
    assert await people(server, removed.account.name) is None
    assert await members(ana, sheet) == {"ana": ("own", False), stays.account.name: ("observe", True)}
    await signin.out(stays.context)
    await expiry.look()
    assert await people(server, stays.account.name) is not None
    server.clock.seconds += CLEAR_SECONDS
    await expiry.look()
    assert await members(ana, sheet) == {"ana": ("own", False)}


async def test_a_visitor_is_given_no_more_than_a_member(quick_server: Server) -> None:
    ana, root = await quick_server.sign_in("ana"), await quick_server.sign_in("root", admin=True)
    sheet, other = [(await ana.call("worksheet.create"))["id"] for _ in range(2)]
    made = await ana.call("link.create", worksheet=sheet, role="observe")
    guest = await visit(quick_server, made)
    name = guest.account.name
    await ana.call("member.set", worksheet=sheet, account=name, role="edit")
    await guest.call("worksheet.rename", worksheet=sheet, title="x")
    for who, method, params, error in (
        (ana, "member.set", {"worksheet": sheet, "account": name, "role": "own"}, "Conflict"),
        (ana, "member.set", {"worksheet": other, "account": name, "role": "run"}, "NotFound"),
        (ana, "worksheet.transfer", {"worksheet": sheet, "account": name}, "NotFound"),
        (root, "account.link", {"account": name}, "NotFound"),
        (ana, "link.create", {"worksheet": sheet, "role": "own"}, "InvalidParams"),
    ):
        assert (await who.refused(method, **params))["data"]["name"] == error, method
    assert (await root.refused("account.create", name="visitor~1"))["data"]["name"] == "InvalidParams"


async def test_guessing_links_is_slowed_down_by_address(quick_server: Server) -> None:
    context = replace(
        quick_server.context,
        caller=Caller(address="192.0.2.1"),
        visits=Attempts(burst=2),
    )
    for _ in range(2):
        with pytest.raises(NotSignedIn):
            await signin.by_visit(context, "wrong")
    with pytest.raises(TooManyAttempts):
        await signin.by_visit(context, "wrong")
    with pytest.raises(NotSignedIn):
        await signin.by_visit(replace(context, caller=Caller(address="192.0.2.2")), "wrong")


async def test_the_secret_of_a_link_is_stored_nowhere(quick_server: Server) -> None:
    ana = await quick_server.sign_in("ana")
    sheet = (await ana.call("worksheet.create"))["id"]
    made = await ana.call("link.create", worksheet=sheet, role="observe")
    guest = await signin.by_visit(quick_server.context, secret_of(made))

    def everything(connection: Any) -> str:
        return str([connection.execute(table.select()).all() for table in metadata.sorted_tables])

    stored = await quick_server.context.database.read(everything)
    assert sheet in stored
    assert secret_of(made) not in stored
    assert guest.cookie not in stored
