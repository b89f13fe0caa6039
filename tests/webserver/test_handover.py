"""Runs that a server wrote and could not send any more: who sends them, and which are not sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from msgspec import structs

from antiphon_webserver.clock import iso
from antiphon_webserver.context import Caller, Context
from antiphon_webserver.errors import NotFound
from antiphon_webserver.handover import LATE_SECONDS, hand_over
from antiphon_webserver.methods import series as series_methods
from antiphon_webserver.methods import session as session_methods
from antiphon_webserver.model import Account, Cell, CellId, Run, RunId
from antiphon_webserver.recorder import CLOSED
from antiphon_webserver.secret import new_id
from antiphon_webserver.storage import cells, claims, runs, servers, sessions, worksheets
from antiphon_webserver.storage.database import Database
from tests.webserver.live import ADA, SECONDS, SHEET, Kernel, Live, live


@pytest.fixture
async def kernel() -> AsyncIterator[Kernel]:
    async with Kernel().open() as kernel:
        yield kernel


async def open_session(server: Live) -> str:
    """A session that has run something."""
    uid = await server.open_session()
    await run(server, uid, "ran = []")
    return uid


async def run(server: Live, uid: str, code: str) -> Run:
    written = await server.write_run(uid, code, server.context.server)
    await hand_over(server.context, written)
    return await ended(server.database, written)


async def restart(server: Live, uid: str) -> None:
    """Restart the session; returns when that is stored."""
    before = len(await server.stored(uid))
    await server.sessions.restart(uid)
    with server.relay.feed(uid).reader(before) as reader:
        async with asyncio.timeout(SECONDS):
            while not any(
                item.msg_type == "status" and item.content["execution_state"] == "restarting"
                for item in (await reader.next()).items
            ):
                pass
    await server.relay.feed(uid).settled()


async def printed(server: Live, uid: str, run: Run) -> str:
    await server.relay.feed(uid).settled()
    stored = await server.stored(uid)
    return "".join(p.content["text"] for p in stored if p.msg_type == "stream" and p.parent == run.msg_id)


async def ended(database: Database, run: Run) -> Run:
    """The run, once it has ended: whichever server stores that first tells its own readers."""
    async with asyncio.timeout(SECONDS):
        while True:
            found = await database.read(runs.find, run.id)
            if found is not None and found.state not in runs.OPEN:
                return found
            await asyncio.sleep(0.01)


async def test_what_was_not_sent_is_sent_in_its_order_by_the_next_start(
    database: Database, kernel: Kernel
) -> None:
    async with live(database, kernel) as before:
        uid = await open_session(before)
        unsent = [await before.write_run(uid, f"ran.append({i}); print(ran)") for i in range(3)]
    async with live(database, kernel) as after:
        for run in unsent:
            assert (await ended(database, run)).state == "ok"
        assert await printed(after, uid, unsent[-1]) == "[0, 1, 2]\n"


async def test_a_living_servers_runs_are_left_to_it(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await open_session(server)
        await database.write(servers.enter, "other", alone=False)
        theirs = await server.write_run(uid, "2", "other")
        ours = await server.write_run(uid, "3")
        await server.sessions.take_over()
        assert (await ended(database, ours)).state == "ok"
        found = await database.read(runs.find, theirs.id)
        assert found is not None
        assert found.state == "queued"
        await database.write(servers.leave, "other")
        await server.sessions.take_over()
        assert (await ended(database, theirs)).state == "ok"


async def test_one_that_both_send_runs_once(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel, "one") as one, live(database, kernel, "two") as two:
        uid = await open_session(one)
        await two.sessions.look_around()
        run = await one.write_run(uid, "ran.append(1); print(ran)", "one")  # and one is taken for dead
        await two.sessions.take_over()
        await hand_over(one.context, run)
        assert (await ended(database, run)).state == "ok"
        await hand_over(one.context, run)
        assert await printed(one, uid, run) == "[1]\n"


async def test_a_slow_server_sends_nothing_that_another_has_claimed(
    database: Database, kernel: Kernel
) -> None:
    async with live(database, kernel, "one", lives=False) as one, live(database, kernel, "two") as two:
        uid = await open_session(one)
        await database.write(servers.enter, "two", alone=False)
        await two.sessions.look_around()
        lost = await one.write_run(uid, "ran.append(1)", "one")
        await restart(one, uid)
        await two.sessions.take_over()
        assert (await ended(database, lost)).reason == claims.RESTARTED
        await hand_over(one.context, lost)
        kept = await one.write_run(uid, "print('ran' in globals())", "one")
        await hand_over(one.context, kept)
        assert (await ended(database, kept)).state == "ok"
        assert await printed(two, uid, kept) == "False\n"


async def test_a_run_is_not_sent_into_another_namespace(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await open_session(server)
        run = await server.write_run(uid, "print('again')")
        await restart(server, uid)
        await server.sessions.take_over()
        lost = await ended(database, run)
        assert (lost.state, lost.reason) == ("lost", claims.RESTARTED)
        assert await printed(server, uid, run) == ""


async def test_a_run_is_not_sent_after_a_later_one_of_its_cell(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await open_session(server)
        old = await server.write_run(uid, "x = 'old'", cell="cell")
        new = await server.write_run(uid, "x = 'new'", cell="cell")
        other = await server.write_run(uid, "y = 1", cell="other")
        await server.sessions.execute(uid, new.code, new.msg_id, ADA)
        await ended(database, new)
        await server.sessions.take_over()
        assert (await ended(database, old)).reason == claims.RUN_AGAIN
        assert (await ended(database, other)).state == "ok"


async def test_a_run_that_waited_too_long_is_lost(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await open_session(server)
        now = server.context.clock()
        late = await server.write_run(uid, "1", created=iso(now - LATE_SECONDS - 60))
        soon = await server.write_run(uid, "2", created=iso(now - LATE_SECONDS + 300))
        await server.sessions.take_over()
        assert (await ended(database, late)).reason == claims.TOO_LATE
        assert (await ended(database, soon)).state == "ok"


async def test_what_a_closed_session_never_had_is_lost(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel) as server:
        uid = await open_session(server)
        run = await server.write_run(uid, "1")
        await session_methods.close(server.context, session=uid)
        lost = await ended(database, run)
        assert (lost.state, lost.reason) == ("lost", CLOSED)
        again = await server.write_run(uid, "2")
        await server.sessions.take_over()
        assert (await ended(database, again)).state == "lost"
        assert (await server.session(uid)).state == "closed"


# --- Series -------------------------------------------------------------------------------------


def as_ada(server: Live) -> Context:
    return replace(server.context, caller=Caller(account=Account(name=ADA, display_name="Ada", admin=False)))


async def run_all(server: Live, *codes: str) -> tuple[Run, ...]:
    """*Run all* of cells with these codes."""
    for old in await server.database.read(cells.list_all, SHEET):
        await server.database.write(cells.delete, SHEET, old.id, author=ADA, now=server.context.now)
    after = None
    for code in codes:
        cell = Cell(id=CellId(new_id()), type="code", source=code)
        await server.database.write(
            cells.create, SHEET, cell, after=after, author=ADA, now=server.context.now
        )
        after = cell.id
    return await series_methods.run(as_ada(server), worksheet=SHEET, which="all")


OPENED: list[int] = []
"""Lets the code of ``WAITS`` go on, as a session of these tests shares the process with them."""

WAITS = f"""\
import asyncio
from {__name__} import OPENED
while not OPENED:
    await asyncio.sleep(0.01)
