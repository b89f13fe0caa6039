"""Every method that writes, sent twice: what is asked for again under its id is done once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Connection, select

from antiphon_webserver.methods import TABLE
from antiphon_webserver.storage.tables import metadata
from tests.webserver.test_access import CASES, Case, World, ready, world

__all__ = ["world"]

ID = "an-id-of-22-characters"

IDS = ("copy", "edit", "msg_id", "run")
"""Parameters by which a client names what it asks for; a noun that is made has its own name as one."""

NOUNS = {
    "worksheet.create": "worksheet",
    "worksheet.import": "worksheet",
    "cell.create": "cell",
    "comment.create": "comment",
    "comment.reply": "comment",
    "token.create": "token",
    "link.create": "link",
}

SECRETS = {
    "token.login": "a program that signs in again has another token; the first one is listed and revocable",
    "account.invite": "the answer is the secret itself, which nobody can tell twice; it ends by itself",
    "account.link": "the answer is the secret itself; it ends by itself",
}
"""Methods that make another secret each time, and why that is right."""

REFUSED = {
    "account.create": "the name is taken",
    "account.set_password": "the current password is needed, and it is the new one now",
    "account.sign_up": "the name is taken",
    "cell.delete": "it is gone",
    "file.delete": "it is gone",
    "link.revoke": "it is gone",
    "member.remove": "it is gone",
    "token.revoke": "it is gone",
    "worksheet.delete": "it is gone",
    "worksheet.transfer": "it is somebody else's",
}
"""Methods whose second answer says that it has been done, and how."""

IGNORED = {("tokens", "last_used"), ("tokens", "hash"), ("worksheet_links", "hash"), ("accounts", "password")}
"""What is not asked for: a secret that is told again is a new one, in place of the first."""


def everything(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that methods write, but for what watches them."""
    return {
        table.name: sorted(
            connection.execute(select(*(c for c in table.c if (table.name, c.name) not in IGNORED))).all(),
            key=repr,
        )
        for table in metadata.sorted_tables
        if table.name not in ("audit", "servers")
    }


def named(case: Case) -> dict[str, Any]:
    """The parameters with an id, where the method takes one."""
    noun = NOUNS.get(case.method)
    known = TABLE[case.method].parameters
    ids = [noun] if noun else [name for name in IDS if name in known and name not in case.params]
    return {**case.params, **dict.fromkeys(ids, ID)}


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.method not in SECRETS],
    ids=lambda case: f"{case.method}-{case.params}",
)
async def test_a_write_sent_twice_is_applied_once(case: Case, world: World) -> None:
    caller = "own" if "own" in case.may else "admin"
    server, person, given = await ready(world, caller, named(case))
    first = await person.answer(case.method, **given)
    once = await world.database.read(everything)
    executed, created = list(server.sessions.executed), dict(server.sessions.created)
    second = await person.answer(case.method, **given)
    assert await world.database.read(everything) == once
    assert (server.sessions.executed, server.sessions.created) == (executed, created)
    if case.method not in REFUSED:
        assert ("error" in second) == ("error" in first), (first, second)
