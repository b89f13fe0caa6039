"""Several web servers of one database and one kernel: what each learns of the others, look by look."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from antiphon_webserver.model import Account, AccountName, Caret, Cell, CellId
from antiphon_webserver.peers import DEAD_SECONDS, Peers
from antiphon_webserver.presence import Presence
from antiphon_webserver.storage import cells, publications, runs, servers, worksheets
from antiphon_webserver.storage.database import Database
from tests.webserver.live import ADA, NOW, SECONDS, SHEET, Kernel, Live, live


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Server:
    """A web server that looks at the others when it is told to."""

    id: str
    live: Live
    presence: Presence
    peers: Peers


@asynccontextmanager
async def serving(database: Database, kernel: Kernel, now: Now, *ids: str) -> AsyncIterator[list[Server]]:
    async with AsyncExitStack() as stack:
        found = []
        for first, id in enumerate(ids):
            await database.write(servers.enter, id, alone=False)
            parts = await stack.enter_async_context(live(database, kernel, id))
            presence = Presence(first=1000 * first + 1)
            peers = Peers(database, parts.relay, parts.sessions, presence, id, clock=now)
            found.append(Server(id, parts, presence, peers))
        yield found


@pytest.fixture
async def pair(database: Database) -> AsyncIterator[tuple[Server, Server, Now]]:
    now = Now()
    async with Kernel().open() as kernel, serving(database, kernel, now, "one", "two") as (one, two):
        for server in (one, two):
            await asyncio.wait_for(server.live.sessions.create(""), SECONDS)  # the kernel is there
        yield one, two, now


async def test_what_one_wrote_is_told_to_the_readers_of_the_other(
    database: Database, pair: tuple[Server, Server, Now]
) -> None:
    _, two, _ = pair
    cursor = (await two.live.relay.entries_since(SHEET, 0, limit=1000, wait=0)).latest
    log = two.live.relay.worksheet(SHEET)
    with log.reader(cursor) as reader:
        waiting = asyncio.ensure_future(reader.next())
        await asyncio.sleep(0)
        made = []
        for number in range(3):
            cell = Cell(id=CellId(f"made-{number}"), type="code", source="")
            _, entries = await database.write(cells.create, SHEET, cell, after=None, author=ADA, now=NOW)
            made += [entry.number for entry in entries]
        await two.peers.look()
        batch = await asyncio.wait_for(waiting, SECONDS)
        assert [item.number for item in batch.items] == made
        await two.peers.look()  # nothing twice
        waiting = asyncio.ensure_future(reader.next())
        await database.write(worksheets.delete, SHEET)
        await two.peers.look()
        assert not await asyncio.wait_for(waiting, SECONDS)
        assert log.ended


async def test_a_session_of_one_is_heard_at_the_other_and_stored_once(
    database: Database, pair: tuple[Server, Server, Now]
) -> None:
    one, two, _ = pair
    uid = await one.live.open_session()
    await one.live.run(uid, "print('first')")
    await two.peers.look()
    async with looking(one, two):
        await check_both_hear(one, two, uid)
    stored = await one.live.stored(uid)
    assert [item.number for item in stored] == list(range(1, stored[-1].number + 1))
    assert await database.read(publications.last_number, uid) == stored[-1].number


@asynccontextmanager
async def looking(*all: Server) -> AsyncIterator[None]:
    """They look again and again: whoever stores the end of a run first tells its own readers."""

    async def look() -> None:
        while True:
            for server in all:
                await server.peers.look()
            await asyncio.sleep(0.01)

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def check_both_hear(one: Server, two: Server, uid: str) -> None:
    with two.live.relay.feed(uid).reader(0) as reader:
        await one.live.run(uid, "print('second')")
        text = ""
        async with asyncio.timeout(SECONDS):
            while "second" not in text:
                items = (await reader.next()).items
                text += "".join(i.content["text"] for i in items if i.msg_type == "stream")
    assert text == "first\nsecond\n"
    assert (await two.live.run(uid, "1 / 0")).state == "error"


async def test_who_is_at_one_is_shown_at_the_other(pair: tuple[Server, Server, Now]) -> None:
    one, two, now = pair
    told = asyncio.Event()
    ada, ben = (Account(name=AccountName(name), display_name="", admin=False) for name in ("ada", "ben"))
    with two.presence.enter(SHEET, ben, lambda state, _: told.set() if state == "carets" else None):
        with one.presence.enter(SHEET, ada, lambda *_: None) as window:
            window.move(
                Caret(
                    window=window.number, account=ada.name, cell=CellId("cell"), version=0, anchor=1, head=1
                )
            )
            await one.peers.look()
            await two.peers.look()
            assert [person.account for person in two.presence.people(SHEET)] == ["ada", "ben"]
            await asyncio.wait_for(told.wait(), SECONDS)
        await one.peers.look()
        await two.peers.look()
        assert [person.account for person in two.presence.people(SHEET)] == ["ben"]
        with one.presence.enter(SHEET, ada, lambda *_: None):
            await one.peers.look()
            await two.peers.look()
        now.seconds += DEAD_SECONDS + 1  # and no word of it since
        await two.peers.look()
        assert [person.account for person in two.presence.people(SHEET)] == ["ben"]


async def test_what_a_dead_server_had_not_sent_is_sent_by_another(
    database: Database, pair: tuple[Server, Server, Now]
) -> None:
    one, two, now = pair
    uid = await two.live.open_session()
    await two.live.run(uid, "1")
    run = await one.live.write_run(uid, "2", "one")
    await two.peers.look()
    now.seconds += DEAD_SECONDS - 1
    await one.peers.look()
    now.seconds += 2
    await two.peers.look()
    found = await database.read(runs.find, run.id)
    assert found is not None
    assert found.state == "queued"  # it has said that it lives
    now.seconds += DEAD_SECONDS + 1
    await two.peers.look()
    async with looking(two):
        assert (await two.live.ended(run)).state == "ok"
    assert list(await database.read(servers.others, "two")) == []
    await one.peers.look()  # it was only slow
    assert list(await database.read(servers.others, "two")) == ["one"]