ran.append(1)"""


@pytest.fixture(autouse=True)
def closed() -> None:
    OPENED.clear()


async def started(database: Database, run: Run) -> None:
    async with asyncio.timeout(SECONDS):
        while True:
            found = await database.read(runs.find, run.id)
            if found is not None and found.started:
                return
            await asyncio.sleep(0.01)


async def test_a_series_goes_on_when_its_server_dies(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel, "two") as two:
        await database.write(servers.enter, "two", alone=False)
        async with live(database, kernel, "one") as one:
            uid = await open_session(one)
            first, *rest = await run_all(one, WAITS, "ran.append(2)", "print(ran)", "1 / 0", "never")
            await started(database, first)
        await two.sessions.take_over()
        await two.sessions.take_over()  # once more, as after a kernel that was away
        OPENED.append(1)
        for run in (first, *rest[:2]):
            assert (await ended(database, run)).state == "ok"
        assert await printed(two, uid, rest[1]) == "[1, 2]\n"
        assert (await ended(database, rest[2])).state == "error"
        cancelled = await ended(database, rest[3])
        assert (cancelled.state, cancelled.reason) == (
            "cancelled",
            "not run: cell 4 before it raised an error",
        )


async def test_a_run_that_waits_at_one_is_cancelled_at_another(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel, "one") as one, live(database, kernel, "two") as two:
        for id in ("one", "two"):
            await database.write(servers.enter, id, alone=False)
        uid = await open_session(one)
        first, second, third = await run_all(one, WAITS, "ran.append(2)", "ran.append(3)")
        await started(database, first)
        await session_methods.cancel(as_ada(two), session=uid, msg_id=second.msg_id)
        with pytest.raises(NotFound):  # it has ended
            await session_methods.cancel(as_ada(two), session=uid, msg_id=second.msg_id)
        OPENED.append(1)
        assert (await ended(database, first)).state == "ok"
        assert (await ended(database, second)).reason == "cancelled by ada"
        assert (await ended(database, third)).reason == "not run: cell 2 before it was cancelled"
        after = await run(one, uid, "print(ran)")
        assert await printed(one, uid, after) == "[1]\n"


async def test_a_series_does_not_go_on_in_another_namespace(database: Database, kernel: Kernel) -> None:
    async with live(database, kernel, "one") as one:
        uid = await open_session(one)
        first, second, third = await run_all(one, WAITS, "2", "3")
        await started(database, first)
    async with live(database, kernel, "two") as two:
        await restart(two, uid)
        assert (await ended(database, third)).state == "cancelled"
        assert (await ended(database, second)).state == "cancelled"


async def test_the_turn_of_a_run_comes_once_and_in_its_own_namespace(
    database: Database, kernel: Kernel
) -> None:
    async with live(database, kernel, "one") as one:
        uid = await open_session(one)
        first, second = await run_all(one, "1", "2")
        await ended(database, second)
        now = one.context.now
        assert await database.write(claims.turn, first, "one", now) == (False, None)
    created = tuple(
        replace_run(first, id=RunId(f"another-series-0001.{index}"), msg_id=new_id()) for index in range(2)
    )
    number = await database.read(worksheets.heads, (SHEET,))
    await database.write(runs.insert, [(number[SHEET] + i, run) for i, run in enumerate(created, 1)], "one")
    assert await database.write(claims.turn, created[0], "two", now) == (False, None)
    assert await database.write(claims.turn, created[0], "one", now) == (True, None)
    assert await database.write(claims.turn, created[0], "one", now) == (False, None)
    await database.write(sessions.set_restarted, uid, now)
    is_due, end = await database.write(claims.turn, created[1], "one", now)
    assert not is_due
    assert end is not None
    assert (end[1].state, end[1].reason) == ("cancelled", claims.TURN_RESTARTED)


def replace_run(run: Run, **more: object) -> Run:
    return structs.replace(run, state="queued", ended=None, started=None, **more)
