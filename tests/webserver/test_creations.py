"""A web server that dies between asking the kernel for a session and writing its row: no session is left that
nobody knows."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from antiphon_kernel.client import KernelClient
from antiphon_webserver.secret import new_id
from antiphon_webserver.storage import creations, sessions
from antiphon_webserver.storage.creations import Creation
from antiphon_webserver.storage.database import Database
from tests.webserver.live import ADA, NOW, SECONDS, Kernel, live


@pytest.fixture
async def kernel() -> AsyncIterator[Kernel]:
    async with Kernel().open() as kernel:
        yield kernel


async def begun(database: Database, kernel: Kernel, *, lasts: bool, asked: bool, name: str = "") -> Creation:
    """What a server leaves that was killed after its first write, and perhaps after the kernel's answer."""
    creation = Creation(request=new_id(), owner=ADA, title="T", kernel=name, server="dead", lasts=lasts)
    async with live(database, kernel, "dead"):
        assert await database.write(creations.begin, creation, NOW) is None
    if asked:
        async with kernel.connect() as client:
            await client.create_session("T", msg_id=creation.request)
    return creation


async def uids(client: KernelClient) -> set[str]:
    return {session.uid for session in await client.list_sessions()}


@pytest.mark.parametrize("asked", [True, False], ids=["asked", "not asked"])
async def test_a_session_that_nobody_was_told_of_is_closed(
    asked: bool, database: Database, kernel: Kernel
) -> None:
    creation = await begun(database, kernel, lasts=False, asked=asked)
    async with live(database, kernel, "next") as server:
        other = await asyncio.wait_for(server.open_session(), SECONDS)  # once stock is taken
        assert await uids(kernel.client) == {other}
        assert await database.read(creations.left) == ()
        assert await database.write(creations.begin, creation, NOW) is None


async def test_a_session_that_is_asked_for_again_is_the_one_that_was_made(
    database: Database, kernel: Kernel
) -> None:
    creation = await begun(database, kernel, lasts=True, asked=True)
    async with kernel.connect() as client:
        (made,) = await uids(client)
    async with live(database, kernel, "next") as server:
        await asyncio.wait_for(server.open_session(), SECONDS)
        assert made in await uids(kernel.client)
        assert await database.write(creations.begin, creation, NOW) == made
        found = await database.read(sessions.find, made)
        assert found is not None
        assert (found.owner, found.title, found.worksheet) == (ADA, "T", None)


async def test_what_the_kernel_refuses_is_not_asked_for_again(database: Database, kernel: Kernel) -> None:
    await begun(database, kernel, lasts=False, asked=False, name="fortran")
    async with live(database, kernel, "next") as server:
        await asyncio.wait_for(server.open_session(), SECONDS)
        assert await database.read(creations.left) == ()
